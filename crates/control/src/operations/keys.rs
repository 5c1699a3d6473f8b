//! Operations on keys, and on portal links, which are short-lived keys.
//!
//! Nobody can grant a scope that they do not have. Keys are found by the SHA-256 of their token, so the duration of a
//! comparison reveals nothing of a token.

mod link;

use std::time::Duration;

use tidings_auth::no_such_tenant;
use tidings_domain::key::{ParseScopeError, Token};
use tidings_domain::{Actor, ApiKey, AuditEntry, KeyId, Scope, TenantId, Timestamp};
use tidings_service::problem::Problem;
use tidings_store::StoreError;
use url::Url;

use self::link::Opened;
use crate::call::Call;
use crate::{Book, audit, now, texts, to_the_microsecond};

/// Default time for which a replaced key keeps working.
const OVERLAP: Duration = Duration::from_secs(86_400);
/// The longest that a replaced key may go on working.
const MAX_OVERLAP: Duration = Duration::from_secs(30 * 86_400);
/// Default, shortest and longest lifetime of a portal link.
const LINK: Duration = Duration::from_secs(3_600);
const SHORTEST_LINK: Duration = Duration::from_secs(60);
const LONGEST_LINK: Duration = Duration::from_secs(7 * 86_400);
/// The name of every portal link's key.
const LINK_NAME: &str = "portal link";

/// Operations on keys and portal links.
pub struct Keys {
    pub(crate) book: Book,
    /// The address at which browsers reach control, if it is configured.
    pub(crate) public_url: Option<Url>,
}

#[derive(Debug, Default)]
pub struct NewKey {
    /// The owning tenant; `None` for an operator's key, or the caller's own tenant.
    pub tenant: Option<TenantId>,
    pub name: String,
    /// The operations it allows; every one if empty.
    pub scopes: Vec<Scope>,
    pub expires_at: Option<Timestamp>,
}

/// Conditions and page of a list of keys.
#[derive(Debug)]
pub struct WhichKeys {
    /// The owning tenant; `None` for operators' keys, or the caller's own tenant's.
    pub tenant: Option<TenantId>,
    /// `true` to include the keys of portal links.
    pub portal: bool,
    /// Only keys made before this one, for the next page.
    pub before: Option<KeyId>,
    /// Maximum number of results.
    pub limit: u32,
}

pub struct Rotated {
    pub key: ApiKey,
    /// Its token, which can't be had again.
    pub token: Token,
    /// The time at which the old key stops working.
    pub previous_expires_at: Timestamp,
}

/// Settings of a new portal link.
#[derive(Debug, Default)]
pub struct NewLink {
    /// The tenant whose webhooks it leads to; `None` for the caller's own.
    pub tenant: Option<TenantId>,
    /// Duration of its validity; 1 hour if not given.
    pub expires_in: Option<Duration>,
    /// `true` for looking only.
    pub read_only: bool,
    /// `true` to let one browser in only: the first that opens it.
    pub once: bool,
    /// The page that it opens, with its query, as in `/webhooks/logs?status_code=5xx`; the first one if not given.
    pub page: Option<String>,
    /// The console's language where the visitor has chosen none, `en` or `de`; as the browser prefers if not given.
    pub lang: Option<String>,
    /// The colour of links and buttons, as in `#2456c7`; as configured if not given.
    pub accent: Option<String>,
}

/// A link to the console for a tenant's people.
pub struct PortalLink {
    /// The link, with the token in its fragment.
    pub url: Url,
    /// The key behind the link.
    pub key: ApiKey,
    /// The link's token, which can't be had again: that of the key, or one to exchange if the link works once.
    pub token: Token,
}

impl Keys {
    /// Makes a key for a tenant, or an operator's key.
    pub async fn create(&self, call: &Call, new: NewKey) -> Result<(ApiKey, Token), Problem> {
        manager(call)?;
        let tenant = call.tenant(new.tenant)?;
        let scopes = if new.scopes.is_empty() {
            Scope::ALL.to_vec()
        } else {
            new.scopes
        };
        may_give(call, &scopes)?;
        let (key, token) = ApiKey::new(tenant, scopes, now());
        let key = ApiKey {
            name: checked_name(&new.name)?,
            expires_at: new.expires_at.map(checked_expiry).transpose()?,
            ..key
        };
        self.keep(call, "key.created", &key).await?;
        Ok((key, token))
    }

