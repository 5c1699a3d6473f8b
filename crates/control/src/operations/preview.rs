//! Previews: the request of a test, without sending it.
//!
//! The endpoint's dialect renders and signs here what a dispatcher would render and sign, so that a receiver's
//! developer sees the request before the first one arrives. The parts that only a dispatcher knows are left out: the
//! address, and tokens of an authorization server.

use bytes::Bytes;
use tidings_dialect::{Message, Request};
use tidings_domain::{Authorization, Endpoint, EndpointId, EventId, Scope, Timestamp};
use tidings_service::problem::Problem;
use url::Position;

use crate::call::Call;
use crate::filters::made_up;
use crate::signature::Signatures;

/// The largest payload of a test, bytes.
const MAX_PAYLOAD: usize = 256 * 1024;
/// The encodings of answers that a dispatcher unpacks.
const ACCEPT_ENCODING: &str = "gzip, deflate, br, zstd";
/// Text in place of secret values.
const MASK: &str = "***";

/// A request that was not sent.
pub(crate) struct Preview {
    pub(crate) event_type: String,
    pub(crate) url: String,
    /// Name and value, in the order they are sent.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Signatures {
    /// Renders and signs the request of a test with this event type and payload; the dialect's sample where they are
    /// empty. Requires the scope `manage`, because it signs any content.
    pub(crate) async fn preview(
        &self,
        call: &Call,
        id: EndpointId,
        event_type: &str,
        payload: Vec<u8>,
    ) -> Result<Preview, Problem> {
        call.require(Scope::Manage)?;
        let endpoint = self.endpoints.find(call, id).await?;
        if endpoint.sealed.secret.is_some() || !endpoint.unreadable.is_empty() {
            let detail = "a stored part of the endpoint can't be read: give it a new secret, or set that part again";
            return Err(Problem::conflict("endpoint_unusable", detail));
        }
        let dialect = self.dialects.get(&endpoint.dialect).ok_or_else(|| {
            let detail = format!("there is no dialect `{}` any more: choose another", endpoint.dialect);
            Problem::conflict("dialect_unknown", detail)
        })?;
        let (event_type, payload) = made_up(&endpoint, dialect, event_type, payload, MAX_PAYLOAD)?;
        let now = Timestamp::now();
        let message = Message {
            event_id: EventId::at(now),
            event_type: &event_type,
            occurred_at: now,
            sent_at: now,
            attempt: 1,
            payload: &payload,
            properties: &endpoint.overrides.properties,
            settings: &endpoint.overrides.settings,
        };
        let request = dialect.render(&message, &endpoint.secrets(now));
        let request = request.map_err(|error| Problem::conflict("not_renderable", error.to_string()))?;
        Ok(Preview {
            event_type: event_type.to_string(),
            url: endpoint.url.to_string(),
            headers: headers(&endpoint, &request),
            body: request.body,
        })
    }
}

/// The headers that a dispatcher would send over HTTP/1.1; what is secret of them is masked, as in the log.
fn headers(endpoint: &Endpoint, request: &Request) -> Vec<(String, String)> {
    let has = |name: &str| {
        request
            .headers
            .iter()
            .any(|(other, _)| other.as_str().eq_ignore_ascii_case(name))
    };
    let host = endpoint.url[Position::BeforeHost..Position::AfterPort].to_owned();
    // What a dispatcher adds by itself (`send/usual.rs`), in its order.
    let usual = [
        ("Host", host),
        ("Accept", "*/*".to_owned()),
        ("Accept-Encoding", ACCEPT_ENCODING.to_owned()),
        ("Content-Length", request.body.len().to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    let own = request.headers.iter().map(|(name, value)| {
        let value = match value.is_sensitive() {
            true => MASK.to_owned(),
            false => String::from_utf8_lossy(value.as_bytes()).into_owned(),
        };
        (name.to_string(), value)
    });
    let authentication = &endpoint.authentication;
    let added = authentication.headers.keys().filter(|name| !has(name)).cloned();
    let kind = authentication
        .authorization
        .as_ref()
        .map(|authorization| match authorization {
            Authorization::Basic { .. } => "Basic",
            Authorization::Bearer { .. } | Authorization::Oauth2 { .. } => "Bearer",
        });
    let kind = kind.filter(|_| !has("authorization"));
    usual
        .into_iter()
        .chain(own)
        .chain(added.map(|name| (name, MASK.to_owned())))
        .chain(kind.map(|kind| ("Authorization".to_owned(), format!("{kind} {MASK}"))))
        .collect()
}
