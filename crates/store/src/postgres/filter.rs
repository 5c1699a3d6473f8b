//! Conditions of a list, put together from what was asked and nothing else, so that the planner sees what it can
//! use an index for.

use std::fmt::Write;

use deadpool_postgres::Object;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::error::StoreError;

/// Conditions that must all hold, with their values.
#[derive(Default)]
pub(super) struct Filter {
    conditions: String,
    values: Vec<Box<dyn ToSql + Send + Sync>>,
    selective: bool,
}

impl Filter {
    /// Adds a condition; `$` stands for the value.
    pub(super) fn and(&mut self, condition: &str, value: impl ToSql + Send + Sync + 'static) {
        self.values.push(Box::new(value));
        let place = format!("${}", self.values.len());
        let word = if self.conditions.is_empty() { "WHERE" } else { " AND" };
        // Writing to a string can't fail.
        let _ = write!(self.conditions, "{word} {}", condition.replace('$', &place));
    }

    /// Adds a condition if there is a value for it.
    pub(super) fn and_some(&mut self, condition: &str, value: Option<impl ToSql + Send + Sync + 'static>) {
        if let Some(value) = value {
            self.and(condition, value);
        }
    }

    /// Adds a condition over alternatives; none do not filter.
    pub(super) fn and_any<T: ToSql + Send + Sync + 'static>(&mut self, condition: &str, values: Vec<T>) {
        if !values.is_empty() {
            self.and(condition, values);
        }
    }

    /// Says that few rows pass. The planner, who can't know, would rather walk the whole table in the order
    /// asked for than find those few and sort them.
    pub(super) fn passes_few(&mut self) {
        self.selective = true;
    }

    /// The newest rows that pass.
    pub(super) async fn newest(
        mut self,
        client: &Object,
        columns: &str,
        table: &str,
        limit: u32,
    ) -> Result<Vec<Row>, StoreError> {
        self.values.push(Box::new(i64::from(limit)));
        let (conditions, limit) = (&self.conditions, self.values.len());
        let sql = if self.selective {
            format!(
                "WITH few AS MATERIALIZED (SELECT {columns} FROM {table} {conditions})
                 SELECT * FROM few ORDER BY id DESC LIMIT ${limit}"
            )
        } else {
            format!("SELECT {columns} FROM {table} {conditions} ORDER BY id DESC LIMIT ${limit}")
        };
        let statement = client.prepare_cached(&sql).await?;
        let values: Vec<&(dyn ToSql + Sync)> = self.values.iter().map(|value| &**value as _).collect();
        Ok(client.query(&statement, &values).await?)
    }
}