    /// The keys of a tenant, or the operators' keys; newest first.
    pub async fn list(&self, call: &Call, which: &WhichKeys) -> Result<Vec<ApiKey>, Problem> {
        manager(call)?;
        let keys = self
            .book
            .registry
            .keys(call.tenant(which.tenant)?, which.portal)
            .await?;
        let older = keys
            .into_iter()
            .filter(|key| which.before.is_none_or(|before| key.id < before));
        Ok(older.take(which.limit as usize).collect())
    }

    /// Deletes a key. Other processes refuse it as soon as they have seen the change.
    pub async fn revoke(&self, call: &Call, id: KeyId) -> Result<(), Problem> {
        manager(call)?;
        let key = self.find(call, id).await?;
        let entry = call.entry("key.revoked", id, key.tenant, audit::key(&key), None);
        if !self.book.registry.delete_key(id, &entry).await? {
            return Err(unknown_key(id));
        }
        self.book.changed(key.tenant).await;
        Ok(())
    }

    /// Makes the successor of a key. The old key keeps working for `overlap` (24 h by default). Without `expires_at`,
    /// the successor never expires if the old key never did; otherwise it lives as long as the old one was made for.
    pub async fn rotate(
        &self,
        call: &Call,
        id: KeyId,
        overlap: Option<Duration>,
        expires_at: Option<Timestamp>,
    ) -> Result<Rotated, Problem> {
        manager(call)?;
        let overlap = overlap.unwrap_or(OVERLAP);
        if overlap > MAX_OVERLAP {
            return Err(Problem::invalid("overlap_invalid", "an overlap is 0s to 30d").at("overlap"));
        }
        let old = self.find(call, id).await?;
        if old.portal {
            let detail = "the key of a portal link has no successor: make another link";
            return Err(Problem::conflict("key_of_portal_link", detail).at("key_id"));
        }
        // The successor has the same scopes, so making it grants them.
        may_give(call, &old.scopes)?;
        let at = now();
        let lifetime = old.expires_at.map(|end| end.duration_since(old.created_at));
        let (key, token) = ApiKey::new(old.tenant, old.scopes.clone(), at);
        let key = ApiKey {
            name: old.name.clone(),
            expires_at: match expires_at {
                Some(asked) => Some(checked_expiry(asked)?),
                None => lifetime.map(|lifetime| at.saturating_add(lifetime).unwrap_or(Timestamp::MAX)),
            },
            ..key
        };
        let ends = to_the_microsecond(at.saturating_add(overlap).unwrap_or(Timestamp::MAX));
        let entry = call.entry("key.rotated", id, old.tenant, audit::key(&old), audit::key(&key));
        if !self.book.registry.rotate_key(id, ends, &key, &entry).await? {
            return Err(unknown_key(id));
        }
        self.book.changed(old.tenant).await;
        Ok(Rotated {
            key,
            token,
            // The overlap never prolongs a key that expires sooner.
            previous_expires_at: old.expires_at.map_or(ends, |end| end.min(ends)),
        })
    }

    /// Makes a link to a tenant's webhooks for its people.
    pub async fn create_portal_link(&self, call: &Call, new: NewLink) -> Result<PortalLink, Problem> {
        manager(call)?;
        let Some(tenant) = call.tenant(new.tenant)? else {
            let detail = "a portal link leads to one tenant's webhooks: name the tenant";
            return Err(Problem::invalid("tenant_missing", detail).at("tenant_id"));
        };
        let Some(public_url) = &self.public_url else {
            let detail = "portal links are disabled: set `control.public_url`";
            return Err(Problem::conflict("public_url_missing", detail));
        };
        let expires_in = new.expires_in.unwrap_or(LINK);
        if !(SHORTEST_LINK..=LONGEST_LINK).contains(&expires_in) {
            return Err(Problem::invalid("expiry_invalid", "a portal link works for 1m to 7d").at("expires_in"));
        }
        let opened = Opened::by(&new)?;
        let scopes = match new.read_only {
            true => vec![Scope::Read],
            false => vec![Scope::Read, Scope::Manage],
        };
        may_give(call, &scopes)?;
        let (key, token) = ApiKey::new(Some(tenant), scopes, now());
        let ends = key.created_at.saturating_add(expires_in).unwrap_or(Timestamp::MAX);
        let key = ApiKey {
            name: LINK_NAME.to_owned(),
            portal: true,
            expires_at: Some(to_the_microsecond(ends)),
            ..key
        };
        let (key, token) = match new.once {
            true => key.behind_link_once(),
            false => (key, token),
        };
        self.keep(call, "portal_link.created", &key).await?;
        Ok(PortalLink {
            url: opened.url(public_url, &token),
            key,
            token,
        })
    }

