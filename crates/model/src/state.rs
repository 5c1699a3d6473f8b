//! What exists: who knows what of one delivery.

use tidings_domain::Step;

use crate::actions::Budget;
use crate::dispatcher::Hand;
use crate::ingest::Accepting;
use crate::ledger::{Ledger, Record, Row, Standing};
use crate::protocol::Bounds;

/// Everything about one delivery.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// What the publisher was told.
    pub publisher: Publisher,
    /// What ingest is doing.
    pub ingest: Option<Accepting>,
    /// What is committed.
    pub ledger: Ledger,
    /// The records queue; any of them may be drained next, as several replicas drain.
    pub records: Bag<Record>,
    /// Lanes and delay queues without what is in hand.
    pub messages: Bag<Waiting>,
    /// What each dispatcher has in hand: at most one copy (`dispatcher/src/hands.rs`).
    pub hands: Vec<Option<Hand>>,
    /// What a sweeper or releaser took from the ledger and is about to publish.
    pub taken: Bag<Step>,
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Whether ingest and dispatchers can't reach log. Sweeper and drain may reach the database all the same.
    pub log_away: bool,
    /// Whether the broker is away.
    pub broker_away: bool,
    /// What may still be paid.
    pub left: Budget,
    /// What happened so far, for the properties only.
    pub seen: Seen,
}

/// What the publisher was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Publisher {
    /// Nothing, it waits.
    Waiting,
    /// That the event is accepted.
    Accepted,
    /// That it is not.
    Refused,
    /// Nothing, and nobody will: ingest is gone.
    Unanswered,
}

/// A message in a lane or delay queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Waiting {
    /// The message.
    pub message: Message,
    /// Whether it waits in a delay queue, and not in a lane.
    pub delayed: bool,
}

/// `queue/src/message.rs`, `Message`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Message {
    /// The step it is at.
    pub step: Step,
    /// What it carries.
    pub content: Content,
    /// Whether it may have been handed out before.
    pub redelivered: bool,
}

/// What a message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Content {
    /// The event, accepted less than `check_after` ago.
    Fresh,
    /// The event, accepted longer ago.
    Old,
    /// A reference only.
    Reference,
}

/// The endpoint, as the registry has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// It takes requests.
    Enabled,
    /// It is off.
    Disabled,
    /// It is gone.
    Deleted,
}

/// What happened so far. Nothing in the protocol reads it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Seen {
    /// How often each attempt was sent.
    pub sends: [u8; 3],
    /// How many requests were sent; each bears its place in this count.
    pub sent: u8,
    /// The requests whose dispatcher died before their record was durable.
    pub unrecorded: u16,
    /// Whether a request was answered as the endpoint's success rule asks.
    pub succeeded: bool,
    /// The first terminal state in the ledger.
    pub ended: Option<Standing>,
    /// How many copies were dropped as done while the ledger knew of no attempt for which they were sent.
    pub dropped: u8,
}

/// A few things in no order, equal ones counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bag<T>(Vec<T>);

impl State {
    /// Nothing has happened.
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

    /// Whether anybody but the sweeper has the delivery or something to say about it.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.ingest.is_some()
            || self.hands.iter().any(Option::is_some)
            || !(self.messages.is_empty() && self.records.is_empty() && self.taken.is_empty())
    }

    /// Whether the ledger may still hear of the event.
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

    /// Time passes: more than `check_after`.
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

    /// Remembers what the properties need.
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
    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything, equal things as often as they are there.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }

    /// Everything, equal things once.
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
