//! When keys were used, until it is written down.
//!
//! Need: people who tidy up want to know which keys nobody uses. Mechanism: the latest use of each key is kept in memory
//! and written together with others, once in a while. Limit: a process that is killed forgets what it has not written.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tidings_domain::{KeyId, Timestamp};

/// The latest uses that were not written yet; no more than there are keys.
#[derive(Default)]
pub(super) struct KeyUses(Mutex<HashMap<KeyId, Timestamp>>);

impl KeyUses {
    /// Remembers a use.
    pub(super) fn note(&self, key: KeyId, at: Timestamp) {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = uses.entry(key).or_insert(at);
        *latest = at.max(*latest);
    }

    /// Gives what was noted, and forgets it.
    pub(super) fn take(&self) -> Vec<(KeyId, Timestamp)> {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *uses).into_iter().collect()
    }
}
