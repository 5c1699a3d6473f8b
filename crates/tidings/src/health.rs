//! Health components for parts of the registry that a process can't work with.
//!
//! `secrets`: something is sealed with a key that is missing here. `dialects`: an endpoint has a dialect whose file is
//! missing here. `registry_rows`: a row of the registry can't be read. Deliveries that they concern are held, and all
//! others go on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidings_dialect::Dialects;
use tidings_domain::Endpoint;
use tidings_service::health::{Component, Health};
use tidings_store::registry::Registry;
use tidings_store::seal::Sealer;
use tidings_store::{RegistryCache, StoreError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Interval between two looks at the cache. Everything sealed is examined less often, because that reads the database.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const ASK_EVERY: Duration = Duration::from_secs(600);

/// The cache, with the keys and the dialects that its rows need.
#[derive(Clone)]
pub(crate) struct Watched {
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) cache: Arc<RegistryCache>,
    pub(crate) sealer: Sealer,
    pub(crate) dialects: Dialects,
}

/// Updates the component `registry_rows` until shutdown.
pub(crate) async fn watch_rows(cache: Arc<RegistryCache>, health: Health, shutdown: CancellationToken) {
    let component = health.component("registry_rows");
    shutdown.run_until_cancelled(cache.loaded()).await;
    while !shutdown.is_cancelled() {
        show(&component, unreadable(&cache));
        shutdown.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await;
    }
}

/// Updates the components `secrets` and `dialects` until shutdown.
pub(crate) async fn watch(watched: Watched, health: Health, shutdown: CancellationToken) {
    let (secrets, dialects) = (health.component("secrets"), health.component("dialects"));
    shutdown.run_until_cancelled(watched.cache.loaded()).await;
    let (mut lacking, mut ask_at) = (None, Instant::now());
    while !shutdown.is_cancelled() {
        if Instant::now() >= ask_at {
            match missing_keys(&*watched.registry, &watched.sealer).await {
                Ok(missing) => (lacking, ask_at) = (missing, Instant::now() + ASK_EVERY),
                Err(error) => tracing::debug!(%error, "sealed secrets can't be examined right now; retrying"),
            }
        }
        show(&secrets, unopened(&watched).or_else(|| lacking.clone()));
        show(&dialects, unknown_dialects(&watched));
        if lacking.is_some() {
            // Somebody seals it again, and nothing but this tells that it is done.
            ask_at = ask_at.min(Instant::now() + LOOK_EVERY);
        }
        shutdown.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await;
    }
}

/// Names of keys that seal something and are not among these; `None` if all are.
pub(crate) async fn missing_keys(registry: &dyn Registry, sealer: &Sealer) -> Result<Option<String>, StoreError> {
    let uses = registry.seal_uses().await?;
    let missing: Vec<String> = uses
        .iter()
        .filter(|used| !sealer.names().any(|name| name == used.key))
        .map(|used| format!("`{}` ({} secrets, {} answers)", used.key, used.secrets, used.answers))
        .collect();
    let told = || {
        format!(
            "sealed with keys that secrets.keys does not have: {}",
            missing.join(", ")
        )
    };
    Ok((!missing.is_empty()).then(told))
}

/// Of each key one endpoint that has something sealed with it is opened.
fn unopened(watched: &Watched) -> Option<String> {
    let sealed: BTreeMap<String, Arc<Endpoint>> = watched.cache.sealed_with();
    let open = |endpoint: &Endpoint| watched.registry.open(endpoint).err();
    let failed = sealed
        .values()
        .find_map(|endpoint| Some((endpoint.id, open(endpoint)?)));
    failed.map(|(endpoint, error)| format!("{endpoint}: {error}"))
}

fn unknown_dialects(watched: &Watched) -> Option<String> {
    let used = watched.cache.dialects();
    let unknown = used.iter().filter(|(name, _)| watched.dialects.get(name).is_none());
    let unknown: Vec<String> = unknown
        .map(|(name, count)| format!("`{name}` ({count} endpoints)"))
        .collect();
    (!unknown.is_empty()).then(|| format!("dialects.directory has no file of {}", unknown.join(", ")))
}

fn unreadable(cache: &RegistryCache) -> Option<String> {
    let rows = cache.unreadable();
    let first = rows.first()?;
    Some(format!(
        "{} can't be read, among them {} {}: {}",
        rows.len(),
        first.kind,
        first.id,
        first.why
    ))
}

fn show(component: &Component, problem: Option<String>) {
    match problem {
        None => component.up(),
        Some(problem) => component.down(problem),
    }
}
