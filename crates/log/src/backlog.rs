//! Which enabled endpoints have held deliveries for a while: the releaser notes them, and whoever records hears of them.

use std::sync::{Arc, PoisonError, RwLock};

use tidings_domain::EndpointId;

/// The endpoints, as they go over the wire. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Backlog(Arc<RwLock<Vec<Vec<u8>>>>);

/// With more than so many, the rest is not mentioned: an answer must stay small.
const MENTIONED: usize = 1_000;

impl Backlog {
    pub(crate) fn note(&self, endpoints: impl Iterator<Item = EndpointId>) {
        let ids = endpoints.take(MENTIONED).map(|id| id.uuid().as_bytes().to_vec());
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = ids.collect();
    }

    pub(crate) fn endpoint_ids(&self) -> Vec<Vec<u8>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
