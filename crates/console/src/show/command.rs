//! Commands that get what a page shows: over REST with curl, and with `tidings`.

use url::form_urlencoded;

/// The same as a page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Same {
    pub(crate) curl: String,
    /// None where the program has no command for it.
    pub(crate) tidings: Option<String>,
}

/// A query: what the API, the page and `tidings` call it.
const FLAGS: [(&str, &str); 19] = [
    ("tenant_id", "--tenant"),
    ("endpoint_id", "--endpoint"),
    ("event_id", "--event"),
    ("delivery_id", "--delivery"),
    ("event_type", "--type"),
    ("status_code", "--status"),
    ("outcome", "--outcome"),
    ("failure_reason", "--reason"),
    ("error", "--error"),
    ("min_duration", "--min-duration"),
    ("state", "--state"),
    ("host", "--host"),
    ("dialect", "--dialect"),
    ("idempotency_key", "--idempotency-key"),
    ("action", "--action"),
    ("target", "--target"),
    ("key_id", "--by"),
    ("since", "--since"),
    ("until", "--until"),
];

/// The commands for a page, by its path below the realm and the filters in its query; times are those that the API takes.
/// Operators' pages are those of no tenant.
/// Pages that only ask something have none.
pub(crate) fn same(path: &str, tenant: Option<&str>, query: &[(String, String)]) -> Option<Same> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    // What is no id or name leads to no page, and is nothing to paste into a shell.
    let is_plain = |part: &&str| {
        part.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    if !parts.iter().all(is_plain) {
        return None;
    }
    let get = |operation: &str, command: &str| {
        Some(Same {
            curl: curl(operation, &api_query(query), None),
            tidings: Some(format!("tidings {command}{}", flags(query))),
        })
    };
    let plain = |operation: String, command: String| {
        Some(Same {
            curl: curl(&operation, "", None),
            tidings: Some(format!("tidings {command}")),
        })
    };
    let post = |operation: String, body: &str, command: Option<String>| {
        Some(Same {
            curl: curl(&operation, "", Some(body)),
            tidings: command.map(|command| format!("tidings {command}")),
        })
    };
    match parts.as_slice() {
        [] if tenant.is_none() => Some(Same {
            curl: curl("/system/findings", "", None),
            tidings: None,
        }),
        ["tenants"] if tenant.is_none() => get("/tenants", "tenant list"),
        ["tenants", id] => plain(format!("/tenants/{id}"), format!("tenant get {id}")),
        [] => get("/endpoints", "endpoint list"),
        ["endpoints"] => get("/endpoints", "endpoint list"),
        ["endpoints", id] => plain(format!("/endpoints/{id}"), format!("endpoint get {id}")),
        ["endpoints", id, "settings"] => plain(format!("/endpoints/{id}"), format!("endpoint get {id} -o json")),
        ["endpoints", id, "filters"] => post(
            format!("/endpoints/{id}/filters/try"),
            r#"{"filter": "payload.rating <= 2"}"#,
            Some(format!("filter try {id} --filter 'payload.rating <= 2'")),
        ),
        ["endpoints", id, "test"] => post(
            format!("/endpoints/{id}/test"),
            "{}",
            Some(format!("endpoint test {id}")),
        ),
        ["endpoints", id, "secret"] => plain(format!("/endpoints/{id}/secret"), format!("endpoint secret {id}")),
        ["endpoints", id, "recover"] => post(
            "/replays".into(),
            &format!(r#"{{"rows": {{"deliveries": {{"endpoint_id": "{id}", "states": ["exhausted"]}}}}}}"#),
            Some(format!("replay recover {id} --since 24h")),
        ),
        ["logs" | "webhook-logs"] => get("/webhooks/logs", "attempt list"),
        ["logs" | "webhook-logs", id] => plain(format!("/webhooks/logs/{id}"), format!("attempt get {id}")),
        ["logs" | "webhook-logs", id, "verify"] => Some(Same {
            curl: curl(&format!("/webhooks/logs/{id}/signature"), "", None),
            tidings: None,
        }),
        ["deliveries"] => get("/deliveries", "delivery list"),
        ["deliveries", id] => plain(format!("/deliveries/{id}/explain"), format!("explain {id}")),
        ["events"] => get("/events", "event list"),
        ["events", id] => plain(format!("/events/{id}/explain"), format!("explain {id}")),
        ["replays"] => get("/replays", "replay list"),
        ["replays", id] => plain(format!("/replays/{id}"), format!("replay get {id}")),
        ["event-types"] => plain("/event-types".into(), "event-type list".into()),
        ["event-types", name] => plain(format!("/event-types/{name}"), format!("event-type get {name}")),
        ["audit"] => get("/audit", "audit list"),
        ["keys"] => match tenant {
            Some(tenant) => plain(
                "/api-keys?portal=true".into(),
                format!("tenant key list --portal --tenant {tenant}"),
            ),
            None => plain("/api-keys".into(), "tenant key list --operator".into()),
        },
        ["settings"] => {
            let tenant = tenant?;
            plain(format!("/tenants/{tenant}"), format!("tenant get {tenant}"))
        }
        _ => None,
    }
}

/// The filters that the API knows.
fn api_query(query: &[(String, String)]) -> String {
    let known = query
        .iter()
        .filter(|(name, _)| FLAGS.iter().any(|(api, _)| api == name));
    let mut text = form_urlencoded::Serializer::new(String::new());
    for (name, value) in known {
        text.append_pair(name, value);
    }
    text.finish()
}

fn flags(query: &[(String, String)]) -> String {
    let flags = query.iter().filter_map(|(name, value)| {
        let (_, flag) = FLAGS.iter().find(|(api, _)| api == name)?;
        // Alternatives stand behind commas in the API, and in flags of their own here; an error's text may have a comma.
        let values: Vec<_> = match name.as_str() {
            "error" => vec![value.as_str()],
            _ => value.split(',').collect(),
        };
        let flags = values.into_iter().map(|value| format!(" {flag} {}", quoted(value)));
        Some(flags.collect::<String>())
    });
    flags.collect()
}

fn curl(operation: &str, query: &str, body: Option<&str>) -> String {
    let mark = if query.is_empty() { "" } else { "?" };
    let body = body.map(|body| format!(" \\\n  -H 'Content-Type: application/json' -d {}", quoted(body)));
    format!(
        "curl -s \"$API\"{} -H \"Authorization: Bearer $TIDINGS_KEY\"{}",
        quoted(&format!("{operation}{mark}{query}")),
        body.unwrap_or_default()
    )
}

/// A word for a POSIX shell, in quotes where it needs them.
fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=%".contains(&byte);
    match !text.is_empty() && text.bytes().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tidings(path: &str, query: &[(&str, &str)]) -> String {
        let query: Vec<_> = query
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect();
        same(path, Some("ten_1"), &query).unwrap().tidings.unwrap()
    }

    #[test]
    fn filters_become_flags() {
        let query = [("status_code", "4xx,none"), ("error", "it's, reset"), ("limit", "50")];
        assert_eq!(
            tidings("/logs", &query),
            r"tidings attempt list --status 4xx --status none --error 'it'\''s, reset'"
        );
        let query: Vec<_> = query
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect();
        let same = same("/logs", None, &query).unwrap();
        assert_eq!(
            same.curl,
            "curl -s \"$API\"'/webhooks/logs?status_code=4xx%2Cnone&error=it%27s%2C+reset' -H \"Authorization: Bearer $TIDINGS_KEY\""
        );
    }

    #[test]
    fn pages_of_things_name_them() {
        assert_eq!(tidings("", &[]), "tidings endpoint list");
        assert_eq!(tidings("/deliveries/dlv_1", &[]), "tidings explain dlv_1");
        assert_eq!(tidings("/keys", &[]), "tidings tenant key list --portal --tenant ten_1");
        assert_eq!(same("/new", None, &[]), None);
        let operators = |path: &str| same(path, None, &[]).unwrap().tidings.unwrap();
        assert_eq!(operators("/tenants"), "tidings tenant list");
        assert_eq!(operators("/endpoints"), "tidings endpoint list");
        assert_eq!(same("", None, &[]).unwrap().tidings, None);
        assert_eq!(operators("/tenants/ten_1"), "tidings tenant get ten_1");
        assert_eq!(operators("/keys"), "tidings tenant key list --operator");
        assert_eq!(same("/events/evt_1'; rm -rf ~", None, &[]), None);
    }
}
