//! The registry's tables. Their triggers announce every change.

use async_trait::async_trait;
use deadpool_postgres::GenericClient;
use tidings_domain::key::TokenHash;
use tidings_domain::{
    ApiKey, DisabledReason, Endpoint, EndpointId, EventId, KeyId, Overrides, PreviousSecret, Scope, Secret,
    Subscription, Tenant, TenantId, Timestamp,
};
use tokio::sync::mpsc;
use tokio_postgres::types::Json;
use tokio_postgres::{IsolationLevel, Row};

use super::Postgres;
use super::error::corrupt;
use super::filter::Filter;
use crate::error::StoreError;
use crate::registry::{Of, Registry, Snapshot};

const TENANT: &str = "id, name, created_at";
const KEY: &str = "id, tenant_id, scopes, hint, token_hash, expires_at, created_at";
const ENDPOINT: &str = "id, tenant_id, name, url, dialect, secret_sealed, subscriptions, enabled, overrides, created_at, \
                        updated_at, cancel_held_before, previous_secret_sealed, previous_secret_until, contact, \
                        operational, failing_since, disabled_reason";

const INSERT_TENANT: &str = "INSERT INTO tenants (id, name, created_at) VALUES ($1, $2, $3)";
const INSERT_KEY: &str = "INSERT INTO api_keys (id, tenant_id, scopes, hint, token_hash, expires_at, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7)";
const INSERT_ENDPOINT: &str = "INSERT INTO endpoints (id, tenant_id, name, url, dialect, secret_sealed, subscriptions,
                            enabled, overrides, updated_at, cancel_held_before, previous_secret_sealed,
                            previous_secret_until, contact, operational, failing_since, disabled_reason, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";
const REPLACE_ENDPOINT: &str = "UPDATE endpoints SET name = $3, url = $4, dialect = $5, secret_sealed = $6,
            subscriptions = $7, enabled = $8, overrides = $9, updated_at = $10, cancel_held_before = $11,
            previous_secret_sealed = $12, previous_secret_until = $13, contact = $14, operational = $15,
            failing_since = $16, disabled_reason = $17
     WHERE id = $1 AND tenant_id = $2 AND updated_at = $18";
const DISABLE_ENDPOINT: &str = "WITH disabled AS (
    UPDATE endpoints SET enabled = false, disabled_reason = $2,
        updated_at = greatest(updated_at + interval '1 microsecond', $3)
    WHERE id = $1 AND enabled
    RETURNING id, tenant_id
)
INSERT INTO notices (id, tenant_id, endpoint_id, at, try_at, kind, detail)
SELECT $4, tenant_id, id, $3, $3, 'endpoint.disabled', $5 FROM disabled";

