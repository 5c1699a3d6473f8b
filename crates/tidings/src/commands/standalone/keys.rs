//! The keys that a standalone system seals secrets with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tidings_domain::Endpoint;
use tidings_store::seal::{SealKey, Sealer};
use tidings_store::{Registry, StoreError};

use super::write_secret;
use crate::config::Config;

/// Tenants read at once.
const PAGE: u32 = 256;

/// The configured keys, or the one that is kept with the data.
pub(super) struct Keys {
    pub(super) sealer: Sealer,
    /// One that was made just now, and where it is to be kept.
    new: Option<(SealKey, PathBuf)>,
}

impl Keys {
    pub(super) fn find(config: &Config, data_dir: &Path) -> anyhow::Result<Self> {
        if !config.secrets.keys.is_empty() {
            let sealer = config.secrets.sealer()?;
            return Ok(Self { sealer, new: None });
        }
        let path = data_dir.join("secrets.key");
        if path.exists() {
            let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let sealer = Sealer::new(vec![SealKey::parse(text.trim())?])?;
            return Ok(Self { sealer, new: None });
        }
        let key = SealKey::generate();
        Ok(Self {
            sealer: Sealer::new(vec![key.clone()])?,
            new: Some((key, path)),
        })
    }

    /// Rejects a database whose secrets these keys don't open: nothing could be sent, and nobody would notice. A newly
    /// made key is stored only if the database has no other key's secrets.
    pub(super) async fn check(&self, registry: &dyn Registry, accept_lost_keys: bool) -> anyhow::Result<()> {
        let lost = self.lost(registry).await?;
        if let Some((key, why)) = lost.first_key_value()
            && !accept_lost_keys
        {
            let hint = match &self.new {
                Some((_, path)) => format!(
                    "there is no {}: restore the one that belongs to the database",
                    path.display()
                ),
                None => {
                    "put the key back into secrets.keys, or restore the secrets.key that belongs to the database".into()
                }
            };
            anyhow::bail!(
                "the database has secrets sealed with the key `{key}` that can't be opened ({why}): {hint}. If the key is \
                 lost for good, start with standalone.accept_lost_keys = true, and give the endpoints new secrets"
            );
        }
        if let Some((key, path)) = &self.new {
            write_secret(path, &key.reveal())?;
        }
        Ok(())
    }

    /// The keys with which something is sealed and nothing of it opens, by name, with the reason.
    async fn lost(&self, registry: &dyn Registry) -> Result<BTreeMap<String, String>, StoreError> {
        let (mut failed, mut opened, mut after) = (BTreeMap::new(), BTreeMap::new(), None);
        loop {
            let page = registry.snapshot_page(after, PAGE).await?;
            for endpoint in &page.endpoints {
                match registry.open(endpoint) {
                    Ok(_) => opened.extend(keys_of(endpoint).map(|key| (key, ()))),
                    Err(error) => failed.extend(self.at_fault(endpoint).map(|key| (key, error.to_string()))),
                }
            }
            after = page.next;
            if after.is_none() {
                failed.retain(|key, _| !opened.contains_key(key));
                return Ok(failed);
            }
        }
    }

    /// Of the keys of an endpoint that can't be opened: those that are missing, or all if none is.
    fn at_fault(&self, endpoint: &Endpoint) -> impl Iterator<Item = String> {
        let is_missing = |key: &String| !self.sealer.names().any(|name| name == key);
        let any = keys_of(endpoint).any(|key| is_missing(&key));
        keys_of(endpoint).filter(move |key| !any || is_missing(key))
    }
}

fn keys_of(endpoint: &Endpoint) -> impl Iterator<Item = String> {
    endpoint.sealed.parts().filter_map(Sealer::key_of)
}
