//! The ledger: what became of every event, delivery and attempt.
//!
//! Records may arrive in any order and more than once; [`Ledger::record`] merges them by id. A terminal state
//! never goes back, and among the others the higher [`Step`] wins.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tidings_domain::trace::TraceParent;
use tidings_domain::{
    AttemptId, CancelReason, DeliveryId, DeliveryState, EndpointId, EventId, EventType, Outcome, Step, TenantId,
    Timestamp, Timing,
};

use crate::error::StoreError;

pub(crate) mod query;
mod standing;
mod tally;

pub use self::query::{AttemptQuery, Counted, DeliveryQuery, EventQuery, Page};
pub use self::standing::Standing;
pub use self::tally::{Outcomes, Tally};

/// Durable storage of what happened to events and deliveries.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Writes records in one commit, in any order, idempotently.
    ///
    /// A delivery becomes known by its event or by an attempt, never by a move. A move of an unknown delivery is
    /// skipped: either its event arrives later and the move is sent again, or its event was erased. Records of a
    /// tenant's events that are older than an erasure of the whole tenant are skipped, and attempts of an erased event
    /// are written without content.
    ///
    /// The same commit marks an endpoint as failing when a delivery is exhausted and as recovered when one succeeds,
    /// and writes the notices of it in [`Notices`](crate::Notices). Tests and events that can't be rendered mark
    /// nothing.
    async fn record(&self, records: Vec<Record>) -> Result<(), StoreError>;
    /// Deliveries with their events' content; those that the ledger does not know are left out.
    async fn fetch(&self, ids: &[DeliveryId]) -> Result<Vec<Fetched>, StoreError>;

    /// Those of these events that were erased with everything of their tenant.
    async fn erased(&self, events: &[(TenantId, EventId)]) -> Result<Vec<EventId>, StoreError>;

    /// Attempts, newest first, without headers and bodies.
    async fn attempts(&self, query: &AttemptQuery) -> Result<Page<AttemptSummary, AttemptId>, StoreError>;
    /// Those of these attempts that there are, without headers and bodies, in any order.
    async fn attempts_by_id(&self, ids: &[AttemptId]) -> Result<Vec<AttemptSummary>, StoreError>;
    /// One attempt with headers and bodies.
    async fn attempt(&self, id: AttemptId) -> Result<Option<Attempt>, StoreError>;
    /// Events, newest first, without payloads.
    async fn events(&self, query: &EventQuery) -> Result<Page<EventSummary, EventId>, StoreError>;
    /// One event with its payload, which is empty once erased.
    async fn event(&self, id: EventId) -> Result<Option<(EventSummary, Bytes)>, StoreError>;
    /// Deliveries, newest first.
    async fn deliveries(&self, query: &DeliveryQuery) -> Result<Page<Delivery, DeliveryId>, StoreError>;
    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError>;

    /// Counts attempts up to `limit` and for at most two seconds. The query's place in the list and page size are
    /// ignored.
    async fn count_attempts(&self, query: &AttemptQuery, limit: u64) -> Result<Counted, StoreError>;
    /// Counts events under the same limits.
    async fn count_events(&self, query: &EventQuery, limit: u64) -> Result<Counted, StoreError>;
    /// Counts deliveries under the same limits.
    async fn count_deliveries(&self, query: &DeliveryQuery, limit: u64) -> Result<Counted, StoreError>;
    /// Attempts by outcome in the spans between neighbouring times, which ascend. They are counted newest first, for as long
    /// as a page is looked for.
    async fn tally_attempts(&self, query: &AttemptQuery, bounds: &[Timestamp]) -> Result<Tally, StoreError>;

    /// Steps and states of deliveries, without content; unknown ones are left out.
    async fn states(&self, ids: &[DeliveryId]) -> Result<Vec<(DeliveryId, Step, DeliveryState)>, StoreError>;

    /// Takes open deliveries whose `sweep_at` has passed, so that no process is working on them. Each advances one step
    /// and is hidden for `hide_for`. Any number of sweepers may run.
    async fn sweep(
        &self,
        which: Overdue,
        now: Timestamp,
        hide_for: Duration,
        limit: u32,
    ) -> Result<Vec<OpenDelivery>, StoreError>;
    /// The open delivery that has been overdue for longest, with its `sweep_at`; `None` if none is overdue. In a
    /// healthy system none stays overdue for longer than a sweep takes.
    async fn oldest_overdue(&self, now: Timestamp) -> Result<Option<(DeliveryId, Timestamp)>, StoreError>;
    /// Postpones deliveries that were swept but not published. The start of their wait stays on record, and one that
    /// has changed meanwhile is left alone.
    async fn put_off(&self, swept: &[OpenDelivery], until: Timestamp) -> Result<(), StoreError>;
    /// The endpoints that have held deliveries.
    async fn endpoints_with_held(&self) -> Result<Vec<EndpointId>, StoreError>;
    /// Makes held deliveries of an endpoint pending again, oldest first, hidden from the sweeper until
    /// `now + hide_for`. Any number of releasers may run.
    async fn release_held(
        &self,
        endpoint: EndpointId,
        now: Timestamp,
        hide_for: Duration,
        limit: u32,
    ) -> Result<Vec<OpenDelivery>, StoreError>;
    /// Endpoints with a requested cancellation, and the time before which held deliveries are to be cancelled.
    async fn cancellations(&self) -> Result<Vec<(EndpointId, Timestamp)>, StoreError>;
    /// Completes the cancellation of deliveries held before a time. Returns `false`, and changes nothing, if some are
    /// still held or a newer request exists.
    async fn end_cancellation(&self, endpoint: EndpointId, before: Timestamp) -> Result<bool, StoreError>;
    /// Cancels held deliveries of an endpoint: all, or those held since before a time. Returns their number.
    async fn cancel_held(
        &self,
        endpoint: EndpointId,
        reason: CancelReason,
        before: Option<Timestamp>,
        now: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError>;

    /// Creates the missing day partitions from yesterday to `days_ahead` days after `now`. Does nothing where there are
    /// no partitions.
    async fn prepare_partitions(&self, now: Timestamp, days_ahead: u32) -> Result<(), StoreError>;
    /// The ledger's figures for metrics.
    async fn standing(&self, now: Timestamp) -> Result<Standing, StoreError>;
    /// Fails if the ledger does not answer.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// One entry for the ledger.
#[derive(Debug, Clone)]
pub enum Record {
    /// An event was accepted, with all its deliveries.
    Event(NewEvent),
    /// An attempt was made, successful or not.
    Attempt(Box<Attempt>),
    /// A delivery changed its state without an attempt.
    Move(DeliveryMove),
}

/// An accepted event with its deliveries.
#[derive(Debug, Clone)]
pub struct NewEvent {
    pub id: EventId,
    pub tenant: TenantId,
    pub event_type: EventType,
    /// The time of the event itself, given by the publisher.
    pub occurred_at: Timestamp,
    pub accepted_at: Timestamp,
    /// The content, a JSON text.
    pub payload: Bytes,
    pub idempotency_key: Option<String>,
    /// The publisher's trace context (W3C).
    pub traceparent: Option<TraceParent>,
    /// Target endpoints with the initial state: `Pending`, `Held`, or `Cancelled` if a filter excludes the event.
    /// Delivery ids follow from event and endpoint.
    pub deliveries: Vec<(EndpointId, DeliveryState)>,
    /// The time after `accepted_at` during which the sweeper leaves pending deliveries alone, because the queue is
    /// expected to have them.
    pub grace: Duration,
    /// `true` for a test of an endpoint.
    pub test: bool,
}

impl NewEvent {
    /// The number of endpoints that receive the event, those excluded by filters not counted.
    pub(crate) fn delivery_count(&self) -> usize {
        let goes = |(_, state): &&(EndpointId, DeliveryState)| !matches!(state, DeliveryState::Cancelled(_));
        self.deliveries.iter().filter(goes).count()
    }
}

/// The state of a delivery after something happened to it.
#[derive(Debug, Clone)]
pub struct DeliveryMove {
    pub id: DeliveryId,
    pub event: EventId,
    pub tenant: TenantId,
    pub endpoint: EndpointId,
    /// The step it has reached.
    pub step: Step,
    pub state: DeliveryState,
    /// The time at which the sweeper publishes it: its due time if the ledger keeps it, some grace later if the broker
    /// does; `None` if nothing is to be published (held, terminal).
    pub sweep_at: Option<Timestamp>,
    pub at: Timestamp,
}

/// One HTTP request and what came of it.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The part of the attempt that lists contain.
    pub summary: AttemptSummary,
    /// The state of its delivery afterwards. Meaningful when recording; when read, the state as recorded here
    /// is not kept and this is `None`.
    pub after: Option<DeliveryMove>,
    pub request_headers: Headers,
    pub request_body: RequestBody,
    pub response_headers: Headers,
    /// The beginning of the response's body.
    pub response_body: Bytes,
    /// `true` if the response was longer than what is stored of it.
    pub response_truncated: bool,
    /// The address that the request was sent to.
    pub remote_address: String,
    /// Durations of its phases, to the microsecond.
    pub timing: Timing,
    /// The reason why the request was sent a second time within the attempt; empty if it was sent once.
    pub sent_again: String,
}

