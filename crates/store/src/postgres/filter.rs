//! Conditions of a list query. Only those that are set become part of the statement, so that the planner sees which
//! index it can use.

use std::fmt::Write;
use std::time::Instant;

use tidings_domain::{EndpointId, TenantId};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::lease::Lease;
use crate::error::StoreError;
use crate::ledger::Outcomes;
use crate::ledger::query::{COUNT_FOR, COUNTED_AT_ONCE, Counted, LOOK_FOR, STRETCHES, next_stretch};

/// Conditions that must all hold, with their values.
#[derive(Default)]
pub(super) struct Filter {
    /// Those that bound what is read, along an index.
    conditions: Vec<Condition>,
    /// Those that rows have to be looked at for.
    checked: Vec<Condition>,
    selective: bool,
    /// The tenant that an endpoint is said to be of.
    owner: Option<(TenantId, EndpointId)>,
}

/// A page of results, newest first.
#[derive(Default)]
pub(super) struct Found {
    pub(super) rows: Vec<Row>,
    /// The place of the next page; `None` at the end.
    pub(super) next: Option<Uuid>,
}

struct Condition {
    /// SQL; `$` stands for the value.
    text: String,
    value: Option<Box<dyn ToSql + Send + Sync>>,
}

impl Filter {
    /// Adds a condition that an index serves; `$` stands for the value.
    pub(super) fn and(&mut self, condition: &str, value: impl ToSql + Send + Sync + 'static) {
        self.conditions.push(Condition::new(condition, value));
    }

    /// Adds a condition that an index serves if there is a value for it.
    pub(super) fn and_some(&mut self, condition: &str, value: Option<impl ToSql + Send + Sync + 'static>) {
        if let Some(value) = value {
            self.and(condition, value);
        }
    }

    /// Adds the condition of a partial index, in its words.
    pub(super) fn and_partial(&mut self, condition: &str) {
        self.conditions.push(Condition {
            text: condition.to_owned(),
            value: None,
        });
    }

    /// Adds a condition that rows are looked at for if there is a value for it.
    pub(super) fn check_some(&mut self, condition: &str, value: Option<impl ToSql + Send + Sync + 'static>) {
        if let Some(value) = value {
            self.checked.push(Condition::new(condition, value));
        }
    }

