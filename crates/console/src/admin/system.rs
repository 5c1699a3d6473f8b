//! `/admin/system`: what this process is made of and how it stands.

use std::fmt::Write as _;

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use super::shapes::System;
use crate::visitor::Visitor;

#[derive(Template)]
#[template(path = "admin/system.html")]
struct SystemPage<'a> {
    v: &'a Visitor,
    system: System,
}

impl SystemPage<'_> {
    /// The members of a section of the configuration, those of sections inside of it with their whole name.
    fn keys(&self, section: &Value) -> Vec<(String, String)> {
        let mut keys = Vec::new();
        flatten("", section, &mut keys);
        keys
    }

    /// For how many days events are kept; for ever if 0.
    fn days(&self) -> u64 {
        let log = self.system.configuration.get("log");
        let retention = log.and_then(|log| humantime::parse_duration(log.get("retention")?.as_str()?).ok());
        retention.unwrap_or_default().as_secs() / 86_400
    }

    /// True if something is sealed with this key.
    fn is_used(&self, key: &str) -> bool {
        self.system.seal_uses.iter().any(|used| used.key == key)
    }

    fn is_needed(&self, component: &str) -> bool {
        self.system.needs.iter().flatten().any(|name| name == component)
    }

    /// A report as text, for whoever helps.
    fn report(&self) -> String {
        let system = &self.system;
        let mut text = format!("Tidings {}, {}, {}\n", system.version, system.database, system.queue);
        // Writing to a text does not fail.
        for component in &system.components {
            let reason = component.reason.as_deref().unwrap_or("up");
            let _ = writeln!(text, "{} {reason} since {}", component.name, component.since);
        }
        for peer in &system.peers {
            let reason = peer.reason.as_deref().unwrap_or("ready");
            let _ = writeln!(text, "{} {} {reason}", peer.role, peer.server);
        }
        text
    }
}

fn flatten(before: &str, value: &Value, keys: &mut Vec<(String, String)>) {
    let Value::Object(members) = value else { return };
    for (name, value) in members {
        let name = format!("{before}{name}");
        match value {
            Value::Object(_) => flatten(&format!("{name}."), value, keys),
            Value::String(text) => keys.push((name, text.clone())),
            other => keys.push((name, other.to_string())),
        }
    }
}

pub(super) async fn show(visitor: Visitor) -> Result<Response, Response> {
    let mut system: System = visitor.get("/system").await?;
    // What is missing is what one looks for.
    system.components.sort_by_key(|component| component.up);
    let page = SystemPage { v: &visitor, system };
    Ok(visitor.page(StatusCode::OK, &page))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_named_in_full() {
        let mut keys = Vec::new();
        let section = json!({ "url": "***", "tls": { "ca_file": null }, "delays": ["3s"] });
        flatten("", &section, &mut keys);
        let keys: Vec<_> = keys.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        assert_eq!(keys, ["url = ***", "tls.ca_file = null", "delays = [\"3s\"]"]);
    }
}
