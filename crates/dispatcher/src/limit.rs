//! The cap on requests to one endpoint (guarantee G5).
//!
//! A delivery waits for its turn only behind requests that are moving: if the endpoint has answered nothing for a
//! while, whoever finds it at its cap is deferred at once, so that an endpoint that hangs never holds more than
//! its cap of what a dispatcher can have in hand.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidings_domain::{Endpoint, EndpointId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// How long a delivery waits for its turn, and how recent the last answer must be for waiting to make sense.
const PATIENCE: Duration = Duration::from_millis(250);

pub(crate) struct Limiter {
    default_cap: u32,
    started: Instant,
    endpoints: Mutex<HashMap<EndpointId, Arc<Turns>>>,
}

/// The turns of one endpoint.
struct Turns {
    cap: u32,
    free: Arc<Semaphore>,
    /// When a request last ended, milliseconds after the limiter's start.
    last_end_ms: AtomicU64,
}

/// The right to have one request under way.
pub(crate) struct Turn {
    _permit: OwnedSemaphorePermit,
    turns: Arc<Turns>,
    started: Instant,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns
            .last_end_ms
            .store(self.started.elapsed().as_millis() as u64, Ordering::Relaxed);
    }
}

impl Limiter {
    pub(crate) fn new(default_cap: u32) -> Self {
        Self {
            default_cap,
            started: Instant::now(),
            endpoints: Mutex::new(HashMap::new()),
        }
    }

    /// A turn for the endpoint, or none if it is at its cap and not moving.
    pub(crate) async fn turn(&self, endpoint: &Endpoint) -> Option<Turn> {
        let turns = self.turns(endpoint);
        let permit = match turns.free.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) if !self.is_moving(&turns) => return None,
            Err(_) => tokio::time::timeout(PATIENCE, turns.free.clone().acquire_owned())
                .await
                .ok()?
                .ok()?,
        };
        Some(Turn {
            _permit: permit,
            turns,
            started: self.started,
        })
    }

    /// Forgets endpoints that have nothing under way.
    pub(crate) fn forget_idle(&self) {
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        endpoints.retain(|_, turns| turns.free.available_permits() < turns.cap as usize);
    }

    fn is_moving(&self, turns: &Turns) -> bool {
        let idle =
            (self.started.elapsed().as_millis() as u64).saturating_sub(turns.last_end_ms.load(Ordering::Relaxed));
        idle < PATIENCE.as_millis() as u64
    }

    fn turns(&self, endpoint: &Endpoint) -> Arc<Turns> {
        let cap = endpoint.overrides.concurrency.unwrap_or(self.default_cap).max(1);
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        match endpoints.get(&endpoint.id) {
            Some(turns) if turns.cap == cap => turns.clone(),
            _ => {
                let turns = Arc::new(Turns {
                    cap,
                    free: Arc::new(Semaphore::new(cap as usize)),
                    last_end_ms: AtomicU64::new(self.started.elapsed().as_millis() as u64),
                });
                endpoints.insert(endpoint.id, turns.clone());
                turns
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tidings_domain::{Overrides, Subscription, TenantId, Timestamp};

    use super::*;

    fn endpoint(cap: u32) -> Endpoint {
        Endpoint {
            id: EndpointId::new(),
            tenant: TenantId::new(),
            name: String::new(),
            url: "https://example.com/".parse().unwrap(),
            dialect: "standard".into(),
            secret: None,
            subscriptions: vec![Subscription::to("*".parse().unwrap())],
            enabled: true,
            overrides: Overrides {
                concurrency: Some(cap),
                ..Overrides::default()
            },
            created_at: Timestamp::now(),
            updated_at: Timestamp::now(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_moves_is_waited_for() {
        let (limiter, endpoint) = (Limiter::new(1), endpoint(1));
        let turn = limiter.turn(&endpoint).await.unwrap();
        let (next, ()) = tokio::join!(limiter.turn(&endpoint), async {
            tokio::time::sleep(PATIENCE / 2).await;
            drop(turn);
        });
        assert!(next.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_cap_nobody_waits_longer_than_the_patience() {
        let (limiter, endpoint) = (Limiter::new(9), endpoint(2));
        let _turns = (
            limiter.turn(&endpoint).await.unwrap(),
            limiter.turn(&endpoint).await.unwrap(),
        );
        assert!(limiter.turn(&endpoint).await.is_none());
    }

    #[tokio::test]
    async fn one_endpoint_does_not_use_anothers_turns_and_idle_ones_are_forgotten() {
        let limiter = Limiter::new(1);
        let (one, other) = (endpoint(1), endpoint(1));
        let turn = limiter.turn(&one).await.unwrap();
        drop(limiter.turn(&other).await.unwrap());
        limiter.forget_idle();
        assert_eq!(limiter.endpoints.lock().unwrap().len(), 1);
        drop(turn);
        limiter.forget_idle();
        assert_eq!(limiter.endpoints.lock().unwrap().len(), 0);
    }
}
