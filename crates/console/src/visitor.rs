//! The visitor of a page: the key behind the session, the language and the time zone.

use std::fmt::Display;
use std::time::Duration;

use askama::Template;
use axum::body::Bytes;
use axum::extract::{FromRequestParts, OriginalUri};
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::header::{ACCEPT_LANGUAGE, AUTHORIZATION, HeaderName, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use jiff::tz::TimeZone;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use serde_json::value::RawValue;
use tidings_auth::Caller;
use tidings_domain::{Scope, Timestamp};

use crate::form::Fields;
use crate::link::Look;
use crate::rest::{Operation, Refusal};
use crate::session::{Realm, cookie};
use crate::shapes::{Attempt, Checked};
use crate::show::command::{self, Same};
use crate::tenant;
use crate::texts::Language;
use crate::theme::Accent;
use crate::{Console, assets};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The cookies by which a browser says what its user prefers.
pub(crate) const LANGUAGE_COOKIE: &str = "tidings-language";
pub(crate) const ZONE_COOKIE: &str = "tidings-zone";

/// The preferences of somebody, signed in or not.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) console: Console,
    pub(crate) language: Language,
    pub(crate) zone: TimeZone,
    /// The colour that a link asked for; none for the configured one.
    accent: Option<Accent>,
    /// The page that is asked for, with its query.
    pub(crate) path: String,
}

/// The requested URI: inside of nested routes the request's own URI lacks its beginning.
fn asked(parts: &Parts) -> &Uri {
    parts
        .extensions
        .get::<OriginalUri>()
        .map_or(&parts.uri, |original| &original.0)
}

/// Somebody with a session.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) reader: Reader,
    pub(crate) caller: Caller,
    pub(crate) realm: Realm,
    headers: HeaderMap,
    extensions: http::Extensions,
}

impl Reader {
    pub(crate) fn of(console: &Console, parts: &Parts) -> Self {
        let session = console.session(Realm::of(asked(parts).path()), &parts.headers);
        Self::with_look(console, parts, session.map(|session| session.look).unwrap_or_default())
    }

    /// A reader to whom the console looks as a link asks for. A language that somebody has chosen stays.
    pub(crate) fn with_look(console: &Console, parts: &Parts, look: Look) -> Self {
        let headers = &parts.headers;
        let chosen = cookie(headers, LANGUAGE_COOKIE).and_then(Language::named);
        let chosen = chosen.or(look.language);
        let accepted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let zone = cookie(headers, ZONE_COOKIE).and_then(|name| {
            let name = percent_encoding::percent_decode_str(name).decode_utf8().ok()?;
            TimeZone::get(&name).ok()
        });
        Self {
            console: console.clone(),
            language: chosen.unwrap_or_else(|| Language::accepted(accepted.unwrap_or_default())),
            zone: zone.unwrap_or(TimeZone::UTC),
            accent: look.accent,
            path: asked(parts)
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
        }
    }

    /// A text of the console in the reader's language.
    pub(crate) fn t(&self, key: &str) -> String {
        self.console.texts.say(self.language, key, &[])
    }

    /// A text with one thing put in.
    pub(crate) fn t1(&self, key: &str, name: &'static str, value: impl Display) -> String {
        self.console.texts.say(self.language, key, &[(name, value.to_string())])
    }

    /// A text with two things put in.
    pub(crate) fn t2(
        &self,
        key: &str,
        name: &'static str,
        value: impl Display,
        other_name: &'static str,
        other: impl Display,
    ) -> String {
        let values = [(name, value.to_string()), (other_name, other.to_string())];
        self.console.texts.say(self.language, key, &values)
    }

    /// The URL of a path of the console.
    pub(crate) fn url(&self, path: impl Display) -> String {
        format!("{}{path}", self.console.base)
    }

    /// The URL of the style sheet of a link's colour.
    pub(crate) fn accent_style(&self) -> Option<String> {
        let name = assets::accent_name(self.accent?);
        Some(self.url(format!("/webhooks/assets/{name}")))
    }

