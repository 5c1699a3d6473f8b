//! Attempts as a file: all that a filter lets through, as they are read page by page.

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt as _, TryStreamExt as _, future, stream};
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use tidings_api::csv;
use tidings_domain::Timestamp;
use tidings_proto::pb;
use tonic::Status;

use super::filter::Format;
use super::shown::Summary;
use crate::logs::LogClient;

/// A file of attempts that begins with this page. Further pages are read as fast as the file is taken; if one can't be
/// read, the connection is cut, because a file that just ends would look complete.
pub(super) fn file(
    logs: LogClient,
    authorization: HeaderValue,
    question: pb::ListAttemptsRequest,
    first: pb::ListAttemptsResponse,
    format: Format,
) -> Response {
    let name = Timestamp::now().strftime("attempts-%Y%m%dT%H%M%SZ");
    let (media_type, ending) = match format {
        Format::Ndjson => ("application/x-ndjson", "ndjson"),
        Format::Csv => ("text/csv; charset=utf-8; header=present", "csv"),
    };
    let pages =
        pages(logs, authorization, question, first).and_then(move |attempts| future::ready(written(attempts, format)));
    let head = (format == Format::Csv).then(|| Bytes::from(csv::head()));
    let written = stream::iter(head.map(Ok)).chain(pages);
    let headers = [
        (CONTENT_TYPE, media_type.to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.{ending}\"")),
    ];
    (headers, Body::from_stream(written)).into_response()
}

fn pages(
    logs: LogClient,
    authorization: HeaderValue,
    question: pb::ListAttemptsRequest,
    first: pb::ListAttemptsResponse,
) -> impl Stream<Item = Result<Vec<pb::Attempt>, Status>> {
    let further = stream::try_unfold(first.next_page_token, move |page_token| {
        let (logs, authorization) = (logs.clone(), authorization.clone());
        let question = pb::ListAttemptsRequest {
            page_token,
            ..question.clone()
        };
        async move {
            if question.page_token.is_empty() {
                return Ok(None);
            }
            let page = logs.list_attempts(&authorization, question).await?;
            Ok(Some((page.attempts, page.next_page_token)))
        }
    });
    stream::iter([Ok(first.attempts)])
        .chain(further)
        .try_filter(|attempts| future::ready(!attempts.is_empty()))
}

fn written(attempts: Vec<pb::Attempt>, format: Format) -> Result<Bytes, Status> {
    let failed = |error: String| Status::internal(format!("an attempt can't be written down: {error}"));
    match format {
        Format::Ndjson => {
            let mut lines = Vec::new();
            for attempt in attempts {
                serde_json::to_writer(&mut lines, &Summary::from(attempt))
                    .map_err(|error| failed(error.to_string()))?;
                lines.push(b'\n');
            }
            Ok(lines.into())
        }
        Format::Csv => Ok(csv::rows(&attempts).map_err(|error| failed(error.to_string()))?.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(error: &str) -> pb::Attempt {
        pb::Attempt {
            id: "att_1".into(),
            event_type: "a.b".into(),
            number: 2,
            started_at: Some(tidings_proto::timestamp("2026-01-07T15:30:00.5Z".parse().unwrap())),
            duration: Some(tidings_proto::duration(std::time::Duration::from_micros(12_345))),
            error: error.into(),
            ..pb::Attempt::default()
        }
    }

    #[test]
    fn a_line_is_a_document() {
        let lines = written(vec![attempt("a\nb"), attempt("")], Format::Ndjson).unwrap();
        let text = String::from_utf8(lines.to_vec()).unwrap();
        let documents: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(documents.len(), 2);
        assert_eq!(
            (&documents[0]["error"], &documents[0]["number"]),
            (&"a\nb".into(), &2.into())
        );
        assert_eq!(documents[1]["error"], serde_json::Value::Null);
    }
}
