//! The registry in SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use tidings_domain::key::TokenHash;
use tidings_domain::{
    ApiKey, DisabledReason, Endpoint, EndpointId, KeyId, NoticeKind, PreviousSecret, Secret, Tenant, TenantId,
    Timestamp,
};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::Sqlite;
use super::health::{self, Noticed};
use super::row::{blob, from_json, id, json, micros, text, time, time_or_none};
use crate::error::StoreError;
use crate::registry::{Of, Registry, Snapshot};
use crate::seal::Sealer;

const TENANT: &str = "id, name, created_at";
const KEY: &str = "id, tenant, scopes, hint, hash, expires_at, created_at";
const ENDPOINT: &str = "id, tenant, name, url, dialect, secret, subscriptions, enabled, overrides, created_at, updated_at, \
     cancel_held_before, previous_secret, previous_secret_until, contact, operational, failing_since, disabled_reason";

#[async_trait]
impl Registry for Sqlite {
    async fn create_tenant(&self, tenant: &Tenant, first_key: &ApiKey) -> Result<(), StoreError> {
        let (tenant, key) = (tenant.clone(), first_key.clone());
        let changed = Of::Tenant(tenant.id);
        let work = move |connection: &Connection| {
            connection
                .prepare_cached("INSERT INTO tenants (id, name, created_at) VALUES (?1, ?2, ?3)")?
                .execute(params![blob(tenant.id.uuid()), tenant.name, micros(tenant.created_at)])?;
            insert_key(connection, &key)
        };
        self.change(work, move |()| Some(changed)).await
    }

    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        let sql = format!("SELECT {TENANT} FROM tenants WHERE id = ?1");
        self.read(move |connection| one(connection, &sql, [blob(id.uuid())], tenant))
            .await
    }

    async fn tenants(&self, before: Option<TenantId>, limit: u32) -> Result<Vec<Tenant>, StoreError> {
        let sql = format!("SELECT {TENANT} FROM tenants WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
        let before = blob(before.map_or(Uuid::max(), TenantId::uuid));
        self.read(move |connection| all(connection, &sql, params![before, limit], tenant))
            .await
    }

    async fn delete_tenant(&self, id: TenantId) -> Result<bool, StoreError> {
        let work = move |connection: &Connection| {
            Ok(connection
                .prepare_cached("DELETE FROM tenants WHERE id = ?1")?
                .execute([blob(id.uuid())])?
                > 0)
        };
        self.change(work, move |deleted| deleted.then_some(Of::Tenant(id)))
            .await
    }

    async fn create_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        let key = key.clone();
        let changed = key_part(key.tenant);
        self.change(move |connection| insert_key(connection, &key), move |()| Some(changed))
            .await
    }

    async fn create_first_operator_key(&self, key: &ApiKey) -> Result<bool, StoreError> {
        let key = key.clone();
        let work = move |connection: &Connection| {
            let sql = "SELECT EXISTS (SELECT 1 FROM api_keys WHERE tenant IS NULL)";
            let exists: bool = connection.prepare_cached(sql)?.query_row((), |row| row.get(0))?;
            if !exists {
                insert_key(connection, &key)?;
            }
            Ok(!exists)
        };
        self.change(work, |created| created.then_some(Of::Operators)).await
    }

    async fn key(&self, id: KeyId) -> Result<Option<ApiKey>, StoreError> {
        let sql = format!("SELECT {KEY} FROM api_keys WHERE id = ?1");
        self.read(move |connection| one(connection, &sql, [blob(id.uuid())], key))
            .await
    }

    async fn keys(&self, tenant: Option<TenantId>) -> Result<Vec<ApiKey>, StoreError> {
        let sql = format!("SELECT {KEY} FROM api_keys WHERE tenant IS ?1 ORDER BY id DESC");
        let tenant = tenant.map(|id| blob(id.uuid()));
        self.read(move |connection| all(connection, &sql, [tenant], key)).await
    }

    async fn delete_key(&self, id: KeyId) -> Result<bool, StoreError> {
        let work = move |connection: &Connection| {
            let sql = "DELETE FROM api_keys WHERE id = ?1 RETURNING tenant";
            one(connection, sql, [blob(id.uuid())], |row| tenant_or_none(row, 0))
        };
        Ok(self.change(work, |deleted| deleted.map(key_part)).await?.is_some())
    }

    async fn create_endpoint(&self, endpoint: &Endpoint) -> Result<(), StoreError> {
        let (endpoint, sealer) = (endpoint.clone(), self.sealer.clone());
        let changed = Of::Tenant(endpoint.tenant);
        let sql = format!(
            "INSERT INTO endpoints ({ENDPOINT})
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)"
        );
        let work = move |connection: &Connection| {
            connection.prepare_cached(&sql)?.execute(params![
                blob(endpoint.id.uuid()),
                blob(endpoint.tenant.uuid()),
                endpoint.name,
                endpoint.url.as_str(),
                endpoint.dialect,
                seal(&sealer, &endpoint, endpoint.secret.as_ref()),
                json(&endpoint.subscriptions)?,
                endpoint.enabled,
                json(&endpoint.overrides)?,
                micros(endpoint.created_at),
                micros(endpoint.updated_at),
                endpoint.cancel_held_before.map(micros),
                seal(
                    &sealer,
                    &endpoint,
                    endpoint.previous_secret.as_ref().map(|previous| &previous.secret)
                ),
                endpoint.previous_secret.as_ref().map(|previous| micros(previous.until)),
                endpoint.contact,
                endpoint.operational,
                endpoint.failing_since.map(micros),
                endpoint.disabled_reason.map(DisabledReason::as_str),
            ])?;
            Ok(())
        };
        self.change(work, move |()| Some(changed)).await
    }

    async fn endpoint(&self, id: EndpointId) -> Result<Option<Endpoint>, StoreError> {
        let sql = format!("SELECT {ENDPOINT} FROM endpoints WHERE id = ?1");
        let found = self
            .read(move |connection| one(connection, &sql, [blob(id.uuid())], sealed_endpoint))
            .await?;
        found.map(|sealed| sealed.open(&self.sealer)).transpose()
    }

    async fn endpoints(
        &self,
        tenant: TenantId,
        before: Option<EndpointId>,
        limit: u32,
    ) -> Result<Vec<Endpoint>, StoreError> {
        let sql = format!("SELECT {ENDPOINT} FROM endpoints WHERE tenant = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3");
        let (tenant, before) = (blob(tenant.uuid()), blob(before.map_or(Uuid::max(), EndpointId::uuid)));
        let found = self
            .read(move |connection| all(connection, &sql, params![tenant, before, limit], sealed_endpoint))
            .await?;
        found.into_iter().map(|sealed| sealed.open(&self.sealer)).collect()
    }

    async fn replace_endpoint(&self, endpoint: &Endpoint, was: Timestamp) -> Result<bool, StoreError> {
        let (endpoint, sealer) = (endpoint.clone(), self.sealer.clone());
        let changed = Of::Tenant(endpoint.tenant);
        let work = move |connection: &Connection| {
            let replaced = connection
                .prepare_cached(
                    "UPDATE endpoints SET name = ?3, url = ?4, dialect = ?5, secret = ?6, subscriptions = ?7,
                        enabled = ?8, overrides = ?9, updated_at = ?10, cancel_held_before = ?12, previous_secret = ?13,
                        previous_secret_until = ?14, contact = ?15, operational = ?16, failing_since = ?17,
                        disabled_reason = ?18
                     WHERE id = ?1 AND tenant = ?2 AND updated_at = ?11",
                )?
                .execute(params![
                    blob(endpoint.id.uuid()),
                    blob(endpoint.tenant.uuid()),
                    endpoint.name,
                    endpoint.url.as_str(),
                    endpoint.dialect,
                    seal(&sealer, &endpoint, endpoint.secret.as_ref()),
                    json(&endpoint.subscriptions)?,
                    endpoint.enabled,
                    json(&endpoint.overrides)?,
                    micros(endpoint.updated_at),
                    micros(was),
                    endpoint.cancel_held_before.map(micros),
                    seal(
                        &sealer,
                        &endpoint,
                        endpoint.previous_secret.as_ref().map(|previous| &previous.secret)
                    ),
                    endpoint.previous_secret.as_ref().map(|previous| micros(previous.until)),
                    endpoint.contact,
                    endpoint.operational,
                    endpoint.failing_since.map(micros),
                    endpoint.disabled_reason.map(DisabledReason::as_str),
                ])?;
            Ok(replaced > 0)
        };
        self.change(work, move |replaced| replaced.then_some(changed)).await
    }

    async fn delete_endpoint(&self, endpoint: EndpointId) -> Result<bool, StoreError> {
        let work = move |connection: &Connection| {
            let sql = "DELETE FROM endpoints WHERE id = ?1 RETURNING tenant";
            one(connection, sql, [blob(endpoint.uuid())], |row| {
                id(row, 0, TenantId::from_uuid)
            })
        };
        Ok(self.change(work, |deleted| deleted.map(Of::Tenant)).await?.is_some())
    }

    async fn disable_endpoint(
        &self,
        endpoint: EndpointId,
        reason: DisabledReason,
        detail: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let detail = detail.to_owned();
        let work = move |connection: &Connection| {
            let sql = "UPDATE endpoints SET enabled = 0, disabled_reason = ?2, updated_at = max(updated_at + 1, ?3)
                       WHERE id = ?1 AND enabled RETURNING tenant";
            let parameters = params![blob(endpoint.uuid()), reason.as_str(), micros(now)];
            let disabled = one(connection, sql, parameters, |row| id(row, 0, TenantId::from_uuid))?;
            if let Some(tenant) = disabled {
                let notice = Noticed {
                    tenant,
                    endpoint,
                    delivery: None,
                    at: now,
                    kind: NoticeKind::EndpointDisabled,
                    detail: &detail,
                };
                health::insert(connection, &notice)?;
            }
            Ok(disabled)
        };
        Ok(self.change(work, |tenant| tenant.map(Of::Tenant)).await?.is_some())
    }

    async fn endpoints_failing_since(&self, before: Timestamp, limit: u32) -> Result<Vec<EndpointId>, StoreError> {
        let sql = "SELECT id FROM endpoints WHERE failing_since < ?1 AND enabled ORDER BY failing_since LIMIT ?2";
        self.read(move |connection| {
            all(connection, sql, params![micros(before), limit], |row| {
                id(row, 0, EndpointId::from_uuid)
            })
        })
        .await
    }

    async fn snapshot(&self, of: Of) -> Result<Snapshot, StoreError> {
        let sealer = self.sealer.clone();
        self.read(move |connection| snapshot(connection, &sealer, of)).await
    }

    async fn changes(&self) -> Result<mpsc::Receiver<Of>, StoreError> {
        Ok(self.subscribe())
    }
}