    /// A time in the reader's zone, to the second.
    pub(crate) fn time(&self, at: &Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// The name of the reader's zone.
    pub(crate) fn zone_name(&self) -> String {
        self.zone.iana_name().unwrap_or("UTC").to_owned()
    }

    /// A length of time as the API writes it (`14ms 341us`), in one unit.
    pub(crate) fn length(&self, text: &str) -> String {
        match humantime::parse_duration(text) {
            Ok(length) if length < Duration::from_millis(10) => format!("{:.1} ms", length.as_secs_f64() * 1_000.0),
            Ok(length) if length < Duration::from_secs(1) => format!("{} ms", length.as_millis()),
            Ok(length) => format!("{:.1} s", length.as_secs_f64()),
            Err(_) => text.to_owned(),
        }
    }

    /// The time since or until an instant, in one unit.
    pub(crate) fn relative(&self, at: &Timestamp) -> String {
        let seconds = Timestamp::now().duration_since(*at).as_secs();
        let (key, number) = match seconds.unsigned_abs() {
            0..60 => ("seconds", seconds.unsigned_abs()),
            60..3_600 => ("minutes", seconds.unsigned_abs() / 60),
            3_600..86_400 => ("hours", seconds.unsigned_abs() / 3_600),
            _ => ("days", seconds.unsigned_abs() / 86_400),
        };
        let direction = if seconds < 0 { "in" } else { "ago" };
        self.t1(&format!("{direction}-{key}"), "n", number)
    }

    pub(crate) fn page(&self, status: StatusCode, template: &impl Template) -> Response {
        match template.render() {
            Ok(text) => (status, Html(text)).into_response(),
            Err(error) => {
                tracing::error!(%error, "a page can't be rendered");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }

    /// The status of a page that shows why something was refused, if it was.
    pub(crate) fn status(&self, refusal: Option<&Refusal>) -> StatusCode {
        let status = refusal.map_or(200, |refusal| refusal.status);
        StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST)
    }

    /// Leads on to another page of the console.
    pub(crate) fn redirect(&self, path: impl Display) -> Response {
        Redirect::to(&self.url(path)).into_response()
    }
}

impl std::ops::Deref for Visitor {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

impl Visitor {
    /// The visitor whose session the request bears, if it has one that works.
    pub(crate) fn of(console: &Console, parts: &Parts) -> Option<Self> {
        let realm = Realm::of(asked(parts).path());
        let session = console.session(realm, &parts.headers)?;
        Self::with_token(console, parts, realm, &session.token)
    }

    pub(crate) fn with_token(console: &Console, parts: &Parts, realm: Realm, token: &str) -> Option<Self> {
        let headers = bearing(token, parts)?;
        Some(Self {
            caller: console.access.caller(&headers).ok()?,
            reader: Reader::of(console, parts),
            realm,
            headers,
            extensions: parts.extensions.clone(),
        })
    }

    /// True if the visitor may change things.
    pub(crate) fn may_manage(&self) -> bool {
        self.caller.require(Scope::Manage).is_ok()
    }

    /// True if the visitor may see the audit log and see and change keys and settings, which portal links do not allow.
    pub(crate) fn may_administer(&self) -> bool {
        self.may_manage() && self.caller.refuse_portal().is_ok()
    }

    /// True if the visitor works for all tenants.
    pub(crate) fn is_operator(&self) -> bool {
        self.caller.require_operator().is_ok()
    }

    /// True if this is the current page, for the navigation.
    pub(crate) fn is_here(&self, path: impl AsRef<str>) -> bool {
        self.path.split('?').next() == Some(path.as_ref())
    }

    /// True if the current page is this one or lies under it.
    pub(crate) fn is_under(&self, path: impl AsRef<str>) -> bool {
        let here = self.path.split('?').next().unwrap_or_default();
        let rest = here.strip_prefix(path.as_ref());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// A path of the visitor's realm, as [`Self::is_here`] takes it.
    pub(crate) fn section(&self, path: impl Display) -> String {
        format!("{}{path}", self.realm.home())
    }

    /// The URL of a page of the visitor's realm.
    pub(crate) fn at(&self, path: impl Display) -> String {
        format!("{}{}{path}", self.console.base, self.realm.home())
    }

    /// The URL of a page of the log.
    pub(crate) fn log(&self, path: impl Display) -> String {
        format!("{}{}{path}", self.console.base, self.realm.logs())
    }

    /// Leads on to another page of the realm.
    pub(crate) fn lead(&self, path: impl Display) -> Response {
        Redirect::to(&self.at(path)).into_response()
    }

    /// Commands that get what the page shows.
    pub(crate) fn same(&self) -> Option<Same> {
        let (path, query) = self.path.split_once('?').unwrap_or((self.path.as_str(), ""));
        let path = path.strip_prefix(self.realm.home())?;
        let fields = url::form_urlencoded::parse(query.as_bytes()).into_owned();
        let fields = fields.filter(|(name, value)| !value.trim().is_empty() && name != "after");
        let fields = fields.map(|(name, value)| match name.as_str() {
            "since" | "until" => {
                let at = tenant::instant(self, &value, name == "until").ok().flatten();
                (name, at.unwrap_or(value))
            }
            _ => (name, value),
        });
        let tenant = self.caller.tenant(None).ok().flatten();
        let tenant = tenant.map(|id| id.to_string());
        command::same(path, tenant.as_deref(), &fields.collect::<Vec<_>>())
    }

    /// True if this is the endpoint's page with this path.
    pub(crate) fn is_endpoint_page(&self, id: &str, path: &str) -> bool {
        self.is_here(self.section(format!("/endpoints/{id}{path}")))
    }

    /// The answer of a GET operation. The error is the page that shows the refusal.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: impl Display) -> Result<T, Response> {
        self.try_get(path).await.map_err(|refusal| self.refused(&refusal))
    }

    /// The same for who has an answer to a refusal.
    pub(crate) async fn try_get<T: DeserializeOwned>(&self, path: impl Display) -> Result<T, Refusal> {
        self.console.rest.call(self.operation(Method::GET, path, None)).await
    }

    /// The bytes that an operation answers.
    pub(crate) async fn bytes(&self, path: impl Display) -> Result<Bytes, Response> {
        let operation = self.operation(Method::GET, path, None);
        let bytes = self.console.rest.bytes(operation).await;
        bytes.map_err(|refusal| self.refused(&refusal))
    }

    /// The answer of an operation as it is, to be passed on.
    pub(crate) async fn answer(&self, path: impl Display) -> Response {
        self.console.rest.answer(self.operation(Method::GET, path, None)).await
    }

    /// Calls a REST operation that changes something, and reads its answer.
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: impl Display,
        body: &impl Serialize,
    ) -> Result<T, Refusal> {
        let body = serde_json::to_vec(body).unwrap_or_default();
        self.console.rest.call(self.operation(method, path, Some(body))).await
    }

    /// Makes something once, however often its form is submitted as it is. Who goes back and changes it makes another.
    pub(crate) async fn send_once<T: DeserializeOwned>(
        &self,
        path: impl Display,
        body: &impl Serialize,
        form: &Fields,
    ) -> Result<T, Refusal> {
        let mut operation = self.operation(Method::POST, path, Some(serde_json::to_vec(body).unwrap_or_default()));
        if let Some(once) = form.once()
            && let Ok(key) = HeaderValue::from_str(&once)
        {
            operation.headers.insert(IDEMPOTENCY_KEY, key);
        }
        self.console.rest.call(operation).await
    }

    /// The payload that was typed, as it was: numbers and the order of members stay. None if nothing was typed.
    pub(crate) fn typed_payload(&self, fields: &Fields) -> Result<Option<Box<RawValue>>, Refusal> {
        let Some(typed) = fields.given("payload") else {
            return Ok(None);
        };
        RawValue::from_string(typed.to_owned()).map(Some).map_err(|_| Refusal {
            status: StatusCode::BAD_REQUEST.as_u16(),
            code: "payload_invalid".into(),
            detail: self.t("test-no-json"),
            field: Some("payload".into()),
        })
    }

    /// The verdict of a schema on a payload: this one, or that of the event type's newest version.
    pub(crate) async fn check(
        &self,
        event_type: &str,
        schema: Option<&RawValue>,
        payload: &RawValue,
    ) -> Result<Checked, Refusal> {
        let name = utf8_percent_encode(event_type, NON_ALPHANUMERIC);
        let body = json!({ "payload": payload, "schema": schema });
        self.send(Method::POST, format!("/event-types/{name}/check"), &body)
            .await
    }

    fn operation(&self, method: Method, path: impl Display, body: Option<Vec<u8>>) -> Operation {
        Operation {
            method,
            path: path.to_string(),
            headers: self.headers.clone(),
            extensions: self.extensions.clone(),
            body,
        }
    }

    /// The page that says why something was refused.
    pub(crate) fn refused(&self, refusal: &Refusal) -> Response {
        let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self.page(
            status,
            &RefusedPage {
                v: self,
                refusal,
                status,
            },
        )
    }
}

#[derive(Template)]
#[template(path = "refused.html")]
struct RefusedPage<'a> {
    v: &'a Visitor,
    refusal: &'a Refusal,
    status: StatusCode,
}

/// The headers of an operation in the name of whoever has this token, at the address that the request came from.
pub(crate) fn bearing(token: &str, parts: &Parts) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    for name in [USER_AGENT, FORWARDED_FOR] {
        for value in parts.headers.get_all(&name) {
            headers.append(name.clone(), value.clone());
        }
    }
    Some(headers)
}

