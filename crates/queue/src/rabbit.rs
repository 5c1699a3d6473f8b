//! The queue on RabbitMQ (3.10 to 4.x).
//!
//! It uses two connections, one to publish and one to consume, each kept by a supervisor that reconnects forever. A
//! connection with all that depends on it (channels, publishers, consumers) is one generation: any error or timeout
//! ends it as a whole, and the next starts afresh. Publishing is confirmed by the broker, consuming acknowledged
//! message by message. Without a connection, publishing fails at once, so that callers can fall back to the ledger.

mod addresses;
mod canary;
mod check;
mod connection;
mod consuming;
mod declare;
mod depths;
pub mod examine;
mod line;
mod management;
mod parked;
mod publish;
mod routes;
mod status;
mod subscription;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tidings_service::tls::ClientTls;
use tidings_service::{Backoff, Component, SecretText, Supervisor};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use self::connection::{Broker, Cure, Failure};
use self::consuming::Generation;
use self::declare::Declared;
use self::line::Line;
use self::publish::Link;
use self::routes::Routes;
use self::status::{Side, Status};
use self::subscription::Subscription;
use crate::topology::{DEFAULT_SHARDS, Topology, TopologyError};
use crate::{
    Depth, Incoming, Outgoing, Parked, ParkedQueue, PublishError, Queue, Selection, Settle, Settled, Source, Trouble,
    metrics,
};

/// Connection settings of RabbitMQ (`[amqp]`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `amqp://user:password@host:port/vhost`; `amqps://` for TLS. The nodes of a cluster are named in one URL:
    /// `amqp://user:password@a:5672,b:5672/vhost`. A vhost of its own is best.
    pub url: SecretText,
    /// The management API, `http://user:password@host:15672`, to watch for messages that are stuck in delay queues, for queues
    /// with too few members and for policies that change our queues; several nodes as in `url`. Empty for not at all.
    pub management_url: SecretText,
    /// Shards of each lane, 1 to 100. Fixed once messages wait.
    pub shards: u16,
    /// Delays that get a delay queue besides the base delay queues; those that schedules and dialects name need no mention.
    pub delays: Vec<humantime_serde::Serde<Duration>>,
    /// Timeout for connecting to one address.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// Timeout for the broker's confirmation of a message.
    #[serde(with = "humantime_serde")]
    pub confirm_timeout: Duration,
    /// Time that a publish waits for an alarm of the broker to end, before it fails.
    #[serde(with = "humantime_serde")]
    pub blocked_wait: Duration,
    /// Rest for queues after their first declaration, before messages are published to them.
    #[serde(with = "humantime_serde")]
    pub settle: Duration,
    /// After how long a message that was dropped without being acknowledged goes back to its queue.
    #[serde(with = "humantime_serde")]
    pub redeliver_after: Duration,
    /// Channels that publish in parallel, at least 1.
    pub publish_channels: u16,
    /// Interval at which exchanges, queues and bindings are checked and repaired; zero for never.
    #[serde(with = "humantime_serde")]
    pub check_every: Duration,
    /// TLS settings for `amqps://` URLs.
    pub tls: ClientTls,
}

/// A configuration with which the broker can't be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl Default for Config {
    fn default() -> Self {
        Self {
            url: "amqp://guest:guest@127.0.0.1:5672/%2f".into(),
            management_url: SecretText::default(),
            shards: DEFAULT_SHARDS,
            delays: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            confirm_timeout: Duration::from_secs(10),
            // As long as ingest waits for a publish at most; longer alarms are for the ledger to bridge.
            blocked_wait: Duration::from_secs(1),
            // Measured: a quorum queue that is killed in its first seconds comes back without its confirmed messages.
            settle: Duration::from_secs(3),
            redeliver_after: Duration::from_secs(1),
            // Measured: two publish a third more than one, which waits for confirms between its batches.
            publish_channels: 2,
            // The broker does not report a binding that was deleted.
            check_every: Duration::from_secs(60),
            tls: ClientTls::default(),
        }
    }
}

