//! `/webhooks/logs/{id}/difference`: two attempts of a delivery side by side, and what is other in the second.

use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;

use crate::form::Fields;
use crate::rest::Refusal;
use crate::shapes::{Attempt, List};
use crate::show::diff::{self, HeaderChange, Line};
use crate::show::json;
use crate::visitor::Visitor;

/// The attempts of a delivery to choose from.
const CHOICE: usize = 50;
/// The most of a body that is compared line by line, bytes.
const MAX_BODY: usize = 256 * 1024;

#[derive(Template)]
#[template(path = "difference.html")]
struct DifferencePage<'a> {
    v: &'a Visitor,
    one: Side,
    other: Side,
    /// All attempts of the delivery, oldest first.
    choice: Vec<Attempt>,
}

/// An attempt with its bodies.
struct Side {
    attempt: Attempt,
    request: Bytes,
    response: Bytes,
}

impl Side {
    async fn of(visitor: &Visitor, id: &str) -> Result<Self, Response> {
        let path = format!("/webhooks/logs/{id}");
        let (attempt, request, response) = futures::join!(
            visitor.get::<Attempt>(&path),
            visitor.bytes(format!("{path}/request-body")),
            visitor.bytes(format!("{path}/response-body")),
        );
        Ok(Self {
            attempt: attempt?,
            request: request?,
            response: response?,
        })
    }
}

/// A fact of both attempts.
struct Fact {
    name: String,
    one: String,
    other: String,
}

impl Fact {
    fn differs(&self) -> bool {
        self.one != self.other
    }
}

impl DifferencePage<'_> {
    fn facts(&self) -> Vec<Fact> {
        let v = self.v;
        let time = |attempt: &Attempt| attempt.started_at.map(|at| v.time(&at));
        let length = |text: &Option<String>| text.as_deref().map(|text| v.length(text));
        let fact = |key: &str, of: &dyn Fn(&Attempt) -> Option<String>| Fact {
            name: v.t(key),
            one: of(&self.one.attempt).unwrap_or_else(|| "–".into()),
            other: of(&self.other.attempt).unwrap_or_else(|| "–".into()),
        };
        vec![
            fact("result", &|attempt| Some(v.attempt_result(attempt))),
            fact("outcome", &|attempt| Some(v.outcome(&attempt.outcome))),
            fact("error", &|attempt| attempt.error.clone()),
            fact("time", &time),
            fact("duration", &|attempt| length(&attempt.duration)),
            fact("phase-dns", &|attempt| length(&attempt.timing.dns)),
            fact("phase-connect", &|attempt| length(&attempt.timing.connect)),
            fact("phase-tls", &|attempt| length(&attempt.timing.tls)),
            fact("first-byte", &|attempt| length(&attempt.timing.first_byte)),
            fact("remote-address", &|attempt| attempt.remote_address.clone()),
            fact("url", &|attempt| Some(attempt.url.clone())),
            fact("dialect", &|attempt| Some(attempt.dialect.clone())),
        ]
    }

    fn sections(&self) -> [Section<'_>; 2] {
        let (one, other) = (&self.one, &self.other);
        [
            Section {
                key: "request",
                changes: diff::headers(&one.attempt.request_headers, &other.attempt.request_headers),
                body: Bodies::of(&one.request, &other.request),
            },
            Section {
                key: "response",
                changes: diff::headers(&one.attempt.response_headers, &other.attempt.response_headers),
                body: Bodies::of(&one.response, &other.response),
            },
        ]
    }
}

/// Request or response of both attempts.
struct Section<'a> {
    /// The key of its title.
    key: &'static str,
    changes: Vec<HeaderChange<'a>>,
    body: Bodies,
}

/// The difference of two bodies.
enum Bodies {
    Same,
    /// The same once they are laid out; bytes differ.
    Laid,
    Lines(Vec<Line>),
}

impl Bodies {
    fn of(one: &[u8], other: &[u8]) -> Self {
        if one == other {
            return Self::Same;
        }
        let lines = diff::lines(&text(one), &text(other));
        if lines.is_empty() {
            Self::Laid
        } else {
            Self::Lines(lines)
        }
    }
}

/// A body in lines: JSON laid out, token by token.
fn text(body: &[u8]) -> String {
    let body = &body[..body.len().min(MAX_BODY)];
    match json::laid_out(body, MAX_BODY) {
        Some(tokens) => tokens.into_iter().map(|token| token.text).collect(),
        None => String::from_utf8_lossy(body).into_owned(),
    }
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>, fields: Fields) -> Result<Response, Response> {
    let own: Attempt = visitor.get(format!("/webhooks/logs/{id}")).await?;
    let path = format!(
        "/webhooks/logs?delivery_id={}&limit={CHOICE}&bodies=false",
        own.delivery_id
    );
    let mut choice = visitor.get::<List<Attempt>>(path).await?.data;
    choice.reverse();
    let with = fields.given("with").map(str::to_owned);
    let with = with.filter(|with| choice.iter().any(|attempt| attempt.id == *with && *with != own.id));
    let Some(with) = with.or_else(|| neighbour(&choice, &own)) else {
        return Err(visitor.refused(&Refusal {
            status: StatusCode::NOT_FOUND.as_u16(),
            code: "attempt_alone".into(),
            detail: visitor.t("difference-alone"),
            field: None,
        }));
    };
    // The earlier one is on the left, whichever was opened.
    let is_before = choice.iter().position(|attempt| attempt.id == with) < choice.iter().position(|it| it.id == own.id);
    let (first, second) = if is_before { (with, own.id) } else { (own.id, with) };
    let (one, other) = futures::join!(Side::of(&visitor, &first), Side::of(&visitor, &second));
    let page = DifferencePage {
        v: &visitor,
        one: one?,
        other: other?,
        choice,
    };
    Ok(visitor.page(StatusCode::OK, &page))
}

/// The attempt before, or else the one after.
fn neighbour(choice: &[Attempt], own: &Attempt) -> Option<String> {
    let at = choice.iter().position(|attempt| attempt.id == own.id)?;
    let before = at.checked_sub(1).and_then(|at| choice.get(at));
    before.or_else(|| choice.get(at + 1)).map(|attempt| attempt.id.clone())
}
