//! Last uses of API keys, until they are written to the registry.
//!
//! The latest use of each key is kept in memory and written together with others, once in a while, so that operators
//! can find unused keys. A killed process loses the uses that it has not written.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tidings_domain::{KeyId, Timestamp};

/// The latest uses that were not written yet; no more than there are keys.
#[derive(Default)]
pub(super) struct KeyUses(Mutex<HashMap<KeyId, Timestamp>>);

impl KeyUses {
    /// Remembers the use of a key, unless a later one is known.
    pub(super) fn note(&self, key: KeyId, at: Timestamp) {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = uses.entry(key).or_insert(at);
        *latest = at.max(*latest);
    }

    /// Takes the uses that were noted so far.
    pub(super) fn take(&self) -> Vec<(KeyId, Timestamp)> {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *uses).into_iter().collect()
    }
}
