//! Rows of the log as the source of a replay: selected, counted, and read in batches.

use tidings_auth::Caller;
use tidings_domain::{AttemptId, DeliveryId, EndpointId, EventId, TenantId};
use tidings_proto::pb;
use tidings_service::problem::Problem;
use tidings_store::ledger::{AttemptQuery, AttemptSummary, Counted, Delivery, DeliveryQuery, EventQuery, EventSummary};
use tidings_store::replays::Batch;
use tidings_store::{Ledger, StoreError};
use uuid::Uuid;

use crate::filter::{attempt_query, delivery_query, event_query};

const MAX_COUNT: u64 = 2_000_000;

/// Selection of rows, restricted to what the caller may see.
pub(crate) enum Rows {
    Attempts(AttemptQuery),
    Deliveries(DeliveryQuery),
    Events(EventQuery),
}

impl Rows {
    /// Reads and checks the selection of a request.
    pub(crate) fn read(caller: &Caller, rows: &pb::LogRows) -> Result<Self, Problem> {
        match &rows.rows {
            Some(pb::log_rows::Rows::Attempts(filter)) => attempt_query(caller, filter).map(Self::Attempts),
            Some(pb::log_rows::Rows::Deliveries(filter)) => delivery_query(caller, filter).map(Self::Deliveries),
            Some(pb::log_rows::Rows::Events(filter)) => event_query(caller, filter).map(Self::Events),
            None => {
                let detail = "say which rows are meant: attempts, deliveries or events";
                Err(Problem::invalid("rows_missing", detail).at("rows"))
            }
        }
    }

    /// Restricts the selection to one tenant.
    pub(crate) fn of(mut self, owner: TenantId) -> Self {
        let tenant = match &mut self {
            Self::Attempts(query) => &mut query.tenant,
            Self::Deliveries(query) => &mut query.tenant,
            Self::Events(query) => &mut query.tenant,
        };
        *tenant = Some(owner);
        self
    }

    /// Counts the rows, as far as that succeeds within two seconds.
    pub(crate) async fn count(&self, ledger: &dyn Ledger) -> Result<Counted, StoreError> {
        match self {
            Self::Attempts(query) => ledger.count_attempts(query, MAX_COUNT).await,
            Self::Deliveries(query) => ledger.count_deliveries(query, MAX_COUNT).await,
            Self::Events(query) => ledger.count_events(query, MAX_COUNT).await,
        }
    }

    /// The rows behind a mark, newest first, as what is to be sent again: to one endpoint, or where each went before.
    /// Events went nowhere in particular and give nothing then. `None` after the last row.
    pub(crate) async fn batch(
        &self,
        ledger: &dyn Ledger,
        behind: Option<Uuid>,
        to: Option<EndpointId>,
        limit: u32,
    ) -> Result<Option<Batch>, StoreError> {
        let (rows, next) = self.page(ledger, behind, limit).await?;
        // A page may be empty although there are more.
        let Some(last) = next.or_else(|| rows.last().map(|row| row.id)) else {
            return Ok(None);
        };
        let mut again: Vec<_> = rows
            .iter()
            .filter_map(|row| Some((row.event, to.or(row.endpoint)?)))
            .collect();
        // Several attempts of one delivery become one new delivery.
        again.sort_unstable();
        again.dedup();
        Ok(Some(Batch {
            rows: rows.len() as u64,
            last,
            again,
        }))
    }

    /// Rows behind a mark, and where to go on.
    async fn page(
        &self,
        ledger: &dyn Ledger,
        behind: Option<Uuid>,
        limit: u32,
    ) -> Result<(Vec<Row>, Option<Uuid>), StoreError> {
        match self {
            Self::Attempts(query) => {
                let query = AttemptQuery {
                    before: behind.map(AttemptId::from_uuid),
                    limit,
                    ..query.clone()
                };
                let page = ledger.attempts(&query).await?;
                let row = |row: &AttemptSummary| Row::of(row.id.uuid(), row.event, Some(row.endpoint));
                Ok((page.rows.iter().map(row).collect(), page.next.map(AttemptId::uuid)))
            }
            Self::Deliveries(query) => {
                let query = DeliveryQuery {
                    before: behind.map(DeliveryId::from_uuid),
                    limit,
                    ..query.clone()
                };
                let page = ledger.deliveries(&query).await?;
                let row = |row: &Delivery| Row::of(row.id.uuid(), row.event, Some(row.endpoint));
                Ok((page.rows.iter().map(row).collect(), page.next.map(DeliveryId::uuid)))
            }
            Self::Events(query) => {
                let query = EventQuery {
                    before: behind.map(EventId::from_uuid),
                    limit,
                    ..query.clone()
                };
                let page = ledger.events(&query).await?;
                let row = |row: &EventSummary| Row::of(row.id.uuid(), row.id, None);
                Ok((page.rows.iter().map(row).collect(), page.next.map(EventId::uuid)))
            }
        }
    }
}

/// A row as far as a replay is concerned.
struct Row {
    id: Uuid,
    event: EventId,
    /// The receiving endpoint; none for events.
    endpoint: Option<EndpointId>,
}

impl Row {
    fn of(id: Uuid, event: EventId, endpoint: Option<EndpointId>) -> Self {
        Self { id, event, endpoint }
    }
}
