//! `tidings attempt watch`.
//!
//! A live tail ends when its server restarts, and what happens until the next one begins is not in it. So every tail
//! is opened first and then joined with what the log lists; what was printed before is known by its id.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use tidings_proto::pb;
use tidings_service::{Backoff, Health, shutdown};
use tonic::{Code, Status};

use super::{document, list, shown};
use crate::client::{Client, explain};
use crate::output::{self, Format};
use crate::{escape, pages};

/// The widths of the columns of a table whose rows are not known yet.
const WIDTHS: [usize; 8] = [24, 26, 40, 7, 17, 5, 9, 36];

/// Prints the newest attempts and then every further one, until Ctrl-C.
pub(super) async fn watch(
    client: &Client,
    filter: pb::AttemptFilter,
    latest: u32,
    format: Format,
) -> anyhow::Result<()> {
    let stop = shutdown::on_signal(Health::new(), Duration::ZERO);
    let mut printer = Printer {
        format,
        printed: Seen::default(),
    };
    if format == Format::Text {
        output::heading(&padded(&shown::HEADER.map(str::to_owned)))?;
    }
    let mut latest = latest.min(pages::LARGEST);
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    loop {
        let Some(watched) = stop
            .run_until_cancelled(print_until_lost(client, &filter, latest, &mut printer, &mut backoff))
            .await
        else {
            return Ok(());
        };
        match watched? {
            Ok(()) => {}
            Err(status) if is_passing(&status) => {}
            Err(status) => return Err(explain(status)),
        }
        eprintln!("the connection was lost; reconnecting");
        // Whatever was missed is listed, as far as one page goes.
        latest = pages::LARGEST;
        if stop
            .run_until_cancelled(tokio::time::sleep(backoff.next()))
            .await
            .is_none()
        {
            return Ok(());
        }
    }
}

/// Prints the attempts listed so far and then those that the stream announces, until the connection ends.
async fn print_until_lost(
    client: &Client,
    filter: &pb::AttemptFilter,
    latest: u32,
    printer: &mut Printer,
    backoff: &mut Backoff,
) -> anyhow::Result<Result<(), Status>> {
    let request = pb::WatchAttemptsRequest {
        filter: Some(filter.clone()),
    };
    let mut told = match client.log().watch_attempts(request).await {
        Ok(told) => told.into_inner(),
        Err(status) => return Ok(Err(status)),
    };
    let listed = match list(client, filter, latest).await {
        Ok(listed) => listed,
        Err(status) => return Ok(Err(status)),
    };
    backoff.reset();
    for attempt in listed.iter().rev() {
        printer.print(attempt)?;
    }
    loop {
        match told.message().await {
            Ok(Some(message)) => {
                if message.missed > 0 {
                    eprintln!("{} attempts came too fast to be shown", message.missed);
                }
                if let Some(attempt) = &message.attempt {
                    printer.print(attempt)?;
                }
            }
            Ok(None) => return Ok(Ok(())),
            Err(status) => return Ok(Err(status)),
        }
    }
}

/// `true` if the same request may succeed a little later.
fn is_passing(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal | Code::Aborted
    )
}

struct Printer {
    format: Format,
    printed: Seen,
}

impl Printer {
    fn print(&mut self, attempt: &pb::Attempt) -> anyhow::Result<()> {
        if !self.printed.is_new(&attempt.id) {
            return Ok(());
        }
        match self.format {
            Format::Json => output::json(&document::Attempt::from(attempt)),
            Format::Text => output::line(&padded(&shown::row(attempt))),
        }
    }
}

fn padded(cells: &[String]) -> String {
    let cells = cells.iter().map(|cell| escape::one_line(cell));
    let cells = cells.zip(WIDTHS).map(|(cell, width)| format!("{cell:width$}"));
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

/// The ids of what was printed last: as many as one list can bring again.
#[derive(Default)]
struct Seen {
    ids: HashSet<String>,
    order: VecDeque<String>,
}

impl Seen {
    const KEPT: usize = 2 * pages::LARGEST as usize;

    fn is_new(&mut self, id: &str) -> bool {
        if !self.ids.insert(id.to_owned()) {
            return false;
        }
        self.order.push_back(id.to_owned());
        if self.order.len() > Self::KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_printed_lately_is_not_printed_again() {
        let mut seen = Seen::default();
        assert!(seen.is_new("a") && !seen.is_new("a"));
        for i in 0..Seen::KEPT {
            assert!(seen.is_new(&i.to_string()));
        }
        assert!(seen.is_new("a"), "forgotten in the end");
        assert_eq!(seen.ids.len(), Seen::KEPT);
    }
}
