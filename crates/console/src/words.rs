//! The API's words, its explanations and its refusals in the reader's language. A word that the console does not know yet is
//! shown as it is.

use crate::rest::Refusal;
use crate::shapes::{Attempt, Said};
use crate::visitor::{REASONS, Reader};

impl Reader {
    pub(crate) fn health(&self, name: &str) -> String {
        self.word("health", name)
    }

    pub(crate) fn state(&self, state: &str) -> String {
        self.word("state", state)
    }

    pub(crate) fn outcome(&self, outcome: &str) -> String {
        self.word("outcome", outcome)
    }

    pub(crate) fn reason(&self, reason: &str) -> String {
        self.word("reason", reason)
    }

    /// The reason why a delivery is held or cancelled.
    pub(crate) fn cause(&self, cause: &str) -> String {
        self.word("cause", cause)
    }

    pub(crate) fn verdict(&self, verdict: &str) -> String {
        self.word("verdict", verdict)
    }

    pub(crate) fn replay_state(&self, state: &str) -> String {
        self.word("replay", state)
    }

    /// A word of the API by its kind; itself if the console does not know it.
    pub(crate) fn word(&self, kind: &str, word: &str) -> String {
        let key = format!("{kind}-{}", word.replace('_', "-"));
        let text = self.t(&key);
        if text == key { word.to_owned() } else { text }
    }

    /// The response's status, or why there was none.
    pub(crate) fn attempt_result(&self, attempt: &Attempt) -> String {
        match (attempt.status_code, &attempt.failure_reason) {
            (Some(status), _) => status.to_string(),
            (None, Some(reason)) => self.reason(reason),
            (None, None) => self.t("no-answer"),
        }
    }

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
