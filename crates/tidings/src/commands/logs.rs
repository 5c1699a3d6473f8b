//! `tidings logs`.

mod show;

use std::time::Duration;

use anyhow::Context as _;
use clap::Subcommand;
use tidings_domain::Timestamp;
use tidings_proto::{pb, timestamp};
use tidings_service::{Backoff, shutdown};

use self::show::{show_attempt, show_attempts, show_deliveries, show_event, show_events};
use crate::client::{Client, ClientArgs, explain};
use crate::output::{Format, OutputArgs};

/// Shows what became of events: attempts, newest first.
///
/// Examples:
///   tidings logs --status 5xx --since 1h
///   tidings logs --follow
///   tidings logs show att_…
///   tidings logs event evt_…
#[derive(clap::Args)]
#[command(verbatim_doc_comment, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    filter: AttemptArgs,
    /// Go on showing attempts as they happen.
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Shows one attempt with request and response.
    ///
    /// Example:
    ///   tidings logs show att_…
    #[command(verbatim_doc_comment)]
    Show {
        /// Its id.
        id: String,
    },
    /// Shows one event with its payload and deliveries.
    ///
    /// Example:
    ///   tidings logs event evt_…
    #[command(verbatim_doc_comment)]
    Event {
        /// Its id.
        id: String,
    },
    /// Lists events, newest first.
    ///
    /// Example:
    ///   tidings logs events --type feedback.created --since 1h
    #[command(verbatim_doc_comment)]
    Events {
        #[command(flatten)]
        range: RangeArgs,
        /// Events of this type; may be repeated.
        #[arg(long = "type", value_name = "TYPE")]
        event_types: Vec<String>,
        /// The event that was published with this key.
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
    /// Lists deliveries, newest first.
    ///
    /// Example:
    ///   tidings logs deliveries --state exhausted --since 1d
    #[command(verbatim_doc_comment)]
    Deliveries {
        #[command(flatten)]
        range: RangeArgs,
        /// Deliveries for this endpoint.
        #[arg(long, value_name = "ID")]
        endpoint: Option<String>,
        /// Deliveries of this event.
        #[arg(long, value_name = "ID")]
        event: Option<String>,
        /// Deliveries in this state: pending, scheduled, held, succeeded, exhausted, cancelled; may be repeated.
        #[arg(long = "state", value_name = "STATE")]
        states: Vec<String>,
    },
}

