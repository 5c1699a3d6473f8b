//! Lenient reading of registry rows: an unreadable column keeps nothing else from being used.
//!
//! A row that was edited by hand, or written by a newer version, must not freeze everybody's registry. Each column is
//! read on its own; an unreadable one has its default and is named in a report. Unknown fields of JSON are ignored. A
//! row whose id can't be read is left out, with a warning.

use std::fmt::Display;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tidings_domain::{Endpoint, Overrides, Scope, Subscription, TenantId, TenantSettings, Timestamp};

/// Reads the columns of one row and remembers which of them could not be read.
#[derive(Default)]
pub(crate) struct Lenient {
    unreadable: Vec<&'static str>,
    why: Vec<String>,
}

/// Something of the registry that can't be read in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The kind of row: `tenant`, `key`, `endpoint` or `event_type`.
    pub kind: &'static str,
    /// The owning tenant, if there is one and it can be read.
    pub tenant: Option<TenantId>,
    /// Its id; empty if not even that can be read.
    pub id: String,
    /// The unreadable columns, each with its error.
    pub why: String,
}

impl Lenient {
    /// The value of a column, or another if it can't be read.
    pub(crate) fn read<T, E: Display>(&mut self, column: &'static str, read: Result<T, E>, otherwise: T) -> T {
        read.unwrap_or_else(|error| {
            self.note(column, error);
            otherwise
        })
    }

    /// A time, or the beginning of time.
    pub(crate) fn time<E: Display>(&mut self, column: &'static str, read: Result<Timestamp, E>) -> Timestamp {
        self.read(column, read, Timestamp::UNIX_EPOCH)
    }

    /// The subscriptions that can be read.
    pub(crate) fn subscriptions<E: Display>(&mut self, json: Result<Value, E>) -> Vec<Subscription> {
        const COLUMN: &str = Endpoint::SUBSCRIPTIONS;
        match self.read(COLUMN, json, Value::Array(Vec::new())) {
            Value::Array(values) => {
                let mut read = |value| {
                    serde_json::from_value::<Subscription>(value)
                        .map_err(|error| self.note(COLUMN, error))
                        .ok()
                };
                values.into_iter().filter_map(&mut read).collect()
            }
            _ => {
                self.note(COLUMN, "no list");
                Vec::new()
            }
        }
    }

    /// The overrides that can be read.
    pub(crate) fn overrides<E: Display>(&mut self, json: Result<Value, E>) -> Overrides {
        self.fields("overrides", json)
    }

    /// The settings that can be read.
    pub(crate) fn settings<E: Display>(&mut self, json: Result<Value, E>) -> TenantSettings {
        self.fields("settings", json)
    }

    /// The known scopes. An unknown one allows nothing.
    pub(crate) fn scopes<'a>(&mut self, names: impl Iterator<Item = &'a str>) -> Vec<Scope> {
        let mut read = |name: &str| name.parse::<Scope>().map_err(|error| self.note("scopes", error)).ok();
        names.filter_map(&mut read).collect()
    }

    /// The fields of a JSON object that can be read, each on its own.
    fn fields<T: DeserializeOwned + Default, E: Display>(&mut self, column: &'static str, json: Result<Value, E>) -> T {
        let Value::Object(fields) = self.read(column, json, Value::Object(Map::new())) else {
            self.note(column, "no object");
            return T::default();
        };
        let mut read = |(name, value): (String, Value)| {
            let alone = Value::Object(Map::from_iter([(name.clone(), value.clone())]));
            match serde_json::from_value::<T>(alone) {
                Ok(_) => Some((name, value)),
                Err(error) => {
                    self.note(column, format_args!("{name}: {error}"));
                    None
                }
            }
        };
        let readable = fields.into_iter().filter_map(&mut read).collect();
        serde_json::from_value(Value::Object(readable)).unwrap_or_default()
    }

    fn note(&mut self, column: &'static str, error: impl Display) {
        if !self.unreadable.contains(&column) {
            self.unreadable.push(column);
        }
        self.why.push(format!("{column}: {error}"));
    }

    /// The columns that could not be read.
    pub(crate) fn unreadable(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.unreadable)
    }

    /// A report of the row, if something could not be read.
    pub(crate) fn told(self, kind: &'static str, tenant: Option<TenantId>, id: impl Display) -> Option<Unreadable> {
        (!self.why.is_empty()).then(|| Unreadable {
            kind,
            tenant,
            id: id.to_string(),
            why: self.why.join("; "),
        })
    }
}

/// A row, with a report if it could not be read in full.
pub(crate) type Read<T> = (T, Option<Unreadable>);

/// A report of a row that is left out, because its id or another essential column can't be read.
pub(crate) fn left_out(kind: &'static str, id: impl Display, error: impl Display) -> Unreadable {
    Unreadable {
        kind,
        tenant: None,
        id: id.to_string(),
        why: error.to_string(),
    }
}

/// Separates the rows that were read from the reports on those that were not.
pub(crate) fn divide<T>(rows: impl Iterator<Item = Result<Read<T>, Unreadable>>, told: &mut Vec<Unreadable>) -> Vec<T> {
    let mut one = |row: Result<Read<T>, Unreadable>| match row {
        Ok((read, note)) => {
            told.extend(note);
            Some(read)
        }
        Err(note) => {
            told.push(note);
            None
        }
    };
    rows.filter_map(&mut one).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidings_domain::{Schedule, SchemaValidation};

    use super::*;

    fn readable(value: Value) -> Result<Value, &'static str> {
        Ok(value)
    }

    #[test]
    fn what_can_be_read_of_a_row_is_read_and_the_rest_is_named() {
        let mut row = Lenient::default();
        let overrides = row.overrides(readable(json!({
            "schedule": ["soon"], "concurrency": 3, "of_a_newer_version": {"x": 1}
        })));
        assert_eq!((overrides.schedule, overrides.concurrency), (None::<Schedule>, Some(3)));
        let wanted = row.subscriptions(readable(json!([
            {"pattern": "a.b", "of_a_newer_version": 1}, {"pattern": "**"}, 7
        ])));
        assert_eq!(wanted, [Subscription::to("a.b".parse().unwrap())]);
        assert_eq!(row.unreadable(), ["overrides", "subscriptions"]);
        let told = row.told("endpoint", None, "ep_1").unwrap();
        assert!(told.why.contains("schedule") && told.why.contains("`**`"), "{told:?}");
    }

    #[test]
    fn fields_of_a_newer_version_are_no_mistake() {
        let mut row = Lenient::default();
        let settings = row.settings(readable(json!({"schema_validation": "reject", "colour": "red"})));
        assert_eq!(settings.schema_validation, SchemaValidation::Reject);
        assert_eq!(row.scopes(["read"].into_iter()), [Scope::Read]);
        assert_eq!(row.told("tenant", None, "ten_1"), None);
    }

    #[test]
    fn what_is_no_object_and_no_list_at_all_is_as_in_a_new_row() {
        let mut row = Lenient::default();
        assert_eq!(row.settings(readable(json!(7))), TenantSettings::default());
        assert_eq!(row.overrides(Err::<Value, _>("no JSON")), Overrides::default());
        assert_eq!(row.subscriptions(readable(json!({}))), []);
        assert_eq!(row.time("created_at", Err("infinity")), Timestamp::UNIX_EPOCH);
        assert_eq!(row.scopes(["fly", "publish"].into_iter()), [Scope::Publish]);
        let all = ["settings", "overrides", "subscriptions", "created_at", "scopes"];
        assert_eq!(row.unreadable(), all);
    }
}
