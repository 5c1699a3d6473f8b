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

/// Where records go and are found again.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Writes records in one commit, in any order, idempotently.
    ///
    /// A delivery becomes known by its event or by an attempt, never by a move: what a move tells of a delivery that
    /// nobody has heard of is either told again once its event arrives, or of an event that was erased or forgotten.
    /// Records of a tenant's events that are older than an erasure of everything of it are passed over, and attempts of an
    /// erased event are written without content.
    ///
    /// The same commit marks an endpoint as failing when a delivery is exhausted and as recovered when one succeeds, and
    /// leaves the notices of it in [`Notices`](crate::Notices). Tests and events that can't be rendered mark nothing.
    async fn record(&self, records: Vec<Record>) -> Result<(), StoreError>;
    /// Deliveries with their events' content; those that the ledger does not know are left out.
    async fn fetch(&self, ids: &[DeliveryId]) -> Result<Vec<Fetched>, StoreError>;

    /// Those of these events that were erased with everything of their tenant.
    async fn erased(&self, events: &[(TenantId, EventId)]) -> Result<Vec<EventId>, StoreError>;

    /// Attempts, newest first, without headers and bodies.
    async fn attempts(&self, query: &AttemptQuery) -> Result<Page<AttemptSummary, AttemptId>, StoreError>;
    /// Those of these attempts that there are, without headers and bodies, in any order.
    async fn attempts_by_id(&self, ids: &[AttemptId]) -> Result<Vec<AttemptSummary>, StoreError>;
    /// One attempt.
    async fn attempt(&self, id: AttemptId) -> Result<Option<Attempt>, StoreError>;
    /// Events, newest first, without payloads.
    async fn events(&self, query: &EventQuery) -> Result<Page<EventSummary, EventId>, StoreError>;
    /// One event with its payload.
    async fn event(&self, id: EventId) -> Result<Option<(EventSummary, Bytes)>, StoreError>;
    /// Deliveries, newest first.
    async fn deliveries(&self, query: &DeliveryQuery) -> Result<Page<Delivery, DeliveryId>, StoreError>;
    /// One delivery.
    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError>;

    /// How many attempts there are, counted up to `limit` and for two seconds at the most. Where lists begin and end does not
    /// matter here.
    async fn count_attempts(&self, query: &AttemptQuery, limit: u64) -> Result<Counted, StoreError>;
    /// How many events there are, counted likewise.
    async fn count_events(&self, query: &EventQuery, limit: u64) -> Result<Counted, StoreError>;
    /// How many deliveries there are, counted likewise.
    async fn count_deliveries(&self, query: &DeliveryQuery, limit: u64) -> Result<Counted, StoreError>;
    /// Attempts by outcome in the spans between neighbouring times, which ascend. They are counted newest first, for as long
    /// as a page is looked for.
    async fn tally_attempts(&self, query: &AttemptQuery, bounds: &[Timestamp]) -> Result<Tally, StoreError>;

    /// How far deliveries are, without their content; those that the ledger does not know are left out.
    async fn states(&self, ids: &[DeliveryId]) -> Result<Vec<(DeliveryId, Step, DeliveryState)>, StoreError>;

    /// Takes open deliveries that nobody is working on although they should be: those whose time to be swept
    /// has passed. Each is moved one step and hidden for `hide_for`. Any number of sweepers may run.
    async fn sweep(
        &self,
        which: Overdue,
        now: Timestamp,
        hide_for: Duration,
        limit: u32,
    ) -> Result<Vec<OpenDelivery>, StoreError>;
    /// The open delivery whose time to be swept passed first, with that time, if it has passed. In health there is none
    /// for longer than a sweeper takes.
    async fn oldest_overdue(&self, now: Timestamp) -> Result<Option<(DeliveryId, Timestamp)>, StoreError>;
    /// Leaves deliveries that were swept but not published alone until a time. It remains known since when each waits;
    /// one that has changed meanwhile stays as it is.
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
    /// Endpoints of which somebody wants what was held before a time cancelled, with that time.
    async fn cancellations(&self) -> Result<Vec<(EndpointId, Timestamp)>, StoreError>;
    /// Notes that what was held for an endpoint before a time is cancelled. `false`, and nothing changed, if some still
    /// is, or somebody has asked anew.
    async fn end_cancellation(&self, endpoint: EndpointId, before: Timestamp) -> Result<bool, StoreError>;
    /// Cancels held deliveries of an endpoint: all, or those that are held since before a time. Returns how many.
    async fn cancel_held(
        &self,
        endpoint: EndpointId,
        reason: CancelReason,
        before: Option<Timestamp>,
        now: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError>;

    /// Makes the day partitions from yesterday to `days_ahead` days after `now`, where they are missing. Does
    /// nothing where there are no partitions.
    async fn prepare_partitions(&self, now: Timestamp, days_ahead: u32) -> Result<(), StoreError>;
    /// How the ledger stands, for metrics.
    async fn standing(&self, now: Timestamp) -> Result<Standing, StoreError>;
    /// Whether the ledger answers.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// One thing to write down.
#[derive(Debug, Clone)]
pub enum Record {
    /// An event was accepted, with all its deliveries.
    Event(NewEvent),
    /// An attempt was made.
    Attempt(Box<Attempt>),
    /// A delivery changed its state without an attempt.
    Move(DeliveryMove),
}

/// An event that was accepted.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Its id.
    pub id: EventId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What happened.
    pub event_type: EventType,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// The content, a JSON text.
    pub payload: Bytes,
    /// The publisher's key.
    pub idempotency_key: Option<String>,
    /// The publisher's trace.
    pub traceparent: Option<TraceParent>,
    /// Where it goes, and where filters keep it from going: the endpoint, and `Pending`, `Held` or `Cancelled`. Ids follow
    /// from event and endpoint.
    pub deliveries: Vec<(EndpointId, DeliveryState)>,
    /// How long after `accepted_at` the sweeper leaves pending deliveries alone.
    pub grace: Duration,
    /// Whether it only tests an endpoint.
    pub test: bool,
}