    /// Adds alternatives that rows are looked at for; none do not filter.
    pub(super) fn check_any<T: ToSql + Send + Sync + 'static>(&mut self, expression: &str, values: Vec<T>) {
        if !values.is_empty() {
            self.checked
                .push(Condition::new(&format!("{expression} = ANY($)"), values));
        }
    }

    /// Adds the conditions of a tenant's and an endpoint's rows.
    pub(super) fn of(&mut self, tenant: Option<TenantId>, endpoint: Option<EndpointId>) {
        self.and_some("tenant_id = $", tenant.map(TenantId::uuid));
        self.and_some("endpoint_id = $", endpoint.map(EndpointId::uuid));
        self.owner = tenant.zip(endpoint);
    }

    /// Hints to the planner that few rows pass. By itself it would walk the whole table in the requested order rather
    /// than find those few and sort them.
    pub(super) fn passes_few(&mut self) {
        self.selective = true;
    }

    /// The newest rows that pass, at most `limit`, however long it takes to find them.
    pub(super) async fn newest(
        self,
        client: &Lease,
        columns: &str,
        table: &str,
        limit: u32,
    ) -> Result<Vec<Row>, StoreError> {
        self.read(client, columns, table, Uuid::max(), None, limit).await
    }

    /// The newest rows below `before` that pass: at most `limit`, or those that were found in the time that there is.
    pub(super) async fn page(
        &self,
        client: &Lease,
        columns: &str,
        table: &str,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Found, StoreError> {
        let mut before = before.unwrap_or(Uuid::max());
        let mut found = Found::default();
        if !self.is_owner(client, table).await? {
            return Ok(found);
        }
        let began = Instant::now();
        let mut stretch = *STRETCHES.start();
        loop {
            let floor = self.floor(client, table, before, stretch).await?;
            let left = limit.saturating_sub(found.rows.len() as u32);
            found
                .rows
                .extend(self.read(client, columns, table, before, floor, left).await?);
            found.next = last(&found.rows, limit)?;
            match floor {
                Some(floor) if found.next.is_none() && began.elapsed() < LOOK_FOR => {
                    before = floor;
                    stretch = (2 * stretch).min(*STRETCHES.end());
                }
                _ => {
                    found.next = found.next.or(floor);
                    return Ok(found);
                }
            }
        }
    }

    /// Counts the rows that pass, up to `limit` and for as long as there is time.
    pub(super) async fn count(&self, client: &Lease, table: &str, limit: u64) -> Result<Counted, StoreError> {
        let mut counted = Counted::default();
        if !self.is_owner(client, table).await? {
            return Ok(counted);
        }
        let began = Instant::now();
        let (mut before, mut stretch) = (Uuid::max(), *COUNTED_AT_ONCE.start());
        loop {
            let looked = Instant::now();
            let floor = match self.selective {
                true => None,
                false => self.end_of_stretch(client, table, before, stretch).await?,
            };
            counted.rows += match floor {
                // All of the stretch pass.
                Some(_) if self.checked.is_empty() => u64::from(stretch),
                _ => self.count_to(client, table, before, floor).await?,
            };
            let Some(floor) = floor.filter(|_| counted.rows < limit && began.elapsed() < COUNT_FOR) else {
                counted.at_least = floor.is_some() || counted.rows > limit;
                counted.rows = counted.rows.min(limit);
                return Ok(counted);
            };
            before = floor;
            stretch = next_stretch(stretch, looked.elapsed());
        }
    }

    /// Counts the rows that pass from `floor` to below `before`.
    async fn count_to(
        &self,
        client: &Lease,
        table: &str,
        before: Uuid,
        floor: Option<Uuid>,
    ) -> Result<u64, StoreError> {
        let mut statement = Statement::reading("count(*)", table, &before);
        if let Some(floor) = &floor {
            statement.and("id >= $", Some(floor));
        }
        statement.and_all(&self.conditions);
        statement.and_all(&self.checked);
        let rows = statement.run(client).await?;
        let count: Option<i64> = rows.first().map(|row| row.try_get(0)).transpose()?;
        Ok(count.unwrap_or_default().unsigned_abs())
    }

    /// The rows that pass by outcome, in the spans between neighbouring ids, which ascend; with the id that was reached when
    /// the time was over.
    pub(super) async fn tally(
        &self,
        client: &Lease,
        table: &str,
        bounds: &[Uuid],
    ) -> Result<(Vec<Outcomes>, Option<Uuid>), StoreError> {
        let mut spans = vec![Outcomes::default(); bounds.len().saturating_sub(1)];
        if !self.is_owner(client, table).await? {
            return Ok((spans, None));
        }
        let began = Instant::now();
        let (mut before, mut stretch) = (Uuid::max(), *STRETCHES.start());
        loop {
            let floor = match self.selective {
                true => None,
                false => self.end_of_stretch(client, table, before, stretch).await?,
            };
            self.tally_to(client, table, (before, floor), bounds, &mut spans)
                .await?;
            match floor {
                Some(floor) if began.elapsed() < LOOK_FOR => before = floor,
                _ => return Ok((spans, floor)),
            }
            stretch = (2 * stretch).min(*STRETCHES.end());
        }
    }

    /// Adds the rows from `floor` to below `before`.
    async fn tally_to(
        &self,
        client: &Lease,
        table: &str,
        (before, floor): (Uuid, Option<Uuid>),
        bounds: &[Uuid],
        spans: &mut [Outcomes],
    ) -> Result<(), StoreError> {
        let columns = "width_bucket(id, $2::uuid[]) AS span, outcome, count(*) AS rows";
        let mut statement = Statement::reading(columns, table, &before);
        statement.values.push(&bounds);
        if let Some(floor) = &floor {
            statement.and("id >= $", Some(floor));
        }
        statement.and_all(&self.conditions);
        statement.and_all(&self.checked);
        statement.text += " GROUP BY span, outcome";
        for row in statement.run(client).await? {
            let span: i32 = row.try_get("span")?;
            // Spans are counted from 1.
            let span = usize::try_from(span - 1).ok().and_then(|span| spans.get_mut(span));
            if let Some(span) = span {
                span.add(row.try_get("outcome")?, row.try_get::<_, i64>("rows")?.unsigned_abs());
            }
        }
        Ok(())
    }

    /// `true` if the endpoint is the tenant's, or not both are given. An endpoint's rows are all of one tenant, and
    /// searching another's would reveal by its duration that they exist.
    async fn is_owner(&self, client: &Lease, table: &str) -> Result<bool, StoreError> {
        let Some((tenant, endpoint)) = self.owner else {
            return Ok(true);
        };
        let sql = format!(
            "/* name: check_owner_of_rows */ SELECT tenant_id = $1 FROM {table} WHERE endpoint_id = $2 LIMIT 1"
        );
        let rows = client.query(&sql, &[&tenant.uuid(), &endpoint.uuid()]).await?;
        Ok(rows.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(false))
    }

    /// The newest rows that pass, at most `limit`, from `floor` to below `before`.
    async fn read(
        &self,
        client: &Lease,
        columns: &str,
        table: &str,
        before: Uuid,
        floor: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Row>, StoreError> {
        let mut statement = Statement::reading(columns, table, &before);
        if let Some(floor) = &floor {
            statement.and("id >= $", Some(floor));
        }
        statement.and_all(&self.conditions);
        statement.and_all(&self.checked);
        if self.selective {
            statement.text = format!(
                "/* name: search_few */ WITH few AS MATERIALIZED ({}) SELECT * FROM few",
                statement.text
            );
        }
        let limit = i64::from(limit);
        statement.values.push(&limit);
        let _ = write!(statement.text, " ORDER BY id DESC LIMIT ${}", statement.values.len());
        statement.run(client).await
    }

    /// The end of the next stretch along the index; `None` to read all that is left at once, because an index covers it
    /// or little remains.
    async fn floor(&self, client: &Lease, table: &str, before: Uuid, stretch: u32) -> Result<Option<Uuid>, StoreError> {
        if self.selective || self.checked.is_empty() {
            return Ok(None);
        }
        self.end_of_stretch(client, table, before, stretch).await
    }

    /// The last of `stretch` rows along the index; `None` if there are fewer.
    async fn end_of_stretch(
        &self,
        client: &Lease,
        table: &str,
        before: Uuid,
        stretch: u32,
    ) -> Result<Option<Uuid>, StoreError> {
        let mut statement = Statement::reading("id", table, &before);
        statement.and_all(&self.conditions);
        let _ = write!(statement.text, " ORDER BY id DESC OFFSET {} LIMIT 1", stretch - 1);
        let rows = statement.run(client).await?;
        Ok(rows.first().map(|row| row.try_get("id")).transpose()?)
    }
}

impl Condition {
    fn new(text: &str, value: impl ToSql + Send + Sync + 'static) -> Self {
        Self {
            text: text.to_owned(),
            value: Some(Box::new(value)),
        }
    }
}

/// The id of the last row, if there may be more.
fn last(rows: &[Row], limit: u32) -> Result<Option<Uuid>, StoreError> {
    let last = rows.last().filter(|_| rows.len() >= limit as usize);
    Ok(last.map(|row| row.try_get("id")).transpose()?)
}

/// A statement with its values, as it grows.
struct Statement<'a> {
    text: String,
    values: Vec<&'a (dyn ToSql + Sync)>,
}

impl<'a> Statement<'a> {
    fn reading(columns: &str, table: &str, before: &'a Uuid) -> Self {
        Self {
            text: format!("/* name: search_{table} */ SELECT {columns} FROM {table} WHERE id < $1"),
            values: vec![before],
        }
    }

    /// Adds a condition; `$` stands for the value.
    fn and(&mut self, condition: &str, value: Option<&'a (dyn ToSql + Sync)>) {
        self.values.extend(value);
        let place = format!("${}", self.values.len());
        // Writing to a string can't fail.
        let _ = write!(self.text, " AND {}", condition.replace('$', &place));
    }

    fn and_all(&mut self, conditions: &'a [Condition]) {
        for condition in conditions {
            self.and(&condition.text, condition.value.as_deref().map(|value| value as _));
        }
    }

    /// The rows. The statement is planned for these values, and not once for all: tenants differ too much. What suits
    /// the many small ones would have all rows of the largest sorted.
    async fn run(self, client: &Lease) -> Result<Vec<Row>, StoreError> {
        client.query_once(&self.text, &self.values).await
    }
}
