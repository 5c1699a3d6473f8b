//! Configuration from one TOML file, the environment and flags; each overrides the one before.
//!
//! Every key `section.key` of the file is also the variable `TIDINGS_SECTION__KEY`. Unknown keys are refused with the
//! nearest known one, because a misspelt key that is ignored is found in production. Defaults live beside the fields:
//! structs bear `#[serde(default, deny_unknown_fields)]`. Variables without `__` (`TIDINGS_KEY`, `TIDINGS_SERVER`,
//! `TIDINGS_CONFIG`) are no configuration keys.

use std::path::{Path, PathBuf};
use std::{env, fmt, io};

use figment::error::Kind;
use figment::providers::Serialized;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::de::{self, DeserializeOwned};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The beginning of every variable.
const PREFIX: &str = "TIDINGS_";

/// The separator between section and key in a variable's name.
const SEPARATOR: &str = "__";

/// Reads the configuration: `file`, then the environment, then `overrides` (what the flags say, shaped like `T`;
/// `None` values in it override nothing).
pub fn load<T: DeserializeOwned>(file: Option<&Path>, overrides: impl Serialize) -> Result<T, ConfigError> {
    let environment =
        env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    load_from(file, environment, overrides)
}

/// The reason that the configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is not TOML: {source}", path.display())]
    Syntax {
        path: PathBuf,
        /// The place and the reason.
        source: Box<toml::de::Error>,
    },
    /// Nothing is configured by this name.
    #[error("{origin}: unknown key `{key}`{}", did_you_mean(nearest))]
    UnknownKey {
        /// The file, the variable or the command line.
        origin: String,
        /// The key with its sections, as in `database.url`.
        key: String,
        /// The known key of the same section that looks most like it.
        nearest: Option<String>,
    },
    /// A value is not what its key takes.
    #[error("{origin}: `{key}`: {reason}")]
    Invalid {
        /// The file, the variable or the command line.
        origin: String,
        /// The key with its sections.
        key: String,
        /// The fault, and what is expected.
        reason: String,
    },
}

/// A text that is never printed: debug and serialized output show `***`.
///
/// In configuration it is the text itself or `{ file = "/path" }`, whose trimmed content it then is (for secrets that
/// an orchestrator mounts); as a variable the latter is `TIDINGS_SECTION__KEY__FILE=/path`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// The text itself, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// True if there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An empty secret is shown as such, so that `config check` tells "hidden" from "not set".
    fn mask(&self) -> &'static str {
        if self.0.is_empty() { "" } else { "***" }
    }
}

impl<T: Into<String>> From<T> for SecretText {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.mask())
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.mask())
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> de::Visitor<'de> for SecretVisitor {
    type Value = SecretText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or { file = \"/path\" }")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretText, E> {
        read_secret(text)
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<SecretText, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct InFile {
            file: PathBuf,
        }
        let InFile { file } = InFile::deserialize(de::value::MapAccessDeserializer::new(map))?;
        let text = std::fs::read_to_string(&file)
            .map_err(|error| de::Error::custom(format!("cannot read the secret from {}: {error}", file.display())))?;
        read_secret(text.trim())
    }
}

/// Refuses characters that nobody sees at the ends of a secret: they would be found much later, by a refused login.
fn read_secret<E: de::Error>(text: &str) -> Result<SecretText, E> {
    if text.contains(char::is_control) {
        return Err(E::custom(
            "it has a line end or another control character in it: leave that out",
        ));
    }
    let unseen = |c: char| c.is_whitespace() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    if text.starts_with(unseen) || text.ends_with(unseen) {
        return Err(E::custom(
            "it begins or ends with a blank or an invisible character: leave that out",
        ));
    }
    Ok(SecretText(text.to_owned()))
}