impl Config {
    /// Checks URLs and files without connecting.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.broker().map_err(ConfigError)?;
        management::Nodes::parse(self.management_url.reveal())
            .map_err(|reason| ConfigError(format!("amqp.management_url is invalid: {reason}")))?;
        Ok(())
    }

    fn broker(&self) -> Result<Broker, String> {
        Broker::new(self.url.reveal(), self.tls.clone(), self.connect_timeout)
    }

    /// The topology with this configuration's shards and delays.
    pub fn topology(&self) -> Result<Topology, TopologyError> {
        Topology::new(self.shards)?.with_delays(self.delays.iter().map(|delay| **delay))
    }
}

/// Queue implementation on RabbitMQ.
pub struct Rabbit {
    shared: Arc<Shared>,
    /// Set by who consumes first: a process that only publishes needs no second connection.
    generations: OnceLock<Arc<watch::Sender<Option<Arc<Generation>>>>>,
    /// Ends the supervisors of a queue that was dropped without being closed.
    _closes_on_drop: DropGuard,
}

/// State shared by the tasks of one queue.
struct Shared {
    config: Config,
    topology: Topology,
    broker: Result<Broker, String>,
    declared_before: Declared,
    status: Status,
    link: watch::Sender<Link>,
    routes: Arc<Routes>,
    /// The topology is declared, and nothing of it was found missing since.
    declared: watch::Sender<bool>,
    /// Cancelled when no more messages are to be delivered; unsettled ones can still be settled, and publishing goes on.
    ending: CancellationToken,
    /// Cancelled when everything ends.
    closing: CancellationToken,
    supervisors: Supervisor,
    subscriptions: TaskTracker,
}

impl Rabbit {
    /// Starts connecting in the background and reports to `health`. When `shutdown` is cancelled, no more messages
    /// are delivered, while acknowledging and publishing go on until [`Queue::close`].
    #[must_use]
    pub fn start(config: Config, topology: Topology, health: Component, shutdown: CancellationToken) -> Arc<Self> {
        metrics::register();
        let closing = CancellationToken::new();
        let supervisors = Supervisor::new(health.health(), closing.clone());
        let shared = Arc::new(Shared {
            broker: config.broker(),
            declared_before: Declared::default(),
            config,
            topology,
            status: Status::new(health),
            link: watch::Sender::new(Link::Down("not connected yet".into())),
            routes: Arc::default(),
            declared: watch::Sender::new(false),
            ending: shutdown.child_token(),
            closing: closing.clone(),
            supervisors,
            subscriptions: TaskTracker::new(),
        });
        let keep = {
            let shared = shared.clone();
            move || publish::keep(shared.clone())
        };
        shared.supervisors.spawn("rabbitmq_publishing", keep);
        Arc::new(Self {
            shared,
            generations: OnceLock::new(),
            _closes_on_drop: closing.drop_guard(),
        })
    }

    /// The consuming connections to come, and the one there is.
    fn generations(&self) -> watch::Receiver<Option<Arc<Generation>>> {
        let generations = self.generations.get_or_init(|| {
            let generations = Arc::new(watch::Sender::new(None));
            let keep = {
                let (shared, generations) = (self.shared.clone(), generations.clone());
                move || consuming::keep(shared.clone(), generations.clone())
            };
            self.shared.supervisors.spawn("rabbitmq_consuming", keep);
            generations
        });
        generations.subscribe()
    }
}

#[async_trait]
impl Queue for Rabbit {
    async fn publish(&self, outgoing: Outgoing) -> Result<(), PublishError> {
        let started = Instant::now();
        let result = publish::publish(&self.shared, outgoing).await;
        metrics::published(&result, started.elapsed());
        result
    }

    async fn consume(&self, source: Source, prefetch: u16) -> mpsc::Receiver<Incoming> {
        let shared = &self.shared;
        // Prefetch 0 would mean "no bound" to the broker.
        let prefetch = prefetch.max(1);
        // The channel holds the whole prefetch, so that a slow consumer never holds up the connection.
        let room = usize::from(prefetch) * shared.topology.queues_of(source).len();
        let (messages, taken) = mpsc::channel(room);
        let subscription = Subscription {
            source,
            prefetch,
            messages,
        };
        shared
            .subscriptions
            .spawn(subscription.run(shared.clone(), self.generations()));
        taken
    }

    fn delays(&self) -> &[Duration] {
        self.shared.topology.delays()
    }

