//! Renders the request of an attempt, and finds the fault if that fails: the event's or the endpoint's.

use tidings_dialect::{Dialect, RenderError, Request};
use tidings_domain::{Endpoint, Timestamp};
use tidings_queue::Message;
use tidings_queue::message::Content;

/// The request that an attempt makes, with the secrets that are valid then.
pub(crate) fn render(
    dialect: &Dialect,
    endpoint: &Endpoint,
    message: &Message,
    content: &Content,
    sent_at: Timestamp,
) -> Result<Request, RenderError> {
    let rendering = tidings_dialect::Message {
        event_id: message.event,
        event_type: &content.event_type,
        occurred_at: content.occurred_at,
        sent_at,
        attempt: message.step.attempt(),
        payload: &content.payload,
        properties: &endpoint.overrides.properties,
        settings: &endpoint.overrides.settings,
    };
    dialect.render(&rendering, &endpoint.secrets(sent_at))
}

/// Tells a misconfigured endpoint from an event that can't be rendered: if the dialect can't render its own samples
/// for the endpoint either, the configuration is at fault.
pub(crate) fn is_configuration(
    error: &RenderError,
    dialect: &Dialect,
    endpoint: &Endpoint,
    message: &Message,
    content: &Content,
) -> bool {
    match error {
        RenderError::Payload(_) => return false,
        RenderError::Secret { .. } => return true,
        RenderError::Template { .. } | RenderError::Body { .. } | RenderError::Header { .. } => {}
    }
    let now = Timestamp::now();
    let (samples, own) = (dialect.samples(), &content.event_type);
    let of_its_type = samples.contains_key(own);
    let mut compared = samples
        .iter()
        .filter(|(event_type, _)| !of_its_type || *event_type == own);
    compared.all(|(event_type, payload)| {
        let sample = Content {
            event_type: event_type.clone(),
            occurred_at: now,
            accepted_at: now,
            payload: payload.clone(),
            traceparent: None,
            span: None,
        };
        render(dialect, endpoint, message, &sample, now).is_err()
    })
}

#[cfg(test)]
mod tests {
    use tidings_dialect::Dialects;
    use tidings_domain::{DeliveryId, EventId, Secret, Step, TenantId};

    use super::*;

    const FILE: &str = "name = 'acme'
description = 'Acme'
body = '{{ payload }}'
[headers]
x-title = '{{ data.title }}'
x-app = '{{ settings.app }}'
x-secret = '{{ secret }}'
[settings.app]
description = 'The app'
default = 'none'
[samples]
'a.b' = '{\"title\": \"short\"}'
";

    /// Whether it is the configuration that keeps this from being rendered; none if it is rendered.
    fn at_fault(app: &str, secret: Option<Secret>, event_type: &str, payload: &str) -> Option<bool> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("acme.toml"), FILE).unwrap();
        let dialects = Dialects::with_directory(directory.path()).unwrap();
        let dialect = dialects.get("acme").unwrap();
        let now = Timestamp::now();
        let mut endpoint = Endpoint::new(TenantId::new(), "https://example.com/".parse().unwrap(), "acme", now);
        endpoint.overrides.settings.insert("app".into(), app.into());
        endpoint.secret = secret;
        let event = EventId::at(now);
        let message = Message {
            delivery: DeliveryId::derive(event, endpoint.id),
            event,
            tenant: endpoint.tenant,
            endpoint: endpoint.id,
            step: Step::FIRST,
            due: None,
            content: None,
        };
        let content = Content {
            event_type: event_type.parse().unwrap(),
            occurred_at: now,
            accepted_at: now,
            payload: payload.to_owned().into(),
            traceparent: None,
            span: None,
        };
        let error = render(dialect, &endpoint, &message, &content, now).err()?;
        Some(is_configuration(&error, dialect, &endpoint, &message, &content))
    }

    #[test]
    fn what_no_event_can_be_rendered_with_is_the_configurations_fault() {
        let long = format!(r#"{{"title": "{}"}}"#, "x".repeat(9_000));
        assert_eq!(at_fault("app", None, "a.b", r#"{"title": "news"}"#), None);
        assert_eq!(at_fault("app", None, "a.b", &long), Some(false));
        assert_eq!(at_fault("app", None, "a.b", "no JSON"), Some(false));
        for event_type in ["a.b", "type.without_sample"] {
            assert_eq!(
                at_fault("two\nlines", None, event_type, r#"{"title": "news"}"#),
                Some(true)
            );
            assert_eq!(at_fault("two\nlines", None, event_type, &long), Some(true));
        }
        let key = Some(Secret::generate_ed25519());
        assert_eq!(at_fault("app", key, "a.b", "{}"), Some(true));
    }
}
