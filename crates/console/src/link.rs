//! The links by which people come: the token in a link's fragment, and the look that it asks for.
//!
//! Anybody who has a link can change what it says. So the look is read as a stranger's word, comes down to a language of
//! the console and a legible colour, and changes nothing else. It lasts as long as the session, in whose cookie it is.

use url::Url;

use crate::form::Fields;
use crate::texts::Language;
use crate::theme::Accent;

/// The text that somebody opened or pasted: a key, or a link to a page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) token: String,
    pub(crate) look: Look,
}

/// The look that a link asks for; none of it where it asks for nothing that there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// The language where the visitor has chosen none.
    pub(crate) language: Option<Language>,
    /// The colour in place of the configured one.
    pub(crate) accent: Option<Accent>,
}

impl Link {
    /// Reads a key, a link, or the fragment of one.
    pub(crate) fn read(pasted: &str) -> Self {
        let url = Url::parse(pasted).ok();
        let fragment = url.as_ref().and_then(Url::fragment).unwrap_or(pasted).trim();
        if !fragment.starts_with("token=") {
            return Self {
                token: fragment.to_owned(),
                look: Look::default(),
            };
        }
        let fields = Fields::of(fragment);
        Self {
            token: fields.text("token").to_owned(),
            look: Look::read(fields.text("lang"), fields.text("accent")),
        }
    }
}

impl Look {
    pub(crate) fn read(language: &str, accent: &str) -> Self {
        Self {
            language: Language::named(language),
            accent: Accent::read(accent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_and_its_token_are_the_same_to_the_form() {
        for pasted in [
            "tk_abc",
            "token=tk_abc",
            "https://hooks.example.com/webhooks#token=tk_abc",
            " https://hooks.example.com/webhooks/logs?status_code=5xx#token=tk_abc\n",
        ] {
            let expected = Link {
                token: "tk_abc".into(),
                look: Look::default(),
            };
            assert_eq!(Link::read(pasted), expected, "{pasted:?}");
        }
    }

    #[test]
    fn a_look_is_a_language_and_a_colour_or_nothing() {
        let look = |rest: &str| {
            let link = Link::read(&format!("https://hooks.example.com/webhooks#token=tk_abc{rest}"));
            assert_eq!(link.token, "tk_abc", "{rest}");
            link.look
        };
        let whole = look("&lang=de&accent=%23FFe600");
        assert_eq!(whole.language, Some(Language::German));
        assert_eq!(whole.accent, Accent::read("#ffe600"));
        assert_eq!(look("&accent=#ffe600").accent, Accent::read("#ffe600"));
        for nothing in [
            "&lang=fr&accent=red",
            "&lang=&accent=",
            "&lang=../de&accent=%23ffe600%3B%7D%20a%20%7B",
            "&accent=url(https://evil.example)",
        ] {
            assert_eq!(look(nothing), Look::default(), "{nothing}");
        }
    }
}
