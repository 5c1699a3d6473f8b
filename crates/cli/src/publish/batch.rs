//! Publishing a file of events over one stream.
//!
//! Lines are sent as fast as the server takes them and answered in any order; the sequence number of an event is its
//! line's. What got no answer when the stream broke is named, because it may or may not have been accepted.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context as _;
use futures::{Stream, StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidings_domain::{TenantId, Timestamp};
use tidings_proto::pb;
use tidings_proto::pb::publish_result::Result as Answer;
use tidings_service::body::not_plain;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{Accepted, describe};
use crate::client::{Client, explain};
use crate::output::{self, Format};

/// Lines read ahead of the connection.
const AHEAD: usize = 256;

/// A line of a batch.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    event_type: String,
    payload: Box<RawValue>,
    #[serde(default)]
    occurred_at: Option<Timestamp>,
    #[serde(default)]
    idempotency_key: String,
    #[serde(default)]
    tenant_id: String,
}

/// The result of a line.
struct Outcome {
    line: u64,
    result: Result<pb::PublishResponse, Refusal>,
}

/// The reason for rejecting a line.
#[derive(Debug, PartialEq, Serialize)]
struct Refusal {
    code: String,
    field: Option<String>,
    detail: String,
}

#[derive(Serialize)]
struct Document<'a> {
    line: u64,
    #[serde(flatten)]
    accepted: Option<Accepted<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Refusal>,
}

/// Publishes every line of a file, prints what became of each, and fails if any was not accepted.
pub(super) async fn publish(
    client: &Client,
    path: &Path,
    tenant: Option<TenantId>,
    format: Format,
) -> anyhow::Result<()> {
    let input: Box<dyn AsyncRead + Send + Unpin> = match path.to_str() {
        Some("-") => Box::new(tokio::io::stdin()),
        _ => {
            let opened = tokio::fs::File::open(path).await;
            Box::new(opened.with_context(|| format!("cannot open {}", path.display()))?)
        }
    };
    let mut input = BufReader::new(input);
    let beginning = input.fill_buf().await.context("cannot read the batch")?;
    if let Some(why) = not_plain(beginning) {
        anyhow::bail!("the batch can't be read, and nothing of it was published: {why}");
    }
    let (events, flawed) = (mpsc::channel(AHEAD), mpsc::channel(AHEAD));
    let tenant = tenant.map(|tenant| tenant.to_string()).unwrap_or_default();
    let reading = tokio::spawn(read(input, tenant, events.0, flawed.0));
    let answers = client
        .events()
        .publish_stream(ReceiverStream::new(events.1))
        .await
        .map_err(explain)?;
    let answers = answers.into_inner().map(|answer| answer.map(Outcome::from));
    let flawed = ReceiverStream::new(flawed.1).map(Ok);

    let (outcomes, broken) = report(stream::select(answers, flawed), format).await?;
    eprintln!(
        "{} accepted, {} known already, {} refused",
        outcomes.accepted, outcomes.duplicates, outcomes.refused
    );
    if let Some(status) = broken {
        return Err(explain(status)).context("the stream broke: lines without a result may have been accepted or not");
    }
    let lines = reading.await??;
    let unanswered: Vec<_> = lines.difference(&outcomes.answered).map(u64::to_string).collect();
    anyhow::ensure!(
        unanswered.is_empty(),
        "the server stopped without an answer for the lines {}",
        unanswered.join(", ")
    );
    anyhow::ensure!(
        outcomes.refused == 0,
        "{} of {} events were refused",
        outcomes.refused,
        lines.len()
    );
    Ok(())
}

/// Reads lines to the end, or until the receiver is dropped. Returns the numbers of those that are events.
async fn read(
    input: impl AsyncBufRead + Unpin,
    tenant: String,
    events: mpsc::Sender<pb::PublishStreamRequest>,
    flawed: mpsc::Sender<Outcome>,
) -> anyhow::Result<BTreeSet<u64>> {
    let mut lines = input.lines();
    let mut numbers = BTreeSet::new();
    let mut number = 0;
    while let Some(text) = lines.next_line().await.context("cannot read the batch")? {
        number += 1;
        if text.trim().is_empty() {
            continue;
        }
        numbers.insert(number);
        let taken = match parse(&text, &tenant) {
            Ok(event) => events
                .send(pb::PublishStreamRequest {
                    sequence: number,
                    event: Some(event),
                })
                .await
                .is_ok(),
            Err(refusal) => flawed
                .send(Outcome {
                    line: number,
                    result: Err(refusal),
                })
                .await
                .is_ok(),
        };
        if !taken {
            break;
        }
    }
    Ok(numbers)
}

