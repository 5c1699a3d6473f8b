//! The final comparison of the publisher's and the receivers' journal with the system's ledger.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tidings_domain::{DeliveryId, EventId};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::engines::Engines;
use crate::journal::{Page, Visits};
use crate::receivers::Endpoint;
use crate::system::System;

/// Deliveries per query.
const PAGE: usize = 10_000;

/// Time for which the broker may hold messages after every delivery has ended: longer than any delay queue that was used.
const LEFTOVERS: Duration = Duration::from_secs(30);

/// Counts and violations of a run.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Events whose acceptance the publisher has seen.
    pub(crate) accepted: u64,
    /// Events that exist although their publisher got no answer, or another one.
    pub(crate) unanswered: u64,
    pub(crate) deliveries: u64,
    /// Number of deliveries by state.
    pub(crate) states: BTreeMap<String, u64>,
    /// Attempts that the ledger knows, of these deliveries.
    pub(crate) attempts: u64,
    /// Requests that receivers saw of them.
    pub(crate) requests: u64,
    /// Requests beyond the recorded attempts of their delivery.
    pub(crate) extra_requests: u64,
    /// Successful answers beyond the first of their delivery.
    pub(crate) extra_successes: u64,
    /// Deliveries that are exhausted although a request of them was answered with a success.
    pub(crate) exhausted_after_success: u64,
    /// From acceptance to the first request, ascending.
    pub(crate) delays: Vec<Duration>,
    /// Time needed to end every delivery, once publishing had stopped and every fault had ended.
    pub(crate) drained: Duration,
    /// Deliveries that the ledger does not know.
    pub(crate) missing: Vec<String>,
    pub(crate) open: Vec<String>,
    pub(crate) unseen: Vec<String>,
    /// Deliveries that count as succeeded although no request of them was answered with a success.
    pub(crate) unfounded: Vec<String>,
    /// Deliveries that were cancelled although nobody requested it.
    pub(crate) cancelled: Vec<String>,
    /// Deliveries that have not ended, of events whose publisher got no answer. Nothing was promised, but whatever is
    /// in the ledger has to end.
    pub(crate) other_open: Vec<String>,
    pub(crate) leftovers: Vec<String>,
}

/// A delivery that has to exist.
#[derive(Debug, Clone, Copy)]
struct Expected {
    event: EventId,
    endpoint: Endpoint,
    page: Page,
}

#[derive(Debug, Clone)]
struct Row {
    state: String,
    reason: Option<String>,
    attempts: i32,
    step: i32,
    sweep_at: Option<Timestamp>,
    updated_at: Timestamp,
}

