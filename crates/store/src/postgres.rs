//! The store in PostgreSQL, for any number of processes.
//!
//! Every statement is prepared once per connection and has a function of its own. Nothing waits for ever: a
//! connection is given up after 5 s, a statement after 30 s, and a peer that vanished is noticed by TCP. What the
//! loss of the server breaks fails as [`StoreError::Unavailable`]; the next call connects again.
//!
//! Three pools keep apart what must not wait for each other: the work by which events get on, what people read, and
//! upkeep, whose statements may take long.

mod answers;
mod attempts;
mod changes;
mod deliveries;
mod erasures;
mod error;
mod events;
pub mod examine;
mod filter;
mod idempotency;
mod lease;
mod ledger;
mod listen;
mod migrate;
mod notices;
mod partitions;
mod record;
mod registry;
mod replays;
mod retention;
mod standing;
mod sweep;
mod tls;
mod watch;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use deadpool_postgres::{ClientWrapper, Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use serde::{Deserialize, Serialize};
use tidings_service::SecretText;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use self::lease::Lease;
use crate::error::StoreError;
use crate::metrics;
use crate::seal::Sealer;

pub use migrate::{Migrated, migrate};

/// Limit for connecting, and for waiting for a free connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Limit for a statement; the server cancels it then.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// Limit for a statement that people wait for.
const READING_TIMEOUT: Duration = Duration::from_secs(10);
/// Limit for a statement of maintenance. Each is bounded by the rows that it visits, so this allows for a slow disk.
const UPKEEP_TIMEOUT: Duration = Duration::from_secs(600);
/// Connections for upkeep: one for what is too old, one for erasures.
const UPKEEP_CONNECTIONS: usize = 2;

/// Connection settings for PostgreSQL.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `postgres://user:password@host:port/database`. Connections are encrypted, and the server's certificate
    /// checked, with `?sslmode=require`.
    pub url: SecretText,
    /// The most connections that one process keeps open for its work, searches included; beside them one or two that
    /// listen to others and, in log, two for upkeep.
    pub max_connections: usize,
    /// Connections reserved for what people read: lists, searches, counts. The others never wait for those. At least
    /// one is left to each side.
    pub max_reading_connections: usize,
    /// Certificates, in PEM, that sign the server's; the well-known authorities if not given.
    pub ca_file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: "postgres://tidings@localhost/tidings".into(),
            max_connections: 16,
            max_reading_connections: 4,
            ca_file: None,
        }
    }
}

/// The registry, the ledger and the idempotency keys in a PostgreSQL database.
pub struct Postgres {
    /// For records, fetches, sweeps, the registry: what events wait for.
    work: Pool,
    /// Connections for reads that people wait for.
    reading: Pool,
    /// Connections for maintenance, which takes long and has nobody waiting.
    upkeep: Pool,
    /// Of everything, and of what only the ledger keeps.
    swept: [sweep::Swept; 2],
    /// For the connections that are not the pools'.
    session: tokio_postgres::Config,
    tls: tls::Tls,
    sealer: Sealer,
}

impl Postgres {
    /// Connects, and checks that this version can work with the schema.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the server can't be reached now, [`StoreError::Unmigrated`] when its schema is too
    /// old, [`StoreError::Schema`] when it is too new, [`StoreError::Refused`] when the configuration can't be right.
    pub async fn connect(config: &Config, sealer: Sealer) -> Result<Self, StoreError> {
        let (session, tls) = session(config)?;
        let reading = config
            .max_reading_connections
            .min(config.max_connections.saturating_sub(1))
            .max(1);
        let work = config.max_connections.saturating_sub(reading).max(1);
        let store = Self {
            work: pool(&session, &tls, work, STATEMENT_TIMEOUT, Plans::Once)?,
            reading: pool(&session, &tls, reading, READING_TIMEOUT, Plans::AsTheServerLikes)?,
            upkeep: pool(
                &session,
                &tls,
                UPKEEP_CONNECTIONS,
                UPKEEP_TIMEOUT,
                Plans::AsTheServerLikes,
            )?,
            swept: Default::default(),
            session,
            tls,
            sealer,
        };
        let version = migrate::check(store.client().await?.whole()?).await?;
        metrics::SCHEMA_VERSION.set(version.into());
        store.show_pools();
        Ok(store)
    }

    /// Shows how much of each pool is taken as long as there is this store.
    fn show_pools(&self) {
        for (name, pool) in [
            ("work", &self.work),
            ("reading", &self.reading),
            ("upkeep", &self.upkeep),
        ] {
            metrics::show_pool(name, pool);
        }
    }

