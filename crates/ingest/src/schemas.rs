//! Validates payloads against the schemas of their event types, for tenants that enable it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use tidings_domain::{EventType, EventTypeVersion, SchemaValidation, TenantId};
use tidings_payload::{EventView, Schema};
use tidings_service::problem::Problem;
use tidings_store::RegistryCache;

use crate::metrics;

/// The schemas of event types, compiled when they are first needed and again when the catalogue changes.
#[derive(Default)]
pub(crate) struct Schemas(RwLock<HashMap<EventType, Compiled>>);

#[derive(Clone)]
struct Compiled {
    of: Arc<EventTypeVersion>,
    /// None if it is no schema.
    schema: Option<Arc<Schema>>,
}

impl Schemas {
    /// Validates an event's payload. Returns the violations if the tenant's mode is to warn.
    pub(crate) fn check(
        &self,
        registry: &RegistryCache,
        tenant: TenantId,
        event_type: &EventType,
        event: &EventView<'_>,
    ) -> Result<Vec<String>, Problem> {
        let way = registry
            .tenant(tenant)
            .map_or(SchemaValidation::Off, |t| t.settings.schema_validation);
        if way == SchemaValidation::Off {
            return Ok(Vec::new());
        }
        let newest = registry.schema(event_type);
        match newest {
            Some(newest) => self.validate(way, &newest, event),
            None => Ok(Vec::new()),
        }
    }

    fn validate(
        &self,
        way: SchemaValidation,
        newest: &Arc<EventTypeVersion>,
        event: &EventView<'_>,
    ) -> Result<Vec<String>, Problem> {
        let checked = self.compiled(newest).map_or(Ok(()), |schema| schema.check(event));
        let Err(violations) = checked else {
            return Ok(Vec::new());
        };
        let violations: Vec<String> = violations.iter().map(ToString::to_string).collect();
        let EventTypeVersion {
            event_type, version, ..
        } = &**newest;
        if way == SchemaValidation::Reject {
            metrics::NOT_AS_DESCRIBED.with_label_values(&["rejected"]).inc();
            let detail = format!(
                "the payload violates version {version} of the schema of {event_type}: {}",
                violations.join("; ")
            );
            return Err(Problem::invalid("payload_invalid", detail).at("payload"));
        }
        metrics::NOT_AS_DESCRIBED.with_label_values(&["warned"]).inc();
        tracing::debug!(%event_type, version, ?violations, "a payload violates the schema of its event type");
        Ok(violations)
    }

    fn compiled(&self, version: &Arc<EventTypeVersion>) -> Option<Arc<Schema>> {
        let text = version.schema.as_deref()?;
        let known = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&version.event_type)
            .cloned();
        // The registry's cache keeps the `Arc` of a version that did not change.
        if let Some(known) = known.filter(|known| Arc::ptr_eq(&known.of, version)) {
            return known.schema;
        }
        let schema = match Schema::compile(text) {
            Ok(schema) => Some(Arc::new(schema)),
            Err(error) => {
                // It was checked when it was put into the catalogue, by another version of Tidings then.
                tracing::warn!(event_type = %version.event_type, version = version.version, %error,
                    "a stored schema no longer compiles, and payloads are not validated; publish a new version");
                None
            }
        };
        let compiled = Compiled {
            of: Arc::clone(version),
            schema: schema.clone(),
        };
        let mut schemas = self.0.write().unwrap_or_else(PoisonError::into_inner);
        schemas.insert(version.event_type.clone(), compiled);
        schema
    }
}

#[cfg(test)]
mod tests {
    use tidings_domain::Timestamp;

    use super::*;

    fn version(number: u32, schema: Option<&str>) -> Arc<EventTypeVersion> {
        Arc::new(EventTypeVersion {
            event_type: "feedback.created".parse().unwrap(),
            version: number,
            description: String::new(),
            schema: schema.map(str::to_owned),
            created_at: Timestamp::UNIX_EPOCH,
        })
    }

    fn validate(
        schemas: &Schemas,
        way: SchemaValidation,
        version: &Arc<EventTypeVersion>,
        payload: &str,
    ) -> Result<Vec<String>, Problem> {
        let event = EventView::new(&version.event_type, Timestamp::UNIX_EPOCH, payload.as_bytes());
        schemas.validate(way, version, &event)
    }

    #[test]
    fn a_payload_is_told_of_or_refused() {
        let schemas = Schemas::default();
        let version = version(3, Some(r#"{"properties": {"rating": {"type": "integer"}}}"#));
        for way in [SchemaValidation::Warn, SchemaValidation::Reject] {
            assert_eq!(validate(&schemas, way, &version, r#"{"rating": 2}"#), Ok(Vec::new()));
        }
        let warnings = validate(&schemas, SchemaValidation::Warn, &version, r#"{"rating": "2"}"#).unwrap();
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].starts_with("/rating: "), "{warnings:?}");
        let problem = validate(&schemas, SchemaValidation::Reject, &version, r#"{"rating": "2"}"#).unwrap_err();
        assert_eq!(
            (problem.code, problem.field.as_deref()),
            ("payload_invalid", Some("payload"))
        );
        assert!(
            problem.detail.contains("version 3 of the schema of feedback.created"),
            "{}",
            problem.detail
        );
        assert!(problem.detail.contains(&warnings[0]), "{}", problem.detail);
    }

    #[test]
    fn the_version_that_is_given_counts() {
        let schemas = Schemas::default();
        let (strict, lenient) = (version(1, Some("false")), version(2, Some("true")));
        for _ in 0..2 {
            assert!(validate(&schemas, SchemaValidation::Reject, &strict, "{}").is_err());
            assert!(validate(&schemas, SchemaValidation::Reject, &lenient, "{}").is_ok());
        }
        for any in [version(3, None), version(4, Some(r#"{"type": "strin"}"#))] {
            assert_eq!(validate(&schemas, SchemaValidation::Reject, &any, "{}"), Ok(Vec::new()));
        }
    }
}