/// Header lines in order: names and values, of responses at most 64.
pub type Headers = Vec<(String, String)>;

/// A request's body. The event's payload, which usually stands in it verbatim, is not stored a second time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestBody {
    /// The event's payload within other bytes.
    Around {
        /// The bytes around the payload.
        envelope: Bytes,
        /// Byte offset of the payload within the envelope.
        payload_at: u32,
    },
    /// The complete body, for formats that change the payload.
    Whole(Bytes),
}

/// The part of an attempt that lists contain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptSummary {
    pub id: AttemptId,
    pub delivery: DeliveryId,
    pub event: EventId,
    pub tenant: TenantId,
    pub endpoint: EndpointId,
    pub event_type: EventType,
    /// Its number within the delivery; the first is 1.
    pub number: u32,
    /// The time at which the request began.
    pub started_at: Timestamp,
    pub duration: Duration,
    /// The URL that was requested.
    pub url: String,
    /// The dialect that it was written in.
    pub dialect: String,
    pub outcome: Outcome,
    /// The exact error as a sentence for people; empty on success.
    pub error: String,
    /// The response's status, if there was a response.
    pub status_code: Option<u16>,
    /// The due time of the next attempt, if one follows.
    pub next_attempt_at: Option<Timestamp>,
    /// `true` for a test of an endpoint.
    pub test: bool,
}