/// The source of some values.
struct Layer {
    origin: String,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

fn load_from<T: DeserializeOwned>(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
    overrides: impl Serialize,
) -> Result<T, ConfigError> {
    let mut figment = Figment::new();
    if let Some(path) = file {
        figment = figment.merge(file_layer(path)?);
    }
    // One layer for each variable, so that an error can name the one it comes from.
    let mut variables: Vec<_> = environment
        .filter_map(|(name, value)| variable_layer(&name, &value))
        .collect();
    variables.sort_by(|a, b| a.origin.cmp(&b.origin));
    for variable in variables {
        figment = figment.merge(variable);
    }
    figment = figment.merge(flags_layer(overrides)?);
    // Variables are texts; extracting "lossily" reads numbers and booleans from them where the field is one, and
    // leaves a text that happens to look like a number alone where the field is a text.
    figment.extract_lossy().map_err(|error| explain(error, &figment))
}

fn file_layer(path: &Path) -> Result<Layer, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    let values = toml::from_str(&text).map_err(|source| ConfigError::Syntax {
        path: path.to_owned(),
        source: Box::new(source),
    })?;
    Ok(Layer {
        origin: path.display().to_string(),
        values,
    })
}

fn variable_layer(name: &str, text: &str) -> Option<Layer> {
    let key = name.strip_prefix(PREFIX)?;
    let path: Vec<String> = key.split(SEPARATOR).map(str::to_ascii_lowercase).collect();
    if path.len() < 2 || path.iter().any(String::is_empty) {
        return None;
    }
    let values = path.iter().rev().fold(variable_value(text), |value, key| {
        Dict::from([(key.clone(), value)]).into()
    });
    Some(Layer {
        origin: name.to_owned(),
        values: values.into_dict()?,
    })
}

/// Lists and tables are written as in TOML (`["10.0.0.0/8"]`); everything else is the text as it stands.
fn variable_value(text: &str) -> Value {
    if text.starts_with(['[', '{'])
        && let Ok(mut parsed) = toml::from_str::<Dict>(&format!("value = {text}"))
        && let Some(value) = parsed.remove("value")
    {
        return value;
    }
    text.into()
}

fn flags_layer(overrides: impl Serialize) -> Result<Layer, ConfigError> {
    let origin = "command line".to_owned();
    let values = Serialized::defaults(overrides)
        .data()
        .map_err(|error| explain(error, &Figment::new()))?;
    let values = values
        .into_iter()
        .next()
        .map(|(_, values)| given(values))
        .unwrap_or_default();
    Ok(Layer { origin, values })
}

/// Without the values that no flag was given for.
fn given(values: Dict) -> Dict {
    let keep = |(key, value)| match value {
        Value::Empty(..) => None,
        Value::Dict(tag, inner) => Some((key, Value::Dict(tag, given(inner)))),
        value => Some((key, value)),
    };
    values.into_iter().filter_map(keep).collect()
}

fn explain(error: figment::Error, figment: &Figment) -> ConfigError {
    let mut path = error.path.clone();
    let reason = error.kind.to_string();
    match error.kind {
        Kind::UnknownField(field, known) => {
            if path.last() != Some(&field) {
                path.push(field.clone());
            }
            let key = path.join(".");
            let nearest = nearest(&field, known).map(|name| {
                path.pop();
                path.push(name.to_owned());
                path.join(".")
            });
            ConfigError::UnknownKey {
                origin: origin_of(&key, figment),
                key,
                nearest,
            }
        }
        Kind::MissingField(field) => {
            path.push(field.into_owned());
            let key = path.join(".");
            let reason = format!("is missing; set it in the file or as {}", variable_name(&path));
            ConfigError::Invalid {
                origin: "configuration".to_owned(),
                key,
                reason,
            }
        }
        _ => {
            let key = path.join(".");
            ConfigError::Invalid {
                origin: origin_of(&key, figment),
                key,
                reason,
            }
        }
    }
}

