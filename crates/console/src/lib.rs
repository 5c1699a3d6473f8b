//! The console: people see, test, repair and understand their webhooks in a browser.
//!
//! Pages are rendered on the server; links are links and forms are forms, so that every page works without scripts. A
//! page's handler calls the REST operations of this process with the visitor's own key: rights, checks, audit entries
//! and idempotency are theirs, and the console has none of its own. It never opens the store.

mod admin;
mod assets;
mod chart;
mod compress;
mod form;
mod headers;
mod link;
mod rest;
mod session;
mod shapes;
mod show;
mod sign_in;
mod tenant;
mod texts;
mod theme;
mod verify;
mod visitor;
mod words;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Redirect;
use axum::routing::{get, post};
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use tidings_auth::Access;
use tidings_service::problem::Problem;
use tidings_service::serve::Payer;
use tidings_store::seal::Sealer;
use tower_http::csrf::{self, CsrfLayer};
use url::Url;

use crate::assets::Assets;
pub use crate::headers::FramesError;
use crate::headers::Framing;
use crate::rest::Rest;
use crate::session::Realm;
use crate::texts::Texts;
pub use crate::theme::ThemeError;

/// The console's appearance and embedding (`[console]`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The product's name, in the header of every page.
    pub product: String,
    /// The target of "Back to the product"; without it there is no such link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub back_url: Option<Url>,
    /// The product's colour, `#rrggbb`: of links and of the buttons that matter. Its lightness is moved until it is legible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accent: Option<String>,
    /// A picture that stands for the product's name: SVG, PNG, JPEG or WebP of at most 64 KiB, read at the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo: Option<PathBuf>,
    /// The origins whose pages may show tenants' pages in a frame, like `https://app.example.com`; nobody may if empty.
    pub frame_ancestors: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            product: "Tidings".into(),
            back_url: None,
            accent: None,
            logo: None,
            frame_ancestors: Vec::new(),
        }
    }
}

/// The parts that the console is made of.
pub struct Parts {
    /// Everything under `/api/v2` that this process serves.
    pub rest: Router,
    /// Tells callers by their keys.
    pub access: Access,
    /// Seals sessions.
    pub sealer: Sealer,
    /// The URL at which browsers reach this process: its scheme decides about cookies, and links begin with its path.
    pub public_url: Option<Url>,
}

/// The reason why the console can't be served.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// `control.public_url` has no origin.
    #[error("`control.public_url` is not a URL that browsers can open: {0}")]
    PublicUrl(#[from] csrf::ConfigError),
    /// It can't look as it is to.
    #[error(transparent)]
    Theme(#[from] ThemeError),
    /// It can't be framed by whom it is to.
    #[error(transparent)]
    Frames(#[from] FramesError),
}

impl Config {
    /// Checks that the console can be served like this at this URL.
    pub fn check(&self, public_url: Option<&Url>) -> Result<(), ConsoleError> {
        Framing::new(&self.frame_ancestors, public_url)?;
        self.assets()?;
        Ok(())
    }

    fn assets(&self) -> Result<Assets, ThemeError> {
        let style = theme::style(assets::STYLE, self.accent.as_deref())?;
        Ok(Assets::new(style, self.logo.as_deref().map(theme::logo).transpose()?))
    }
}

/// The state of every handler. Cheap to clone.
#[derive(Clone)]
struct Console(Arc<Inner>);

struct Inner {
    config: Config,
    rest: Rest,
    access: Access,
    sealer: Sealer,
    texts: Texts,
    assets: Assets,
    /// The path of `public_url` without its last slash: what every link begins with.
    base: String,
    /// True if browsers come over HTTPS.
    is_secure: bool,
    framing: Framing,
}

impl std::ops::Deref for Console {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// The pages, and who asks for them.
pub struct Pages {
    /// Everything under `/webhooks` and `/admin`.
    pub router: Router,
    /// Knows callers by their sessions as well as by their keys.
    pub visitors: Visitors,
}

/// Tells whom requests come from, before their bodies are read.
pub struct Visitors(Console);

impl Visitors {
    /// The payer of the memory for the body that follows these headers.
    pub fn payer(&self, headers: &HeaderMap) -> Result<Payer, Problem> {
        let Visitors(console) = self;
        let mut of_sessions = [Realm::Tenant, Realm::Admin]
            .into_iter()
            .filter_map(|realm| console.session(realm, headers))
            .filter_map(|session| console.access.payer_with(&session.token).ok());
        match of_sessions.next() {
            Some(payer) if !headers.contains_key(AUTHORIZATION) => Ok(payer),
            _ => console.access.payer(headers),
        }
    }
}

/// The pages under `/webhooks` and `/admin`.
pub fn pages(config: &Config, parts: Parts) -> Result<Pages, ConsoleError> {
    let base = parts
        .public_url
        .as_ref()
        .map(|url| url.path().trim_end_matches('/').to_owned());
    let console = Console(Arc::new(Inner {
        config: config.clone(),
        rest: Rest::new(parts.rest),
        access: parts.access,
        sealer: parts.sealer,
        texts: Texts::new(),
        assets: config.assets()?,
        framing: Framing::new(&config.frame_ancestors, parts.public_url.as_ref())?,
        base: base.unwrap_or_default(),
        is_secure: parts.public_url.as_ref().is_some_and(|url| url.scheme() == "https"),
    }));
    let home = format!("{}/webhooks", console.base);
    let mut csrf = CsrfLayer::new();
    if let Some(url) = &parts.public_url {
        csrf = csrf.add_trusted_origin(url.origin().ascii_serialization())?;
    }
    let router = Router::new()
        .route("/", get(async move || (StatusCode::SEE_OTHER, Redirect::to(&home))))
        .route("/webhooks/assets/{name}", get(assets::serve))
        .route("/webhooks/session", post(sign_in::sign_in))
        .route("/webhooks/sign-out", post(sign_in::sign_out))
        .route("/webhooks/preferences", post(sign_in::prefer))
        .merge(tenant::router())
        .merge(admin::router())
        .layer(csrf)
        .layer(from_fn_with_state(console.clone(), sign_in::welcome_strangers))
        .layer(from_fn_with_state(console.clone(), headers::protect))
        .layer(from_fn(compress::pages));
    Ok(Pages {
        router: router.with_state(console.clone()),
        visitors: Visitors(console),
    })
}
