//! The console's words in each language, as Fluent files.

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

/// A language of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    German,
}

impl Language {
    pub(crate) const ALL: [Self; 2] = [Self::English, Self::German];

    /// Its BCP 47 code.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// Its own name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
        }
    }

    pub(crate) fn named(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }

    /// The first that a browser accepts (RFC 9110, section 12.5.4; browsers send the preferred one first).
    pub(crate) fn accepted(header: &str) -> Self {
        let mut codes = header.split(',').filter_map(|range| range.split([';', '-']).next());
        codes.find_map(|code| Self::named(code.trim())).unwrap_or(Self::English)
    }

    fn file(self) -> &'static str {
        match self {
            Self::English => include_str!("../languages/en.ftl"),
            Self::German => include_str!("../languages/de.ftl"),
        }
    }

    /// Texts for the API's refusals, by their codes. In English the API's own words are used.
    fn problems(self) -> Option<&'static str> {
        match self {
            Self::English => None,
            Self::German => Some(include_str!("../languages/de-problems.ftl")),
        }
    }

    fn id(self) -> LanguageIdentifier {
        self.code().parse().unwrap_or_default()
    }
}

/// All words.
pub(crate) struct Texts([FluentBundle<FluentResource>; 2]);

impl Texts {
    pub(crate) fn new() -> Self {
        Self(Language::ALL.map(bundle))
    }

    /// The text of this key; the key itself where there is none.
    pub(crate) fn say(&self, language: Language, key: &str, values: &[(&str, String)]) -> String {
        let bundle = &self.0[language as usize];
        let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
            return key.to_owned();
        };
        let mut arguments = FluentArgs::new();
        for (name, value) in values {
            let number = value.parse::<f64>().ok().filter(|_| value.len() < 10);
            let value = number.map_or_else(|| FluentValue::from(value.as_str()), FluentValue::from);
            arguments.set(*name, value);
        }
        let mut errors = Vec::new();
        bundle
            .format_pattern(pattern, Some(&arguments), &mut errors)
            .into_owned()
    }
}

fn bundle(language: Language) -> FluentBundle<FluentResource> {
    let mut bundle = FluentBundle::new_concurrent(vec![language.id()]);
    // Marks around what is put in would be copied along with ids.
    bundle.set_use_isolating(false);
    for file in [Some(language.file()), language.problems()].into_iter().flatten() {
        // A test reads each file; what can't be read of one is left out.
        let resource = FluentResource::try_new(file.to_owned()).unwrap_or_else(|(read, _)| read);
        bundle.add_resource_overriding(resource);
    }
    bundle
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The keys of a file.
    fn keys(language: Language) -> BTreeSet<&'static str> {
        let lines = language.file().lines();
        let keys = lines.filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()));
        keys.filter_map(|line| line.split(" =").next()).collect()
    }

    /// The names of what is put into a text.
    fn arguments(language: Language, key: &str) -> BTreeSet<&'static str> {
        let mut lines = language
            .file()
            .lines()
            .skip_while(|line| !line.starts_with(&format!("{key} =")));
        let first = lines.next().unwrap_or_default();
        let text =
            std::iter::once(first).chain(lines.take_while(|line| line.starts_with(' ') || line.starts_with('}')));
        text.flat_map(|line| line.split('$').skip(1))
            .filter_map(|rest| rest.split(|c: char| !c.is_ascii_lowercase()).next())
            .collect()
    }

    #[test]
    fn every_file_is_fluent() {
        let files = Language::ALL.into_iter().flat_map(|language| {
            let files = [Some(language.file()), language.problems()].into_iter().flatten();
            files.map(move |file| (language, file))
        });
        for (language, file) in files {
            let read = FluentResource::try_new(file.to_owned());
            assert!(
                read.is_ok(),
                "{}: {:?}",
                language.code(),
                read.map_err(|(_, errors)| errors).err()
            );
        }
    }

    #[test]
    fn every_language_has_every_text_with_the_same_arguments() {
        assert_eq!(keys(Language::English), keys(Language::German));
        for key in keys(Language::English) {
            assert_eq!(
                arguments(Language::English, key),
                arguments(Language::German, key),
                "{key}"
            );
        }
    }

    #[test]
    fn every_text_that_is_used_exists() {
        let (english, mut used) = (keys(Language::English), BTreeSet::new());
        for text in sources() {
            for call in [".t(\"", ".t1(\"", ".t2(\""] {
                let keys = text.split(call).skip(1).filter_map(|rest| rest.split('"').next());
                used.extend(keys.map(str::to_owned));
            }
        }
        let missing: Vec<_> = used.iter().filter(|key| !english.contains(key.as_str())).collect();
        assert!(used.len() > 100 && missing.is_empty(), "{missing:?}");
    }

    /// The codes between quotes behind these words in the files of a directory of control.
    fn codes(directory: &str, words: &[&str]) -> BTreeSet<String> {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../control/src");
        let files = std::fs::read_dir(root.join(directory)).unwrap();
        let texts = files.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap_or_default());
        let mut codes = BTreeSet::new();
        for text in texts {
            for word in words {
                let rests = text
                    .split(word)
                    .skip(1)
                    .filter_map(|rest| rest.trim_start().strip_prefix('"'));
                codes.extend(rests.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
            }
        }
        codes
    }

    #[test]
    fn what_control_says_is_said_in_every_language() {
        let english = keys(Language::English);
        let words = ["Fact::new(", "sent("];
        let facts = &codes("operations/explain", &words) | &codes("operations/explain/sentences", &words);
        let findings = codes("operations/system", &["Finding::new(", "about("]);
        assert!(facts.len() > 30 && findings.len() > 5, "{facts:?} {findings:?}");
        let keys = |kind: &str, codes: BTreeSet<String>| {
            let keys = codes
                .into_iter()
                .map(|code| format!("{kind}-{}", code.replace('_', "-")));
            keys.collect::<BTreeSet<_>>()
        };
        for key in keys("fact", facts).union(&keys("finding", findings)) {
            assert!(english.contains(key.as_str()), "{key}");
        }
    }

    /// Templates and handlers.
    fn sources() -> Vec<String> {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        [
            "templates",
            "templates/admin",
            "src/tenant",
            "src/admin",
            "src/show",
            "src/verify",
        ]
        .iter()
        .flat_map(|directory| std::fs::read_dir(root.join(directory)).unwrap())
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap_or_default())
        .collect()
    }

    #[test]
    fn numbers_choose_the_plural() {
        let texts = Texts::new();
        let minutes = |language, n: u32| texts.say(language, "ago-minutes", &[("n", n.to_string())]);
        assert_eq!(minutes(Language::English, 1), "1 minute ago");
        assert_eq!(minutes(Language::English, 5), "5 minutes ago");
        assert_eq!(minutes(Language::German, 1), "vor 1 Minute");
        assert_eq!(minutes(Language::German, 5), "vor 5 Minuten");
    }

    #[test]
    fn the_first_language_that_a_browser_accepts_is_taken() {
        assert_eq!(Language::accepted("de-AT,de;q=0.9,en;q=0.8"), Language::German);
        assert_eq!(Language::accepted("fr, en;q=0.5"), Language::English);
        assert_eq!(Language::accepted(""), Language::English);
    }
}