impl NewEvent {
    /// How many endpoints it goes to.
    pub(crate) fn delivery_count(&self) -> usize {
        let goes = |(_, state): &&(EndpointId, DeliveryState)| !matches!(state, DeliveryState::Cancelled(_));
        self.deliveries.iter().filter(goes).count()
    }
}

/// The state of a delivery after something happened to it.
#[derive(Debug, Clone)]
pub struct DeliveryMove {
    /// Which delivery.
    pub id: DeliveryId,
    /// Its event.
    pub event: EventId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Where it goes.
    pub endpoint: EndpointId,
    /// The step it has reached.
    pub step: Step,
    /// The state it is in.
    pub state: DeliveryState,
    /// When the sweeper is to publish it: its due time where the ledger keeps the time, some grace later where
    /// the broker does; `None` for states in which nothing is to be published (held, terminal).
    pub sweep_at: Option<Timestamp>,
    /// When this happened.
    pub at: Timestamp,
}

/// One HTTP request and what came of it.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// What a list shows of it.
    pub summary: AttemptSummary,
    /// The state of its delivery afterwards. Meaningful when recording; when read, the state as recorded here
    /// is not kept and this is `None`.
    pub after: Option<DeliveryMove>,
    /// The request's headers.
    pub request_headers: Headers,
    /// The request's body.
    pub request_body: RequestBody,
    /// The response's headers.
    pub response_headers: Headers,
    /// The beginning of the response's body.
    pub response_body: Bytes,
    /// Whether the response went on.
    pub response_truncated: bool,
    /// The address that the request was sent to.
    pub remote_address: String,
    /// How long its parts took, to the microsecond.
    pub timing: Timing,
    /// Why the request was sent a second time within it; empty if it was sent once.
    pub sent_again: String,
}

/// Header lines in order.
pub type Headers = Vec<(String, String)>;

/// A request's body. The event's payload, which usually stands in it verbatim, is not stored a second time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestBody {
    /// The payload of the event with something before and behind it.
    Around {
        /// What stands around the payload.
        envelope: Bytes,
        /// Where in the envelope the payload stands.
        payload_at: u32,
    },
    /// The whole body.
    Whole(Bytes),
}

/// What a list shows of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptSummary {
    /// Its id.
    pub id: AttemptId,
    /// Its delivery.
    pub delivery: DeliveryId,
    /// Its event.
    pub event: EventId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Where it went.
    pub endpoint: EndpointId,
    /// The event's type.
    pub event_type: EventType,
    /// Its number within the delivery; the first is 1.
    pub number: u32,
    /// When the request was begun.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// Where the request went.
    pub url: String,
    /// The dialect that it was written in.
    pub dialect: String,
    /// What came of it.
    pub outcome: Outcome,
    /// What exactly went wrong, for people; empty on success.
    pub error: String,
    /// The response's status, if there was a response.
    pub status_code: Option<u16>,
    /// When the next attempt is due, if one follows.
    pub next_attempt_at: Option<Timestamp>,
    /// Whether it only tests its endpoint.
    pub test: bool,
}

/// What a list shows of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSummary {
    /// Its id.
    pub id: EventId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What happened.
    pub event_type: EventType,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// The publisher's key.
    pub idempotency_key: Option<String>,
    /// How many endpoints it goes to.
    pub delivery_count: u32,
    /// Whether it only tests an endpoint.
    pub test: bool,
    /// When its content was erased; the payload is empty since.
    pub erased_at: Option<Timestamp>,
}

/// A delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// Its event.
    pub event: EventId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Where it goes.
    pub endpoint: EndpointId,
    /// Where it stands.
    pub state: DeliveryState,
    /// How many attempts were made: for an open delivery one less than its step's, for one that ended by an
    /// attempt that attempt's number.
    pub attempts: u32,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it is published again unless something happens before; `None` if nothing is to be published.
    pub sweep_at: Option<Timestamp>,
}

impl Delivery {
    /// Whether the ledger alone keeps it until it is due, and not the queue.
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
    /// Its id.
    pub id: DeliveryId,
    /// The step it is at.
    pub step: Step,
    /// Whether it is terminal.
    pub terminal: bool,
    /// What is to be sent; `None` while the record of its event is still on the way.
    pub content: Option<EventContent>,
}

/// What an attempt needs of the event.
#[derive(Debug, Clone)]
pub struct EventContent {
    /// The event's type.
    pub event_type: EventType,
    /// When the event happened.
    pub occurred_at: Timestamp,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// The event's content.
    pub payload: Bytes,
    /// The publisher's trace.
    pub traceparent: Option<TraceParent>,
}

/// Which overdue deliveries are swept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// All of them.
    All,
    /// Those that the ledger alone kept until they were due.
    KeptByLedger,
}

/// A delivery that is to be published again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// Its event.
    pub event: EventId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Where it goes.
    pub endpoint: EndpointId,
    /// The step it is at now.
    pub step: Step,
    /// When its attempt is (or was) due; `None` if at once.
    pub due: Option<Timestamp>,
    /// Since when its message should be in its lane, before it was taken.
    pub since: Timestamp,
    /// Whether the ledger alone kept it until it was due. Otherwise the queue was believed to have it.
    pub kept_by_ledger: bool,
    /// Whether it was held because nobody could tell whether its endpoint wants it.
    pub undecided: bool,
}

impl RequestBody {
    /// The body as it was sent, put together with the event's payload.
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
