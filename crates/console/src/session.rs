//! A session is a key in a sealed cookie and nothing else: it ends with the key, on every replica, within a second.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Console;
use crate::link::Look;
use crate::texts::Language;

/// Binds a sealed session to what it is, so that nothing else that is sealed with the same key opens as one.
const CONTEXT: &[u8] = b"console session";

/// One of the two sessions that a browser may have at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Realm {
    /// A tenant's people, under `/webhooks`.
    Tenant,
    /// Operators, under `/admin`.
    Admin,
}

impl Realm {
    /// The realm of a path.
    pub(crate) fn of(path: &str) -> Self {
        match path == "/admin" || path.starts_with("/admin/") {
            true => Self::Admin,
            false => Self::Tenant,
        }
    }

    /// The path of the realm's first page.
    pub(crate) fn home(self) -> &'static str {
        match self {
            Self::Tenant => "/webhooks",
            Self::Admin => "/admin",
        }
    }

    /// The path of the realm's log.
    pub(crate) fn logs(self) -> &'static str {
        match self {
            Self::Tenant => "/webhooks/logs",
            Self::Admin => "/admin/webhook-logs",
        }
    }

    /// The longest time that a session lasts.
    fn length(self) -> SignedDuration {
        match self {
            Self::Tenant => SignedDuration::from_hours(12),
            Self::Admin => SignedDuration::from_hours(8),
        }
    }

    /// With HTTPS the name's prefix makes browsers refuse the cookie from other hosts and plain HTTP (RFC 6265bis, 4.1.3).
    fn cookie(self, is_secure: bool) -> &'static str {
        match (self, is_secure) {
            (Self::Tenant, true) => "__Host-tidings",
            (Self::Tenant, false) => "tidings",
            (Self::Admin, true) => "__Host-tidings-admin",
            (Self::Admin, false) => "tidings-admin",
        }
    }
}

/// A session that has not ended.
pub(crate) struct Session {
    /// The token of its key.
    pub(crate) token: String,
    /// The look that the link asked for by which it was begun.
    pub(crate) look: Look,
}

/// The content of the cookie. Its look is text, so that a process that does not know a language still knows the session.
#[derive(Serialize, Deserialize)]
struct Sealed {
    token: String,
    /// Unix seconds.
    until: i64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    lang: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    accent: String,
}

impl Console {
    /// The `Set-Cookie` that begins a session with this token.
    pub(crate) fn begin_session(&self, realm: Realm, token: &str, look: Look) -> Option<HeaderValue> {
        let until = Timestamp::now().saturating_add(realm.length()).ok()?.as_second();
        let sealed = Sealed {
            token: token.to_owned(),
            until,
            lang: look.language.map_or("", Language::code).to_owned(),
            accent: look.accent.map(|accent| accent.to_string()).unwrap_or_default(),
        };
        let sealed = self.sealer.seal(&serde_json::to_vec(&sealed).ok()?, CONTEXT);
        self.set_cookie(realm, &BASE64_URL_SAFE_NO_PAD.encode(sealed), realm.length().as_secs())
    }

    /// The `Set-Cookie` that ends a session.
    pub(crate) fn end_session(&self, realm: Realm) -> Option<HeaderValue> {
        self.set_cookie(realm, "", 0)
    }

    /// The session that the request belongs to.
    pub(crate) fn session(&self, realm: Realm, headers: &HeaderMap) -> Option<Session> {
        let value = cookie(headers, realm.cookie(self.is_secure))?;
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(value).ok()?;
        let sealed: Sealed = serde_json::from_slice(&self.sealer.open(&sealed, CONTEXT).ok()?).ok()?;
        (sealed.until > Timestamp::now().as_second()).then(|| Session {
            look: Look::read(&sealed.lang, &sealed.accent),
            token: sealed.token,
        })
    }

    /// To whom a browser shows a cookie that pages of tenants need: where they may be framed, also to a console that other
    /// sites' pages show, which has its own cookies in each of them (CHIPS).
    pub(crate) fn cookie_attributes(&self) -> &'static str {
        match self.framing.is_allowed() {
            true => "SameSite=None; Secure; Partitioned",
            false => self.own_cookie_attributes(),
        }
    }

    fn own_cookie_attributes(&self) -> &'static str {
        if self.is_secure {
            "SameSite=Lax; Secure"
        } else {
            "SameSite=Lax"
        }
    }

    fn set_cookie(&self, realm: Realm, value: &str, seconds: i64) -> Option<HeaderValue> {
        let name = realm.cookie(self.is_secure);
        let site = match realm {
            Realm::Tenant => self.cookie_attributes(),
            Realm::Admin => self.own_cookie_attributes(),
        };
        let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; {site}");
        HeaderValue::from_str(&text).ok()
    }
}

/// The value of a cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}
