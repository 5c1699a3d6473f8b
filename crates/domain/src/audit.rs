//! Audit entries: who changed a managed object, and how.

use jiff::Timestamp;
use serde_json::Value;

use crate::id::{AuditId, KeyId, TenantId};

/// One change. It is kept with the change itself and outlives what it tells of.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    pub id: AuditId,
    pub at: Timestamp,
    /// Owner of the changed object; none for the operators' own objects.
    pub tenant: Option<TenantId>,
    /// The caller that made the change.
    pub actor: Actor,
    /// Object and verb, such as `endpoint.updated`.
    pub action: String,
    /// The id of what was changed: `ep_…`; an event type's name.
    pub target: String,
    /// The object before the change, without secrets; none if it was created.
    pub before: Option<Value>,
    /// The object after the change, without secrets; none if it was removed.
    pub after: Option<Value>,
    /// The address that the request came from.
    pub remote_address: Option<String>,
    /// The client's `User-Agent`, at most 200 characters.
    pub user_agent: Option<String>,
}

/// Originator of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    Key(KeyId),
    Operator(KeyId),
    /// Another process of this installation.
    Internal,
    /// Whoever has the database: the first operator key is made without one.
    Bootstrap,
    /// Tidings itself, such as the dispatcher that disables a gone endpoint.
    System,
}

/// A stored actor that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown actor `{0}`, or one without its key: was it written by a newer version?")]
pub struct UnknownActor(String);

impl AuditEntry {
    /// The longest name of a client, in characters.
    pub const MAX_USER_AGENT: usize = 200;

    /// An entry for an action of `actor` on `target`.
    #[must_use]
    pub fn new(at: Timestamp, actor: Actor, action: &str, target: impl ToString) -> Self {
        Self {
            id: AuditId::new(),
            at,
            tenant: None,
            actor,
            action: action.to_owned(),
            target: target.to_string(),
            before: None,
            after: None,
            remote_address: None,
            user_agent: None,
        }
    }

    /// Sets the owner of the changed object.
    #[must_use]
    pub fn of(self, tenant: Option<TenantId>) -> Self {
        Self { tenant, ..self }
    }

    /// Sets the object before and after the change. The values must not contain secrets.
    #[must_use]
    pub fn change(self, before: Option<Value>, after: Option<Value>) -> Self {
        Self { before, after, ..self }
    }

    /// Says where the request came from; what a client calls itself is cut to [`AuditEntry::MAX_USER_AGENT`].
    #[must_use]
    pub fn from(self, remote_address: Option<String>, user_agent: Option<&str>) -> Self {
        let cut = |text: &str| text.chars().take(Self::MAX_USER_AGENT).collect();
        Self {
            remote_address,
            user_agent: user_agent.map(cut),
            ..self
        }
    }
}

impl Actor {
    /// The name in columns and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Key(_) => "tenant",
            Self::Operator(_) => "operator",
            Self::Internal => "internal",
            Self::Bootstrap => "bootstrap",
            Self::System => "system",
        }
    }

    /// The key that it came with.
    #[must_use]
    pub fn key(self) -> Option<KeyId> {
        match self {
            Self::Key(key) | Self::Operator(key) => Some(key),
            Self::Internal | Self::Bootstrap | Self::System => None,
        }
    }

    /// Puts an actor together from its columns.
    pub fn from_parts(name: &str, key: Option<KeyId>) -> Result<Self, UnknownActor> {
        match (name, key) {
            ("tenant", Some(key)) => Ok(Self::Key(key)),
            ("operator", Some(key)) => Ok(Self::Operator(key)),
            ("internal", _) => Ok(Self::Internal),
            ("bootstrap", _) => Ok(Self::Bootstrap),
            ("system", _) => Ok(Self::System),
            _ => Err(UnknownActor(name.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_reads_back_from_its_columns() {
        let key = KeyId::new();
        for actor in [
            Actor::Key(key),
            Actor::Operator(key),
            Actor::Internal,
            Actor::Bootstrap,
            Actor::System,
        ] {
            assert_eq!(Actor::from_parts(actor.name(), actor.key()), Ok(actor));
        }
        assert!(Actor::from_parts("tenant", None).is_err());
        assert!(Actor::from_parts("nobody", Some(key)).is_err());
    }

    #[test]
    fn a_clients_long_name_is_cut() {
        let entry = AuditEntry::new(Timestamp::UNIX_EPOCH, Actor::System, "endpoint.disabled", "ep_1")
            .from(Some("192.0.2.1".into()), Some(&"é".repeat(300)));
        assert_eq!(entry.user_agent.unwrap().chars().count(), AuditEntry::MAX_USER_AGENT);
        assert_eq!(entry.remote_address.as_deref(), Some("192.0.2.1"));
    }
}
