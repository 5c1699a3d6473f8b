//! The configuration of the whole binary: one section per concern, each defined beside what it configures.

mod check;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde::{Deserialize, Serialize};
use tidings_service::config::{SecretText, load};
use tidings_service::{telemetry, trace};
use tidings_store::seal::{SealKey, Sealer};

/// `tidings.toml`. Every key is also the variable `TIDINGS_SECTION__KEY`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) telemetry: telemetry::Config,
    pub(crate) tracing: trace::Config,
    pub(crate) monitor: Monitor,
    pub(crate) server: tidings_service::serve::Config,
    pub(crate) database: tidings_store::postgres::Config,
    pub(crate) amqp: tidings_queue::rabbit::Config,
    pub(crate) secrets: Secrets,
    pub(crate) internal: Internal,
    pub(crate) dialects: tidings_dialect::Config,
    pub(crate) destinations: tidings_dispatcher::DestinationConfig,
    pub(crate) standalone: Standalone,
    pub(crate) ingest: tidings_ingest::Config,
    pub(crate) dispatcher: tidings_dispatcher::Config,
    pub(crate) log: tidings_log::Config,
    pub(crate) log_client: tidings_recorder::Config,
    pub(crate) control: tidings_control::Config,
    pub(crate) console: tidings_console::Config,
    pub(crate) dispatcher_client: tidings_control::dispatchers::Config,
    pub(crate) notifier: tidings_control::notifier::Config,
}

impl Config {
    /// Loads the dialects. Their deliveries must be able to end before what they need is forgotten.
    pub(crate) fn load_dialects(&self) -> anyhow::Result<tidings_dialect::Dialects> {
        let dialects = self.dialects.load()?;
        let kept = self.log.retention;
        for dialect in dialects.iter() {
            let needed = tidings_control::retention::needed(dialect.schedule());
            anyhow::ensure!(
                kept.is_zero() || kept >= needed,
                "log.retention is {}, but the schedule of the dialect `{}` lasts up to {}, and events must be kept a day \
                 longer: raise log.retention, or give the dialect shorter waits",
                humantime::format_duration(kept),
                dialect.name(),
                humantime::format_duration(dialect.schedule().longest()),
            );
        }
        Ok(dialects)
    }

    /// The configuration of the log service for these dialects. Its grace is meant for attempts of up to a minute, the
    /// longest that an endpoint can choose. Where a dialect allows more, it grows by as much, so that no attempt under
    /// way is taken for lost.
    pub(crate) fn log_for(&self, dialects: &tidings_dialect::Dialects) -> tidings_log::Config {
        const USUAL: Duration = Duration::from_secs(60);
        let longest = dialects.iter().map(tidings_dialect::Dialect::timeout).max();
        tidings_log::Config {
            grace: self.log.grace + longest.unwrap_or_default().saturating_sub(USUAL),
            ..self.log.clone()
        }
    }
}

/// Metrics and health of a role (`[monitor]`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Monitor {
    /// Address of `/metrics`, `/healthz`, `/readyz` and `/status`.
    pub(crate) address: String,
    /// Time for which the process goes on serving after SIGTERM, reporting that it is not ready, so that load balancers
    /// turn to others first.
    #[serde(with = "humantime_serde")]
    pub(crate) drain: Duration,
    /// Limit for calls under way when the process stops.
    #[serde(with = "humantime_serde")]
    pub(crate) grace: Duration,
}

/// Keys that seal endpoints' secrets at rest (`[secrets]`).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Secrets {
    /// `id:base64` of 32 bytes each; the first seals, all open. Make one with `openssl rand -base64 32`.
    pub(crate) keys: Vec<SecretText>,
}

/// Authentication between roles (`[internal]`).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Internal {
    /// The token by which roles prove to each other that they belong to the system.
    pub(crate) token: SecretText,
}

/// Settings of the all-in-one process (`[standalone]`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Standalone {
    /// Directory of the embedded database, the generated keys and the operator's key.
    pub(crate) data_dir: PathBuf,
    /// Address of all gRPC services, `host:port`.
    pub(crate) grpc_address: String,
    /// Address of the REST API and the console, `/healthz` and `/readyz` included.
    pub(crate) http_address: String,
    /// Address of `/metrics`, `/healthz`, `/readyz` and `/status`.
    pub(crate) monitor_address: String,
    /// `true` to start although secrets are sealed with a lost key: deliveries of their endpoints are held until each
    /// has a new secret.
    pub(crate) accept_lost_keys: bool,
}

impl Default for Monitor {
    fn default() -> Self {
        Self {
            address: "0.0.0.0:9464".into(),
            drain: Duration::from_secs(5),
            grace: Duration::from_secs(10),
        }
    }
}

