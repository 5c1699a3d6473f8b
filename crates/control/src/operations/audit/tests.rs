use std::time::Duration;

use tidings_domain::{
    Authentication, Authorization, CredentialsIn, DisabledReason, Overrides, RateLimit, ReplayId, Schedule,
    SchemaValidation, Subscription, TenantSettings, Timestamp,
};
use tidings_store::replays::{Progress, ReplayState};

use super::*;
use crate::messages;
use crate::replays::{AttemptFilter, Filter, Rows};

const AT: &str = "2026-01-07T15:30:00.5Z";

fn at() -> Timestamp {
    AT.parse().unwrap()
}

/// Entries of years ago have this shape, and whoever reads the audit log compares them with new ones.
#[test]
fn an_endpoint_is_kept_in_this_shape() {
    let tenant = "ten_01900000000070008000000000000001".parse().unwrap();
    let url = "https://example.com/hook".parse().unwrap();
    let endpoint = Endpoint {
        id: "ep_01900000000070008000000000000002".parse().unwrap(),
        name: "CRM".into(),
        subscriptions: vec![Subscription {
            pattern: "feedback.*".parse().unwrap(),
            enabled: false,
            filter: Some("payload.rating <= 2".into()),
        }],
        authentication: Authentication {
            authorization: Some(Authorization::Oauth2 {
                token_url: "https://login.example/token".parse().unwrap(),
                client_id: "tidings".into(),
                client_secret: "s3cret".into(),
                scopes: vec!["hooks".into()],
                audience: None,
                credentials_in: CredentialsIn::Body,
            }),
            ..Authentication::default()
        },
        enabled: false,
        disabled_reason: Some(DisabledReason::Gone),
        failing_since: Some(at()),
        contact: Some("ops@example.com".into()),
        overrides: Overrides {
            schedule: Some(Schedule::new(vec![Duration::from_secs(90)]).unwrap()),
            timeout: Some(Duration::from_millis(1_500)),
            final_statuses: Some(Vec::new()),
            success_statuses: Some(vec!["2xx".parse().unwrap()]),
            rate_limit: Some(RateLimit {
                per_second: 5,
                burst: 7,
            }),
            ..Overrides::default()
        },
        ..Endpoint::new(tenant, url, "standard", at())
    };
    let expected = json!({
        "id": "ep_01900000000070008000000000000002",
        "tenant_id": "ten_01900000000070008000000000000001",
        "name": "CRM",
        "url": "https://example.com/hook",
        "dialect": "standard",
        "subscriptions": [{ "pattern": "feedback.*", "disabled": true, "filter": "payload.rating <= 2" }],
        "enabled": false,
        "disabled_reason": "gone",
        "failing_since": AT,
        "schedule": ["1m 30s"],
        "timeout": "1s 500ms",
        "success_statuses": ["2xx"],
        "final_statuses": [],
        "concurrency": null,
        "rate_per_second": 5,
        "rate_burst": 7,
        "unsigned": true,
        "public_key": null,
        "previous_secret_until": null,
        "signing_secret": null,
        "notes": [],
        "authentication": {
            "headers": {},
            "authorization": {
                "type": "oauth2",
                "token_url": "https://login.example/token",
                "client_id": "tidings",
                "client_secret": "***",
                "scopes": ["hooks"],
                "audience": null,
                "credentials_in": "body",
            },
            "client_certificate": null,
            "trusted_ca": null,
        },
        "contact": "ops@example.com",
        "operational": false,
        "properties": [],
        "settings": {},
        "created_at": AT,
        "updated_at": AT,
    });
    assert_eq!(super::endpoint(&endpoint), Some(expected));
}

#[test]
fn a_tenant_and_its_key_are_kept_in_this_shape() {
    let tenant = Tenant {
        id: "ten_01900000000070008000000000000001".parse().unwrap(),
        settings: TenantSettings {
            schema_validation: SchemaValidation::Warn,
            payload_retention: Some(30),
            ..TenantSettings::default()
        },
        ..Tenant::new("Acme", at())
    };
    let (key, _) = ApiKey::new(Some(tenant.id), vec![Scope::Read], at());
    let key = ApiKey {
        id: "key_01900000000070008000000000000003".parse().unwrap(),
        name: "Publisher".into(),
        hint: "tk_abc".into(),
        ..key
    };
    let expected = json!({
        "tenant": {
            "id": "ten_01900000000070008000000000000001",
            "name": "Acme",
            "schema_validation": "warn",
            "payload_retention_days": 30,
            "attempt_retention_days": null,
            "publish_per_second": null,
            "publish_burst": null,
            "created_at": AT,
            "updated_at": AT,
        },
        "key": {
            "id": "key_01900000000070008000000000000003",
            "tenant_id": "ten_01900000000070008000000000000001",
            "name": "Publisher",
            "scopes": ["read"],
            "hint": "tk_abc",
            "portal": false,
            "once": false,
            "exchanged_at": null,
            "expires_at": null,
            "created_at": AT,
            "last_used_at": null,
        },
    });
    assert_eq!(tenant_with_key(&tenant, &key), Some(expected));
}

#[test]
fn a_replay_is_kept_in_this_shape() {
    let filter = AttemptFilter {
        status_classes: vec![5],
        min_duration: Some(Duration::from_millis(250)),
        ..AttemptFilter::default()
    };
    let rows = Rows {
        tenant_id: String::new(),
        since: Some(at()),
        until: None,
        filter: Filter::Attempts(filter),
    };
    let replay = Replay {
        id: "rpl_01900000000070008000000000000004".parse::<ReplayId>().unwrap(),
        tenant: "ten_01900000000070008000000000000001".parse().unwrap(),
        rows: messages::rows::store(&rows),
        to: None,
        only_undelivered: true,
        per_second: 200,
        state: ReplayState::Running,
        matched: 3,
        matched_at_least: false,
        progress: Progress::default(),
        error: String::new(),
        created_at: at(),
        updated_at: at(),
        ended_at: None,
    };
    let expected = json!({
        "id": "rpl_01900000000070008000000000000004",
        "tenant_id": "ten_01900000000070008000000000000001",
        "rows": { "attempts": { "status_classes": [5], "min_duration": "250ms", "since": AT } },
        "endpoint_id": null,
        "only_undelivered": true,
        "per_second": 200,
        "state": "running",
        "matched": 3,
        "matched_at_least": false,
        "walked": 0,
        "deliveries": 0,
        "skipped": 0,
        "error": null,
        "created_at": AT,
        "updated_at": AT,
        "ended_at": null,
    });
    assert_eq!(super::replay(&replay), Some(expected));
}
