//! State of the model: everything that exists of one delivery.

use tidings_domain::Step;

use crate::actions::Budget;
use crate::dispatcher::Hand;
use crate::ingest::Accepting;
use crate::ledger::{Ledger, Record, Row, Standing};
use crate::protocol::Bounds;

/// Everything about one delivery.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub publisher: Publisher,
    /// The acceptance in progress.
    pub ingest: Option<Accepting>,
    pub ledger: Ledger,
    /// The records queue; any of them may be drained next, as several replicas drain.
    pub records: Bag<Record>,
    /// Messages in lanes and delay queues, without unsettled ones.
    pub messages: Bag<Waiting>,
    /// Unsettled message of each dispatcher, one copy at most (`dispatcher/src/in_flight.rs`).
    pub hands: Vec<Option<Hand>>,
    /// Deliveries that a sweeper or releaser has taken from the ledger and is about to publish.
    pub taken: Bag<Step>,
    pub endpoint: Endpoint,
    /// Ingest and dispatchers can't reach log. Sweeper and drain may still reach the database.
    pub log_away: bool,
    pub broker_away: bool,
    /// Remaining budget.
    pub left: Budget,
    /// History for the properties.
    pub seen: Seen,
}

/// The publisher's knowledge of its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Publisher {
    /// No result yet.
    Waiting,
    Accepted,
    Refused,
    /// No result, and none will come: ingest died.
    Unanswered,
}

/// A message in a lane or delay queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Waiting {
    pub message: Message,
    /// In a delay queue instead of a lane.
    pub delayed: bool,
}

/// `queue/src/message.rs`, `Message`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Message {
    pub step: Step,
    pub content: Content,
    /// It may have been delivered before.
    pub redelivered: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Content {
    /// The event, accepted less than `check_after` ago.
    Fresh,
    /// The event, accepted longer than `check_after` ago.
    Old,
    /// A reference to the ledger.
    Reference,
}

/// The endpoint, as the registry has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    Enabled,
    Disabled,
    Deleted,
}

/// History of a run. Nothing in the protocol reads it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Seen {
    pub sends: [u8; 3],
    /// Number of requests in total; each carries its place in this count.
    pub sent: u8,
    /// The requests whose dispatcher died before their record was durable.
    pub unrecorded: u16,
    /// A response met the endpoint's success rule.
    pub succeeded: bool,
    /// The first terminal state in the ledger.
    pub ended: Option<Standing>,
    /// Copies dropped as done before the ledger knew of the attempt they were for.
    pub dropped: u8,
}

/// A few things in no order, equal ones counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bag<T>(Vec<T>);

impl State {
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            publisher: Publisher::Waiting,
            ingest: None,
            ledger: Ledger::default(),
            records: Bag::default(),
            messages: Bag::default(),
            hands: vec![None; bounds.dispatchers],
            taken: Bag::default(),
            endpoint: Endpoint::Enabled,
            log_away: false,
            broker_away: false,
            left: bounds.budget,
            seen: Seen::default(),
        }
    }

    /// Tells if anybody but the sweeper has the delivery, or a record of it.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.ingest.is_some()
            || self.hands.iter().any(Option::is_some)
            || !(self.messages.is_empty() && self.records.is_empty() && self.taken.is_empty())
    }

    /// Tells if a record of the event may still reach the ledger.
    pub(crate) fn event_is_on_its_way(&self) -> bool {
        self.ingest.is_some() || self.records.iter().any(|record| matches!(record, Record::Event(_)))
    }

    /// `recorder/src/recorder.rs`, `Path::write`: to the ledger, past it, or nowhere.
    pub(crate) fn record(&mut self, record: Record) -> bool {
        if !self.log_away {
            self.ledger.write(&record);
        } else if !self.broker_away {
            self.records.put(record);
        } else {
            return false;
        }
        true
    }

    /// Puts a message where it waits.
    pub(crate) fn publish(&mut self, step: Step, content: Content, delayed: bool) {
        let message = Message {
            step,
            content,
            redelivered: false,
        };
        self.messages.put(Waiting { message, delayed });
    }

    /// Lets more than `check_after` pass.
    pub(crate) fn grow_old(&mut self) {
        let old = |content: &mut Content| {
            if *content == Content::Fresh {
                *content = Content::Old;
            }
        };
        self.messages.change(|waiting| old(&mut waiting.message.content));
        self.hands
            .iter_mut()
            .flatten()
            .for_each(|hand| old(&mut hand.message.content));
        self.ingest.iter_mut().for_each(|accepting| old(&mut accepting.content));
    }

    /// Updates the history.
    pub(crate) fn note(&mut self) {
        let ended = |row: &Row| row.standing.is_terminal().then_some(row.standing);
        self.seen.ended = self.seen.ended.or(self.ledger.row.as_ref().and_then(ended));
    }
}

impl<T> Default for Bag<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Ord + Clone> Bag<T> {
    /// Tells if the bag is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything, equal things as often as they are there.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }

    /// Distinct elements.
    pub(crate) fn kinds(&self) -> Vec<T> {
        let mut kinds = self.0.clone();
        kinds.dedup();
        kinds
    }

    pub(crate) fn put(&mut self, item: T) {
        let at = self.0.partition_point(|other| *other < item);
        self.0.insert(at, item);
    }

    pub(crate) fn take(&mut self, item: &T) {
        if let Ok(at) = self.0.binary_search(item) {
            self.0.remove(at);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn change(&mut self, change: impl FnMut(&mut T)) {
        self.0.iter_mut().for_each(change);
        self.0.sort();
    }
}
