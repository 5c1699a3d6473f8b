//! In-memory view of the stored messages: which were read, and which are delivered but unsettled.
//!
//! Each lane is read from its cursor on, in the order of readiness. Every message up to the cursor is here, with a
//! consumer, or deleted; every message behind it is only in the table. A message that was just stored comes here
//! without being read if no unread message is before it and there is room, which is the usual case.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use tidings_store::sqlite::{Cursor, StoredMessage};
use tokio::sync::mpsc;

use crate::Incoming;
use crate::metrics::Taken;

/// Maximum messages and bytes of a lane in memory; reading pauses at whichever is reached first.
const ROOM: usize = 512;
// A bound in bytes as well: references take little memory, 512 payloads of 256 KiB would take 128 MiB.
const ROOM_BYTES: usize = 4 * 1024 * 1024;

/// All lanes and who takes from them.
pub(super) struct Lanes {
    lanes: BTreeMap<i64, Lane>,
    takers: BTreeMap<u64, Taker>,
    last_taker: u64,
    /// The first message that this process stored; an earlier process may have delivered those before it.
    first_own: Option<i64>,
}

struct Lane {
    cursor: Cursor,
    /// There may be messages behind the cursor that are ready.
    unread: bool,
    /// Time at which the first message behind the cursor becomes ready, milliseconds.
    next_due: Option<i64>,
    waiting: VecDeque<Held>,
    waiting_bytes: usize,
}

pub(super) struct Held {
    pub(super) lane: i64,
    pub(super) place: Cursor,
    pub(super) body: Bytes,
    pub(super) redelivered: bool,
}

/// Consumer created by one call of `consume`.
struct Taker {
    /// Unsettled messages per lane.
    unsettled: BTreeMap<i64, u16>,
    prefetch: u16,
    messages: mpsc::Sender<Incoming>,
    taken: Taken,
}

impl Lanes {
    /// Lanes of which nothing was read yet.
    pub(super) fn new(numbers: impl IntoIterator<Item = i64>) -> Self {
        let unread = || Lane {
            cursor: Cursor::START,
            unread: true,
            next_due: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
        };
        let lanes = numbers.into_iter().map(|number| (number, unread())).collect();
        Self {
            lanes,
            takers: BTreeMap::new(),
            last_taker: 0,
            first_own: None,
        }
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = i64> + '_ {
        self.lanes.keys().copied()
    }

    /// Adds a taker of these lanes.
    pub(super) fn add_taker(&mut self, lanes: &[i64], prefetch: u16, messages: mpsc::Sender<Incoming>, taken: Taken) {
        self.last_taker += 1;
        let unsettled = lanes.iter().map(|lane| (*lane, 0)).collect();
        self.takers.insert(
            self.last_taker,
            Taker {
                unsettled,
                prefetch,
                messages,
                taken,
            },
        );
    }

    /// Number of consumers of a lane.
    pub(super) fn takers_of(&self, lane: i64) -> u32 {
        self.takers
            .values()
            .filter(|taker| taker.unsettled.contains_key(&lane))
            .count() as u32
    }

    /// Lets go of everybody; their streams end.
    pub(super) fn remove_takers(&mut self) {
        self.takers.clear();
    }

    /// Tells if the consumer still exists and listens.
    pub(super) fn is_present(&self, taker: u64) -> bool {
        self.takers.get(&taker).is_some_and(|taker| !taker.messages.is_closed())
    }

    /// Notes that this process stored a message of this number.
    pub(super) fn owns(&mut self, seq: i64) {
        self.first_own = Some(self.first_own.map_or(seq, |first| first.min(seq)));
    }

    /// Notes a message that was just stored.
    pub(super) fn stored(&mut self, message: StoredMessage, now_ms: i64) {
        let first = self.first_own.unwrap_or(i64::MAX);
        let Some(lane) = self.lanes.get_mut(&message.lane) else {
            return;
        };
        let place = message.cursor();
        let nothing_before = !lane.unread && lane.next_due.is_none_or(|due| due > message.ready_at_ms);
        if place <= lane.cursor {
            // Reading goes on behind it and would never find it.
            lane.put(message, first);
        } else if message.ready_at_ms > now_ms {
            lane.next_due = Some(
                lane.next_due
                    .map_or(message.ready_at_ms, |due| due.min(message.ready_at_ms)),
            );
        } else if nothing_before && lane.has_room() {
            lane.cursor = place;
            lane.put(message, first);
        } else {
            lane.unread = true;
        }
    }