fn parse(text: &str, tenant: &str) -> Result<pb::PublishRequest, Refusal> {
    let line: Line = serde_json::from_str(text).map_err(|error| Refusal {
        code: "line_invalid".into(),
        field: None,
        detail: format!("{error}"),
    })?;
    Ok(pb::PublishRequest {
        tenant_id: if line.tenant_id.is_empty() {
            tenant.to_owned()
        } else {
            line.tenant_id
        },
        event_type: line.event_type,
        payload: line.payload.get().to_owned().into(),
        occurred_at: line.occurred_at.map(tidings_proto::timestamp),
        idempotency_key: line.idempotency_key,
    })
}

#[derive(Default)]
struct Outcomes {
    answered: BTreeSet<u64>,
    accepted: u64,
    duplicates: u64,
    refused: u64,
}

/// Prints outcomes as they come; returns what they add up to and how the stream broke, if it did.
async fn report(
    mut outcomes: impl Stream<Item = Result<Outcome, Status>> + Unpin,
    format: Format,
) -> anyhow::Result<(Outcomes, Option<Status>)> {
    let mut sum = Outcomes::default();
    while let Some(outcome) = outcomes.next().await {
        let Outcome { line, result } = match outcome {
            Ok(outcome) => outcome,
            Err(status) => return Ok((sum, Some(status))),
        };
        sum.answered.insert(line);
        match &result {
            Ok(accepted) if accepted.duplicate => sum.duplicates += 1,
            Ok(_) => sum.accepted += 1,
            Err(_) => sum.refused += 1,
        }
        match (format, &result) {
            (Format::Json, result) => output::json(&Document {
                line,
                accepted: result.as_ref().ok().map(Accepted::from),
                error: result.as_ref().err(),
            })?,
            (Format::Text, Ok(accepted)) => {
                output::line(&format!("{line:>6}  {}  {}", accepted.event_id, describe(accepted)))?;
            }
            (Format::Text, Err(refusal)) => output::line(&format!("{line:>6}  refused: {}", refusal.describe()))?,
        }
    }
    Ok((sum, None))
}

impl Refusal {
    fn describe(&self) -> String {
        let field = self
            .field
            .as_ref()
            .map(|field| format!("{field}: "))
            .unwrap_or_default();
        format!("{field}{} ({})", self.detail, self.code)
    }
}

impl From<pb::PublishStreamResponse> for Outcome {
    fn from(answer: pb::PublishStreamResponse) -> Self {
        let result = match answer.result.and_then(|result| result.result) {
            Some(Answer::Accepted(accepted)) => Ok(accepted),
            Some(Answer::Error(error)) => Err(Refusal {
                code: error.code,
                field: Some(error.field).filter(|field| !field.is_empty()),
                detail: error.detail,
            }),
            None => Err(Refusal {
                code: "answer_unknown".into(),
                field: None,
                detail: "the server's answer is unknown to this version".into(),
            }),
        };
        Self {
            line: answer.sequence,
            result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_event_of_its_own_tenant_or_the_given_one() {
        let text =
            r#"{"event_type":"a.b","payload":{"n":1.50},"occurred_at":"2026-01-07T15:30:00Z","idempotency_key":"k"}"#;
        let event = parse(text, "ten_1").unwrap();
        assert_eq!((event.tenant_id.as_str(), event.event_type.as_str()), ("ten_1", "a.b"));
        assert_eq!(event.payload, r#"{"n":1.50}"#);
        assert_eq!(event.occurred_at.unwrap().seconds, 1_767_799_800);
        assert_eq!(event.idempotency_key, "k");
        let event = parse(r#"{"event_type":"a.b","payload":1,"tenant_id":"ten_2"}"#, "ten_1").unwrap();
        assert_eq!(event.tenant_id, "ten_2");
    }

    #[test]
    fn a_flawed_line_says_what_is_wrong() {
        let detail = |text: &str| parse(text, "").unwrap_err().detail;
        assert!(detail(r#"{"event_type":"a"}"#).contains("missing field `payload`"));
        assert!(detail(r#"{"type":"a"}"#).contains("unknown field `type`, expected one of `event_type`"));
        assert!(detail(r#"{"event_type":"a","payload":1,"occurred_at":"now"}"#).contains("line 1 column"));
    }

    #[tokio::test]
    async fn every_line_is_sent_or_refused_under_its_own_number() {
        let (events, mut sent) = mpsc::channel(10);
        let (flawed, mut refused) = mpsc::channel(10);
        let input = "{\"event_type\":\"a\",\"payload\":1}\n\nnonsense\n{\"event_type\":\"b\",\"payload\":2}";
        let numbers = read(input.as_bytes(), String::new(), events, flawed).await.unwrap();
        assert_eq!(numbers, BTreeSet::from([1, 3, 4]));
        assert_eq!(
            (sent.recv().await.unwrap().sequence, sent.recv().await.unwrap().sequence),
            (1, 4)
        );
        assert_eq!(refused.recv().await.unwrap().line, 3);
    }
}
