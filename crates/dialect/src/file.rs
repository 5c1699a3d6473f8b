//! TOML structure of a dialect file; `dialects/README.md` explains every key.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use tidings_domain::Schedule;
use tidings_domain::outcome::StatusRange;
use toml::Spanned;

use crate::options::Form;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) name: Spanned<String>,
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) chosen_for: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) refused: Vec<RefusedTable>,
    #[serde(default = "json")]
    pub(crate) content_type: Spanned<String>,
    #[serde(default = "tidings")]
    pub(crate) user_agent: Spanned<String>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, Spanned<String>>,
    pub(crate) body: Spanned<String>,
    pub(crate) canonical: Option<Canonical>,
    #[serde(default)]
    pub(crate) signatures: Vec<SignatureTable>,
    #[serde(default = "two_hundreds")]
    pub(crate) success: Vec<StatusRange>,
    #[serde(default, rename = "final")]
    pub(crate) final_: Vec<StatusRange>,
    #[serde(default)]
    pub(crate) retry_after: RetryAfter,
    #[serde(default)]
    pub(crate) schedule: Schedule,
    #[serde(default = "thirty_seconds")]
    pub(crate) timeout: Spanned<Timeout>,
    #[serde(default)]
    pub(crate) events: BTreeMap<Spanned<String>, BTreeMap<String, Spanned<toml::Value>>>,
    #[serde(default)]
    pub(crate) omit: Vec<String>,
    pub(crate) properties: Option<PropertiesTable>,
    #[serde(default)]
    pub(crate) settings: BTreeMap<Spanned<String>, SettingTable>,
    pub(crate) samples: BTreeMap<Spanned<String>, Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefusedTable {
    pub(crate) urls: Vec<Spanned<String>>,
    pub(crate) reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PropertiesTable {
    pub(crate) max: usize,
    pub(crate) always: Spanned<BTreeMap<String, Vec<String>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettingTable {
    pub(crate) description: String,
    pub(crate) default: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Canonical {
    Ecmascript,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignatureTable {
    pub(crate) header: Spanned<String>,
    #[serde(default)]
    pub(crate) prefix: String,
    pub(crate) ed25519_prefix: Option<String>,
    #[serde(default)]
    pub(crate) key: Key,
    pub(crate) encoding: Encoding,
    pub(crate) signed: Spanned<String>,
    pub(crate) separator: Option<String>,
}

/// Interpretation of a secret as the key of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Key {
    /// The secret's text, whatever it looks like.
    #[default]
    Text,
    /// The decoded base64 after `whsec_`; a secret in another form is used as it is.
    Decoded,
}

/// Source of the wait that a response requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RetryAfter {
    /// That of the header `Retry-After`, in seconds or as a date (RFC 9110, section 10.2.3).
    #[default]
    Header,
    /// The smallest of the header, the body's `retry_after` and `X-RateLimit-Reset-After`, for services that write
    /// milliseconds in some of them: whole numbers from 1000 on are milliseconds.
    Smallest,
}

/// Text encoding of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Encoding {
    Hex,
    Base64,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Timeout(#[serde(with = "humantime_serde")] pub(crate) Duration);

fn json() -> Spanned<String> {
    Spanned::new(0..0, "application/json".into())
}

fn tidings() -> Spanned<String> {
    Spanned::new(0..0, concat!("Tidings/", env!("CARGO_PKG_VERSION")).into())
}

fn two_hundreds() -> Vec<StatusRange> {
    "2xx".parse().into_iter().collect()
}

/// "Return a 2xx status code within 30 seconds" (UserHero's document, "Response Requirements").
fn thirty_seconds() -> Spanned<Timeout> {
    Spanned::new(0..0, Timeout(Duration::from_secs(30)))
}