/// The part of an event that lists contain: all but the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSummary {
    pub id: EventId,
    pub tenant: TenantId,
    pub event_type: EventType,
    /// The time of the event itself, given by the publisher.
    pub occurred_at: Timestamp,
    pub accepted_at: Timestamp,
    pub idempotency_key: Option<String>,
    /// The number of endpoints that it goes to.
    pub delivery_count: u32,
    /// `true` for a test of an endpoint.
    pub test: bool,
    /// The time at which its content was erased; the payload is empty since then.
    pub erased_at: Option<Timestamp>,
}

/// One event for one endpoint, in its present state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub id: DeliveryId,
    pub event: EventId,
    pub tenant: TenantId,
    pub endpoint: EndpointId,
    pub state: DeliveryState,
    /// The number of attempts made: one less than the step's for an open delivery, the last attempt's number for one
    /// that ended by an attempt.
    pub attempts: u32,
    /// The time of the last change.
    pub updated_at: Timestamp,
    /// The time at which the sweeper publishes it unless something happens before; `None` if nothing is to be
    /// published.
    pub sweep_at: Option<Timestamp>,
}

impl Delivery {
    /// `true` if the ledger alone keeps it until it is due, and not the queue.
    #[must_use]
    pub fn is_kept_by_ledger(&self) -> bool {
        let due = self.state.due();
        self.sweep_at
            .is_some_and(|sweep_at| due.is_some_and(|due| sweep_at <= due))
    }
}

/// A delivery as a dispatcher needs it.
#[derive(Debug, Clone)]
pub struct Fetched {
    pub id: DeliveryId,
    pub step: Step,
    pub terminal: bool,
    /// The content to send; `None` while the record of its event is still on the way.
    pub content: Option<EventContent>,
}

/// The parts of an event that an attempt needs.
#[derive(Debug, Clone)]
pub struct EventContent {
    pub event_type: EventType,
    /// The time of the event itself, given by the publisher.
    pub occurred_at: Timestamp,
    pub accepted_at: Timestamp,
    pub payload: Bytes,
    /// The publisher's trace context (W3C).
    pub traceparent: Option<TraceParent>,
}

/// The kinds of overdue deliveries that a sweep takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// Those that the queue should have had as well.
    All,
    /// Those that the ledger alone kept until they were due.
    KeptByLedger,
}

/// A delivery that is to be published again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenDelivery {
    pub id: DeliveryId,
    pub event: EventId,
    pub tenant: TenantId,
    pub endpoint: EndpointId,
    /// The step it is at now.
    pub step: Step,
    /// The due time of its attempt; `None` if it is due at once.
    pub due: Option<Timestamp>,
    /// The time since which its message should have been in its lane, before it was swept.
    pub since: Timestamp,
    /// `true` if the ledger alone kept it until it was due, `false` if the queue was expected to have it.
    pub kept_by_ledger: bool,
    /// `true` if it was held because the endpoint's subscriptions could not be read, so their match is still to be
    /// decided.
    pub undecided: bool,
}

impl RequestBody {
    /// The body as it was sent, assembled with the event's payload.
    #[must_use]
    pub fn assemble(&self, payload: &[u8]) -> Bytes {
        match self {
            Self::Whole(body) => body.clone(),
            Self::Around { envelope, payload_at } => {
                let (before, behind) = envelope.split_at((*payload_at as usize).min(envelope.len()));
                [before, payload, behind].concat().into()
            }
        }
    }
}
