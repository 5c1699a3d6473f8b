//! Texts of operators' pages, explanations and refusals, in the reader's language.

use crate::rest::Refusal;
use crate::shapes::Said;
use crate::visitor::{REASONS, Reader};

impl Reader {
    /// The text of an endpoint's state, by the name of the API's filter.
    pub(crate) fn standing(&self, state: &str) -> String {
        self.word("standing", state)
    }

    pub(crate) fn queue_kind(&self, kind: &str) -> String {
        self.word("queue-kind", kind)
    }

    pub(crate) fn message_kind(&self, kind: &str) -> String {
        self.word("message-kind", kind)
    }

    pub(crate) fn scope(&self, scope: &str) -> String {
        self.word("scope", scope)
    }

    /// The text of an actor of the audit log.
    pub(crate) fn actor(&self, actor: &str) -> String {
        self.word("who", actor)
    }

    /// The name of a database or queue.
    pub(crate) fn engine(&self, engine: &str) -> String {
        self.word("engine", engine)
    }

    /// A statement in the reader's language and zone; the API's own sentence if the code is unknown here.
    pub(crate) fn said(&self, kind: &str, said: &Said) -> String {
        let values: Vec<(&str, String)> = said
            .arguments
            .iter()
            .map(|(name, value)| (name.as_str(), self.shown(name, value)))
            .collect();
        let key = format!("{kind}-{}", said.code.replace('_', "-"));
        let text = self.console.texts.say(self.language, &key, &values);
        if text == key { said.sentence.clone() } else { text }
    }

    /// The text of a refusal in a language that the API does not speak; the API's own words stand beside it.
    pub(crate) fn problem(&self, refusal: &Refusal) -> Option<String> {
        let key = format!("problem-{}", refusal.code.replace('_', "-"));
        let text = self.t(&key);
        (text != key).then_some(text)
    }

    /// The subject of a finding, in a word.
    pub(crate) fn subject(&self, said: &Said) -> String {
        let subject = match said.code.as_str() {
            "endpoints_failing" | "endpoints_turned_off" => "nav-endpoints",
            "component_missing" | "peer_not_ready" | "database_unknown" => "nav-system",
            "replay_stands" => "nav-replays",
            "delivery_overdue" => "nav-deliveries",
            _ => "nav-queues",
        };
        self.t(subject)
    }

    /// An argument of something that is said: times in the reader's zone, words in their language.
    fn shown(&self, name: &str, value: &str) -> String {
        match name {
            "since" | "at" | "until" | "again" => value.parse().map_or_else(|_| value.to_owned(), |at| self.time(&at)),
            "kind" => self.queue_kind(value),
            "reason" if REASONS.contains(&value) => self.reason(value),
            _ => value.to_owned(),
        }
    }
}
