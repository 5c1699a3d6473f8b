//! Signing in by a portal link or a key, signing out, and choosing language and time zone.
//!
//! A link bears its token in the fragment, which browsers send to nobody. The page that strangers get has a script that
//! takes it out of the address bar and submits it; without scripts people paste the link into the same form. The token of a
//! link that works once is exchanged for its key's token before the session begins. The look that the link asks for is in its
//! fragment as well, goes the same way, and stays with the session.

use askama::Template;
use axum::extract::{FromRequest as _, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{HeaderName, SET_COOKIE};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use serde::Deserialize;
use tidings_domain::Scope;

use crate::Console;
use crate::form::Form;
use crate::link::Link;
use crate::rest::Operation;
use crate::session::Realm;
use crate::texts::Language;
use crate::visitor::{LANGUAGE_COOKIE, Reader, Visitor, ZONE_COOKIE, bearing};

/// A year, in seconds: how long a browser keeps what its user prefers.
const KEPT: u32 = 365 * 86_400;
const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    v: &'a Reader,
    realm: Realm,
    /// The page to go on to, below the console's path.
    next: &'a str,
    /// The key of the sentence that says why signing in failed.
    problem: Option<&'static str>,
}

/// The token that a link's is exchanged for.
#[derive(Deserialize)]
struct Exchanged {
    token: String,
}

/// Shows who has no session that works how to begin one, at whatever page they ask for.
pub(crate) async fn welcome_strangers(State(console): State<Console>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_open = path == "/" || path.starts_with("/webhooks/assets/");
    let is_open = is_open || ["/webhooks/session", "/webhooks/preferences", "/webhooks/sign-out"].contains(&path);
    if is_open {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let Some(visitor) = Visitor::of(&console, &parts) else {
        let reader = Reader::of(&console, &parts);
        let expired = has_session(&console, &parts).then_some("sign-in-ended");
        // What is submitted without a session can't be submitted again after signing in.
        let next = if parts.method == Method::GET {
            &reader.path
        } else {
            Realm::of(parts.uri.path()).home()
        };
        return welcome(&reader, next, expired);
    };
    if visitor.realm == Realm::Admin && !visitor.is_operator() {
        return welcome(&visitor, Realm::Admin.home(), Some("sign-in-operator-only"));
    }
    let mut request = Request::from_parts(parts, body);
    request.extensions_mut().insert(visitor);
    next.run(request).await
}

fn has_session(console: &Console, parts: &Parts) -> bool {
    console.session(Realm::of(parts.uri.path()), &parts.headers).is_some()
}

fn welcome(reader: &Reader, next: &str, problem: Option<&'static str>) -> Response {
    let realm = Realm::of(next);
    let page = SignInPage {
        v: reader,
        realm,
        next,
        problem,
    };
    reader.page(StatusCode::UNAUTHORIZED, &page)
}

/// Exchanges a token, or the link that bears it, for a session.
pub(crate) async fn sign_in(State(console): State<Console>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = Form::from_request(Request::from_parts(parts.clone(), body), &()).await;
    let Ok(Form(fields)) = form else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let next = local(&console.base, fields.text("next"));
    let link = Link::read(fields.text("key"));
    let reader = Reader::with_look(&console, &parts, link.look);
    let token = match own_token(&console, &parts, link.token).await {
        Ok(token) => token,
        Err(problem) => return welcome(&reader, next, Some(problem)),
    };
    let found = Visitor::with_token(&console, &parts, Realm::Tenant, &token);
    let Some(visitor) = found else {
        return welcome(&reader, next, Some("sign-in-unknown"));
    };
    if visitor.caller.require(Scope::Read).is_err() {
        return welcome(&reader, next, Some("sign-in-no-read"));
    }
    let realm = if visitor.is_operator() {
        Realm::Admin
    } else {
        Realm::Tenant
    };
    let next = if Realm::of(next) == realm { next } else { realm.home() };
    let Some(cookie) = console.begin_session(realm, &token, link.look) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    ([(SET_COOKIE, cookie)], reader.redirect(next)).into_response()
}

/// The token of the key that a session is begun with: for a link that works once, that which its token is exchanged for. The
/// error is the key of the sentence that says why it can't be.
async fn own_token(console: &Console, parts: &Parts, token: String) -> Result<String, &'static str> {
    if !console.access.is_of_link(&token) {
        return Ok(token);
    }
    let exchange = Operation {
        method: Method::POST,
        path: "/portal-links/exchange".into(),
        headers: bearing(&token, parts).unwrap_or_default(),
        extensions: parts.extensions.clone(),
        body: None,
    };
    let exchanged = console.rest.call::<Exchanged>(exchange).await;
    exchanged
        .map(|exchanged| exchanged.token)
        .map_err(|refusal| match refusal.code.as_str() {
            "portal_link_used" => "sign-in-link-used",
            _ if refusal.status >= 500 => "sign-in-later",
            _ => "sign-in-unknown",
        })
}

/// Ends the session of the realm that the form names.
pub(crate) async fn sign_out(State(console): State<Console>, reader: Reader, Form(fields): Form) -> Response {
    let realm = Realm::of(fields.text("realm"));
    let clear = (CLEAR_SITE_DATA, HeaderValue::from_static("\"cache\""));
    let Some(cookie) = console.end_session(realm) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    ([(SET_COOKIE, cookie), clear], reader.redirect(realm.home())).into_response()
}

/// Keeps the language or the time zone that somebody prefers.
pub(crate) async fn prefer(reader: Reader, Form(fields): Form) -> Response {
    let back = local(&reader.console.base, fields.text("back"));
    let mut response = reader.redirect(back);
    let site = reader.console.cookie_attributes();
    let language =
        Language::named(fields.text("language")).map(|language| (LANGUAGE_COOKIE, language.code().to_owned()));
    let zone = fields.given("zone").filter(|zone| *zone == "UTC");
    let zone = zone.map(|zone| (ZONE_COOKIE, zone.to_owned()));
    for (name, value) in language.into_iter().chain(zone) {
        let text = format!("{name}={value}; Path=/; Max-Age={KEPT}; {site}");
        if let Ok(cookie) = HeaderValue::from_str(&text) {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
    }
    response
}

/// A path of the console, never another host's. Scripts know it with the path of `public_url` before it.
fn local<'a>(base: &str, path: &'a str) -> &'a str {
    let is_local = |path: &str| path.starts_with("/webhooks") || path.starts_with("/admin");
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic()) && !path.contains('\\');
    let path = path.strip_prefix(base).filter(|path| is_local(path)).unwrap_or(path);
    if is_local(path) && is_plain { path } else { "/webhooks" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_form_leads_away() {
        let page = "/webhooks/logs?status_code=5xx";
        assert_eq!(local("", page), page);
        assert_eq!(local("/hooks", page), page);
        assert_eq!(local("/hooks", "/hooks/webhooks/logs?status_code=5xx"), page);
        assert_eq!(local("/webhooks", "/webhooks/webhooks/logs?status_code=5xx"), page);
        assert_eq!(local("/webhooks", page), page);
        for wrong in [
            "//evil.example",
            "https://evil.example/webhooks",
            "/\\evil.example",
            "",
            "/webhooks\r\nX: y",
            "/hooks//evil.example",
            "/hooks",
        ] {
            assert_eq!(local("/hooks", wrong), "/webhooks", "{wrong:?}");
        }
    }
}