impl FromRequestParts<Console> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &Console) -> Result<Self, Response> {
        // Strangers do not get here.
        let visitor = parts.extensions.remove::<Self>();
        visitor.ok_or_else(|| StatusCode::UNAUTHORIZED.into_response())
    }
}

impl FromRequestParts<Console> for Reader {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Self::Rejection> {
        Ok(Self::of(console, parts))
    }
}

/// The pages of an endpoint, by their paths below its own.
pub(crate) const ENDPOINT_PAGES: [(&str, &str); 6] = [
    ("", "overview"),
    ("/settings", "settings"),
    ("/filters", "filters"),
    ("/test", "send-test"),
    ("/secret", "secret"),
    ("/verify", "verify"),
];

/// The pages of people who manage a tenant, by their paths.
pub(crate) const TENANT_PAGES: [(&str, &str); 3] = [
    ("/keys", "nav-keys"),
    ("/audit", "nav-audit"),
    ("/settings", "settings"),
];

/// The views of bodies, with the keys of their texts.
pub(crate) const VIEWS: [(&str, &str); 3] = [("laid-out", "view-laid-out"), ("raw", "view-raw"), ("hex", "view-hex")];

/// The reasons for failed attempts, in the API's words.
pub(crate) const REASONS: [&str; 10] = [
    "status",
    "timeout",
    "dns",
    "connect",
    "tls",
    "blocked_address",
    "proxy",
    "protocol",
    "authorization",
    "render",
];

/// Names of things in a line.
impl Reader {
    /// An attempt in a line.
    pub(crate) fn attempt_title(&self, attempt: &Attempt) -> String {
        let at = attempt.started_at.map(|at| self.time(&at)).unwrap_or_default();
        format!("{} · {} · {at}", self.attempt_result(attempt), attempt.event_type)
    }

    /// The day of a time in the reader's zone.
    pub(crate) fn day(&self, at: &Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d").to_string()
    }

    /// The end of an id, which tells it from others as its beginning does not.
    pub(crate) fn short(&self, id: &str) -> String {
        let kind = id.split_once('_').map_or("", |(kind, _)| kind);
        let end = id.len().saturating_sub(8);
        id.get(end..)
            .map_or_else(|| id.to_owned(), |end| format!("{kind}_…{end}"))
    }
}
