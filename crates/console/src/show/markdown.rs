//! An attempt as Markdown, for a ticket. What may be secret is left out, times are in UTC.

use url::Url;

use crate::shapes::{Attempt, Header};

/// The most of a body, bytes.
const MAX_BODY: usize = 8 * 1024;
/// A part of a path that is so long and has no blanks may be a token.
const TOKEN: usize = 20;
const MASK: &str = "***";

/// The attempt with both bodies.
pub(crate) fn attempt(attempt: &Attempt, request: &[u8], response: &[u8]) -> String {
    let result = match (attempt.status_code, &attempt.failure_reason) {
        (Some(status), _) => status.to_string(),
        (None, reason) => reason.clone().unwrap_or_default(),
    };
    let mut lines = vec![
        format!("### {} `{}` → {}", result, attempt.event_type, address(&attempt.url)),
        String::new(),
        "| | |".into(),
        "| --- | --- |".into(),
    ];
    let rows = [
        (
            "attempt",
            Some(format!("{} of `{}`", attempt.number, attempt.delivery_id)),
        ),
        ("id", Some(format!("`{}`", attempt.id))),
        ("event", Some(format!("`{}`", attempt.event_id))),
        ("at", attempt.started_at.map(|at| at.to_string())),
        ("took", attempt.duration.clone()),
        ("address", attempt.remote_address.clone()),
        ("outcome", Some(attempt.outcome.clone())),
        ("error", attempt.error.as_deref().map(in_a_cell)),
        ("next", attempt.next_attempt_at.map(|at| at.to_string())),
    ];
    let rows = rows
        .into_iter()
        .filter_map(|(name, value)| Some(format!("| {name} | {} |", value?)));
    lines.extend(rows);
    for (title, headers, body) in [
        ("Request", &attempt.request_headers, request),
        ("Response", &attempt.response_headers, response),
    ] {
        let head: Vec<_> = headers.iter().map(line).collect();
        let text = format!("{}\n\n{}", head.join("\n"), beginning(body));
        lines.extend([
            String::new(),
            format!("**{title}**"),
            String::new(),
            fenced(text.trim()),
        ]);
    }
    lines.join("\n")
}

/// The URL without its parts that may hold a token.
fn address(text: &str) -> String {
    let Ok(url) = Url::parse(text) else {
        return MASK.to_owned();
    };
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let path: Vec<_> = url
        .path()
        .split('/')
        .map(|part| if part.len() >= TOKEN { MASK } else { part })
        .collect();
    let names: Vec<_> = url.query_pairs().map(|(name, _)| format!("{name}={MASK}")).collect();
    let query = if names.is_empty() {
        String::new()
    } else {
        format!("?{}", names.join("&"))
    };
    format!("`{}://{host}{port}{}{query}`", url.scheme(), path.join("/"))
}

fn line(header: &Header) -> String {
    let name = header.name.to_ascii_lowercase();
    let is_secret = [
        "authorization",
        "cookie",
        "token",
        "secret",
        "api-key",
        "apikey",
        "password",
        // Whoever has body and signature can send the request again.
        "signature",
    ]
    .iter()
    .any(|word| name.contains(word));
    let value = if is_secret { MASK } else { header.value.as_str() };
    format!("{}: {value}", header.name)
}

fn in_a_cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\r', '\n'], " ")
}

fn beginning(body: &[u8]) -> String {
    let shown = String::from_utf8_lossy(&body[..body.len().min(MAX_BODY)]).into_owned();
    match body.len() > MAX_BODY {
        true => format!("{shown}\n… {} bytes in all", body.len()),
        false => shown,
    }
}

/// A block that ends where it should, whatever is in it.
fn fenced(text: &str) -> String {
    let longest = text
        .split(|letter| letter != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}http\n{text}\n{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_may_be_secret_is_in_it() {
        assert_eq!(
            address("https://user:pass@hooks.example/services/T0/abcdefghijklmnopqrstuvwx?key=s3cret&a=b"),
            "`https://hooks.example/services/T0/***?key=***&a=***`"
        );
        let header = |name: &str| Header {
            name: name.into(),
            value: "s3cret".into(),
        };
        for name in [
            "Authorization",
            "Set-Cookie",
            "X-Webhook-Token",
            "X-Api-Key",
            "webhook-signature",
        ] {
            assert_eq!(line(&header(name)), format!("{name}: ***"));
        }
        assert_eq!(line(&header("Accept")), "Accept: s3cret");
    }

    #[test]
    fn a_body_does_not_end_its_block() {
        assert_eq!(fenced("a\n```\nb"), "````http\na\n```\nb\n````");
        assert_eq!(fenced("a"), "```http\na\n```");
        assert_eq!(in_a_cell("a|b\nc"), "a\\|b c");
    }
}