/// Whose, when, how many.
#[derive(clap::Args, Clone)]
struct RangeArgs {
    /// Of this tenant; with a tenant's key its own anyway, with an operator's all if left out.
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// From this time on: RFC 3339, or how long ago (1h, 2days).
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<Timestamp>,
    /// Before this time.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<Timestamp>,
    /// How many at the most.
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

#[derive(clap::Args, Clone)]
struct AttemptArgs {
    #[command(flatten)]
    range: RangeArgs,
    /// Attempts for this endpoint.
    #[arg(long, value_name = "ID")]
    endpoint: Option<String>,
    /// Attempts of this event.
    #[arg(long, value_name = "ID")]
    event: Option<String>,
    /// Attempts of this delivery.
    #[arg(long, value_name = "ID")]
    delivery: Option<String>,
    /// Attempts of events of this type; may be repeated.
    #[arg(long = "type", value_name = "TYPE")]
    event_types: Vec<String>,
    /// Attempts answered with this status or class (503, 5xx; none for no answer); may be repeated.
    #[arg(long = "status", value_name = "STATUS", value_parser = parse_status)]
    statuses: Vec<Status>,
    /// Attempts with this outcome: succeeded, failed_retryable, failed_final; may be repeated.
    #[arg(long = "outcome", value_name = "OUTCOME")]
    outcomes: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Code(u32),
    /// 0 stands for no answer.
    Class(u32),
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let (client, format) = (args.client.connect().await?, args.output.output);
    match args.command {
        None => {
            let filter = args.filter.message();
            let mut attempts = list_attempts(&client, &filter, args.filter.range.limit).await?;
            if !args.follow {
                return show_attempts(format, &attempts, true);
            }
            // What went before, in the order in which the rest will follow.
            attempts.reverse();
            show_attempts(format, &attempts, true)?;
            follow(&client, filter, format).await
        }
        Some(Command::Show { id }) => {
            let request = pb::GetAttemptRequest { attempt_id: id };
            let attempt = client.log().get_attempt(request).await.map_err(explain)?.into_inner();
            show_attempt(format, &attempt)
        }
        Some(Command::Event { id }) => {
            let request = pb::GetEventRequest { event_id: id };
            let found = client.log().get_event(request).await.map_err(explain)?.into_inner();
            show_event(format, &found)
        }
        Some(Command::Events {
            range,
            event_types,
            idempotency_key,
        }) => {
            let mut log = client.log();
            let mut request = pb::ListEventsRequest {
                tenant_id: range.tenant.unwrap_or_default(),
                event_types,
                since: range.since.map(timestamp),
                until: range.until.map(timestamp),
                idempotency_key: idempotency_key.unwrap_or_default(),
                ..Default::default()
            };
            let mut events = Vec::new();
            while events.len() < range.limit {
                request.page_size = page_size(range.limit - events.len());
                let page = log.list_events(request.clone()).await.map_err(explain)?.into_inner();
                events.extend(page.events);
                request.page_token = page.next_page_token;
                if request.page_token.is_empty() {
                    break;
                }
            }
            show_events(format, &events)
        }
        Some(Command::Deliveries {
            range,
            endpoint,
            event,
            states,
        }) => {
            let mut log = client.log();
            let mut request = pb::ListDeliveriesRequest {
                tenant_id: range.tenant.unwrap_or_default(),
                endpoint_id: endpoint.unwrap_or_default(),
                event_id: event.unwrap_or_default(),
                states,
                since: range.since.map(timestamp),
                until: range.until.map(timestamp),
                ..Default::default()
            };
            let mut deliveries = Vec::new();
            while deliveries.len() < range.limit {
                request.page_size = page_size(range.limit - deliveries.len());
                let page = log
                    .list_deliveries(request.clone())
                    .await
                    .map_err(explain)?
                    .into_inner();
                deliveries.extend(page.deliveries);
                request.page_token = page.next_page_token;
                if request.page_token.is_empty() {
                    break;
                }
            }
            show_deliveries(format, &deliveries)
        }
    }
}

async fn list_attempts(client: &Client, filter: &pb::AttemptFilter, limit: usize) -> anyhow::Result<Vec<pb::Attempt>> {
    let mut request = pb::ListAttemptsRequest {
        filter: Some(filter.clone()),
        ..Default::default()
    };
    let mut attempts = Vec::new();
    while attempts.len() < limit {
        request.page_size = page_size(limit - attempts.len());
        let page = client
            .log()
            .list_attempts(request.clone())
            .await
            .map_err(explain)?
            .into_inner();
        attempts.extend(page.attempts);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    Ok(attempts)
}

/// Shows attempts until interrupted; a server that restarts is connected to again.
async fn follow(client: &Client, filter: pb::AttemptFilter, format: Format) -> anyhow::Result<()> {
    let interrupted = shutdown::on_signal();
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    loop {
        let watch = async {
            let request = pb::WatchAttemptsRequest {
                filter: Some(filter.clone()),
            };
            let mut attempts = client
                .log()
                .watch_attempts(request)
                .await
                .map_err(explain)?
                .into_inner();
            while let Some(message) = attempts.message().await.map_err(explain)? {
                if message.missed > 0 {
                    eprintln!("({} attempts were too many to show)", message.missed);
                }
                show_attempts(format, message.attempt.as_slice(), false)?;
            }
            anyhow::Ok(())
        };
        match interrupted.run_until_cancelled(watch).await {
            None => return Ok(()),
            Some(Ok(())) => backoff.reset(),
            Some(Err(error)) => eprintln!("tidings: {error:#}; trying again"),
        }
        if interrupted
            .run_until_cancelled(tokio::time::sleep(backoff.next()))
            .await
            .is_none()
        {
            return Ok(());
        }
    }
}

impl AttemptArgs {
    fn message(&self) -> pb::AttemptFilter {
        let code = |status: &Status| {
            if let Status::Code(code) = status {
                Some(*code)
            } else {
                None
            }
        };
        let class = |status: &Status| {
            if let Status::Class(class) = status {
                Some(*class)
            } else {
                None
            }
        };
        pb::AttemptFilter {
            tenant_id: self.range.tenant.clone().unwrap_or_default(),
            endpoint_id: self.endpoint.clone().unwrap_or_default(),
            event_id: self.event.clone().unwrap_or_default(),
            delivery_id: self.delivery.clone().unwrap_or_default(),
            event_types: self.event_types.clone(),
            status_codes: self.statuses.iter().filter_map(code).collect(),
            status_classes: self.statuses.iter().filter_map(class).collect(),
            outcomes: self.outcomes.clone(),
            since: self.range.since.map(timestamp),
            until: self.range.until.map(timestamp),
        }
    }
}

fn page_size(left: usize) -> u32 {
    left.min(200) as u32
}

fn parse_status(text: &str) -> Result<Status, String> {
    let wrong = || format!("`{text}` is neither a status (503) nor a class (5xx) nor `none`");
    match text.strip_suffix("xx") {
        _ if text == "none" => Ok(Status::Class(0)),
        Some(class) => class
            .parse()
            .ok()
            .filter(|class| (1..=5).contains(class))
            .map(Status::Class)
            .ok_or_else(wrong),
        None => text
            .parse()
            .ok()
            .filter(|code| (100..=599).contains(code))
            .map(Status::Code)
            .ok_or_else(wrong),
    }
}

fn parse_time(text: &str) -> anyhow::Result<Timestamp> {
    if let Ok(ago) = humantime::parse_duration(text) {
        return Ok(Timestamp::now().checked_sub(ago)?);
    }
    text.parse()
        .with_context(|| format!("`{text}` is neither a time (2026-01-07T15:30:00Z) nor a duration (1h)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_a_code_a_class_or_none() {
        assert_eq!(parse_status("503"), Ok(Status::Code(503)));
        assert_eq!(parse_status("5xx"), Ok(Status::Class(5)));
        assert_eq!(parse_status("none"), Ok(Status::Class(0)));
        for text in ["", "xx", "6xx", "99", "600", "ok"] {
            assert!(parse_status(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_is_absolute_or_so_long_ago() {
        let absolute = "2026-01-07T15:30:00Z";
        assert_eq!(parse_time(absolute).unwrap().to_string(), absolute);
        let hour_ago = parse_time("1h").unwrap();
        assert!((3_599..=3_601).contains(&Timestamp::now().duration_since(hour_ago).as_secs()));
        assert!(parse_time("yesterday").is_err());
    }
}