fn snapshot(connection: &Connection, sealer: &Sealer, of: Of) -> Result<Snapshot, StoreError> {
    let (tenants, keys, endpoints, parameter) = match of {
        Of::Everything => ("?1 IS NULL", "?1 IS NULL", "?1 IS NULL", None),
        Of::Tenant(id) => ("id = ?1", "tenant = ?1", "tenant = ?1", Some(blob(id.uuid()))),
        Of::Operators => ("0 = ?1", "tenant IS ?1", "0 = ?1", None),
    };
    let sealed = all(
        connection,
        &format!("SELECT {ENDPOINT} FROM endpoints WHERE {endpoints}"),
        [parameter],
        sealed_endpoint,
    )?;
    let open = |sealed: SealedEndpoint| {
        let id = sealed.endpoint.id;
        let opened = sealed.open(sealer);
        opened
            .inspect_err(|error| tracing::warn!(endpoint = %id, %error, "left out an endpoint"))
            .ok()
    };
    Ok(Snapshot {
        tenants: all(
            connection,
            &format!("SELECT {TENANT} FROM tenants WHERE {tenants}"),
            [parameter],
            tenant,
        )?,
        keys: all(
            connection,
            &format!("SELECT {KEY} FROM api_keys WHERE {keys}"),
            [parameter],
            key,
        )?,
        endpoints: sealed.into_iter().filter_map(open).collect(),
    })
}