#[async_trait]
impl Registry for Postgres {
    async fn create_tenant(&self, tenant: &Tenant, first_key: &ApiKey) -> Result<(), StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let statement = transaction.prepare_cached(INSERT_TENANT).await?;
        transaction
            .execute(&statement, &[&tenant.id.uuid(), &tenant.name, &tenant.created_at])
            .await?;
        insert_key(&transaction, first_key).await?;
        Ok(transaction.commit().await?)
    }

    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        let row = self
            .query_opt(&format!("SELECT {TENANT} FROM tenants WHERE id = $1"), &[&id.uuid()])
            .await?;
        row.as_ref().map(tenant).transpose()
    }

    async fn tenants(&self, before: Option<TenantId>, limit: u32) -> Result<Vec<Tenant>, StoreError> {
        let mut filter = Filter::default();
        filter.and_some("id < $", before.map(TenantId::uuid));
        let rows = filter.newest(&self.client().await?, TENANT, "tenants", limit).await?;
        rows.iter().map(tenant).collect()
    }

    async fn delete_tenant(&self, id: TenantId) -> Result<bool, StoreError> {
        // Keys and endpoints go with it (ON DELETE CASCADE).
        Ok(self.execute("DELETE FROM tenants WHERE id = $1", &[&id.uuid()]).await? == 1)
    }

    async fn create_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        insert_key(&self.client().await?, key).await
    }

    async fn create_first_operator_key(&self, key: &ApiKey) -> Result<bool, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        // Nobody else writes keys until the end; the next statement sees what was written before.
        transaction
            .batch_execute("LOCK TABLE api_keys IN SHARE ROW EXCLUSIVE MODE")
            .await?;
        let exists = "SELECT EXISTS (SELECT FROM api_keys WHERE tenant_id IS NULL)";
        if transaction.query_one(exists, &[]).await?.try_get(0)? {
            return Ok(false);
        }
        insert_key(&transaction, key).await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn key(&self, id: KeyId) -> Result<Option<ApiKey>, StoreError> {
        let row = self
            .query_opt(&format!("SELECT {KEY} FROM api_keys WHERE id = $1"), &[&id.uuid()])
            .await?;
        row.as_ref().map(api_key).transpose()
    }

    async fn keys(&self, tenant: Option<TenantId>) -> Result<Vec<ApiKey>, StoreError> {
        let rows = match tenant {
            Some(tenant) => {
                let sql = format!("SELECT {KEY} FROM api_keys WHERE tenant_id = $1 ORDER BY id DESC");
                self.query(&sql, &[&tenant.uuid()]).await?
            }
            None => {
                self.query(
                    &format!("SELECT {KEY} FROM api_keys WHERE tenant_id IS NULL ORDER BY id DESC"),
                    &[],
                )
                .await?
            }
        };
        rows.iter().map(api_key).collect()
    }

    async fn delete_key(&self, id: KeyId) -> Result<bool, StoreError> {
        Ok(self
            .execute("DELETE FROM api_keys WHERE id = $1", &[&id.uuid()])
            .await?
            == 1)
    }

    async fn create_endpoint(&self, endpoint: &Endpoint) -> Result<(), StoreError> {
        self.write_endpoint(INSERT_ENDPOINT, endpoint, endpoint.created_at)
            .await?;
        Ok(())
    }

    async fn endpoint(&self, id: EndpointId) -> Result<Option<Endpoint>, StoreError> {
        let sql = format!("SELECT {ENDPOINT} FROM endpoints WHERE id = $1");
        let row = self.query_opt(&sql, &[&id.uuid()]).await?;
        row.map(|row| self.read_endpoint(&row)).transpose()
    }

    async fn endpoints(
        &self,
        tenant: TenantId,
        before: Option<EndpointId>,
        limit: u32,
    ) -> Result<Vec<Endpoint>, StoreError> {
        let mut filter = Filter::default();
        filter.and("tenant_id = $", tenant.uuid());
        filter.and_some("id < $", before.map(EndpointId::uuid));
        let rows = filter
            .newest(&self.client().await?, ENDPOINT, "endpoints", limit)
            .await?;
        rows.iter().map(|row| self.read_endpoint(row)).collect()
    }

    async fn replace_endpoint(&self, endpoint: &Endpoint, was: Timestamp) -> Result<bool, StoreError> {
        Ok(self.write_endpoint(REPLACE_ENDPOINT, endpoint, was).await? == 1)
    }

    async fn delete_endpoint(&self, id: EndpointId) -> Result<bool, StoreError> {
        Ok(self
            .execute("DELETE FROM endpoints WHERE id = $1", &[&id.uuid()])
            .await?
            == 1)
    }

    async fn disable_endpoint(
        &self,
        id: EndpointId,
        reason: DisabledReason,
        detail: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let notice = EventId::at(now).uuid();
        let noticed = self
            .execute(
                DISABLE_ENDPOINT,
                &[&id.uuid(), &reason.as_str(), &now, &notice, &detail],
            )
            .await?;
        Ok(noticed == 1)
    }

    async fn endpoints_failing_since(&self, before: Timestamp, limit: u32) -> Result<Vec<EndpointId>, StoreError> {
        let sql = "SELECT id FROM endpoints WHERE failing_since < $1 AND enabled ORDER BY failing_since LIMIT $2";
        let rows = self.query(sql, &[&before, &i64::from(limit)]).await?;
        rows.iter()
            .map(|row| Ok(EndpointId::from_uuid(row.try_get(0)?)))
            .collect()
    }

    async fn snapshot(&self, of: Of) -> Result<Snapshot, StoreError> {
        let mut client = self.client().await?;
        // One transaction, so that the three tables are seen at one moment.
        let transaction = client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await?;
        let mut snapshot = Snapshot::default();
        if of != Of::Operators {
            let rows = select(&transaction, TENANT, "tenants", of, "id").await?;
            snapshot.tenants = rows.iter().map(tenant).collect::<Result<_, _>>()?;
            let rows = select(&transaction, ENDPOINT, "endpoints", of, "tenant_id").await?;
            snapshot.endpoints = rows
                .iter()
                .filter_map(|row| self.usable_endpoint(row).transpose())
                .collect::<Result<_, _>>()?;
        }
        let rows = select(&transaction, KEY, "api_keys", of, "tenant_id").await?;
        snapshot.keys = rows.iter().map(api_key).collect::<Result<_, _>>()?;
        Ok(snapshot)
    }

    async fn changes(&self) -> Result<mpsc::Receiver<Of>, StoreError> {
        self.listen().await
    }
}

impl Postgres {
    /// Runs a statement that inserts or replaces an endpoint and takes one time more.
    async fn write_endpoint(&self, sql: &str, endpoint: &Endpoint, time: Timestamp) -> Result<u64, StoreError> {
        let id = endpoint.id.uuid();
        let seal = |secret: &Secret| self.sealer.seal(secret.reveal().as_bytes(), id.as_bytes());
        let sealed = endpoint.secret.as_ref().map(seal);
        let previous = endpoint.previous_secret.as_ref();
        self.execute(
            sql,
            &[
                &id,
                &endpoint.tenant.uuid(),
                &endpoint.name,
                &endpoint.url.as_str(),
                &endpoint.dialect,
                &sealed,
                &Json(&endpoint.subscriptions),
                &endpoint.enabled,
                &Json(&endpoint.overrides),
                &endpoint.updated_at,
                &endpoint.cancel_held_before,
                &previous.map(|previous| seal(&previous.secret)),
                &previous.map(|previous| previous.until),
                &endpoint.contact,
                &endpoint.operational,
                &endpoint.failing_since,
                &endpoint.disabled_reason.map(DisabledReason::as_str),
                &time,
            ],
        )
        .await
    }

