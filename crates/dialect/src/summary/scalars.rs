//! Collects the scalars of a payload under their usual names.

use std::borrow::Cow;

use tidings_domain::EventType;

use super::changes::{self, Change, changes};
use super::links;
use super::values::{MAX_ITEMS, joined, name_in, scalar, url_of};
use super::wording::{in_snake_case, in_words};
use super::{MESSAGES, SUBJECTS, one_line, visible};
use crate::members::{Member, decoded, items, members};

/// Maximum members examined per object; a person reads fewer.
const MAX_MEMBERS: usize = 200;
/// Maximum depth of the search for an object with content.
const MAX_DEPTH: usize = 3;

/// An object of the payload that is looked into.
struct Part {
    key: &'static str,
    /// The part is about the event itself, so its keys mean the same as at the top level. Otherwise they get the
    /// part's name: a user's `email` is `user_email`.
    own: bool,
    /// Only the part's well-known keys are of interest to people.
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

/// Names that become fields wherever they stand, most important first.
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

/// A scalar, or a list of them.
pub(super) struct Entry<'a> {
    /// Its key in snake case, with the name of its part where that tells more.
    name: String,
    key: Cow<'a, str>,
    pub(super) text: String,
    pub(super) kind: Kind,
    /// Of a list, the URLs in it.
    pub(super) urls: Vec<String>,
    noisy: bool,
    taken: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Word,
    List,
}

/// The scalars of the top level and of the parts, those of the top level first; and what changed.
pub(super) struct Scalars<'a> {
    entries: Vec<Entry<'a>>,
    pub(super) changes: Vec<Change>,
}

impl<'a> Scalars<'a> {
    pub(super) fn in_payload(payload: &'a str, event_type: &EventType) -> Self {
        let top = members(payload).unwrap_or_default();
        let mut found = Self {
            entries: Vec::new(),
            changes: changes(&top, changed_thing(event_type)),
        };
        let subject = subject_of(&top);
        let mut inside: Vec<(usize, &'static Part, &str)> = Vec::new();
        for member in top.into_iter().take(MAX_MEMBERS) {
            let name = in_snake_case(&member.key);
            let known = PARTS.iter().position(|part| part.key == name);
            match known.and_then(|at| Some((at, PARTS.get(at)?))) {
                Some((at, part)) if member.value.starts_with('{') => inside.push((at, part, member.value)),
                _ if subject.as_ref().is_some_and(|(subject, _)| *subject == name) => {}
                _ => found.entries.extend(entry(member, name, false)),
            }
        }
        inside.sort_by_key(|(at, ..)| *at);
        for (_, part, text) in inside {
            found.look_into(text, part.key, part.own, part.noisy, MAX_DEPTH, event_type);
        }
        if let Some((name, text)) = subject {
            found.look_into(text, &name, true, false, MAX_DEPTH, event_type);
        }
        if found.changes.is_empty() {
            found.changes.extend(found.change_across());
        }
        found
    }

    /// A change whose halves stand in different objects: the `previousStatus` beside an `issue` with its `status`.
    fn change_across(&self) -> Option<Change> {
        self.entries.iter().find_map(|was| {
            let name = changes::of_before(&was.name)?;
            let is = self.entries.iter().find(|entry| entry.name == name)?;
            let (from, to) = (one_line(&was.text), one_line(&is.text));
            (from != to).then(|| Change {
                name: in_words(name),
                from,
                to,
            })
        })
    }

    fn look_into(&mut self, text: &'a str, part: &str, own: bool, noisy: bool, depth: usize, event_type: &EventType) {
        let inside = members(text).unwrap_or_default();
        if own && self.changes.is_empty() {
            self.changes = changes(&inside, changed_thing(event_type));
        }
        // An envelope within the envelope, `{"data": {"object": {…}}}`, says nothing beside the object.
        if let Some((deeper, object)) = subject_of(&inside).filter(|_| own && depth > 0) {
            let speaks = |member: &Member<'_>| {
                let name = in_snake_case(&member.key);
                name != deeper && !is_for_programs(&name) && scalar(member.value).is_some()
            };
            if !inside.iter().any(speaks) {
                return self.look_into(object, part, own, noisy, depth - 1, event_type);
            }
        }
        for mut member in inside.into_iter().take(MAX_MEMBERS) {
            let name = in_snake_case(&member.key);
            let name = match own && name != "name" {
                true => name,
                false => format!("{part}_{name}"),
            };
            if own && member.key == "name" {
                // An assignee's name is the assignee.
                member.key = part.to_owned().into();
            }
            self.entries.extend(entry(member, name, noisy));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.changes.is_empty()
    }

    /// The first text of these names, which is then no field any more.
    pub(super) fn take(&mut self, names: &[&str]) -> Option<String> {
        self.take_if(names, |entry| entry.kind == Kind::Text)
    }

    pub(super) fn take_if(&mut self, names: &[&str], fits: impl Fn(&Entry<'_>) -> bool) -> Option<String> {
        let place = names.iter().find_map(|name| {
            let named = |entry: &Entry<'_>| entry.name == *name && !entry.taken && fits(entry);
            self.entries.iter().position(named)
        })?;
        let entry = self.entries.get_mut(place)?;
        entry.taken = true;
        Some(entry.text.clone())
    }

    /// The first URL that these names have and that fits, which is then no field any more.
    pub(super) fn take_url(&mut self, names: &[&str], fits: impl Fn(&str) -> bool) -> Option<String> {
        names.iter().find_map(|name| {
            let named = self
                .entries
                .iter_mut()
                .filter(|entry| entry.name == *name && !entry.taken);
            named.into_iter().find_map(|entry| {
                let texts = match entry.kind {
                    Kind::Text => std::slice::from_ref(&entry.text),
                    Kind::List => entry.urls.as_slice(),
                    Kind::Number | Kind::Word => &[],
                };
                let url = texts.iter().find(|text| fits(text)).cloned();
                entry.taken |= url.is_some();
                url
            })
        })
    }

    /// The value that the event type names: the `status` of `feedback.status_changed`.
    pub(super) fn named_by(&self, event_type: &EventType) -> Option<(String, String)> {
        let words = in_snake_case(event_type.as_str());
        let mut verbs = words.split('_').skip(1).filter(|word| word.len() >= 4);
        verbs.find_map(|verb| {
            let open = |entry: &&Entry<'_>| !entry.taken && !entry.noisy && !is_for_programs(&entry.name);
            let alike = |entry: &&Entry<'_>| same_stem(verb, &entry.name);
            let entry = self.entries.iter().filter(open).find(alike)?;
            Some((entry.label(), one_line(&entry.text)))
        })
    }

    /// The first value of this name, whether it was taken or not.
    pub(super) fn peek(&self, name: &str) -> Option<&str> {
        self.entries
            .iter()
            .find(|entry| entry.name == name)
            .map(|entry| &*entry.text)
    }

    /// Fields for values not taken yet: the wanted ones first, then the event's others.
    pub(super) fn fields(&self, max: usize) -> Vec<(String, String)> {
        let wanted = WANTED
            .iter()
            .filter_map(|name| self.entries.iter().find(|entry| entry.name == *name));
        let others = self
            .entries
            .iter()
            .filter(|entry| !entry.noisy && !is_for_programs(&entry.name) && !WANTED.contains(&&*entry.name));
        shown(wanted.chain(others), max)
    }

    /// All values, for an event with nothing well-known in it.
    pub(super) fn everything(&self, max: usize) -> Vec<(String, String)> {
        shown(self.entries.iter(), max)
    }
}

fn shown<'e>(entries: impl Iterator<Item = &'e Entry<'e>>, max: usize) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    let open = entries
        .filter(|entry| !entry.taken && !is_secret(&entry.name))
        .filter(|entry| !(entry.name.ends_with("url") && links::is_for_programs(&entry.text)));
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

/// None for what is no scalar, `null`, a text without anything to see, or a thing without a name.
fn entry<'a>(member: Member<'a>, name: String, noisy: bool) -> Option<Entry<'a>> {
    let mut urls = Vec::new();
    let (kind, text) = match member.value.as_bytes().first()? {
        b'"' => (Kind::Text, visible(&decoded(member.value))?),
        b't' | b'f' => (Kind::Word, scalar(member.value)?.into_owned()),
        b'-' | b'0'..=b'9' => (Kind::Number, member.value.to_owned()),
        b'[' => {
            let items = items(member.value)?;
            urls = items.iter().take(MAX_ITEMS).filter_map(|item| url_of(item)).collect();
            (Kind::List, joined(&items)?)
        }
        b'{' => (Kind::Word, name_in(member.value)?),
        _ => return None,
    };
    Some(Entry {
        name,
        key: member.key,
        text,
        kind,
        urls,
        noisy,
        taken: false,
    })
}