fn insert_key(connection: &Connection, key: &ApiKey) -> Result<(), StoreError> {
    let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    connection
        .prepare_cached(&format!(
            "INSERT INTO api_keys ({KEY}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
        ))?
        .execute(params![
            blob(key.id.uuid()),
            key.tenant.map(|id| blob(id.uuid())),
            scopes.join(" "),
            key.hint,
            key.hash.as_bytes(),
            key.expires_at.map(micros),
            micros(key.created_at),
        ])?;
    Ok(())
}

fn key_part(tenant: Option<TenantId>) -> Of {
    tenant.map_or(Of::Operators, Of::Tenant)
}

fn one<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, StoreError> {
    Ok(connection.prepare_cached(sql)?.query_row(params, read).optional()?)
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    Ok(connection
        .prepare_cached(sql)?
        .query_map(params, read)?
        .collect::<Result<_, _>>()?)
}

fn tenant(row: &Row<'_>) -> rusqlite::Result<Tenant> {
    Ok(Tenant {
        id: id(row, 0, TenantId::from_uuid)?,
        name: row.get(1)?,
        created_at: time(row, 2)?,
    })
}

fn key(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    let scopes: String = row.get(2)?;
    Ok(ApiKey {
        id: id(row, 0, KeyId::from_uuid)?,
        tenant: tenant_or_none(row, 1)?,
        scopes: scopes
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, Box::new(error))
            })?,
        hint: row.get(3)?,
        hash: TokenHash::from_bytes(row.get(4)?),
        expires_at: time_or_none(row, 5)?,
        created_at: time(row, 6)?,
    })
}