/// A section is in no layer by itself: its first value says where it comes from.
fn origin_of(key: &str, figment: &Figment) -> String {
    fn first_leaf(value: &Value) -> &Value {
        value
            .as_dict()
            .and_then(|values| values.values().next())
            .map_or(value, first_leaf)
    }
    let value = figment.find_value(key).ok();
    let metadata = value
        .as_ref()
        .and_then(|value| figment.get_metadata(first_leaf(value).tag()));
    metadata.map_or_else(|| "configuration".to_owned(), |metadata| metadata.name.to_string())
}

/// The known name that is at most a few letters away.
fn nearest(unknown: &str, known: &[&'static str]) -> Option<&'static str> {
    let (similarity, name) = known
        .iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(unknown, name), *name))
        .max_by(|a, b| a.0.total_cmp(&b.0))?;
    (similarity >= 0.5).then_some(name)
}

fn variable_name(path: &[String]) -> String {
    format!("{PREFIX}{}", path.join(SEPARATOR).to_ascii_uppercase())
}

fn did_you_mean(nearest: &Option<String>) -> String {
    match nearest {
        Some(key) => format!("; did you mean `{key}`?"),
        None => "; `tidings config check` prints the known ones".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
    #[serde(default, deny_unknown_fields)]
    struct Config {
        database: Database,
        ingest: Ingest,
    }

    #[derive(Debug, Deserialize, PartialEq, Serialize)]
    #[serde(default, deny_unknown_fields)]
    struct Database {
        url: SecretText,
        schema: String,
        pool_size: u16,
    }

    impl Default for Database {
        fn default() -> Self {
            Self {
                url: "postgres://localhost".into(),
                schema: "tidings".to_owned(),
                pool_size: 16,
            }
        }
    }

    #[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
    #[serde(default, deny_unknown_fields)]
    struct Ingest {
        compress: bool,
        allow: Vec<String>,
        rate: Option<u32>,
    }

    fn check(file: &str, variables: &[(&str, &str)], overrides: impl Serialize) -> Result<Config, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tidings.toml");
        fs::write(&path, file).unwrap();
        let variables = variables
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        load_from(Some(&path), variables, overrides)
            .map_err(|error| error.to_string().replace(directory.path().to_str().unwrap(), "."))
    }

    fn none() -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    #[test]
    fn nothing_given_is_the_default() {
        assert_eq!(
            load_from::<Config>(None, std::iter::empty(), none()).unwrap(),
            Config::default()
        );
        assert_eq!(load::<Config>(None, none()).unwrap().database.schema, "tidings");
    }

    #[test]
    fn each_source_overrides_the_one_before() {
        #[derive(Serialize)]
        struct Flags {
            database: FlagsOfDatabase,
        }
        #[derive(Serialize)]
        struct FlagsOfDatabase {
            url: Option<String>,
            schema: Option<String>,
        }
        let file = "[database]\nurl = 'from file'\nschema = 'from file'\npool_size = 5\n";
        let variables = [
            ("TIDINGS_DATABASE__URL", "from variable"),
            ("TIDINGS_DATABASE__SCHEMA", "from variable"),
        ];
        let flags = Flags {
            database: FlagsOfDatabase {
                url: Some("from flag".to_owned()),
                schema: None,
            },
        };
        let database = check(file, &variables, flags).unwrap().database;
        assert_eq!(
            database,
            Database {
                url: "from flag".into(),
                schema: "from variable".to_owned(),
                pool_size: 5
            }
        );
    }

    #[test]
    fn variables_are_read_as_what_the_field_is() {
        let variables = [
            ("TIDINGS_DATABASE__SCHEMA", "0123"),
            ("TIDINGS_DATABASE__URL", "12345678"),
            ("TIDINGS_DATABASE__POOL_SIZE", "7"),
            ("TIDINGS_INGEST__COMPRESS", "true"),
            ("TIDINGS_INGEST__RATE", "100"),
            ("TIDINGS_INGEST__ALLOW", "['10.0.0.0/8', '127.0.0.1']"),
        ];
        let config = check("", &variables, none()).unwrap();
        assert_eq!(
            config,
            Config {
                database: Database {
                    url: "12345678".into(),
                    schema: "0123".to_owned(),
                    pool_size: 7
                },
                ingest: Ingest {
                    compress: true,
                    allow: vec!["10.0.0.0/8".to_owned(), "127.0.0.1".to_owned()],
                    rate: Some(100)
                },
            }
        );
    }

    #[test]
    fn variables_without_a_section_are_no_keys() {
        let variables = [
            ("TIDINGS_KEY", "tk_1"),
            ("TIDINGS_SERVER", "x"),
            ("TIDINGS_CONFIG", "y"),
            ("TIDINGS_TEST_AMQP_URL", "z"),
        ];
        assert_eq!(check("", &variables, none()).unwrap(), Config::default());
    }

    #[test]
    fn unknown_keys_name_source_and_the_nearest_key() {
        assert_eq!(
            check("[database]\nulr = 'x'", &[], none()).unwrap_err(),
            "./tidings.toml: unknown key `database.ulr`; did you mean `database.url`?"
        );
        assert_eq!(
            check("[databse]\nurl = 'x'", &[], none()).unwrap_err(),
            "./tidings.toml: unknown key `databse`; did you mean `database`?"
        );
        assert_eq!(
            check("[database]\nurl = 'x'", &[("TIDINGS_DATABASE__POOLSIZE", "1")], none()).unwrap_err(),
            "TIDINGS_DATABASE__POOLSIZE: unknown key `database.poolsize`; did you mean `database.pool_size`?"
        );
        assert_eq!(
            check("", &[("TIDINGS_DATABSE__URL", "x")], none()).unwrap_err(),
            "TIDINGS_DATABSE__URL: unknown key `databse`; did you mean `database`?"
        );
        assert_eq!(
            check("[kafka]\nurl = 'x'", &[], none()).unwrap_err(),
            "./tidings.toml: unknown key `kafka`; `tidings config check` prints the known ones"
        );
    }

    #[test]
    fn wrong_values_name_source_and_key() {
        let error = check("", &[("TIDINGS_DATABASE__POOL_SIZE", "many")], none()).unwrap_err();
        assert!(
            error.starts_with("TIDINGS_DATABASE__POOL_SIZE: `database.pool_size`: ") && error.contains("u16"),
            "{error}"
        );
        let error = check("[ingest]\nallow = 5", &[], none()).unwrap_err();
        assert!(
            error.starts_with("./tidings.toml: `ingest.allow`: ") && error.contains("sequence"),
            "{error}"
        );
    }

    #[test]
    fn unreadable_files_are_named() {
        let error =
            load_from::<Config>(Some(Path::new("/nowhere/tidings.toml")), std::iter::empty(), none()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot read the configuration file /nowhere/tidings.toml: "),
            "{error}"
        );
        let error = check("[database\n", &[], none()).unwrap_err();
        assert!(error.starts_with("./tidings.toml is not TOML: "), "{error}");
    }

    #[test]
    fn secrets_come_from_files_and_never_print() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, "  hunter2\n").unwrap();
        let path = file.path().display().to_string();
        let as_table = check(&format!("[database]\nurl = {{ file = '{path}' }}"), &[], none()).unwrap();
        let as_variable = check(
            "[database]\nurl = 'x'",
            &[("TIDINGS_DATABASE__URL__FILE", &path)],
            none(),
        )
        .unwrap();
        for config in [as_table, as_variable] {
            assert_eq!(config.database.url.reveal(), "hunter2");
            let printed = format!("{config:?} {}", toml::to_string(&config).unwrap());
            assert!(!printed.contains("hunter2") && printed.contains("***"), "{printed}");
        }
        let error = check("[database]\nurl = { file = '/nowhere' }", &[], none()).unwrap_err();
        assert!(
            error.contains("`database.url`: cannot read the secret from /nowhere"),
            "{error}"
        );
    }
}