impl Default for Standalone {
    fn default() -> Self {
        Self {
            data_dir: "tidings-data".into(),
            grpc_address: "127.0.0.1:50051".into(),
            http_address: "127.0.0.1:8080".into(),
            monitor_address: "127.0.0.1:9464".into(),
            accept_lost_keys: false,
        }
    }
}

/// The flags of every command that reads the configuration.
#[derive(Args, Clone, Default)]
pub(crate) struct ConfigArgs {
    /// The configuration file; without it, defaults and TIDINGS_SECTION__KEY variables hold.
    #[arg(long, env = "TIDINGS_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// PostgreSQL's URL: postgres://user:password@host/database.
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// RabbitMQ's URL: amqp://user:password@host/vhost.
    #[arg(long, value_name = "URL")]
    pub(crate) amqp_url: Option<String>,
    /// A network that requests may go to although it is not public, like 127.0.0.0/8; may be repeated.
    #[arg(long = "allow-network", value_name = "CIDR")]
    pub(crate) allow_networks: Vec<ipnet::IpNet>,
}

impl ConfigArgs {
    /// The effective configuration: the file, then the environment, then the flags.
    pub(crate) fn load(&self) -> anyhow::Result<Config> {
        let mut flags = toml::Table::new();
        let mut set = |section: &str, key: &str, value: Option<toml::Value>| {
            if let Some(value) = value {
                let section = flags.entry(section).or_insert_with(|| toml::Table::new().into());
                if let Some(table) = section.as_table_mut() {
                    table.insert(key.to_owned(), value);
                }
            }
        };
        set("database", "url", self.database_url.clone().map(toml::Value::from));
        set("amqp", "url", self.amqp_url.clone().map(toml::Value::from));
        let networks: Vec<_> = self.allow_networks.iter().map(ToString::to_string).collect();
        let networks = (!networks.is_empty()).then(|| toml::Value::from(networks));
        set("destinations", "allowed_networks", networks);
        load(self.config.as_deref(), flags).context("the configuration is not usable")
    }
}

impl Secrets {
    /// The sealer for the configured keys.
    pub(crate) fn sealer(&self) -> anyhow::Result<Sealer> {
        anyhow::ensure!(
            !self.keys.is_empty(),
            "secrets.keys is empty: set it to a key like \"k1:BASE64\", with BASE64 from `openssl rand -base64 32` \
             (also as the variable TIDINGS_SECRETS__KEYS='[\"k1:BASE64\"]')"
        );
        let keys = self
            .keys
            .iter()
            .map(|key| SealKey::parse(key.reveal()))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Sealer::new(keys)?)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn events_are_kept_for_a_day_longer_than_any_dialect_retries() {
        let mut config = Config::default();
        config.log.retention = Duration::from_secs(2 * 86_400);
        let refused = config.load_dialects().unwrap_err().to_string();
        assert!(
            refused.contains("log.retention is 2days") && refused.contains("dialect `"),
            "{refused}"
        );
        for days in [0, 3] {
            config.log.retention = Duration::from_secs(days * 86_400);
            config.load_dialects().unwrap();
        }
    }

    #[test]
    fn the_grace_is_longer_where_a_dialect_waits_longer_for_answers() {
        let directory = tempfile::tempdir().unwrap();
        let standard = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dialects/standard.toml");
        let text = std::fs::read_to_string(standard).unwrap();
        let text = text.replacen("name = \"standard\"", "name = \"patient\"\ntimeout = \"5m\"", 1);
        std::fs::write(directory.path().join("patient.toml"), text).unwrap();
        let mut config = Config::default();
        let grace = config.log.grace;
        assert_eq!(config.log_for(&config.load_dialects().unwrap()).grace, grace);
        config.dialects.directory = Some(directory.path().into());
        let patient = config.log_for(&config.load_dialects().unwrap());
        assert_eq!(patient.grace, grace + Duration::from_secs(4 * 60));
    }

    #[test]
    fn the_sample_file_lists_every_key_with_its_default() {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/tidings.toml");
        let read: Config = load(Some(&sample), toml::Table::new()).unwrap();
        assert_eq!(
            toml::to_string(&read).unwrap(),
            toml::to_string(&Config::default()).unwrap()
        );

        let text = std::fs::read_to_string(sample).unwrap();
        let sample: toml::Table = text.parse().unwrap();
        let defaults: toml::Table = toml::to_string(&Config::default()).unwrap().parse().unwrap();
        for (section, keys) in &defaults {
            for key in keys.as_table().unwrap().keys() {
                assert!(sample[section].get(key).is_some(), "{section}.{key} is missing");
            }
        }
    }
}
