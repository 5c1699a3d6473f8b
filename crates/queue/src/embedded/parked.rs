//! Parked messages, read from the table page by page because nobody consumes them. The embedded queue never has
//! unrouted ones.

use futures::future::join_all;
use tidings_store::StoreError;
use tidings_store::sqlite::{Cursor, StoredMessage};

use super::{Inner, PARKED};
use crate::{MessageError, Outgoing, Parked, ParkedQueue, PublishError, Selection, Settle, Settled, metrics};

const PAGE: u32 = 128;

pub(super) async fn list(
    inner: &Inner,
    from: ParkedQueue,
    selection: &Selection,
    limit: usize,
) -> Result<Vec<Parked>, PublishError> {
    let mut found = Vec::new();
    let mut pages = Pages::of(inner, from);
    while found.len() < limit {
        let Some(page) = pages.next().await? else { break };
        found.extend(
            page.into_iter()
                .map(|(_, parked)| parked)
                .filter(|parked| selection.includes(parked)),
        );
    }
    found.truncate(limit);
    Ok(found)
}

pub(super) async fn settle(
    inner: &Inner,
    from: ParkedQueue,
    selection: &Selection,
    how: Settle,
) -> Result<Settled, PublishError> {
    let mut settled = Settled::default();
    let mut pages = Pages::of(inner, from);
    while let Some(mut page) = pages.next().await? {
        page.retain(|(_, parked)| selection.includes(parked));
        let outcomes = match how {
            Settle::Discard => page.iter().map(|_| Ok(Ok(()))).collect(),
            Settle::Requeue => join_all(page.iter().map(|(_, parked)| requeue(inner, parked))).await,
        };
        let gone = page
            .iter()
            .zip(&outcomes)
            .filter(|(_, outcome)| matches!(outcome, Ok(Ok(()))));
        let gone: Vec<i64> = gone.map(|((seq, _), _)| *seq).collect();
        metrics::settled(how, gone.len() as u64);
        // Only after the publishes were confirmed: a crash in between leaves a message twice and loses none.
        inner.store.delete_messages(gone).await.map_err(unavailable)?;
        for outcome in outcomes {
            // An error ends the walk only after what was settled before it is deleted.
            settled.count(outcome?);
        }
    }
    Ok(settled)
}

async fn requeue(inner: &Inner, parked: &Parked) -> Result<Result<(), MessageError>, PublishError> {
    let to = match parked.home(inner.topology.shards()) {
        Ok(to) => to,
        Err(error) => return Ok(Err(error)),
    };
    let body = parked.body.clone();
    inner.publish(Outgoing { to, body }).await.map(Ok)
}

/// Messages present when reading began, with their sequence numbers.
struct Pages<'a> {
    inner: &'a Inner,
    after: Cursor,
    until_ms: i64,
    ended: bool,
}

impl<'a> Pages<'a> {
    fn of(inner: &'a Inner, from: ParkedQueue) -> Self {
        Self {
            inner,
            after: Cursor::START,
            // Bounds the walk: a message that is parked again meanwhile would be met without end.
            until_ms: inner.now_ms(),
            ended: from == ParkedQueue::Unrouted,
        }
    }

    async fn next(&mut self) -> Result<Option<Vec<(i64, Parked)>>, PublishError> {
        if self.ended {
            return Ok(None);
        }
        let page = self.inner.store.messages_ready(PARKED, self.after, self.until_ms, PAGE);
        let page = page.await.map_err(unavailable)?;
        self.ended = page.len() < PAGE as usize;
        self.after = page.last().map_or(self.after, StoredMessage::cursor);
        let read = |stored: StoredMessage| {
            let parked = Parked::read(ParkedQueue::Parked, stored.body, &stored.seq.to_string());
            (stored.seq, parked)
        };
        Ok(Some(page.into_iter().map(read).collect()))
    }
}

fn unavailable(error: StoreError) -> PublishError {
    PublishError::Unavailable(error.to_string())
}