fn tenant_or_none(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<TenantId>> {
    Ok(row
        .get::<_, Option<[u8; 16]>>(column)?
        .map(|bytes| TenantId::from_uuid(Uuid::from_bytes(bytes))))
}

/// An endpoint without its secrets, and its secrets sealed.
struct SealedEndpoint {
    endpoint: Endpoint,
    secret: Option<Vec<u8>>,
    /// The previous secret and until when it signs.
    previous: Option<(Vec<u8>, Timestamp)>,
}

fn sealed_endpoint(row: &Row<'_>) -> rusqlite::Result<SealedEndpoint> {
    let endpoint = Endpoint {
        id: id(row, 0, EndpointId::from_uuid)?,
        tenant: id(row, 1, TenantId::from_uuid)?,
        name: row.get(2)?,
        url: text(row, 3)?,
        dialect: row.get(4)?,
        secret: None,
        previous_secret: None,
        subscriptions: from_json(row, 6)?,
        operational: row.get(15)?,
        contact: row.get(14)?,
        enabled: row.get(7)?,
        disabled_reason: row.get_ref(17)?.as_str_or_null()?.and_then(DisabledReason::from_name),
        failing_since: time_or_none(row, 16)?,
        overrides: from_json(row, 8)?,
        created_at: time(row, 9)?,
        updated_at: time(row, 10)?,
        cancel_held_before: time_or_none(row, 11)?,
    };
    Ok(SealedEndpoint {
        endpoint,
        secret: row.get(5)?,
        previous: row.get::<_, Option<Vec<u8>>>(12)?.zip(time_or_none(row, 13)?),
    })
}

impl SealedEndpoint {
    fn open(self, sealer: &Sealer) -> Result<Endpoint, StoreError> {
        let context = self.endpoint.id.uuid();
        let open = |sealed: Vec<u8>| {
            let text = String::from_utf8(sealer.open(&sealed, context.as_bytes())?).unwrap_or_default();
            Secret::new(text).map_err(|error| StoreError::Corrupt(error.to_string()))
        };
        let previous = |(sealed, until)| {
            Ok::<_, StoreError>(PreviousSecret {
                secret: open(sealed)?,
                until,
            })
        };
        Ok(Endpoint {
            secret: self.secret.map(open).transpose()?,
            previous_secret: self.previous.map(previous).transpose()?,
            ..self.endpoint
        })
    }
}

fn seal(sealer: &Sealer, endpoint: &Endpoint, secret: Option<&Secret>) -> Option<Vec<u8>> {
    let context = endpoint.id.uuid();
    secret.map(|secret| sealer.seal(secret.reveal().as_bytes(), context.as_bytes()))
}
