//! Logs on standard error, for people or for machines.

use std::io::{IsTerminal, stderr};
use std::sync::LazyLock;

use prometheus::IntCounterVec;
use serde::{Deserialize, Serialize};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::{metrics, trace};

/// The lines that are logged, and their format (`[telemetry]`).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The reader that lines are written for.
    pub format: Format,
    /// The directives that choose what is logged, of tracing's `EnvFilter`, as in `info,tidings_dispatcher=debug`.
    pub filter: String,
}

/// The format of a line.
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

static LINES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Lines that were logged, by level.";
    metrics::counters("tidings_log_lines_total", help, &["level"])
});

/// Makes the metrics of this part.
pub(crate) fn register() {
    for level in ["error", "warn", "info"] {
        LINES.with_label_values(&[level]);
    }
}

/// Counts lines.
struct Count;

impl<S: Subscriber> Layer<S> for Count {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        LINES.with_label_values(&[level]).inc();
    }
}

/// Starts logging for the whole process, and hands the spans of [`trace`] to `exporter`, if there is one. Later calls change
/// nothing.
pub fn init(config: &Config, exporter: Option<&trace::Exporter>) -> Result<(), InvalidFilter> {
    // Log lines within a span that is exported bear its trace id.
    let spans = exporter.map_or(String::new(), |_| format!(",{}=trace", trace::TARGET));
    let filter = EnvFilter::builder()
        .parse(format!("{}{spans}", config.filter))
        .map_err(|source| InvalidFilter {
            filter: config.filter.clone(),
            source,
        })?;
    let exported = exporter.map(|exporter| {
        tracing_opentelemetry::layer()
            .with_tracer(exporter.tracer())
            .with_context_activation(false)
            .with_level(false)
            .with_location(false)
            .with_target(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(Targets::new().with_target(trace::TARGET, Level::TRACE))
    });
    let counted = tracing_subscriber::registry().with(filter).with(exported).with(Count);
    let lines = tracing_subscriber::fmt::layer().with_writer(stderr);
    // Initialising fails only when it was done before.
    let _ = match config.format {
        Format::Human => counted.with(lines.with_ansi(stderr().is_terminal())).try_init(),
        Format::Json => counted.with(lines.json()).try_init(),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_once_and_refuses_a_filter_it_cannot_read() {
        init(&Config::default(), None).unwrap();
        let json = Config {
            format: Format::Json,
            ..Config::default()
        };
        init(&json, None).unwrap();
        let unreadable = Config {
            filter: "info,=,=[".to_owned(),
            ..Config::default()
        };
        let error = init(&unreadable, None).unwrap_err();
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
