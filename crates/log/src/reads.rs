//! Limits on concurrent reads per caller.
//!
//! One tenant's searches and counts must not prevent others from reading. Each caller has a few permits and waits for
//! one; counts, which take seconds, have fewer, and a limit for all callers together that is below the number of
//! connections for reading. A caller that waits too long gets an error with the advice to come back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidings_auth::Caller;
use tidings_domain::TenantId;
use tidings_service::problem::Problem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Concurrent lists and look-ups of one tenant, and of all operators together.
const OF_TENANT: usize = 3;
const OF_OPERATORS: usize = 8;
/// Concurrent counts of one caller, and of all.
const COUNTS_OF_ONE: usize = 1;
const COUNTS_OF_ALL: usize = 2;
/// Longest wait for a permit.
const WAIT: Duration = Duration::from_secs(5);
/// Number of remembered callers above which idle ones are dropped.
const REMEMBERED: usize = 1_024;

/// The permits of all callers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reads {
    /// Operators, who are nobody's, share theirs.
    callers: Arc<Mutex<HashMap<Option<TenantId>, Permits>>>,
    counts: Arc<Semaphore>,
}

#[derive(Clone)]
struct Permits {
    reads: Arc<Semaphore>,
    counts: Arc<Semaphore>,
}

/// The right to read, until it is dropped.
pub(crate) struct Permit {
    _held: Vec<OwnedSemaphorePermit>,
}

impl Reads {
    pub(crate) fn new() -> Self {
        Self {
            callers: Arc::default(),
            counts: Arc::new(Semaphore::new(COUNTS_OF_ALL)),
        }
    }

    /// For a list, or for one thing.
    pub(crate) async fn read(&self, caller: &Caller) -> Result<Permit, Problem> {
        let own = self.of(caller).reads;
        Ok(Permit {
            _held: vec![wait(own).await.ok_or_else(too_many)?],
        })
    }

    /// Waits for a permit to count.
    pub(crate) async fn count(&self, caller: &Caller) -> Result<Permit, Problem> {
        // The caller's own permit first, or those who wait for theirs would hold all of the shared ones.
        let own = wait(self.of(caller).counts).await.ok_or_else(too_many)?;
        let busy = || {
            let detail = "too many counts are running: try again in a moment";
            Problem::unavailable("counts_busy", detail).with_retry_after(WAIT)
        };
        let shared = wait(self.counts.clone()).await.ok_or_else(busy)?;
        Ok(Permit {
            _held: vec![own, shared],
        })
    }

    fn of(&self, caller: &Caller) -> Permits {
        let tenant = match caller {
            Caller::Tenant { id, .. } => Some(*id),
            Caller::Operator { .. } | Caller::Internal => None,
        };
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if callers.len() >= REMEMBERED {
            callers.retain(|_, permits| permits.are_used());
        }
        callers.entry(tenant).or_insert_with(|| Permits::new(tenant)).clone()
    }
}

impl Permits {
    fn new(tenant: Option<TenantId>) -> Self {
        let reads = if tenant.is_some() { OF_TENANT } else { OF_OPERATORS };
        Self {
            reads: Arc::new(Semaphore::new(reads)),
            counts: Arc::new(Semaphore::new(COUNTS_OF_ONE)),
        }
    }

    /// Tells if somebody holds a permit or waits for one.
    fn are_used(&self) -> bool {
        Arc::strong_count(&self.reads) > 1 || Arc::strong_count(&self.counts) > 1
    }
}

async fn wait(permits: Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    let permit = tokio::time::timeout(WAIT, permits.acquire_owned()).await;
    permit.ok()?.ok()
}

fn too_many() -> Problem {
    let detail = "too much is read at once with your keys: wait for the answers before you ask for more";
    Problem::exhausted("reads_exceeded", detail).with_retry_after(WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_caller_waits_for_its_own_permits_and_nobody_elses() {
        let reads = Reads::new();
        let [one, other] = [(); 2].map(|()| Caller::Tenant {
            id: TenantId::new(),
            key: tidings_domain::KeyId::new(),
            scopes: Vec::new(),
            portal: false,
        });
        let mut held = Vec::new();
        for _ in 0..OF_TENANT {
            held.push(reads.read(&one).await.unwrap());
        }
        assert_eq!(reads.read(&one).await.err().unwrap().code, "reads_exceeded");
        reads.read(&other).await.unwrap();
        let waiting = tokio::spawn({
            let (reads, one) = (reads.clone(), one.clone());
            async move { reads.read(&one).await.is_ok() }
        });
        held.pop();
        assert!(waiting.await.unwrap());

        let counting = [reads.count(&one).await.unwrap(), reads.count(&other).await.unwrap()];
        assert_eq!(reads.count(&one).await.err().unwrap().code, "reads_exceeded");
        assert_eq!(reads.count(&Caller::Internal).await.err().unwrap().code, "counts_busy");
        drop(counting);
        reads.count(&Caller::Internal).await.unwrap();
    }
}