    /// Lanes to read from, with their cursors: those with room and unread messages. Messages that have become due by
    /// `now_ms` count as unread.
    pub(super) fn wanting(&mut self, now_ms: i64) -> Vec<(i64, Cursor)> {
        let wanting = self.lanes.iter_mut().filter_map(|(number, lane)| {
            if lane.next_due.is_some_and(|due| due <= now_ms) {
                lane.unread = true;
                lane.next_due = None;
            }
            // Reading starts again at half, so that each read brings a page and not one message.
            (lane.unread && lane.waiting.len() <= ROOM / 2 && lane.has_room()).then_some((*number, lane.cursor))
        });
        wanting.collect()
    }

    /// Takes a page that was read. `rest_due` is known when the page was the last: when the first message
    /// behind it is due, if there is one.
    pub(super) fn read(&mut self, number: i64, page: Vec<StoredMessage>, rest_due: Option<Option<i64>>) {
        let first = self.first_own.unwrap_or(i64::MAX);
        let Some(lane) = self.lanes.get_mut(&number) else {
            return;
        };
        for message in page {
            lane.cursor = message.cursor();
            lane.put(message, first);
        }
        if let Some(next_due) = rest_due {
            lane.unread = false;
            lane.next_due = next_due;
        }
    }

    /// Time at which the first delayed message is due.
    pub(super) fn next_due(&self) -> Option<i64> {
        self.lanes
            .values()
            // A lane that is still to be read learns its next due time from that reading.
            .filter(|lane| !lane.unread)
            .filter_map(|lane| lane.next_due)
            .min()
    }

    /// Hands out what waits in a lane while somebody may take it; `wrap` makes an [`Incoming`] of a message
    /// and its taker. Returns whether more should be read.
    pub(super) fn hand_out(&mut self, number: i64, wrap: impl Fn(Held, u64) -> Incoming) -> bool {
        let Some(lane) = self.lanes.get_mut(&number) else {
            return false;
        };
        while !lane.waiting.is_empty() {
            let free = |taker: &&mut Taker| taker.unsettled.get(&number).is_some_and(|n| *n < taker.prefetch);
            let candidates = self
                .takers
                .iter_mut()
                .map(|(id, taker)| (*id, taker))
                .filter(|(_, taker)| free(taker));
            // The taker with the fewest messages, so that consumers share a lane evenly.
            let Some((id, taker)) = candidates.min_by_key(|(_, taker)| taker.unsettled.get(&number).copied()) else {
                break;
            };
            // The channel has room for the whole prefetch, so an error means that the consumer is gone.
            let Ok(permit) = taker.messages.try_reserve() else {
                // Its unsettled messages come back through their own drop.
                self.takers.remove(&id);
                continue;
            };
            let Some(message) = lane.waiting.pop_front() else { break };
            lane.waiting_bytes -= message.body.len();
            taker.taken.count(message.redelivered);
            if let Some(unsettled) = taker.unsettled.get_mut(&number) {
                *unsettled += 1;
            }
            permit.send(wrap(message, id));
        }
        lane.unread && lane.waiting.len() <= ROOM / 2
    }

    /// A message of this lane is settled: its taker may take another.
    pub(super) fn settled(&mut self, lane: i64, taker: u64) {
        if let Some(unsettled) = self
            .takers
            .get_mut(&taker)
            .and_then(|taker| taker.unsettled.get_mut(&lane))
        {
            *unsettled -= 1;
        }
    }

    /// A message comes back unsettled, to its place.
    pub(super) fn returned(&mut self, message: Held, taker: u64) {
        self.settled(message.lane, taker);
        if let Some(lane) = self.lanes.get_mut(&message.lane) {
            lane.insert(Held {
                redelivered: true,
                ..message
            });
        }
    }
}

impl Lane {
    fn has_room(&self) -> bool {
        self.waiting.len() < ROOM && self.waiting_bytes < ROOM_BYTES
    }

    fn put(&mut self, message: StoredMessage, first_own: i64) {
        // Leases are in memory only, so an earlier process may have handed out whatever it stored
        // (docs/decisions/0006).
        let redelivered = message.seq < first_own;
        self.insert(Held {
            lane: message.lane,
            place: message.cursor(),
            body: message.body,
            redelivered,
        });
    }

    fn insert(&mut self, message: Held) {
        self.waiting_bytes += message.body.len();
        // Almost always at the end: only what is returned, or was stored behind the cursor, goes further ahead.
        let at = self.waiting.partition_point(|other| other.place < message.place);
        self.waiting.insert(at, message);
    }
}
