//! Validation of a configuration as a whole, before anything starts.
//!
//! A value that parses and still can't work is found at the start and by `tidings config check`, not by a task that
//! panics or a publish that never returns. Each key is checked against its allowed values, and keys against each other.
//! Merely unwise values give warnings. Addresses and files that a value names are not examined: `tidings doctor` does
//! that.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use tidings_service::serve::ServerTls;

use super::Config;

/// Problems of a configuration, in the order of its sections.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Problems with which it can't work.
    pub(crate) errors: Vec<String>,
    /// Problems with which it works less well than intended.
    pub(crate) warnings: Vec<String>,
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const MILLI: Duration = Duration::from_millis(1);
const KIB: usize = 1_024;
const MIB: usize = 1_024 * KIB;

impl Config {
    /// Finds the errors and the warnings.
    pub(crate) fn check(&self) -> Findings {
        let mut found = Findings::default();
        self.check_process(&mut found);
        self.check_engines(&mut found);
        self.check_ingest(&mut found);
        self.check_dispatcher(&mut found);
        self.check_log(&mut found);
        self.check_control(&mut found);
        self.check_relations(&mut found);
        found
    }

    /// The same, with warnings logged and errors as one error.
    pub(crate) fn usable(&self) -> anyhow::Result<()> {
        let found = self.check();
        for warning in &found.warnings {
            tracing::warn!("{warning}");
        }
        anyhow::ensure!(
            found.errors.is_empty(),
            "the configuration is not usable:\n  {}",
            found.errors.join("\n  ")
        );
        Ok(())
    }

    fn check_process(&self, found: &mut Findings) {
        let (monitor, server) = (&self.monitor, &self.server);
        for (key, address) in [
            ("monitor.address", &monitor.address),
            ("standalone.grpc_address", &self.standalone.grpc_address),
            ("standalone.http_address", &self.standalone.http_address),
            ("standalone.monitor_address", &self.standalone.monitor_address),
            ("ingest.grpc_address", &self.ingest.grpc_address),
            ("ingest.http_address", &self.ingest.http_address),
            ("log.grpc_address", &self.log.grpc_address),
            ("control.grpc_address", &self.control.grpc_address),
            ("control.http_address", &self.control.http_address),
            ("dispatcher.grpc_address", &self.dispatcher.grpc_address),
        ] {
            let port = address.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
            if !matches!(port, Some(Ok(_))) {
                found.wrong(key, address, "host:port, as in 0.0.0.0:8080");
            }
        }
        found.time("monitor.drain", monitor.drain, Duration::ZERO..=10 * MINUTE);
        found.time("monitor.grace", monitor.grace, Duration::ZERO..=HOUR);
        found.number("server.max_connections", server.max_connections, 1..=1_000_000);
        found.time(
            "server.max_connection_age",
            server.max_connection_age,
            Duration::ZERO..=24 * HOUR,
        );
        found.number(
            "server.max_calls_per_connection",
            server.max_calls_per_connection,
            1..=10_000,
        );
        found.number("server.max_header_bytes", server.max_header_bytes, 4_096..=1_048_576);
        found.number("server.max_body_memory", server.max_body_memory, 64 * MIB..=4_095 * MIB);
        found.time("server.headers_within", server.headers_within, SECOND..=10 * MINUTE);
        found.time("server.body_within", server.body_within, SECOND..=HOUR);
        found.time("server.call_within", server.call_within, SECOND..=HOUR);
        found.number("tracing.sample", self.tracing.sample, 0.0..=1.0);
        if let Some(collector) = self.tracing.collector()
            && let Err(error) = self.tracing.way_to(&collector)
        {
            found.errors.push(error.to_string());
        }
        for (key, tls) in [
            ("server.grpc_tls", &server.grpc_tls),
            ("server.http_tls", &server.http_tls),
        ] {
            if let Some(Err(error)) = tls.as_ref().map(ServerTls::check) {
                found.errors.push(format!("{key}: {error}"));
            }
        }
    }

    fn check_engines(&self, found: &mut Findings) {
        let amqp = &self.amqp;
        found.number("database.max_connections", self.database.max_connections, 1..=1_000);
        if let Err(error) = amqp.check() {
            found.errors.push(error.to_string());
        }
        if let Err(error) = amqp.topology() {
            found.errors.push(format!("amqp.shards, amqp.delays: {error}"));
        }
        found.time("amqp.connect_timeout", amqp.connect_timeout, 100 * MILLI..=5 * MINUTE);
        found.time("amqp.confirm_timeout", amqp.confirm_timeout, 100 * MILLI..=5 * MINUTE);
        found.time("amqp.blocked_wait", amqp.blocked_wait, Duration::ZERO..=MINUTE);
        found.time("amqp.settle", amqp.settle, Duration::ZERO..=5 * MINUTE);
        found.time("amqp.redeliver_after", amqp.redeliver_after, 10 * MILLI..=HOUR);
        found.time("amqp.check_every", amqp.check_every, Duration::ZERO..=DAY);
        found.number("amqp.publish_channels", amqp.publish_channels, 1..=100);
        found.time("log_client.deadline", self.log_client.deadline, 50 * MILLI..=MINUTE);
    }