    fn available(&self) -> bool {
        // A connection alone proves nothing: only a confirmed message makes it `Up` (docs/decisions/0027).
        matches!(&*self.shared.link.borrow(), Link::Up(_))
    }

    async fn depths(&self) -> Result<Vec<Depth>, PublishError> {
        depths::all(&self.shared).await
    }

    async fn depths_of(&self, source: Source) -> Result<Vec<Depth>, PublishError> {
        depths::of_source(&self.shared, source).await
    }

    async fn parked(
        &self,
        from: ParkedQueue,
        selection: &Selection,
        limit: usize,
    ) -> Result<Vec<Parked>, PublishError> {
        parked::list(&self.shared, from, selection, limit).await
    }

    async fn settle_parked(
        &self,
        from: ParkedQueue,
        selection: &Selection,
        how: Settle,
    ) -> Result<Settled, PublishError> {
        parked::settle(&self.shared, from, selection, how).await
    }

    fn trouble(&self) -> Trouble {
        metrics::trouble()
    }

    async fn watch(&self, shutdown: CancellationToken) {
        let shared = &self.shared;
        let watching = async { tokio::join!(canary::watch(shared, self.generations()), management::watch(shared)) };
        tokio::select! {
            _ = watching => {}
            () = shutdown.cancelled() => {}
            () = shared.ending.cancelled() => {}
        }
    }

    async fn close(&self, grace: Duration) {
        self.shared.ending.cancel();
        self.shared.closing.cancel();
        if timeout(grace, self.shared.supervisors.ended()).await.is_err() {
            tracing::warn!(?grace, "rabbitmq connections did not close in time");
        }
    }
}

impl Shared {
    async fn dial(&self, side: Side) -> Result<Line, Failure> {
        match &self.broker {
            Ok(broker) => broker.dial(&format!("tidings {}", side.as_str())).await,
            Err(reason) => Err(Failure {
                reason: reason.clone(),
                cure: Cure::Operator,
            }),
        }
    }

    /// Lets other addresses have a try first after a connection was lost.
    fn leave(&self, line: &Line, failure: &Failure) {
        // Missing queues and wrong settings are the same at every address.
        if let (Ok(broker), Cure::Retry) = (&self.broker, failure.cure) {
            broker.addresses.failed(line.address.socket);
        }
    }
}

/// Delays between connection attempts.
fn backoff() -> Backoff {
    // Short at first, because a failover of the broker takes less than a second.
    Backoff::new(Duration::from_millis(100), Duration::from_secs(5))
}

/// Interval of retries for failures that an operator has to repair.
const OPERATOR_RETRY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_reads_back_and_refuses_unknown_keys() {
        let read = |text: &str| serde_json::from_str::<Config>(text);
        let config = read(r#"{"url": "amqp://a:b@c/d", "delays": ["3s", "300ms"], "confirm_timeout": "5s"}"#).unwrap();
        assert_eq!(config.confirm_timeout, Duration::from_secs(5));
        let topology = config.topology().unwrap();
        assert!(topology.delays().contains(&Duration::from_millis(300)) && topology.delays().len() == 20);
        assert!(read(r#"{"confirm_timout": "5s"}"#).is_err());
        let printed = serde_json::to_string(&config).unwrap();
        assert!(!printed.contains("a:b") && printed.contains(r#""3s""#), "{printed}");
    }

    #[test]
    fn what_can_not_work_is_refused_before_it_is_tried() {
        let wrong = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert_eq!(Config::default().check(), Ok(()));
        assert!(wrong(|config| config.url = "http://mq".into()).starts_with("the AMQP URL is not valid: "));
        assert!(
            wrong(|config| config.management_url = "mq:15672".into()).starts_with("amqp.management_url is invalid")
        );
        let plain = wrong(|config| config.tls.ca_file = Some("/nowhere".into()));
        assert!(plain.contains("TLS needs amqps://"), "{plain}");
        let missing = wrong(|config| {
            config.url = "amqps://mq".into();
            config.tls.ca_file = Some("/nowhere".into());
        });
        assert!(missing.starts_with("amqp.tls: /nowhere can't be used as "), "{missing}");
    }
}
