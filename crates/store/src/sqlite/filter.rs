//! Conditions of a list query; only those that are set become part of the statement.

use std::time::Instant;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use uuid::Uuid;

use super::row::{blob, id};
use crate::error::StoreError;
use crate::ledger::query::{COUNT_FOR, COUNTED_AT_ONCE, Counted, LOOK_FOR, STRETCHES, next_stretch};
use crate::ledger::{Outcomes, Page};

/// Conditions that must all hold, with their values.
#[derive(Default)]
pub(super) struct Filter {
    /// Those that bound what is read, along an index.
    along: Conditions,
    /// Those that rows have to be looked at for.
    checked: Conditions,
}

#[derive(Default)]
struct Conditions {
    texts: Vec<String>,
    values: Vec<Value>,
}

impl Filter {
    /// Adds a condition that an index serves, if there is a value for it.
    pub(super) fn and(&mut self, condition: &str, value: Option<Value>) {
        self.along.and(condition, value);
    }

    /// Adds a condition that has no value.
    pub(super) fn and_partial(&mut self, condition: &str) {
        self.along.texts.push(condition.to_owned());
    }

    /// Adds a condition that rows are looked at for, if there is a value for it.
    pub(super) fn check(&mut self, condition: &str, value: Option<Value>) {
        self.checked.and(condition, value);
    }

    /// Adds alternatives that rows are looked at for; none do not filter.
    pub(super) fn check_any(&mut self, expression: &str, values: impl Iterator<Item = Value>) {
        let values: Vec<Value> = values.collect();
        if !values.is_empty() {
            let places = vec!["?"; values.len()].join(", ");
            self.checked.texts.push(format!("{expression} IN ({places})"));
            self.checked.values.extend(values);
        }
    }

