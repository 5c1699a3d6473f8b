//! Callers by their tokens, with keys in an embedded registry.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use tidings_auth::{Access, Caller};
use tidings_domain::{Actor, ApiKey, AuditEntry, Scope, Tenant, Timestamp};
use tidings_service::health::Health;
use tidings_service::problem::Kind;
use tidings_store::seal::{SealKey, Sealer};
use tidings_store::sqlite::Sqlite;
use tidings_store::{Registry, RegistryCache};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn callers_are_known_by_their_tokens() {
    let directory = tempfile::tempdir().unwrap();
    let sealer = Sealer::new(vec![SealKey::generate()]).unwrap();
    let registry = Arc::new(Sqlite::open(&directory.path().join("tidings.db"), sealer).unwrap());
    let now = Timestamp::now();
    let entry = || AuditEntry::new(now, Actor::Internal, "test", "nothing");
    let tenant = Tenant::new("Acme", now);
    let (key, token) = ApiKey::new(Some(tenant.id), vec![Scope::Read], now);
    registry.create_tenant(&tenant, &key, &entry()).await.unwrap();
    let (operator, operator_token) = ApiKey::new(None, vec![Scope::Read], now);
    registry.create_key(&operator, &entry()).await.unwrap();
    let (expired, expired_token) = ApiKey::new(Some(tenant.id), vec![Scope::Read], now);
    let expired = ApiKey {
        expires_at: Some(now),
        ..expired
    };
    registry.create_key(&expired, &entry()).await.unwrap();
    let (linked, link_token) = ApiKey::new(Some(tenant.id), vec![Scope::Read], now)
        .0
        .behind_link_once();
    registry.create_key(&linked, &entry()).await.unwrap();

    let stop = CancellationToken::new();
    let cache = RegistryCache::start(registry.clone(), Health::new().component("registry"), stop.clone());
    let access = Access::new(Arc::clone(&cache), Some("between us"));
    let bearing = |token: &str| {
        let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        HeaderMap::from_iter([(AUTHORIZATION, value)])
    };
    let caller = |token: &str| access.caller(&bearing(token));
    tokio::time::timeout(Duration::from_secs(30), cache.loaded())
        .await
        .unwrap();
    let scopes = vec![Scope::Read];
    let expected = Caller::Tenant {
        id: tenant.id,
        key: key.id,
        scopes: scopes.clone(),
        portal: false,
    };
    assert_eq!(caller(token.reveal()), Ok(expected));
    let expected = Caller::Operator {
        key: operator.id,
        scopes,
    };
    assert_eq!(caller(operator_token.reveal()), Ok(expected));
    assert_eq!(caller("between us"), Ok(Caller::Internal));
    assert_eq!(caller(expired_token.reveal()).unwrap_err().code, "key_expired");
    assert_eq!(caller("tk_nobody").unwrap_err().code, "key_unknown");
    let missing = access.caller(&HeaderMap::new()).unwrap_err();
    assert_eq!((missing.kind, missing.code), (Kind::Unauthenticated, "key_missing"));

    // The token of a link that works once gets to the exchange, and no further.
    let unused = caller(link_token.reveal()).unwrap_err();
    assert_eq!(
        (unused.kind, unused.code),
        (Kind::Unauthenticated, "portal_link_unused")
    );
    assert!(access.payer(&bearing(link_token.reveal())).is_ok() && access.is_of_link(link_token.reveal()));
    assert_eq!(access.link(&bearing(link_token.reveal())).unwrap().1.id, linked.id);
    for (token, code) in [
        (token.reveal(), "not_exchangeable"),
        (expired_token.reveal(), "key_expired"),
        ("tk_nobody", "key_unknown"),
    ] {
        assert_eq!(access.link(&bearing(token)).unwrap_err().code, code);
        assert!(!access.is_of_link(token));
    }
    stop.cancel();
}
