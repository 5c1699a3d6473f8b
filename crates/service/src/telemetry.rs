//! Logs on standard error, for people or for machines.

use std::io::{IsTerminal, stderr};

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// How and what to log.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// For whom lines are written.
    pub format: Format,
    /// What is logged, in the directives of tracing's `EnvFilter`, as in `info,tidings_dispatcher=debug`.
    pub filter: String,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line, for collectors.
    Json,
}

/// The filter cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the log filter `{filter}` cannot be read: {source}; write it as `info,tidings_dispatcher=debug`")]
pub struct InvalidFilter {
    filter: String,
    source: ParseError,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            format: Format::Human,
            // The AMQP client reports as errors what the queue handles and reports itself.
            filter: "info,lapin=off".to_owned(),
        }
    }
}

/// Starts logging for the whole process. Later calls change nothing.
pub fn init(config: &Config) -> Result<(), InvalidFilter> {
    let filter = EnvFilter::builder()
        .parse(&config.filter)
        .map_err(|source| InvalidFilter {
            filter: config.filter.clone(),
            source,
        })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    // Initialising fails only when it was done before.
    let _ = match config.format {
        Format::Human => lines.with_ansi(stderr().is_terminal()).try_init(),
        Format::Json => lines.json().try_init(),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_once_and_refuses_a_filter_it_cannot_read() {
        init(&Config::default()).unwrap();
        init(&Config {
            format: Format::Json,
            ..Config::default()
        })
        .unwrap();
        let error = init(&Config {
            filter: "info,=,=[".to_owned(),
            ..Config::default()
        })
        .unwrap_err();
        assert!(error.to_string().contains("`info,=,=[`"), "{error}");
    }

    #[test]
    fn formats_are_written_in_lower_case() {
        assert_eq!(
            toml::from_str::<Config>("format = 'json'").unwrap().format,
            Format::Json
        );
        assert_eq!(
            toml::to_string(&Config::default()).unwrap(),
            "format = \"human\"\nfilter = \"info,lapin=off\"\n"
        );
    }
}