impl Verdict {
    /// Waits until every delivery has ended and the broker is empty, or the deadlines are over, and counts.
    pub(crate) async fn reach(
        system: &System,
        journal: impl Fn() -> HashMap<EventId, Page>,
        deadline: Duration,
    ) -> anyhow::Result<Self> {
        let ledger = system.engines.administer().await?;
        let start = Instant::now();
        let expected = expected(system, &journal());
        let mut open: Vec<DeliveryId> = expected.keys().copied().collect();
        loop {
            let rows = read(&ledger, &open).await?;
            open.retain(|delivery| !rows.get(delivery).is_some_and(Row::ended));
            if (open.is_empty() && count_open(&ledger).await? == 0) || start.elapsed() > deadline {
                break;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        let drained = start.elapsed();
        let leftovers = leftovers(&system.engines).await?;

        // Read anew: copies that were still under way may have made requests.
        let pages = journal();
        let expected = self::expected(system, &pages);
        let deliveries: Vec<_> = expected.keys().copied().collect();
        let rows = read(&ledger, &deliveries).await?;
        let mut verdict = Self {
            accepted: pages.values().filter(|page| page.accepted.is_some()).count() as u64,
            unanswered: pages.values().filter(|page| page.accepted.is_none()).count() as u64,
            drained,
            leftovers,
            ..Self::default()
        };
        for (delivery, expected) in &expected {
            verdict.count(*delivery, expected, rows.get(delivery));
        }
        verdict.other_open = other_open(&ledger, &expected).await?;
        verdict.delays.sort_unstable();
        Ok(verdict)
    }

    /// Violations with their names and examples; empty if there are none.
    pub(crate) fn failures(&self) -> Vec<(&'static str, &[String])> {
        let all = [
            ("missing in the ledger", &self.missing),
            ("not ended", &self.open),
            ("never received", &self.unseen),
            ("succeeded without a success", &self.unfounded),
            ("cancelled", &self.cancelled),
            ("not ended, of events without an answer", &self.other_open),
        ];
        all.into_iter()
            .filter(|(_, examples)| !examples.is_empty())
            .map(|(name, examples)| (name, examples.as_slice()))
            .collect()
    }

    /// The delay that this percentage of deliveries did not exceed.
    pub(crate) fn delay(&self, percent: usize) -> Option<Duration> {
        let last = self.delays.len().checked_sub(1)?;
        self.delays.get(last * percent / 100).copied()
    }

    fn count(&mut self, delivery: DeliveryId, expected: &Expected, row: Option<&Row>) {
        let Visits {
            requests,
            successes,
            first,
        } = expected.visits();
        self.deliveries += 1;
        self.requests += u64::from(requests);
        self.extra_successes += u64::from(successes).saturating_sub(1);
        if let (Some((accepted, _)), true) = (expected.page.accepted, requests > 0) {
            self.delays.push(first.since(accepted));
        }
        let described = || {
            let Expected { event, endpoint, .. } = expected;
            let row = row.map_or_else(|| "no row".to_owned(), Row::to_string);
            format!("{delivery} of {event} to {endpoint:?}: {requests} requests, {successes} successes; {row}")
        };
        if requests == 0 {
            self.unseen.push(described());
        }
        let Some(row) = row else {
            self.missing.push(described());
            return;
        };
        *self.states.entry(row.state.clone()).or_default() += 1;
        let attempts = u64::try_from(row.attempts).unwrap_or(0);
        self.attempts += attempts;
        self.extra_requests += u64::from(requests).saturating_sub(attempts);
        match row.state.as_str() {
            "succeeded" if successes == 0 => self.unfounded.push(described()),
            "exhausted" if successes > 0 => self.exhausted_after_success += 1,
            "cancelled" => self.cancelled.push(described()),
            _ if !row.ended() => self.open.push(described()),
            _ => {}
        }
    }
}

impl Expected {
    fn visits(&self) -> Visits {
        self.page.visits[self.endpoint as usize]
    }
}

impl Row {
    fn read(row: &tokio_postgres::Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            state: row.try_get("state")?,
            reason: row.try_get("reason")?,
            attempts: row.try_get("attempts")?,
            step: row.try_get("step")?,
            sweep_at: row.try_get("sweep_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }

    fn ended(&self) -> bool {
        matches!(self.state.as_str(), "succeeded" | "exhausted" | "cancelled")
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            state,
            reason,
            attempts,
            step,
            sweep_at,
            updated_at,
        } = self;
        let (attempt, moves) = (step >> 16, step & 0xffff);
        write!(
            f,
            "{state} (reason {reason:?}), {attempts} attempts, step {attempt}+{moves}, "
        )?;
        write!(f, "sweep at {sweep_at:?}, updated at {updated_at}")
    }
}

/// The deliveries of all accepted events.
fn expected(system: &System, pages: &HashMap<EventId, Page>) -> HashMap<DeliveryId, Expected> {
    let mut expected = HashMap::new();
    for (&event, &page) in pages {
        let Some((_, kind)) = page.accepted else { continue };
        for (endpoint, id) in Endpoint::ALL.into_iter().zip(&system.endpoints) {
            if endpoint.kinds().contains(&kind) {
                expected.insert(DeliveryId::derive(event, *id), Expected { event, endpoint, page });
            }
        }
    }
    expected
}

async fn read(ledger: &Client, deliveries: &[DeliveryId]) -> anyhow::Result<HashMap<DeliveryId, Row>> {
    let mut rows = HashMap::new();
    for page in deliveries.chunks(PAGE) {
        let ids: Vec<Uuid> = page.iter().map(|delivery| delivery.uuid()).collect();
        for row in ledger
            .query("SELECT * FROM deliveries WHERE id = ANY($1)", &[&ids])
            .await?
        {
            rows.insert(DeliveryId::from_uuid(row.try_get("id")?), Row::read(&row)?);
        }
    }
    Ok(rows)
}

async fn other_open(ledger: &Client, expected: &HashMap<DeliveryId, Expected>) -> anyhow::Result<Vec<String>> {
    let query = "SELECT deliveries.*, events.id IS NOT NULL AS known FROM deliveries \
                 LEFT JOIN events ON events.id = event_id WHERE state IN ('pending', 'scheduled', 'held')";
    let mut others = Vec::new();
    for row in ledger.query(query, &[]).await? {
        let delivery = DeliveryId::from_uuid(row.try_get("id")?);
        let event = EventId::from_uuid(row.try_get("event_id")?);
        let known = if row.try_get("known")? {
            "known to the ledger"
        } else {
            "unknown to the ledger"
        };
        if !expected.contains_key(&delivery) {
            others.push(format!("{delivery} of {event}, {known}; {}", Row::read(&row)?));
        }
    }
    Ok(others)
}

async fn count_open(ledger: &Client) -> anyhow::Result<u64> {
    let query = "SELECT count(*) FROM deliveries WHERE state IN ('pending', 'scheduled', 'held')";
    let count: i64 = ledger.query_one(query, &[]).await?.try_get(0)?;
    Ok(count.unsigned_abs())
}

/// The queues that hold messages when all should be over. Parked and unrouted ones are nobody's turn, so they are not
/// waited for.
async fn leftovers(engines: &Engines) -> anyhow::Result<Vec<String>> {
    let start = Instant::now();
    loop {
        let mut queues = engines.queues().await?;
        queues.retain(|queue| queue.messages > 0);
        let aside =
            |name: &str| name.starts_with("tidings.parked") || name == "tidings.unrouted" || name.contains("canary");
        if queues.iter().all(|queue| aside(&queue.name)) || start.elapsed() > LEFTOVERS {
            let described = queues.iter().map(|queue| format!("{} {}", queue.name, queue.messages));
            return Ok(described.collect());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
