//! Tenants: customers of the product that runs Tidings.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::TenantId;

/// A tenant; everything else belongs to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    pub id: TenantId,
    /// Display name of 1 to 200 characters.
    pub name: String,
    pub settings: TenantSettings,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A tenant's deviations from the configured defaults.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TenantSettings {
    #[serde(skip_serializing_if = "SchemaValidation::is_off")]
    pub schema_validation: SchemaValidation,
    /// Retention of payloads, days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_retention: Option<u32>,
    /// Retention of attempts, days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt_retention: Option<u32>,
    /// Deliveries per second that go to the `live` lane; those beyond it wait in `bulk`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish_per_second: Option<u32>,
    /// Deliveries that go to the `live` lane at once after a pause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish_burst: Option<u32>,
}

/// Treatment of payloads that do not match the schema of their event type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchemaValidation {
    #[default]
    Off,
    /// Events are accepted with a warning.
    Warn,
    /// Events are refused.
    Reject,
}

impl Tenant {
    /// Maximum length of a name, in characters.
    pub const MAX_NAME: usize = 200;

    /// A new tenant that chose nothing yet.
    #[must_use]
    pub fn new(name: impl Into<String>, at: Timestamp) -> Self {
        Self {
            id: TenantId::new(),
            name: name.into(),
            settings: TenantSettings::default(),
            created_at: at,
            updated_at: at,
        }
    }
}

impl SchemaValidation {
    pub const ALL: [Self; 3] = [Self::Off, Self::Warn, Self::Reject];

    /// The name in requests and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Warn => "warn",
            Self::Reject => "reject",
        }
    }

    /// Parses [`SchemaValidation::as_str`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.as_str() == name)
    }

    fn is_off(&self) -> bool {
        *self == Self::Off
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_were_not_chosen_are_not_written() {
        let write = |settings: &TenantSettings| serde_json::to_string(settings).unwrap();
        let read = |text: &str| serde_json::from_str::<TenantSettings>(text).unwrap();
        assert_eq!(write(&TenantSettings::default()), "{}");
        assert_eq!(read("{}"), TenantSettings::default());
        let chosen = TenantSettings {
            schema_validation: SchemaValidation::Reject,
            payload_retention: Some(30),
            ..TenantSettings::default()
        };
        assert_eq!(
            write(&chosen),
            r#"{"schema_validation":"reject","payload_retention":30}"#
        );
        assert_eq!(read(&write(&chosen)), chosen);
    }

    #[test]
    fn a_way_to_validate_reads_back_from_its_name() {
        for way in SchemaValidation::ALL {
            assert_eq!(SchemaValidation::from_name(way.as_str()), Some(way));
            assert_eq!(serde_json::to_value(way).unwrap(), way.as_str());
        }
        assert_eq!(SchemaValidation::from_name("strict"), None);
    }
}
