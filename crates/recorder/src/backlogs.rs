//! Endpoints with a backlog in the ledger, as reported with each response of the log service.
//!
//! A delivery to an endpoint that accepts nothing would travel through queue and dispatcher only to end up held in
//! the ledger. Ingest therefore holds it at once, behind the backlog. A report is trusted for [`BELIEVED`] only, so
//! that nothing is held behind a backlog that is gone or whose state is unknown.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tidings_domain::EndpointId;

/// Time that a report is trusted.
const BELIEVED: Duration = Duration::from_secs(3);

/// Endpoints with a backlog. Clones are the same.
#[derive(Clone, Default)]
pub struct BackloggedEndpoints(Arc<RwLock<Option<Report>>>);

struct Report {
    at: Instant,
    endpoints: HashSet<EndpointId>,
}

impl BackloggedEndpoints {
    /// Tells if the endpoint had a backlog in the latest trusted report.
    #[must_use]
    pub fn has(&self, endpoint: EndpointId) -> bool {
        let heard = self.0.read().unwrap_or_else(PoisonError::into_inner);
        heard
            .as_ref()
            .is_some_and(|heard| heard.at.elapsed() < BELIEVED && heard.endpoints.contains(&endpoint))
    }

    /// Takes what the log service says.
    pub(crate) fn update(&self, endpoints: HashSet<EndpointId>) {
        // The usual case, in which nothing is to be remembered, takes no lock that others wait for.
        if endpoints.is_empty() && self.0.read().unwrap_or_else(PoisonError::into_inner).is_none() {
            return;
        }
        let heard = (!endpoints.is_empty()).then(|| Report {
            at: Instant::now(),
            endpoints,
        });
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = heard;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts() {
        let (backlogs, endpoint) = (BackloggedEndpoints::default(), EndpointId::new());
        assert!(!backlogs.has(endpoint));
        backlogs.update(HashSet::from([endpoint]));
        assert!(backlogs.has(endpoint) && !backlogs.has(EndpointId::new()));
        backlogs.update(HashSet::new());
        assert!(!backlogs.has(endpoint));
    }
}
