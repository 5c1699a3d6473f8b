//! The parts of the API's answers that operators' pages show.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tidings_domain::Timestamp;

#[derive(Deserialize)]
pub(super) struct Queue {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) ready: u64,
    pub(super) consumers: u32,
    pub(super) stuck: u64,
}

#[derive(Deserialize)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) reason: String,
    pub(super) parked_at: Option<Timestamp>,
    pub(super) kind: String,
    pub(super) size: u64,
    pub(super) delivery_id: Option<String>,
    pub(super) event_id: Option<String>,
    pub(super) tenant_id: Option<String>,
    pub(super) endpoint_id: Option<String>,
    pub(super) attempt: Option<u32>,
}

#[derive(Deserialize)]
pub(super) struct Settled {
    pub(super) done: u64,
    pub(super) refused: u64,
    pub(super) refusal: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct System {
    pub(super) version: String,
    pub(super) database: String,
    pub(super) queue: String,
    pub(super) ready: bool,
    pub(super) needs: Vec<Vec<String>>,
    pub(super) components: Vec<Component>,
    pub(super) peers: Vec<Peer>,
    pub(super) seal_keys: Vec<String>,
    pub(super) seal_uses: Vec<SealUse>,
    pub(super) configuration: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
pub(super) struct Component {
    pub(super) name: String,
    pub(super) up: bool,
    pub(super) reason: Option<String>,
    pub(super) since: Timestamp,
}

#[derive(Deserialize)]
pub(super) struct Peer {
    pub(super) role: String,
    pub(super) server: String,
    pub(super) ready: bool,
    pub(super) reason: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct SealUse {
    pub(super) key: String,
    pub(super) secrets: u64,
    pub(super) answers: u64,
}

#[derive(Deserialize)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) scopes: Vec<String>,
    pub(super) hint: String,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) created_at: Timestamp,
    pub(super) last_used_at: Option<Timestamp>,
}

#[derive(Deserialize)]
pub(super) struct NewKey {
    pub(super) key: Key,
    pub(super) token: String,
}

#[derive(Deserialize)]
pub(super) struct Entry {
    pub(super) at: Timestamp,
    pub(super) tenant_id: Option<String>,
    pub(super) actor: String,
    pub(super) key_id: Option<String>,
    pub(super) action: String,
    pub(super) target: String,
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
    pub(super) remote_address: Option<String>,
    pub(super) user_agent: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct EventType {
    pub(super) name: String,
    pub(super) version: Option<u32>,
    pub(super) description: Option<String>,
    pub(super) dialects: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Versions {
    pub(super) name: String,
    pub(super) versions: Vec<Version>,
    pub(super) dialects: Vec<String>,
    pub(super) sample: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
pub(super) struct Version {
    pub(super) version: u32,
    pub(super) description: String,
    pub(super) schema: Option<Box<RawValue>>,
    pub(super) created_at: Timestamp,
}

#[derive(Deserialize)]
pub(super) struct Dialect {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) chosen_for: Vec<String>,
    pub(super) uses_secret: bool,
    pub(super) schedule: Vec<String>,
    pub(super) timeout: String,
    pub(super) event_types: Vec<String>,
    pub(super) settings: BTreeMap<String, crate::shapes::Setting>,
}

#[derive(Deserialize)]
pub(super) struct Previewed {
    pub(super) headers: Vec<crate::shapes::Header>,
    pub(super) body: String,
}