    /// The newest rows that pass, at most `limit`, however long it takes to find them.
    pub(super) fn list<T>(
        self,
        connection: &Connection,
        select: &str,
        limit: u32,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let (condition, mut values) = self.passing(Uuid::max(), None);
        values.push(i64::from(limit).into());
        let sql = format!("{select} WHERE {condition} ORDER BY id DESC LIMIT ?");
        let mut statement = connection.prepare_cached(&sql)?;
        let found = statement.query_map(params_from_iter(values), read)?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// The newest rows below `before` that pass: at most `limit`, or those that were found in the time that there is.
    /// Their ids are the first column.
    pub(super) fn page<T, Id>(
        &self,
        connection: &Connection,
        (columns, from): (&str, &str),
        (before, limit): (Option<Uuid>, u32),
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
        wrap: fn(Uuid) -> Id,
    ) -> Result<Page<T, Id>, StoreError> {
        let began = Instant::now();
        let mut stretch = *STRETCHES.start();
        let mut before = before.unwrap_or(Uuid::max());
        let mut rows = Vec::new();
        loop {
            let floor = self.floor(connection, from, before, stretch)?;
            let (condition, mut values) = self.passing(before, floor);
            values.push(i64::from(limit).saturating_sub(rows.len() as i64).into());
            let sql = format!(
                "/* name: search_rows */ SELECT {columns} FROM {from} WHERE {condition} ORDER BY id DESC LIMIT ?"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let found = statement.query_map(params_from_iter(values), |row| Ok((id(row, 0, |id| id)?, read(row)?)))?;
            let mut last = None;
            for found in found {
                let (id, row) = found?;
                last = Some(id);
                rows.push(row);
            }
            let full = last.filter(|_| rows.len() >= limit as usize);
            match floor {
                Some(floor) if full.is_none() && began.elapsed() < LOOK_FOR => {
                    before = floor;
                    // What was cheap so far may be read in larger pieces; the first ones are small in case each row
                    // costs a read from disk.
                    stretch = (2 * stretch).min(*STRETCHES.end());
                }
                _ => {
                    let next = full.or(floor).map(wrap);
                    return Ok(Page { rows, next });
                }
            }
        }
    }

    /// Counts the rows that pass, up to `limit` and for as long as there is time.
    pub(super) fn count(&self, connection: &Connection, from: &str, limit: u64) -> Result<Counted, StoreError> {
        let began = Instant::now();
        let mut counted = Counted::default();
        let (mut before, mut stretch) = (Uuid::max(), *COUNTED_AT_ONCE.start());
        loop {
            let looked = Instant::now();
            let floor = self.end_of_stretch(connection, from, before, stretch)?;
            counted.rows += match floor {
                // All of the stretch pass.
                Some(_) if self.checked.texts.is_empty() => u64::from(stretch),
                _ => self.count_to(connection, from, before, floor)?,
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
    fn count_to(
        &self,
        connection: &Connection,
        from: &str,
        before: Uuid,
        floor: Option<Uuid>,
    ) -> Result<u64, StoreError> {
        let (condition, values) = self.passing(before, floor);
        let sql = format!("/* name: count_rows */ SELECT count(*) FROM {from} WHERE {condition}");
        let mut statement = connection.prepare_cached(&sql)?;
        let count: i64 = statement.query_row(params_from_iter(values), |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// The rows that pass by outcome, in the spans between neighbouring ids, which ascend; with the id that was reached when
    /// the time was over.
    pub(super) fn tally(
        &self,
        connection: &Connection,
        from: &str,
        bounds: &[Uuid],
    ) -> Result<(Vec<Outcomes>, Option<Uuid>), StoreError> {
        let mut spans = vec![Outcomes::default(); bounds.len().saturating_sub(1)];
        let began = Instant::now();
        let (mut before, mut stretch) = (Uuid::max(), *STRETCHES.start());
        loop {
            let floor = self.end_of_stretch(connection, from, before, stretch)?;
            let (condition, values) = self.passing(before, floor);
            let sql = format!("/* name: tally_attempts */ SELECT id, outcome FROM {from} WHERE {condition}");
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query(params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                let id = id(row, 0, |id| id)?;
                let span = bounds.partition_point(|bound| *bound <= id).checked_sub(1);
                if let Some(span) = span.and_then(|span| spans.get_mut(span)) {
                    span.add(&row.get::<_, String>(1)?, 1);
                }
            }
            match floor {
                Some(floor) if began.elapsed() < LOOK_FOR => before = floor,
                _ => return Ok((spans, floor)),
            }
            stretch = (2 * stretch).min(*STRETCHES.end());
        }
    }

    /// The end of the next stretch along the index; `None` to read all that is left at once, because an index covers it
    /// or little remains.
    fn floor(
        &self,
        connection: &Connection,
        from: &str,
        before: Uuid,
        stretch: u32,
    ) -> Result<Option<Uuid>, StoreError> {
        if self.checked.texts.is_empty() {
            return Ok(None);
        }
        self.end_of_stretch(connection, from, before, stretch)
    }

    /// The last of `stretch` rows along the index; `None` if there are fewer.
    fn end_of_stretch(
        &self,
        connection: &Connection,
        from: &str,
        before: Uuid,
        stretch: u32,
    ) -> Result<Option<Uuid>, StoreError> {
        let mut sql = format!("/* name: find_end_of_stretch */ SELECT id FROM {from} WHERE id < ?");
        let mut values = vec![uuid(before)];
        self.along.append(&mut sql, &mut values);
        sql += &format!(" ORDER BY id DESC LIMIT 1 OFFSET {}", stretch - 1);
        let floor = connection
            .prepare_cached(&sql)?
            .query_row(params_from_iter(values), |row| id(row, 0, |id| id))
            .optional()?;
        Ok(floor)
    }

    /// The condition, with its values, of rows that pass from `floor` to below `before`.
    fn passing(&self, before: Uuid, floor: Option<Uuid>) -> (String, Vec<Value>) {
        let mut condition = "id < ?".to_owned();
        let mut values = vec![uuid(before)];
        if let Some(floor) = floor {
            condition += " AND id >= ?";
            values.push(uuid(floor));
        }
        self.along.append(&mut condition, &mut values);
        self.checked.append(&mut condition, &mut values);
        (condition, values)
    }
}

impl Conditions {
    fn and(&mut self, condition: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.texts.push(condition.to_owned());
            self.values.push(value);
        }
    }

    fn append(&self, sql: &mut String, values: &mut Vec<Value>) {
        for text in &self.texts {
            *sql = format!("{sql} AND {text}");
        }
        values.extend(self.values.iter().cloned());
    }
}

pub(super) fn uuid(uuid: Uuid) -> Value {
    blob(uuid).to_vec().into()
}