    fn check_ingest(&self, found: &mut Findings) {
        let ingest = &self.ingest;
        found.number("ingest.max_payload", ingest.max_payload, 1..=16 * MIB);
        found.number("ingest.max_batch", ingest.max_batch, 1..=10_000);
        found.number("ingest.max_request", ingest.max_request, KIB..=64 * MIB);
        found.number("ingest.max_in_flight", ingest.max_in_flight, KIB..=4_095 * MIB);
        found.number("ingest.stream_window", ingest.stream_window, 1..=65_536);
        found.number("ingest.live_per_second", ingest.live_per_second, 1..=1_000_000);
        found.number("ingest.live_burst", ingest.live_burst, 1..=10_000_000);
        found.time(
            "ingest.longest_pause",
            ingest.longest_pause,
            Duration::ZERO..=10 * SECOND,
        );
        found.time("ingest.idempotency_lease", ingest.idempotency_lease, 100 * MILLI..=HOUR);
    }

    fn check_dispatcher(&self, found: &mut Findings) {
        let dispatcher = &self.dispatcher;
        found.number(
            "dispatcher.endpoint_concurrency",
            dispatcher.endpoint_concurrency,
            1..=10_000,
        );
        for (key, prefetch) in [
            ("dispatcher.prefetch_live", dispatcher.prefetch_live),
            ("dispatcher.prefetch_bulk", dispatcher.prefetch_bulk),
            ("dispatcher.prefetch_retry", dispatcher.prefetch_retry),
        ] {
            found.number(key, prefetch, 1..=u16::MAX);
        }
        found.number("dispatcher.max_response", dispatcher.max_response, 0..=MIB);
        found.time("dispatcher.check_after", dispatcher.check_after, 100 * MILLI..=HOUR);
        found.time("dispatcher.grace", dispatcher.grace, Duration::ZERO..=HOUR);
        if let Err(error) = self.destinations.proxy() {
            found.errors.push(format!("destinations.proxy: {error}"));
        }
    }

    fn check_log(&self, found: &mut Findings) {
        let log = &self.log;
        found.number("log.writers", log.writers, 1..=64);
        found.time("log.grace", log.grace, SECOND..=DAY);
        found.time("log.sweep_every", log.sweep_every, 10 * MILLI..=MINUTE);
        found.number("log.release_window", log.release_window, 1..=1_000_000);
        found.number("log.partitions_ahead", log.partitions_ahead, 1..=60);
        let whole_days = log.retention.subsec_nanos() == 0 && log.retention.as_secs().is_multiple_of(DAY.as_secs());
        if !whole_days {
            let retention = humantime::format_duration(log.retention);
            found.wrong("log.retention", retention, "whole days, or 0s for ever");
        }
        found.time("log.idempotency_retention", log.idempotency_retention, DAY..=365 * DAY);
    }

    fn check_control(&self, found: &mut Findings) {
        if let Err(error) = self.console.check(self.control.public_url.as_ref()) {
            found.errors.push(error.to_string());
        }
        let most = self.control.max_endpoints_per_tenant;
        found.number("control.max_endpoints_per_tenant", most, 1..=100_000);
        found.time("notifier.check_every", self.notifier.check_every, 100 * MILLI..=DAY);
        if let Err(error) = self.notifier.check() {
            found.errors.push(error.to_string());
        }
        let (log, dispatcher) = (&self.log_client, &self.dispatcher_client);
        for (key, servers, tls) in [
            ("log_client.servers", &log.servers, &log.tls),
            ("dispatcher_client.servers", &dispatcher.servers, &dispatcher.tls),
        ] {
            if let Err(error) = tidings_service::client::check(key, servers, tls) {
                found.errors.push(error.to_string());
            }
        }
        if self.secrets.keys.is_empty() {
            return;
        }
        if let Err(error) = self.secrets.sealer() {
            found.errors.push(format!("secrets.keys: {error:#}"));
        }
    }

