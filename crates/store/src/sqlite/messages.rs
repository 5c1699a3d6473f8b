//! Messages of the embedded queue.
//!
//! A message waits in a lane until a time. A work queue is a lane; a delay queue is a time in the future. Which
//! messages are handed out is known to the queue alone, in memory: a message leaves the table when it is
//! settled, so whatever was handed out when a process died is still here when the next one starts.
//!
//! A lane is read in pages, in the order of ([`StoredMessage::ready_at_ms`], [`StoredMessage::seq`]), from a
//! [`Cursor`] on. A page costs as much as it has rows, however many messages wait. What is inserted behind a
//! cursor (ready earlier than messages that were already read) is not found from that cursor; whoever inserts
//! has its seq and can hand it out itself.

use bytes::Bytes;
use rusqlite::{Row, params};

use super::Sqlite;
use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// The lane; the number means something to the queue only.
    pub lane: i64,
    /// The time from which it may be handed out, in milliseconds since 1970.
    pub ready_at_ms: i64,
    pub body: Bytes,
}

/// A message of the queue, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its number, which no other message ever has. Later messages have higher numbers.
    pub seq: i64,
    pub lane: i64,
    /// The time from which it may be handed out, in milliseconds since 1970.
    pub ready_at_ms: i64,
    pub body: Bytes,
}

/// A place in a lane, behind a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    pub ready_at_ms: i64,
    /// Breaks ties between messages that are ready at the same time.
    pub seq: i64,
}

/// Two statements, because SQLite enters an index at a pair of values only if neither is the rowid. The first
/// gives what is left of the cursor's millisecond, the second what is ready later.
const SAME_MILLISECOND: &str = "-- name: read_messages_of_millisecond
    SELECT seq, lane, ready_at_ms, body FROM messages
    WHERE lane = ?1 AND ready_at_ms = ?2 AND seq > ?3 ORDER BY seq LIMIT ?4";
const LATER: &str = "-- name: read_later_messages
    SELECT seq, lane, ready_at_ms, body FROM messages
    WHERE lane = ?1 AND ready_at_ms > ?2 AND ready_at_ms <= ?3 ORDER BY ready_at_ms, seq LIMIT ?4";
const NEXT_READY_AT: &str = "-- name: read_next_ready_message
    SELECT coalesce(
    (SELECT ready_at_ms FROM messages WHERE lane = ?1 AND ready_at_ms = ?2 AND seq > ?3 LIMIT 1),
    (SELECT ready_at_ms FROM messages WHERE lane = ?1 AND ready_at_ms > ?2 ORDER BY ready_at_ms LIMIT 1))";

impl Cursor {
    /// The place before every message.
    pub const START: Self = Self {
        ready_at_ms: i64::MIN,
        seq: i64::MIN,
    };
}

impl StoredMessage {
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor {
            ready_at_ms: self.ready_at_ms,
            seq: self.seq,
        }
    }
}