/// The object that an event is about, with its name, where nothing beside it says so and no other has a name that is known:
/// the only one, or the largest.
fn subject_of<'a>(members: &[Member<'a>]) -> Option<(String, &'a str)> {
    let about_it = |member: &&Member<'a>| {
        let name = in_snake_case(&member.key);
        PARTS.iter().any(|part| part.key == name && part.own && !part.noisy) && member.value.starts_with('{')
    };
    let says_it = |member: &&Member<'a>| {
        let name = in_snake_case(&member.key);
        member.value.starts_with('"') && [&SUBJECTS[..], &MESSAGES[..]].concat().contains(&name.as_str())
    };
    if members.iter().any(|member| about_it(&member) || says_it(&member)) {
        return None;
    }
    let unknown = members.iter().filter_map(|member| {
        let name = in_snake_case(&member.key);
        let object = Some(member.value).filter(|value| value.starts_with('{'));
        let object = object.or_else(|| sole_item(member.value))?;
        let is_other = changes::HOLDERS.contains(&name.as_str()) || PARTS.iter().any(|part| part.key == name);
        (!is_other).then_some((name, object))
    });
    unknown.max_by_key(|(_, object)| object.len())
}

/// The object that is alone in a list.
fn sole_item(value: &str) -> Option<&str> {
    match items(value)?.as_slice() {
        [only] if only.starts_with('{') => Some(only),
        _ => None,
    }
}

/// The field that `from` and `to` belong to if the payload does not say: the `status` of `feedback.status_changed`.
fn changed_thing(event_type: &EventType) -> Option<&'static str> {
    const THINGS: [&str; 6] = ["status", "priority", "assignee", "category", "state", "stage"];
    let words = in_snake_case(event_type.as_str());
    THINGS
        .into_iter()
        .find(|thing| words.split('_').any(|word| word == *thing))
}

/// Compares word stems: `voted` and `votes`, `assigned` and `assignee`.
fn same_stem(verb: &str, name: &str) -> bool {
    let same = verb
        .chars()
        .zip(name.chars())
        .take_while(|(one, other)| one == other)
        .count();
    same >= 4 && same + 3 >= verb.len()
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