    /// Takes a connection from the pool for work.
    async fn client(&self) -> Result<Lease, StoreError> {
        self.lease("work", &self.work).await
    }

    /// A connection for what people read.
    async fn reader(&self) -> Result<Lease, StoreError> {
        self.lease("reading", &self.reading).await
    }

    /// Takes a connection from the pool for maintenance.
    async fn keeper(&self) -> Result<Lease, StoreError> {
        self.lease("upkeep", &self.upkeep).await
    }

    async fn lease(&self, name: &str, pool: &Pool) -> Result<Lease, StoreError> {
        let begun = Instant::now();
        let object = pool.get().await;
        metrics::waited(name, begun.elapsed(), object.as_ref().err());
        Ok(Lease::new(object?, self.tls.clone()))
    }

    /// Runs a statement and returns the number of rows that it changed.
    async fn execute(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, StoreError> {
        self.client().await?.execute(sql, values).await
    }

    /// Runs a statement; gives its rows. Dropping the future cancels it.
    async fn query(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        self.client().await?.query(sql, values).await
    }

    /// Runs a statement and returns its row, if there is one.
    async fn query_opt(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, values).await?.into_iter().next())
    }

    /// Runs a read that people wait for and returns its row, if there is one.
    async fn read_opt(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Option<Row>, StoreError> {
        Ok(self.reader().await?.query(sql, values).await?.into_iter().next())
    }
}

/// The times at which the server plans prepared statements.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plans {
    /// Once for each connection, whatever the values. What is recorded comes in small batches, for which the server would
    /// rather plan anew each time, because a plan for any number of rows seems dearer; planning takes longer than running.
    Once,
    AsTheServerLikes,
}

/// A pool whose statements may take so long.
fn pool(
    session: &tokio_postgres::Config,
    tls: &tls::Tls,
    connections: usize,
    statement_timeout: Duration,
    plans: Plans,
) -> Result<Pool, StoreError> {
    let mut pooled = session.clone();
    let plan_once = match plans {
        Plans::Once => " -c plan_cache_mode=force_generic_plan",
        Plans::AsTheServerLikes => "",
    };
    // The sweep's cost is overestimated as long as its limit is a parameter, and compiling it for every partition
    // would take ten times as long as running it.
    let options = format!(
        "{} -c statement_timeout={} -c jit=off{plan_once}",
        session.get_options().unwrap_or(""),
        statement_timeout.as_millis()
    );
    pooled.options(options.trim_start());
    // A lease returns only idle connections, so it is enough to check that they are still open.
    let recycling = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    Pool::builder(Manager::from_config(pooled, tls.clone(), recycling))
        .max_size(connections)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(CONNECT_TIMEOUT))
        // Twice, because the limit for connecting holds for each host and address that the URL names.
        .create_timeout(Some(2 * CONNECT_TIMEOUT))
        .recycle_timeout(Some(CONNECT_TIMEOUT))
        .post_create(Hook::async_fn(|client, _| Box::pin(commit_durably(client))))
        .build()
        .map_err(|error| StoreError::Refused(error.to_string()))
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres")
            .field("connections", &self.work.status().size)
            .field("reading", &self.reading.status().size)
            .finish_non_exhaustive()
    }
}

/// Makes every acknowledged commit reach the disk, even where the database or the role sets `synchronous_commit` to
/// `off`; stricter settings stay.
async fn commit_durably(client: &mut ClientWrapper) -> Result<(), HookError> {
    let sql = "-- name: commit_durably
             SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";
    client.batch_execute(sql).await.map_err(HookError::Backend)
}

/// Session settings that every connection gets.
fn session(config: &Config) -> Result<(tokio_postgres::Config, tls::Tls), StoreError> {
    let mut session: tokio_postgres::Config = config
        .url
        .reveal()
        .parse()
        .map_err(|error| StoreError::Refused(format!("the URL of the database can't be used: {error}")))?;
    let tls = tls::connector(&mut session, config.ca_file.as_deref())?;
    session
        .application_name(session.get_application_name().unwrap_or("tidings").to_owned())
        .connect_timeout(CONNECT_TIMEOUT)
        // A peer that vanished is noticed within 20 s when idle, sooner when something was sent.
        .keepalives_idle(Duration::from_secs(10))
        .keepalives_interval(Duration::from_secs(5))
        .keepalives_retries(2)
        .tcp_user_timeout(Duration::from_secs(15));
    Ok((session, tls))
}