impl Sqlite {
    /// Stores messages, all or none; they are durable when this returns. Returns their numbers, in order.
    pub async fn insert_messages(&self, messages: Vec<NewMessage>) -> Result<Vec<i64>, StoreError> {
        self.write(move |connection| {
            let mut insert = connection.prepare_cached(
                "/* name: insert_messages */ INSERT INTO messages (lane, ready_at_ms, body) VALUES (?1, ?2, ?3)",
            )?;
            let inserted = messages
                .iter()
                .map(|m| insert.insert(params![m.lane, m.ready_at_ms, &m.body[..]]));
            Ok(inserted.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Removes messages for good. Numbers that are not there are passed over.
    pub async fn delete_messages(&self, seqs: Vec<i64>) -> Result<(), StoreError> {
        self.write(move |connection| {
            let mut delete =
                connection.prepare_cached("/* name: delete_messages */ DELETE FROM messages WHERE seq = ?1")?;
            for seq in seqs {
                delete.execute([seq])?;
            }
            Ok(())
        })
        .await
    }

    /// The next messages of a lane behind `after` that are ready at `now_ms`, at most `limit`, in order.
    pub async fn messages_ready(
        &self,
        lane: i64,
        after: Cursor,
        now_ms: i64,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        self.read_queue(move |connection| {
            let mut found = Vec::new();
            if after.ready_at_ms <= now_ms {
                let mut select = connection.prepare_cached(SAME_MILLISECOND)?;
                for message in select.query_map(params![lane, after.ready_at_ms, after.seq, limit], message)? {
                    found.push(message?);
                }
            }
            let left = limit - found.len() as u32;
            let mut select = connection.prepare_cached(LATER)?;
            for message in select.query_map(params![lane, after.ready_at_ms, now_ms, left], message)? {
                found.push(message?);
            }
            Ok(found)
        })
        .await
    }

    /// The time at which the first message of a lane behind `after` is or will be ready; `None` if there is none.
    pub async fn next_message_ready_at(&self, lane: i64, after: Cursor) -> Result<Option<i64>, StoreError> {
        self.read_queue(move |connection| {
            let mut select = connection.prepare_cached(NEXT_READY_AT)?;
            Ok(select.query_row(params![lane, after.ready_at_ms, after.seq], |row| row.get(0))?)
        })
        .await
    }

    /// Messages per lane, ready or not; empty lanes are left out. Reads an index of all messages: meant for a metric
    /// every few seconds, not for every message.
    pub async fn count_messages(&self) -> Result<Vec<(i64, u64)>, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached(
                "/* name: count_messages */ SELECT lane, count(*) FROM messages GROUP BY lane ORDER BY lane",
            )?;
            let counts = select.query_map((), |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
            Ok(counts.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Messages of each of these lanes that are ready by a time, counted up to `limit`.
    pub async fn count_ready(&self, lanes: Vec<i64>, now_ms: i64, limit: u32) -> Result<Vec<(i64, u64)>, StoreError> {
        self.read(move |connection| {
            let mut select = connection.prepare_cached(
                "-- name: count_ready_messages
                     SELECT count(*) FROM (SELECT 1 FROM messages WHERE lane = ?1 AND ready_at_ms <= ?2 LIMIT ?3)",
            )?;
            let counts = lanes.into_iter().map(|lane| {
                let count: i64 = select.query_row(params![lane, now_ms, limit], |row| row.get(0))?;
                Ok((lane, count.unsigned_abs()))
            });
            counts.collect()
        })
        .await
    }
}

fn message(row: &Row<'_>) -> rusqlite::Result<StoredMessage> {
    let body: Vec<u8> = row.get(3)?;
    Ok(StoredMessage {
        seq: row.get(0)?,
        lane: row.get(1)?,
        ready_at_ms: row.get(2)?,
        body: body.into(),
    })
}

#[cfg(test)]
mod tests {
    use rusqlite::params_from_iter;

    use super::*;

    #[tokio::test]
    async fn a_page_of_a_long_lane_costs_no_scan() {
        let directory = tempfile::tempdir().unwrap();
        let store = super::super::tests::open(&directory.path().join("tidings.db"));
        let plan = async |sql: &str| {
            let explain = format!("EXPLAIN QUERY PLAN {sql}");
            let steps = store.read(move |connection| {
                let mut explain = connection.prepare(&explain)?;
                let values = vec![1; explain.parameter_count()];
                let steps = explain.query_map(params_from_iter(values), |row| row.get::<_, String>(3))?;
                Ok(steps.collect::<Result<Vec<_>, _>>()?)
            });
            steps.await.unwrap()
        };
        let search = "SEARCH messages USING INDEX messages_by_lane";
        let same = format!("{search} (lane=? AND ready_at_ms=? AND seq>?)");
        assert_eq!(plan(SAME_MILLISECOND).await, [same]);
        assert_eq!(
            plan(LATER).await,
            [format!("{search} (lane=? AND ready_at_ms>? AND ready_at_ms<?)")]
        );
        assert!(
            plan(NEXT_READY_AT)
                .await
                .iter()
                .all(|step| !step.contains("SCAN messages") && !step.contains("SORT"))
        );
    }
}