    fn read_endpoint(&self, row: &Row) -> Result<Endpoint, StoreError> {
        let id = EndpointId::from_uuid(row.try_get("id")?);
        let sealed: Option<&[u8]> = row.try_get("secret_sealed")?;
        let previous: Option<&[u8]> = row.try_get("previous_secret_sealed")?;
        let until: Option<Timestamp> = row.try_get("previous_secret_until")?;
        let previous_secret = previous.zip(until).map(|(sealed, until)| {
            let secret = self.open_secret(sealed, id)?;
            Ok::<_, StoreError>(PreviousSecret { secret, until })
        });
        Ok(Endpoint {
            id,
            tenant: TenantId::from_uuid(row.try_get("tenant_id")?),
            name: row.try_get("name")?,
            url: row.try_get::<_, &str>("url")?.parse().map_err(corrupt)?,
            dialect: row.try_get("dialect")?,
            secret: sealed.map(|sealed| self.open_secret(sealed, id)).transpose()?,
            previous_secret: previous_secret.transpose()?,
            subscriptions: row.try_get::<_, Json<Vec<Subscription>>>("subscriptions")?.0,
            operational: row.try_get("operational")?,
            contact: row.try_get("contact")?,
            enabled: row.try_get("enabled")?,
            disabled_reason: row
                .try_get::<_, Option<&str>>("disabled_reason")?
                .and_then(DisabledReason::from_name),
            failing_since: row.try_get("failing_since")?,
            overrides: row.try_get::<_, Json<Overrides>>("overrides")?.0,
            cancel_held_before: row.try_get("cancel_held_before")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }

    /// An endpoint, or none, with a warning, if its secret can't be read: one secret sealed with a lost key must not
    /// keep all others from being used.
    fn usable_endpoint(&self, row: &Row) -> Result<Option<Endpoint>, StoreError> {
        match self.read_endpoint(row) {
            Ok(endpoint) => Ok(Some(endpoint)),
            Err(StoreError::Corrupt(error)) => {
                let endpoint = EndpointId::from_uuid(row.try_get("id")?);
                tracing::warn!(%endpoint, error, "endpoint {endpoint} is left out");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn open_secret(&self, sealed: &[u8], endpoint: EndpointId) -> Result<Secret, StoreError> {
        let plain = self.sealer.open(sealed, endpoint.uuid().as_bytes())?;
        Secret::new(String::from_utf8(plain).map_err(corrupt)?).map_err(corrupt)
    }
}

/// The rows of a table that belong to a part of the registry; `tenant` is the column that names theirs.
async fn select(
    client: &impl GenericClient,
    columns: &str,
    table: &str,
    of: Of,
    tenant: &str,
) -> Result<Vec<Row>, StoreError> {
    let all = format!("SELECT {columns} FROM {table}");
    let rows = match of {
        Of::Everything => client.query(&client.prepare_cached(&all).await?, &[]).await,
        Of::Operators => {
            client
                .query(
                    &client.prepare_cached(&format!("{all} WHERE {tenant} IS NULL")).await?,
                    &[],
                )
                .await
        }
        Of::Tenant(id) => {
            let statement = client.prepare_cached(&format!("{all} WHERE {tenant} = $1")).await?;
            client.query(&statement, &[&id.uuid()]).await
        }
    };
    Ok(rows?)
}

async fn insert_key(client: &impl GenericClient, key: &ApiKey) -> Result<(), StoreError> {
    let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    let statement = client.prepare_cached(INSERT_KEY).await?;
    client
        .execute(
            &statement,
            &[
                &key.id.uuid(),
                &key.tenant.map(TenantId::uuid),
                &scopes,
                &key.hint,
                &&key.hash.as_bytes()[..],
                &key.expires_at,
                &key.created_at,
            ],
        )
        .await?;
    Ok(())
}

fn tenant(row: &Row) -> Result<Tenant, StoreError> {
    Ok(Tenant {
        id: TenantId::from_uuid(row.try_get("id")?),
        name: row.try_get("name")?,
        created_at: row.try_get("created_at")?,
    })
}

fn api_key(row: &Row) -> Result<ApiKey, StoreError> {
    let scopes: Vec<&str> = row.try_get("scopes")?;
    let hash: &[u8] = row.try_get("token_hash")?;
    Ok(ApiKey {
        id: KeyId::from_uuid(row.try_get("id")?),
        tenant: row.try_get::<_, Option<_>>("tenant_id")?.map(TenantId::from_uuid),
        scopes: scopes
            .into_iter()
            .map(|scope| scope.parse::<Scope>().map_err(corrupt))
            .collect::<Result<_, _>>()?,
        hint: row.try_get("hint")?,
        hash: TokenHash::from_bytes(
            hash.try_into()
                .map_err(|_| corrupt("a token's hash has not 32 bytes"))?,
        ),
        expires_at: row.try_get("expires_at")?,
        created_at: row.try_get("created_at")?,
    })
}
