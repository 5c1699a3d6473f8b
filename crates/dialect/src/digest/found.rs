//! The scalars of a payload under the names that they usually have.

use std::borrow::Cow;

use super::words::{in_snake_case, in_words};
use super::{one_line, visible};
use crate::members::{Member, decoded, members};

/// How many members of one object are looked at: a person reads fewer.
const MAX_MEMBERS: usize = 200;

/// An object of the payload that is looked into.
struct Part {
    key: &'static str,
    /// Whether it is about the event itself, so that its keys mean what they would mean at the top level.
    /// Else they get the part's name: a user's `email` is `user_email`.
    own: bool,
    /// Whether only well-known keys of it are for people.
    noisy: bool,
}

const fn part(key: &'static str, own: bool, noisy: bool) -> Part {
    Part { key, own, noisy }
}

const PARTS: [Part; 15] = [
    part("feedback", true, false),
    part("submission", true, false),
    part("comment", true, false),
    part("data", true, false),
    part("issue", true, false),
    part("added_issue", true, false),
    part("user", false, true),
    part("customer", false, true),
    part("author", false, true),
    part("project", false, true),
    part("channel", false, true),
    part("campaign", false, true),
    part("company", false, true),
    part("context", true, true),
    part("metadata", true, true),
];

/// What is worth a field wherever it stands, in the order in which people want it.
const WANTED: [&str; 24] = [
    "category",
    "feedback_type",
    "status",
    "previous_status",
    "priority",
    "previous_priority",
    "sentiment",
    "assignee",
    "votes",
    "survey_question",
    "follow_up_question",
    "project",
    "project_name",
    "channel_name",
    "campaign_name",
    "company",
    "company_name",
    "plan",
    "page_url",
    "hostname",
    "pathname",
    "browser",
    "os",
    "country",
];

/// A scalar.
pub(super) struct Entry<'a> {
    /// Its key in snake case, with the name of its part where that tells more.
    name: String,
    key: Cow<'a, str>,
    pub(super) text: String,
    pub(super) kind: Kind,
    noisy: bool,
    taken: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Word,
}

/// The scalars of the top level and of the parts, those of the top level first.
pub(super) struct Found<'a>(Vec<Entry<'a>>);

impl<'a> Found<'a> {
    pub(super) fn in_payload(payload: &'a str) -> Self {
        let top = members(payload).unwrap_or_default();
        let mut entries = Vec::new();
        let mut inside: Vec<(&Part, &str)> = Vec::new();
        for member in top.into_iter().take(MAX_MEMBERS) {
            let name = in_snake_case(&member.key);
            match PARTS.iter().find(|part| part.key == name) {
                Some(part) if member.value.starts_with('{') => inside.push((part, member.value)),
                _ => entries.extend(entry(member, name, false)),
            }
        }
        inside.sort_by_key(|(part, _)| PARTS.iter().position(|it| it.key == part.key));
        for (part, text) in inside {
            for member in members(text).unwrap_or_default().into_iter().take(MAX_MEMBERS) {
                let name = in_snake_case(&member.key);
                let name = match part.own && name != "name" {
                    true => name,
                    false => format!("{}_{name}", part.key),
                };
                entries.extend(entry(member, name, part.noisy));
            }
        }
        Self(entries)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first text of these names, which is then no field any more.
    pub(super) fn take(&mut self, names: &[&str]) -> Option<String> {
        self.take_if(names, |entry| entry.kind == Kind::Text)
    }

    pub(super) fn take_if(&mut self, names: &[&str], fits: impl Fn(&Entry<'_>) -> bool) -> Option<String> {
        let place = names.iter().find_map(|name| {
            let named = |entry: &Entry<'_>| entry.name == *name && !entry.taken && fits(entry);
            self.0.iter().position(named)
        })?;
        let entry = self.0.get_mut(place)?;
        entry.taken = true;
        Some(entry.text.clone())
    }

    /// The first value of this name, whether it was taken or not.
    pub(super) fn peek(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|entry| entry.name == name).map(|entry| &*entry.text)
    }

    /// What is worth a field and was not taken: what is wanted first, then what else the event says of itself.
    pub(super) fn fields(&self, max: usize) -> Vec<(String, String)> {
        let wanted = WANTED
            .iter()
            .filter_map(|name| self.0.iter().find(|entry| entry.name == *name));
        let others = self
            .0
            .iter()
            .filter(|entry| !entry.noisy && !is_for_programs(&entry.name) && !WANTED.contains(&&*entry.name));
        shown(wanted.chain(others), max)
    }

    /// What there is, for an event of which nothing is known.
    pub(super) fn everything(&self, max: usize) -> Vec<(String, String)> {
        shown(self.0.iter(), max)
    }
}

fn shown<'e>(entries: impl Iterator<Item = &'e Entry<'e>>, max: usize) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    let open = entries.filter(|entry| !entry.taken && !is_secret(&entry.name));
    for entry in open {
        if fields.len() == max {
            break;
        }
        let label = entry.label();
        if fields.iter().all(|(name, _)| *name != label) {
            fields.push((label, one_line(&entry.text)));
        }
    }
    fields
}

impl Entry<'_> {
    fn label(&self) -> String {
        // A project's name is the project.
        let owner = self
            .name
            .strip_suffix("_name")
            .filter(|owner| PARTS.iter().any(|part| part.key == *owner));
        let words = in_words(owner.unwrap_or(&self.key));
        visible(&words).map_or_else(|| "Field".to_owned(), |words| one_line(&words))
    }
}

/// None for what is no scalar, `null`, or a text without anything to see.
fn entry<'a>(member: Member<'a>, name: String, noisy: bool) -> Option<Entry<'a>> {
    let (kind, text) = match member.value.as_bytes().first()? {
        b'"' => (Kind::Text, visible(&decoded(member.value))?),
        b't' => (Kind::Word, "yes".to_owned()),
        b'f' => (Kind::Word, "no".to_owned()),
        b'-' | b'0'..=b'9' => (Kind::Number, member.value.to_owned()),
        _ => return None,
    };
    Some(Entry {
        name,
        key: member.key,
        text,
        kind,
        noisy,
        taken: false,
    })
}

/// Ids, times, and what the title says already.
fn is_for_programs(name: &str) -> bool {
    let last = name.rsplit('_').next().unwrap_or_default();
    matches!(last, "id" | "ids" | "uuid" | "at" | "timestamp") || matches!(name, "type" | "action" | "event")
}

fn is_secret(name: &str) -> bool {
    ["token", "secret", "password", "api_key"]
        .iter()
        .any(|word| name.contains(word))
}
