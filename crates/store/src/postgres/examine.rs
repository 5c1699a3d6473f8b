//! Checks of a database before an operator trusts it, for `tidings doctor`.

use std::time::Duration;

use tidings_domain::{SignedDuration, Timestamp};
use tokio::time::timeout;
use tokio_postgres::{Client, GenericClient};

use super::{Config, migrate, session};
use crate::error::StoreError;

/// Limit for the whole examination.
const WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
pub struct Examined {
    /// The server's version, as in `16.3`.
    pub server: String,
    /// The schema's version, or why this version can't work with it.
    pub schema: Result<i32, String>,
    /// The server takes no writes: a replica, or a database that is set so.
    pub read_only: bool,
    /// Settings that lose what was committed, each as `name = value`.
    pub unsafe_settings: Vec<String>,
    /// Replicas, and whether a commit waits for them.
    pub replicas: Vec<(String, bool)>,
    /// Maximum number of connections of the server, and those in use.
    pub connections: (i64, i64),
    /// The size of the database, bytes.
    pub size: i64,
    /// The lead of the server's clock over this machine's.
    pub ahead: SignedDuration,
    /// Missing rights of the role, in words.
    pub missing_rights: Vec<String>,
    /// Days after today that have partitions; nothing without a schema.
    pub partitions_ahead: Option<i64>,
}

const SERVER: &str = "
-- name: examine_server
SELECT current_setting('server_version'), pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on',
       current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
       pg_database_size(current_database()), clock_timestamp()";

const UNSAFE: &str = "
-- name: examine_unsafe_settings
SELECT name || ' = ' || setting FROM pg_settings
WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off' ORDER BY name";

const REPLICAS: &str = "
-- name: examine_replicas
SELECT coalesce(nullif(application_name, ''), client_addr::text, 'a replica'), sync_state IN ('sync', 'quorum')
FROM pg_stat_replication ORDER BY 1";

/// Rights that the role needs. Making and dropping partitions takes the ownership of their tables.
const RIGHTS: &str = "
-- name: examine_rights
SELECT coalesce(string_agg(relname, ', ' ORDER BY relname) FILTER (WHERE
           NOT has_table_privilege(oid, 'SELECT') OR NOT has_table_privilege(oid, 'INSERT')
           OR NOT has_table_privilege(oid, 'UPDATE') OR NOT has_table_privilege(oid, 'DELETE')), ''),
       coalesce(string_agg(relname, ', ' ORDER BY relname) FILTER (WHERE
           relname IN ('events', 'deliveries', 'attempts') AND NOT pg_has_role(relowner, 'USAGE')), ''),
       has_schema_privilege(current_schema(), 'CREATE')
FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition";

/// Examines the database without changing it.
///
/// # Errors
///
/// [`StoreError::Unavailable`] when the server can't be reached, or the examination takes longer than ten seconds.
pub async fn examine(config: &Config) -> Result<Examined, StoreError> {
    let examining = async {
        let (session, tls) = session(config)?;
        let (client, connection) = session.connect(tls).await?;
        let driver = tokio::spawn(connection);
        let found = look(&client).await;
        driver.abort();
        found
    };
    let late = |_| StoreError::Unavailable(format!("the database did not answer within {WITHIN:?}"));
    timeout(WITHIN, examining).await.map_err(late)?
}

async fn look(client: &Client) -> Result<Examined, StoreError> {
    let before = Timestamp::now();
    let server = client.query_one(SERVER, &[]).await?;
    let here = before + before.duration_until(Timestamp::now()) / 2;
    let there: Timestamp = server.try_get(5)?;
    let schema = match migrate::check(client).await {
        Ok(version) => Ok(version),
        Err(error @ (StoreError::Unmigrated(_) | StoreError::Schema(_))) => Err(error.to_string()),
        Err(error) => return Err(error),
    };
    let unsafe_settings = client.query(UNSAFE, &[]).await?;
    let replicas = client.query(REPLICAS, &[]).await?;
    let rights = client.query_one(RIGHTS, &[]).await?;
    let mut missing_rights = Vec::new();
    let (tables, owned, create): (String, String, bool) = (rights.try_get(0)?, rights.try_get(1)?, rights.try_get(2)?);
    if !tables.is_empty() {
        missing_rights.push(format!("it can't read and write {tables}"));
    }
    if !owned.is_empty() {
        missing_rights.push(format!("it does not own {owned}, which takes partitions"));
    }
    if !create {
        missing_rights.push("it can't create tables in its schema, which takes partitions".to_owned());
    }
    Ok(Examined {
        server: server.try_get(0)?,
        read_only: server.try_get(1)?,
        connections: (server.try_get(2)?, server.try_get(3)?),
        size: server.try_get(4)?,
        ahead: here.duration_until(there),
        partitions_ahead: match schema {
            Ok(_) => Some(partitions_ahead(client).await?),
            Err(_) => None,
        },
        schema,
        unsafe_settings: unsafe_settings
            .iter()
            .map(|row| row.try_get(0))
            .collect::<Result<_, _>>()?,
        replicas: replicas
            .iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect::<Result<_, tokio_postgres::Error>>()?,
        missing_rights,
    })
}

async fn partitions_ahead(client: &impl GenericClient) -> Result<i64, StoreError> {
    let today = Timestamp::now().strftime("%Y%m%d").to_string();
    let row = client.query_one(super::standing::PARTITIONS, &[&today]).await?;
    Ok(row.try_get(0)?)
}
