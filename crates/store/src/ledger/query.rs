//! Queries of the ledger's lists, and pages of results.
//!
//! A page comes at once however large the ledger is. Conditions that an index covers are read along it, newest first.
//! Others are checked row by row for a bounded time, and the page then says how far that came. A search for something
//! rare without an index therefore returns many short pages.

use std::time::Duration;

use tidings_domain::{AttemptId, DeliveryId, EndpointId, EventId, EventType, FailureReason, TenantId, Timestamp};

/// Rows checked before the clock is: few at first, because each may have to be read from a disk, then twice as many
/// each time.
pub(crate) const STRETCHES: std::ops::RangeInclusive<u32> = 500..=4_000;
/// Time after which a page is returned as it is. A page is meant to come within 100 ms, and a statement that has begun
/// is not interrupted.
pub(crate) const LOOK_FOR: Duration = Duration::from_millis(30);

/// Time after which a count is returned as a lower bound.
pub(crate) const COUNT_FOR: Duration = Duration::from_secs(2);
/// Rows that one statement of a count may visit. A statement is never interrupted, so its size decides how far the time
/// limit is exceeded.
pub(crate) const COUNTED_AT_ONCE: std::ops::RangeInclusive<u32> = 1_000..=64_000;
const COUNT_STRETCH_FOR: Duration = Duration::from_millis(200);

/// The size of the next statement of a count, after one that took so long.
pub(crate) fn next_stretch(stretch: u32, took: Duration) -> u32 {
    let next = match took {
        took if took < COUNT_STRETCH_FOR / 2 => stretch * 2,
        took if took > COUNT_STRETCH_FOR => stretch / 2,
        _ => stretch,
    };
    next.clamp(*COUNTED_AT_ONCE.start(), *COUNTED_AT_ONCE.end())
}

/// The result of a count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    pub rows: u64,
    /// `true` if there may be more: the count reached its limit, or its time was over.
    pub at_least: bool,
}

/// Some of the matching rows, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, Id> {
    /// At most as many as the query's limit. May be fewer, or none, although there are more.
    pub rows: Vec<T>,
    /// The value of `before` for the next page; `None` at the end.
    pub next: Option<Id>,
}

/// Conditions on attempts. All that are set must hold; lists are alternatives, and empty ones match everything.
#[derive(Debug, Clone, Default)]
pub struct AttemptQuery {
    pub tenant: Option<TenantId>,
    pub endpoint: Option<EndpointId>,
    pub event: Option<EventId>,
    pub delivery: Option<DeliveryId>,
    pub event_types: Vec<EventType>,
    pub status_codes: Vec<u16>,
    /// Answered with a status of these classes (2 for 2xx); 0 means no response.
    pub status_classes: Vec<u16>,
    /// With these outcomes, by [`Outcome::name`](tidings_domain::Outcome::name).
    pub outcomes: Vec<String>,
    pub failure_reasons: Vec<FailureReason>,
    /// That took at least so long.
    pub min_duration: Option<Duration>,
    /// That took at most so long.
    pub max_duration: Option<Duration>,
    /// A text that the error contains, ASCII letters in upper or lower case; no NUL.
    pub error_contains: Option<String>,
    /// Earliest start of the request, inclusive.
    pub since: Option<Timestamp>,
    /// Latest start of the request, exclusive.
    pub until: Option<Timestamp>,
    /// Older than this one: where the last page ended.
    pub before: Option<AttemptId>,
    /// Maximum number of rows in the page.
    pub limit: u32,
}

/// Conditions on events. All that are set must hold.
#[derive(Debug, Clone, Default)]
pub struct EventQuery {
    pub tenant: Option<TenantId>,
    pub event_types: Vec<EventType>,
    pub idempotency_key: Option<String>,
    /// Earliest time of acceptance, inclusive.
    pub since: Option<Timestamp>,
    /// Latest time of acceptance, exclusive.
    pub until: Option<Timestamp>,
    /// Newest event of the page, exclusive.
    pub before: Option<EventId>,
    /// Maximum number of rows in the page.
    pub limit: u32,
}

/// Conditions on deliveries. All that are set must hold.
#[derive(Debug, Clone, Default)]
pub struct DeliveryQuery {
    pub tenant: Option<TenantId>,
    pub endpoint: Option<EndpointId>,
    pub event: Option<EventId>,
    /// In these states, by [`DeliveryState::name`](tidings_domain::DeliveryState::name).
    pub states: Vec<String>,
    /// Of events accepted at or after.
    pub since: Option<Timestamp>,
    /// Latest time at which the event was accepted, exclusive.
    pub until: Option<Timestamp>,
    /// Newest delivery of the page, exclusive.
    pub before: Option<DeliveryId>,
    /// Maximum number of rows in the page.
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
    /// `true` if no match can be a success with a status of 2xx. Everything else has an index of its own, because it is
    /// rare and often searched for.
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
