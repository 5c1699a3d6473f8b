//! Live feed of attempts, as this process and the others with the same log commit them.
//!
//! A watcher sees every attempt, whichever process it is connected to and whichever records it. Attempts committed by
//! this process are distributed within it; while somebody watches another process, that one is notified of the
//! attempts to read. Nothing is kept for late watchers, and a process that commits more than it can announce skips
//! some.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tidings_domain::AttemptId;
use tidings_store::ledger::{AttemptQuery, AttemptSummary, Record};
use tidings_store::watch::{MAX_ATTEMPTS, Notification};
use tidings_store::{Store, StoreError};
use tokio::sync::{Notify, broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Attempts that a slow watcher may fall behind before it misses some.
const BACKLOG: usize = 4_096;
/// Commits that may wait for their announcement to other processes.
const TO_TELL: usize = 256;
/// Interval at which a watched process announces itself, and the time for which it is remembered.
const SAY_EVERY: Duration = Duration::from_secs(3);
const REMEMBER_FOR: Duration = Duration::from_secs(10);
/// Delay before listening to other processes again after a lost connection.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// Distributes committed attempts to watchers; costs nothing without any. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tail(Arc<Shared>);

struct Shared {
    /// Identity of this process among the others.
    process: Uuid,
    spread: broadcast::Sender<Arc<AttemptSummary>>,
    /// Somebody has begun to watch this process.
    watched: Notify,
    /// Time until which another process counts as watched.
    others_watched_until: Mutex<Option<Instant>>,
    to_tell: mpsc::Sender<Vec<AttemptId>>,
}

/// Announcements to other processes, for [`Tail::run`].
pub(crate) type ToTell = mpsc::Receiver<Vec<AttemptId>>;

impl Tail {
    pub(crate) fn new() -> (Self, ToTell) {
        let (to_tell, telling) = mpsc::channel(TO_TELL);
        let tail = Self(Arc::new(Shared {
            process: Uuid::new_v4(),
            spread: broadcast::Sender::new(BACKLOG),
            watched: Notify::new(),
            others_watched_until: Mutex::new(None),
            to_tell,
        }));
        (tail, telling)
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<AttemptSummary>> {
        let attempts = self.0.spread.subscribe();
        self.0.watched.notify_one();
        attempts
    }

    /// The attempts among records that are about to be committed, if anybody watches.
    pub(crate) fn pick(&self, records: &[Record]) -> Vec<Arc<AttemptSummary>> {
        if !self.is_watched() && !self.others_are_watched() {
            return Vec::new();
        }
        let attempt = |record: &Record| match record {
            Record::Attempt(attempt) => Some(Arc::new(attempt.summary.clone())),
            _ => None,
        };
        records.iter().filter_map(attempt).collect()
    }

    pub(crate) fn send(&self, attempts: Vec<Arc<AttemptSummary>>) {
        if !attempts.is_empty() && self.others_are_watched() {
            // When too many wait to be told, these are left out.
            let _ = self
                .0
                .to_tell
                .try_send(attempts.iter().map(|attempt| attempt.id).collect());
        }
        for attempt in attempts {
            // An error only says that the last watcher has just left.
            let _ = self.0.spread.send(attempt);
        }
    }

    /// Exchanges announcements with other processes until shutdown; returns at once if the store has no other processes.
    pub(crate) async fn run(
        self,
        telling: Arc<tokio::sync::Mutex<ToTell>>,
        store: Arc<dyn Store>,
        shutdown: CancellationToken,
    ) {
        let mut telling = telling.lock().await;
        let listening = async {
            loop {
                match store.subscribe(self.0.process).await {
                    Ok(Some(others)) => self.exchange(&*store, others, &mut telling).await,
                    Ok(None) => return,
                    Err(error) => tracing::debug!(%error, "could not listen to other log processes; retrying"),
                }
                tokio::time::sleep(LISTEN_AGAIN).await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = listening => {}
        }
    }

    /// Tells and listens until the connection is lost.
    async fn exchange(&self, store: &dyn Store, mut others: mpsc::Receiver<Notification>, telling: &mut ToTell) {
        let mut say = tokio::time::interval(SAY_EVERY);
        loop {
            let done = tokio::select! {
                told = others.recv() => match told {
                    None => return,
                    Some(Notification::Watched) => {
                        *self.others_watched_until() = Some(Instant::now() + REMEMBER_FOR);
                        Ok(())
                    }
                    Some(Notification::Recorded(attempts)) => self.spread(store, &attempts).await,
                },
                _ = say.tick() => self.say_watched(store).await,
                () = self.0.watched.notified() => self.say_watched(store).await,
                Some(attempts) = telling.recv() => self.tell(store, &attempts).await,
            };
            if let Err(error) = done {
                tracing::debug!(%error, "the live feed misses attempts of other log processes");
            }
        }
    }

    async fn say_watched(&self, store: &dyn Store) -> Result<(), StoreError> {
        if self.is_watched() {
            store.notify(self.0.process, Notification::Watched).await?;
        }
        Ok(())
    }

    async fn tell(&self, store: &dyn Store, attempts: &[AttemptId]) -> Result<(), StoreError> {
        for attempts in attempts.chunks(MAX_ATTEMPTS) {
            store
                .notify(self.0.process, Notification::Recorded(attempts.to_vec()))
                .await?;
        }
        Ok(())
    }

    /// Spreads what another process has recorded.
    async fn spread(&self, store: &dyn Store, attempts: &[AttemptId]) -> Result<(), StoreError> {
        if self.is_watched() {
            for attempt in store.attempts_by_id(attempts).await? {
                let _ = self.0.spread.send(Arc::new(attempt));
            }
        }
        Ok(())
    }

    fn is_watched(&self) -> bool {
        self.0.spread.receiver_count() > 0
    }

    fn others_are_watched(&self) -> bool {
        self.others_watched_until().is_some_and(|until| Instant::now() < until)
    }

    fn others_watched_until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0
            .others_watched_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells if an attempt matches a watcher's query.
pub(crate) fn wanted(query: &AttemptQuery, attempt: &AttemptSummary) -> bool {
    let among = |list: &[u16], value: u16| list.is_empty() || list.contains(&value);
    let status = attempt.status_code.unwrap_or(0);
    query.tenant.is_none_or(|id| id == attempt.tenant)
        && query.endpoint.is_none_or(|id| id == attempt.endpoint)
        && query.event.is_none_or(|id| id == attempt.event)
        && query.delivery.is_none_or(|id| id == attempt.delivery)
        && (query.event_types.is_empty() || query.event_types.contains(&attempt.event_type))
        && among(&query.status_codes, status)
        && among(&query.status_classes, status / 100)
        && (query.outcomes.is_empty() || query.outcomes.iter().any(|name| name == attempt.outcome.name()))
        && (query.failure_reasons.is_empty()
            || attempt
                .outcome
                .reason()
                .is_some_and(|reason| query.failure_reasons.contains(&reason)))
        && query.min_duration.is_none_or(|least| attempt.duration >= least)
        && query.max_duration.is_none_or(|most| attempt.duration <= most)
        && query.error_contains.as_ref().is_none_or(|text| {
            let error = attempt.error.to_ascii_lowercase();
            error.contains(&text.to_ascii_lowercase())
        })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidings_domain::{AttemptId, DeliveryId, EndpointId, EventId, FailureReason, Outcome, TenantId, Timestamp};

    use super::*;

    #[test]
    fn what_is_told_is_what_a_list_would_show() {
        let (event, endpoint) = (EventId::new(), EndpointId::new());
        let attempt = AttemptSummary {
            id: AttemptId::new(),
            delivery: DeliveryId::derive(event, endpoint),
            event,
            tenant: TenantId::new(),
            endpoint,
            event_type: "order.paid".parse().unwrap(),
            number: 1,
            started_at: Timestamp::now(),
            duration: Duration::from_millis(250),
            url: "https://example.com/".into(),
            dialect: "standard".into(),
            outcome: Outcome::retryable(FailureReason::Connect),
            error: "Connection reset by peer".into(),
            status_code: None,
            next_attempt_at: None,
            test: false,
        };
        let any = AttemptQuery::default;
        let length = |millis| Some(Duration::from_millis(millis));
        let text = |text: &str| Some(text.to_owned());
        for (query, expected) in [
            (any(), true),
            (
                AttemptQuery {
                    status_classes: vec![0],
                    ..any()
                },
                true,
            ),
            (
                AttemptQuery {
                    failure_reasons: vec![FailureReason::Tls, FailureReason::Connect],
                    ..any()
                },
                true,
            ),
            (
                AttemptQuery {
                    failure_reasons: vec![FailureReason::Tls],
                    ..any()
                },
                false,
            ),
            (
                AttemptQuery {
                    min_duration: length(250),
                    max_duration: length(250),
                    ..any()
                },
                true,
            ),
            (
                AttemptQuery {
                    min_duration: length(251),
                    ..any()
                },
                false,
            ),
            (
                AttemptQuery {
                    max_duration: length(249),
                    ..any()
                },
                false,
            ),
            (
                AttemptQuery {
                    error_contains: text("RESET by"),
                    ..any()
                },
                true,
            ),
            (
                AttemptQuery {
                    error_contains: text("reset_by"),
                    ..any()
                },
                false,
            ),
            (
                AttemptQuery {
                    outcomes: vec!["succeeded".into()],
                    error_contains: text("reset"),
                    ..any()
                },
                false,
            ),
        ] {
            assert_eq!(wanted(&query, &attempt), expected, "{query:?}");
        }
    }
}
