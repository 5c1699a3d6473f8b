//! The store in PostgreSQL, for any number of processes.
//!
//! Every statement is prepared once per connection and has a function of its own. Nothing waits for ever: a
//! connection is given up after 5 s, a statement after 30 s, and a peer that vanished is noticed by TCP. What the
//! loss of the server breaks fails as [`StoreError::Unavailable`]; the next call connects again.

mod answers;
mod attempts;
mod changes;
mod deliveries;
mod erasures;
mod error;
mod events;
mod filter;
mod idempotency;
mod ledger;
mod listen;
mod migrate;
mod notices;
mod open;
mod partitions;
mod record;
mod registry;
mod replays;
mod tail;
mod tls;

use std::path::PathBuf;
use std::time::Duration;

use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime,
};
use serde::{Deserialize, Serialize};
use tidings_service::SecretText;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::error::StoreError;
use crate::seal::Sealer;

pub use migrate::migrate;

/// How long connecting, and waiting for a free connection, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a statement may take; the server ends it then.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// How to reach PostgreSQL.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `postgres://user:password@host:port/database`. Connections are encrypted, and the server's certificate
    /// checked, with `?sslmode=require`.
    pub url: SecretText,
    /// The most connections that one process keeps open, plus one or two that listen to others.
    pub max_connections: usize,
    /// Certificates, in PEM, that sign the server's; the well-known authorities if not given.
    pub ca_file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: "postgres://tidings@localhost/tidings".into(),
            max_connections: 16,
            ca_file: None,
        }
    }
}

/// The registry, the ledger and the idempotency keys in a PostgreSQL database.
pub struct Postgres {
    pool: Pool,
    /// For the connections that are not the pool's.
    session: tokio_postgres::Config,
    tls: tls::Tls,
    sealer: Sealer,
}

impl Postgres {
    /// Connects, and checks that the schema is the one that this version works with.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the server can't be reached now, [`StoreError::Schema`] when its schema
    /// is older or newer, [`StoreError::Refused`] when the configuration can't be right.
    pub async fn connect(config: &Config, sealer: Sealer) -> Result<Self, StoreError> {
        let (session, tls) = session(config)?;
        let mut pooled = session.clone();
        // The sweep's cost is overestimated as long as its limit is a parameter, and compiling it for every partition
        // would take ten times as long as running it.
        let options = format!(
            "{} -c statement_timeout={} -c jit=off",
            session.get_options().unwrap_or(""),
            STATEMENT_TIMEOUT.as_millis()
        );
        pooled.options(options.trim_start());
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let pool = Pool::builder(Manager::from_config(pooled, tls.clone(), recycling))
            .max_size(config.max_connections.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(CONNECT_TIMEOUT))
            .create_timeout(Some(2 * CONNECT_TIMEOUT))
            .recycle_timeout(Some(CONNECT_TIMEOUT))
            .post_create(Hook::async_fn(|client, _| Box::pin(commit_durably(client))))
            .build()
            .map_err(|error| StoreError::Refused(error.to_string()))?;
        let store = Self {
            pool,
            session,
            tls,
            sealer,
        };
        migrate::check(&**store.client().await?).await?;
        Ok(store)
    }

    /// A connection from the pool.
    async fn client(&self) -> Result<Object, StoreError> {
        Ok(self.pool.get().await?)
    }

    /// Runs a statement; gives the number of rows that it changed.
    async fn execute(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, StoreError> {
        let client = self.client().await?;
        let changed = async {
            let statement = client.prepare_cached(sql).await?;
            client.execute(&statement, values).await
        };
        changed.await.map_err(|error| self.failed(error))
    }

    /// Runs a statement; gives its rows.
    async fn query(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        let client = self.client().await?;
        let rows = async {
            let statement = client.prepare_cached(sql).await?;
            client.query(&statement, values).await
        };
        rows.await.map_err(|error| self.failed(error))
    }

    /// What a statement's failure means. When its connection was lost, those that rest in the pool were lost with it as a
    /// rule, and would fail one caller each before they are noticed: they are let go.
    fn failed(&self, error: tokio_postgres::Error) -> StoreError {
        if error.is_closed() {
            self.pool.retain(|_, _| false);
        }
        error.into()
    }

    /// Runs a statement; gives the one row that it has at most.
    async fn query_opt(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, values).await?.into_iter().next())
    }
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres")
            .field("connections", &self.pool.status().size)
            .finish_non_exhaustive()
    }
}

/// What is answered has reached the disk, whatever the database or the role is set to; what is set to more stays so.
async fn commit_durably(client: &mut ClientWrapper) -> Result<(), HookError> {
    let sql =
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";
    client.batch_execute(sql).await.map_err(HookError::Backend)
}

/// The settings of every connection.
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
