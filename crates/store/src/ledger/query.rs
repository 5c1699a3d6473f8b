//! What can be asked of the ledger's lists, and what a page of an answer is.
//!
//! Need: a page comes at once however large the ledger is, and whatever is asked for. Mechanism: what an index finds is
//! read along it, newest first; what must be looked at row by row is looked at for a bounded time, and the page then
//! says how far that came. Limit: who looks for something rare without an index goes through many short pages.

use std::time::Duration;

use tidings_domain::{AttemptId, DeliveryId, EndpointId, EventId, EventType, FailureReason, TenantId, Timestamp};

/// How many rows are looked at before the time is checked: few at first, because each may have to be read from a disk,
/// then twice as many each time.
pub(crate) const STRETCHES: std::ops::RangeInclusive<u32> = 500..=4_000;
/// For how long rows are looked at before a page is given back as it is. A page is to come in 100 ms, and what was
/// begun is ended.
pub(crate) const LOOK_FOR: Duration = Duration::from_millis(30);

/// For how long rows are counted before the answer is that there are at least so many.
pub(crate) const COUNT_FOR: Duration = Duration::from_secs(2);
/// How many rows are looked at by one statement of a count, and how long that should take: what was begun is ended.
pub(crate) const COUNTED_AT_ONCE: std::ops::RangeInclusive<u32> = 1_000..=64_000;
const COUNT_STRETCH_FOR: Duration = Duration::from_millis(200);

/// How many rows one statement of a count looks at after one that took so long.
pub(crate) fn next_stretch(stretch: u32, took: Duration) -> u32 {
    let next = match took {
        took if took < COUNT_STRETCH_FOR / 2 => stretch * 2,
        took if took > COUNT_STRETCH_FOR => stretch / 2,
        _ => stretch,
    };
    next.clamp(*COUNTED_AT_ONCE.start(), *COUNTED_AT_ONCE.end())
}

/// How many rows there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Those that were counted.
    pub rows: u64,
    /// Whether there may be more: as many were counted as were asked for, or the time was over.
    pub at_least: bool,
}

/// Some of what was asked for, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, Id> {
    /// At most as many as asked for. May be fewer, or none, although there are more.
    pub rows: Vec<T>,
    /// Where to go on (`before`); none at the end.
    pub next: Option<Id>,
}

/// Which attempts. Everything given must hold; lists are alternatives and empty ones do not filter.
#[derive(Debug, Clone, Default)]
pub struct AttemptQuery {
    /// Of this tenant.
    pub tenant: Option<TenantId>,
    /// For this endpoint.
    pub endpoint: Option<EndpointId>,
    /// Of this event.
    pub event: Option<EventId>,
    /// Of this delivery.
    pub delivery: Option<DeliveryId>,
    /// Of these types.
    pub event_types: Vec<EventType>,
    /// Answered with these statuses.
    pub status_codes: Vec<u16>,
    /// Answered with a status of these classes (2 for 2xx); 0 means no response.
    pub status_classes: Vec<u16>,
    /// With these outcomes, by [`Outcome::name`](tidings_domain::Outcome::name).
    pub outcomes: Vec<String>,
    /// That failed for these reasons.
    pub failure_reasons: Vec<FailureReason>,
    /// That took at least so long.
    pub min_duration: Option<Duration>,
    /// That took at most so long.
    pub max_duration: Option<Duration>,
    /// Whose error contains this text, ASCII letters in upper or lower case; no NUL.
    pub error_contains: Option<String>,
    /// Begun at or after.
    pub since: Option<Timestamp>,
    /// Begun before.
    pub until: Option<Timestamp>,
    /// Older than this one: where the last page ended.
    pub before: Option<AttemptId>,
    /// At most so many.
    pub limit: u32,
}

/// Which events.
#[derive(Debug, Clone, Default)]
pub struct EventQuery {
    /// Of this tenant.
    pub tenant: Option<TenantId>,
    /// Of these types.
    pub event_types: Vec<EventType>,
    /// Published with this key.
    pub idempotency_key: Option<String>,
    /// Accepted at or after.
    pub since: Option<Timestamp>,
    /// Accepted before.
    pub until: Option<Timestamp>,
    /// Older than this one.
    pub before: Option<EventId>,
    /// At most so many.
    pub limit: u32,
}

/// Which deliveries.
#[derive(Debug, Clone, Default)]
pub struct DeliveryQuery {
    /// Of this tenant.
    pub tenant: Option<TenantId>,
    /// For this endpoint.
    pub endpoint: Option<EndpointId>,
    /// Of this event.
    pub event: Option<EventId>,
    /// In these states, by [`DeliveryState::name`](tidings_domain::DeliveryState::name).
    pub states: Vec<String>,
    /// Of events accepted at or after.
    pub since: Option<Timestamp>,
    /// Of events accepted before.
    pub until: Option<Timestamp>,
    /// Older than this one.
    pub before: Option<DeliveryId>,
    /// At most so many.
    pub limit: u32,
}

impl<T, Id> Page<T, Id> {
    pub(crate) fn empty() -> Self {
        Self {
            rows: Vec::new(),
            next: None,
        }
    }
}

impl AttemptQuery {
    /// Whether nothing that this asks for can be a success with a status of 2xx. What else there is has an index of its
    /// own, because it is rare and looked for.
    pub(crate) fn is_for_trouble(&self) -> bool {
        fn all<T>(values: &[T], is_trouble: impl Fn(&T) -> bool) -> bool {
            !values.is_empty() && values.iter().all(is_trouble)
        }
        !self.failure_reasons.is_empty()
            || all(&self.outcomes, |name| name != "succeeded")
            || all(&self.status_codes, |status| !(200..300).contains(status))
            || all(&self.status_classes, |class| *class != 2)
    }
}