    /// Exchanges the token of a portal link that works once for the key's. The first one to ask gets it; everybody after
    /// that is refused with `portal_link_used`, whichever process they ask.
    ///
    /// The call is that of the link's token, and `key` the one behind the link.
    pub async fn exchange(&self, call: &Call, key: &ApiKey) -> Result<(ApiKey, Token), Problem> {
        let (exchanged, token) = key.exchanged(now()).ok_or_else(used_link)?;
        let entry = call.entry(
            "portal_link.exchanged",
            key.id,
            key.tenant,
            audit::key(key),
            audit::key(&exchanged),
        );
        let is_first = self.book.registry.exchange_key(&exchanged, &entry).await?;
        self.book.changed(key.tenant).await;
        match is_first {
            true => Ok((exchanged, token)),
            false => Err(used_link()),
        }
    }

    async fn keep(&self, call: &Call, action: &str, key: &ApiKey) -> Result<(), Problem> {
        let entry = call.entry(action, key.id, key.tenant, None, audit::key(key));
        let kept = self.book.registry.create_key(key, &entry).await;
        kept.map_err(|error| match (error, key.tenant) {
            (StoreError::Conflict(_), Some(id)) => no_such_tenant(id),
            (error, _) => error.into(),
        })?;
        self.book.changed(key.tenant).await;
        Ok(())
    }

    /// A key that the caller may see; other tenants' keys appear not to exist.
    async fn find(&self, call: &Call, id: KeyId) -> Result<ApiKey, Problem> {
        let key = self.book.registry.key(id).await?.ok_or_else(|| unknown_key(id))?;
        let allowed = match key.tenant {
            Some(tenant) => call.tenant(Some(tenant)).map(drop),
            None => call.require_operator(),
        };
        // The same answer as for a missing key, so that nobody learns of other tenants' keys.
        allowed.map(|()| key).map_err(|_| unknown_key(id))
    }
}

/// An operator's key made without an existing one, by whoever has access to the database, with its audit entry.
#[must_use]
pub fn bootstrap_key() -> (ApiKey, Token, AuditEntry) {
    let (key, token) = ApiKey::new(None, Scope::ALL.to_vec(), now());
    let entry = AuditEntry::new(key.created_at, Actor::Bootstrap, "key.created", key.id).change(None, audit::key(&key));
    (key, token, entry)
}

pub(crate) fn read_scopes(names: &[String]) -> Result<Vec<Scope>, Problem> {
    let wrong = |error: ParseScopeError| Problem::invalid("scope_unknown", format!("{error}")).at("scopes");
    names.iter().map(|name| name.parse().map_err(wrong)).collect()
}

fn manager(call: &Call) -> Result<(), Problem> {
    call.require(Scope::Manage)?;
    call.refuse_portal()
}

fn may_give(call: &Call, scopes: &[Scope]) -> Result<(), Problem> {
    scopes.iter().try_for_each(|scope| call.require(*scope))
}

fn checked_name(name: &str) -> Result<String, Problem> {
    let name = name.trim();
    texts::check(name, "name")?;
    let length = name.chars().count();
    if length <= ApiKey::MAX_NAME {
        return Ok(name.to_owned());
    }
    let detail = format!(
        "a key's name has at most {} characters, this one has {length}",
        ApiKey::MAX_NAME
    );
    Err(Problem::invalid("name_invalid", detail).at("name"))
}

fn checked_expiry(at: Timestamp) -> Result<Timestamp, Problem> {
    let at = to_the_microsecond(at);
    if at > now() {
        return Ok(at);
    }
    let detail = "the key would have expired already: give a time in the future";
    Err(Problem::invalid("expiry_in_past", detail).at("expires_at"))
}

fn used_link() -> Problem {
    let detail = "this portal link works once and has been used: ask for a new link";
    Problem::unauthenticated("portal_link_used", detail)
}

fn unknown_key(id: KeyId) -> Problem {
    Problem::not_found("key_unknown", format!("there is no key {id}")).at("key_id")
}