    /// Checks keys against each other.
    fn check_relations(&self, found: &mut Findings) {
        let (ingest, memory) = (&self.ingest, self.server.max_body_memory);
        let mut at_least = |key: &str, value: usize, other: &str, least: usize| {
            if value < least {
                found.wrong(key, value, format!("at least `{other}`, {least}"));
            }
        };
        at_least(
            "ingest.max_request",
            ingest.max_request,
            "ingest.max_payload",
            ingest.max_payload,
        );
        at_least(
            "ingest.max_in_flight",
            ingest.max_in_flight,
            "ingest.max_payload",
            ingest.max_payload,
        );
        let parts = "ingest.max_request × 4";
        at_least(
            "server.max_body_memory",
            memory,
            parts,
            ingest.max_request.saturating_mul(4),
        );

        let dialects = match self.load_dialects() {
            Ok(dialects) => dialects,
            Err(error) => return found.errors.push(format!("{error:#}")),
        };
        if self.amqp.topology().is_ok()
            && let Err(error) = crate::start::topology(self, &dialects)
        {
            found
                .errors
                .push(format!("amqp.delays with the waits of dialects: {error:#}"));
        }
        let timeouts = dialects
            .names()
            .filter_map(|name| Some((name, dialects.get(name)?.timeout())));
        if let Some((name, longest)) = timeouts.max_by_key(|(_, timeout)| *timeout) {
            let longest_text = humantime::format_duration(longest);
            for (key, grace, why) in [
                (
                    "log.grace",
                    self.log.grace,
                    "requests under way count as lost and are sent twice",
                ),
                (
                    "dispatcher.grace",
                    self.dispatcher.grace,
                    "requests under way are cut off at a stop and sent again",
                ),
            ] {
                if grace <= longest {
                    let grace = humantime::format_duration(grace);
                    found.warnings.push(format!(
                        "`{key}` is {grace} and the dialect `{name}` waits {longest_text} for an answer: {why}"
                    ));
                }
            }
        }
        if self.dispatcher.check_after >= self.log.grace {
            found.warnings.push(
                "`dispatcher.check_after` is not below `log.grace`: what the sweeper publishes again is sent unchecked"
                    .into(),
            );
        }
    }
}

impl Findings {
    fn wrong(&mut self, key: &str, value: impl Display, allowed: impl Display) {
        self.errors.push(format!("`{key}` is {value}: it must be {allowed}"));
    }

    fn number<T: PartialOrd + Display>(&mut self, key: &str, value: T, allowed: RangeInclusive<T>) {
        if !allowed.contains(&value) {
            self.wrong(key, value, between(allowed.start(), allowed.end()));
        }
    }

    fn time(&mut self, key: &str, value: Duration, allowed: RangeInclusive<Duration>) {
        if !allowed.contains(&value) {
            let [value, start, end] = [value, *allowed.start(), *allowed.end()].map(humantime::format_duration);
            self.wrong(key, value, between(start, end));
        }
    }
}

fn between(start: impl Display, end: impl Display) -> String {
    format!("between {start} and {end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(change: impl FnOnce(&mut Config)) -> Vec<String> {
        let mut config = Config::default();
        change(&mut config);
        config.check().errors
    }

    #[test]
    fn the_defaults_are_usable_and_wise() {
        let found = Config::default().check();
        assert!(found.errors.is_empty() && found.warnings.is_empty(), "{found:?}");
    }

    #[test]
    fn what_cannot_work_is_named_with_its_value_and_what_is_allowed() {
        assert_eq!(
            errors(|config| config.log.sweep_every = Duration::ZERO),
            ["`log.sweep_every` is 0s: it must be between 10ms and 1m"]
        );
        assert_eq!(
            errors(|config| config.ingest.max_in_flight = 200 * KIB),
            ["`ingest.max_in_flight` is 204800: it must be at least `ingest.max_payload`, 262144"]
        );
        let halved = errors(|config| config.log.retention += Duration::from_secs(12 * 3_600));
        assert!(
            halved.len() == 1 && halved[0].starts_with("`log.retention` is ") && halved[0].contains("whole days"),
            "{halved:?}"
        );
        assert_eq!(
            errors(|config| config.ingest.http_address = "8080".into()),
            ["`ingest.http_address` is 8080: it must be host:port, as in 0.0.0.0:8080"]
        );
        assert_eq!(errors(|config| config.server.max_body_memory = 0).len(), 2);
        for (key, change) in [
            (
                "AMQP URL",
                (|config| config.amqp.url = "http://broker".into()) as fn(&mut Config),
            ),
            ("amqp.shards", |config| config.amqp.shards = 0),
            ("notifier", |config| config.notifier.smtp_url = "ftp://mail".into()),
            ("secrets.keys", |config| config.secrets.keys = vec!["k1:short".into()]),
            ("destinations.proxy", |config| {
                config.destinations.proxy = "ftp://proxy".into()
            }),
            ("log_client.servers", |config| config.log_client.servers.clear()),
            ("dispatcher_client.servers", |config| {
                config.dispatcher_client.servers = vec!["not an address".into()]
            }),
        ] {
            let errors = errors(change);
            assert!(errors.len() == 1 && errors[0].contains(key), "{key}: {errors:?}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let errors = errors(|config| {
            config.log.writers = 0;
            config.ingest.stream_window = 0;
            config.dispatcher.prefetch_live = 0;
        });
        assert_eq!(errors.len(), 3, "{errors:?}");
    }

    #[test]
    fn what_is_unwise_is_a_warning() {
        let mut config = Config::default();
        config.log.grace = Duration::from_secs(10);
        config.dispatcher.grace = Duration::from_secs(10);
        let found = config.check();
        assert!(found.errors.is_empty(), "{found:?}");
        assert_eq!(found.warnings.len(), 3, "{found:?}");
    }
}
