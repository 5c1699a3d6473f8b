//! `EndpointService`.

use prost_types::{Duration, FieldMask};
use tidings_acceptance::{Standalone, Tenant, endpoint};
use tidings_proto::pb;
use tonic::Code;

use crate::{invalid, nobody, refused};

const URL: &str = "https://example.com/webhooks";

pub(crate) fn create(tenant: &Tenant, change: impl FnOnce(&mut pb::Endpoint)) -> pb::CreateEndpointRequest {
    let mut endpoint = endpoint(tenant, URL);
    change(&mut endpoint);
    pb::CreateEndpointRequest {
        endpoint: Some(endpoint),
        disabled: false,
    }
}

pub(crate) fn update(endpoint: pb::Endpoint, paths: &[&str]) -> pb::UpdateEndpointRequest {
    pb::UpdateEndpointRequest {
        endpoint: Some(endpoint),
        update_mask: Some(FieldMask {
            paths: paths.iter().map(|path| path.to_string()).collect(),
        }),
    }
}

pub(crate) fn get(id: &str) -> pb::GetEndpointRequest {
    pb::GetEndpointRequest {
        endpoint_id: id.to_owned(),
    }
}

pub(crate) fn subscribe(patterns: &[&str]) -> Vec<pb::Subscription> {
    let subscription = |pattern: &&str| pb::Subscription {
        pattern: pattern.to_string(),
        disabled: false,
        ..pb::Subscription::default()
    };
    patterns.iter().map(subscription).collect()
}

const fn seconds(seconds: i64) -> Duration {
    Duration { seconds, nanos: 0 }
}

#[tokio::test]
async fn requests_go_to_public_addresses_by_https() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("endpoints").await;
    let mut endpoints = system.client(&tenant.token).endpoints();
    let not_public = "is not a public address";
    let long = format!("https://example.com/{}", "x".repeat(2_048));
    for (url, code, words) in [
        ("", "url_invalid", "write it like `https://example.com/webhooks`"),
        (
            "example.com",
            "url_invalid",
            "write it like `https://example.com/webhooks`",
        ),
        (long.as_str(), "url_invalid", "at most 2048 bytes"),
        (
            "http://example.com/",
            "url_not_allowed",
            "`http://` is not allowed: use `https://`",
        ),
        ("ftp://example.com/", "url_not_allowed", "use `https://`"),
        (
            "https://user:secret@example.com/",
            "url_not_allowed",
            "a user name or password: remove it",
        ),
        ("https://example.com/#here", "url_not_allowed", "a fragment"),
        (
            "https://intranet/",
            "url_not_allowed",
            "`intranet` is a local name: use a public host name",
        ),
        ("https://printer.local/", "url_not_allowed", "use a public host name"),
        ("https://10.0.0.1/", "url_not_allowed", not_public),
        ("https://192.168.1.1/", "url_not_allowed", not_public),
        (
            "https://169.254.169.254/latest/meta-data",
            "url_not_allowed",
            not_public,
        ),
        ("https://0xa.1/", "url_not_allowed", not_public),
        ("https://167772161/", "url_not_allowed", not_public),
        ("https://012.0.0.1/", "url_not_allowed", not_public),
        ("https://[::1]/", "url_not_allowed", not_public),
        ("https://[::ffff:10.0.0.1]/", "url_not_allowed", not_public),
        ("https://[fd00::1]/", "url_not_allowed", not_public),
    ] {
        let answer = endpoints
            .create_endpoint(create(&tenant, |e| e.url = url.to_owned()))
            .await;
        invalid(answer, code, "url", words);
    }
    // This network is allowed by configuration, in any spelling, and by plain HTTP as well.
    for url in ["http://127.0.0.1:9/", "http://0x7f.1/", "http://localhost/"] {
        let answer = endpoints
            .create_endpoint(create(&tenant, |e| e.url = url.to_owned()))
            .await;
        answer.expect("it is allowed");
    }
}

#[tokio::test]
async fn what_is_wrong_with_an_endpoint_is_named() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("endpoints").await;
    let mut endpoints = system.client(&tenant.token).endpoints();
    type Change = Box<dyn FnOnce(&mut pb::Endpoint)>;
    let cases: Vec<(Change, &str, &str, &str)> = vec![
        (
            Box::new(|e| e.name = "n".repeat(201)),
            "name_invalid",
            "name",
            "at most 200 characters, this one has 201",
        ),
        (
            Box::new(|e| e.dialect = "morse".into()),
            "dialect_unknown",
            "dialect",
            "`morse`: use one of ",
        ),
        (
            Box::new(|e| e.subscriptions.clear()),
            "subscriptions_invalid",
            "subscriptions",
            "`*` for everything",
        ),
        (
            Box::new(|e| e.subscriptions = subscribe(&["a"; 101])),
            "subscriptions_invalid",
            "subscriptions",
            "1 to 100",
        ),
        (
            Box::new(|e| e.subscriptions = subscribe(&["feed*"])),
            "pattern_invalid",
            "subscriptions",
            "a prefix (`feedback.*`) or `*`",
        ),
        (
            Box::new(|e| e.schedule = vec![seconds(0)]),
            "schedule_invalid",
            "schedule",
            "use 1ms to 7d",
        ),
        (
            Box::new(|e| e.schedule = vec![seconds(8 * 86_400)]),
            "schedule_invalid",
            "schedule",
            "use 1ms to 7d",
        ),
        (
            Box::new(|e| e.schedule = vec![seconds(-1)]),
            "schedule_invalid",
            "schedule",
            "negative",
        ),
        (
            Box::new(|e| e.schedule = vec![seconds(1); 21]),
            "schedule_invalid",
            "schedule",
            "use at most 20",
        ),
        (
            Box::new(|e| e.timeout = Some(seconds(0))),
            "timeout_invalid",
            "timeout",
            "1s to 60s",
        ),
        (
            Box::new(|e| e.timeout = Some(seconds(61))),
            "timeout_invalid",
            "timeout",
            "1s to 60s",
        ),
        (
            Box::new(|e| e.timeout = Some(seconds(-1))),
            "timeout_invalid",
            "timeout",
            "1s to 60s",
        ),
        (
            Box::new(|e| e.final_statuses = vec!["gone".into()]),
            "status_invalid",
            "final_statuses",
            "`gone`",
        ),
        (
            Box::new(|e| e.concurrency = 1_001),
            "concurrency_invalid",
            "concurrency",
            "1 to 1000",
        ),
        (
            Box::new(|e| e.secret = "x".repeat(513)),
            "secret_invalid",
            "secret",
            "1 to 512 bytes",
        ),
        (
            Box::new(|e| e.secret = "whsec_!".into()),
            "secret_invalid",
            "secret",
            "base64 of 24 to 64 bytes",
        ),
        (
            Box::new(|e| {
                e.unsigned = true;
                e.secret = "hunter2".into();
            }),
            "secret_contradiction",
            "secret",
            "leave one of them out",
        ),
        (
            Box::new(|e| e.tenant_id = "acme".into()),
            "id_invalid",
            "tenant_id",
            "write `ten_` followed by",
        ),
    ];
    for (change, code, field, words) in cases {
        let answer = endpoints.create_endpoint(create(&tenant, change)).await;
        invalid(answer, code, field, words);
    }
    let answer = endpoints.create_endpoint(pb::CreateEndpointRequest::default()).await;
    invalid(answer, "field_missing", "endpoint", "is missing");

    let mut by_operator = system.operator.endpoints();
    let answer = by_operator
        .create_endpoint(create(&tenant, |e| e.tenant_id.clear()))
        .await;
    invalid(answer, "tenant_missing", "tenant_id", "name one");
    let nobody = nobody();
    let answer = by_operator.create_endpoint(create(&nobody, |_| ())).await;
    let words = format!("there is no tenant {}", nobody.id);
    refused(answer, Code::NotFound, "tenant_unknown", "tenant_id", &words);
}

#[tokio::test]
async fn what_is_wrong_with_a_change_is_named() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("endpoints").await;
    let mut endpoints = system.client(&tenant.token).endpoints();
    let made = endpoints
        .create_endpoint(create(&tenant, |_| ()))
        .await
        .expect("it is made")
        .into_inner();

    let answer = endpoints
        .update_endpoint(update(made.clone(), &["name", "colour"]))
        .await;
    invalid(
        answer,
        "field_unknown",
        "update_mask",
        "`colour` can't be changed this way: use name, url,",
    );
    let answer = endpoints.update_endpoint(update(made.clone(), &["enabled"])).await;
    invalid(
        answer,
        "field_unknown",
        "update_mask",
        "EnableEndpoint and DisableEndpoint",
    );
    let mut without_mask = update(made.clone(), &[]);
    without_mask.update_mask = None;
    let answer = endpoints.update_endpoint(without_mask).await;
    invalid(answer, "field_missing", "update_mask", "is missing");
    let answer = endpoints.update_endpoint(pb::UpdateEndpointRequest::default()).await;
    invalid(answer, "field_missing", "endpoint", "is missing");
    let bad = pb::Endpoint {
        url: "https://10.0.0.1/".to_owned(),
        ..made.clone()
    };
    let answer = endpoints.update_endpoint(update(bad, &["url"])).await;
    invalid(answer, "url_not_allowed", "url", "not a public address");
    let bad = pb::Endpoint {
        dialect: "morse".to_owned(),
        ..made.clone()
    };
    let answer = endpoints.update_endpoint(update(bad, &["dialect"])).await;
    invalid(answer, "dialect_unknown", "dialect", "use one of ");
    let contradictory = pb::Endpoint {
        unsigned: true,
        secret: "hunter2".to_owned(),
        ..made.clone()
    };
    let answer = endpoints.update_endpoint(update(contradictory, &["secret"])).await;
    invalid(answer, "secret_contradiction", "secret", "leave one of them out");
    for id in ["", "ep_1", "evt_0193e4b2c1d27e3f8a4b5c6d7e8f9012"] {
        let answer = endpoints.get_endpoint(get(id)).await;
        invalid(
            answer,
            "id_invalid",
            "endpoint_id",
            "write `ep_` followed by 32 hexadecimal digits",
        );
    }
    let kept = endpoints
        .get_endpoint(get(&made.id))
        .await
        .expect("it is there")
        .into_inner();
    assert_eq!(
        kept,
        pb::Endpoint {
            secret: String::new(),
            ..made
        }
    );
}

#[tokio::test]
async fn an_endpoint_is_made_changed_switched_and_deleted() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("endpoints").await;
    let mut endpoints = system.client(&tenant.token).endpoints();
    let asked = create(&tenant, |e| {
        e.tenant_id.clear();
        e.name = " CRM ".to_owned();
        e.dialect = "userhero".to_owned();
        e.subscriptions = subscribe(&["feedback.*", "nps.ask_later"]);
        e.schedule = vec![seconds(3), seconds(5)];
        e.timeout = Some(seconds(7));
        e.final_statuses = vec!["410".to_owned()];
        e.concurrency = 3;
    });
    let made = endpoints
        .create_endpoint(asked.clone())
        .await
        .expect("it is made")
        .into_inner();
    let expected = pb::Endpoint {
        id: made.id.clone(),
        tenant_id: tenant.id.clone(),
        name: "CRM".to_owned(),
        enabled: true,
        secret: made.secret.clone(),
        signing_secret: "current".to_owned(),
        created_at: made.created_at,
        updated_at: made.updated_at,
        ..asked.endpoint.expect("the endpoint")
    };
    assert_eq!(made, expected);
    assert!(made.id.starts_with("ep_") && made.secret.starts_with("whsec_"));

    let found = endpoints
        .get_endpoint(get(&made.id))
        .await
        .expect("it is there")
        .into_inner();
    assert_eq!(
        found,
        pb::Endpoint {
            secret: String::new(),
            ..made.clone()
        }
    );

    let change = pb::Endpoint {
        id: made.id.clone(),
        name: "not this".to_owned(),
        url: "https://example.org/".to_owned(),
        subscriptions: subscribe(&["*"]),
        ..pb::Endpoint::default()
    };
    let mask = [
        "url",
        "subscriptions",
        "schedule",
        "timeout",
        "final_statuses",
        "concurrency",
        "dialect",
    ];
    let with_dialect = pb::Endpoint {
        dialect: "standard".to_owned(),
        ..change
    };
    let changed = endpoints
        .update_endpoint(update(with_dialect, &mask))
        .await
        .expect("it is changed")
        .into_inner();
    assert_eq!(
        (changed.name.as_str(), changed.url.as_str()),
        ("CRM", "https://example.org/")
    );
    assert_eq!(
        (changed.dialect.as_str(), changed.subscriptions),
        ("standard", subscribe(&["*"]))
    );
    assert!(changed.schedule.is_empty() && changed.timeout.is_none() && changed.final_statuses.is_empty());
    assert_eq!((changed.concurrency, changed.secret.as_str()), (0, ""));
    assert_ne!(changed.updated_at, made.updated_at);

    for on in [false, true] {
        let endpoint_id = made.id.clone();
        let switched = if on {
            endpoints
                .enable_endpoint(pb::EnableEndpointRequest {
                    endpoint_id,
                    ..Default::default()
                })
                .await
        } else {
            endpoints
                .disable_endpoint(pb::DisableEndpointRequest { endpoint_id })
                .await
        };
        assert_eq!(switched.expect("it can be switched").into_inner().enabled, on);
        let found = endpoints
            .get_endpoint(get(&made.id))
            .await
            .expect("it is there")
            .into_inner();
        assert_eq!(found.enabled, on);
    }

    let delete = || pb::DeleteEndpointRequest {
        endpoint_id: made.id.clone(),
    };
    endpoints.delete_endpoint(delete()).await.expect("it can be deleted");
    let words = format!("there is no endpoint {}", made.id);
    let answer = endpoints.get_endpoint(get(&made.id)).await;
    refused(answer, Code::NotFound, "endpoint_unknown", "endpoint_id", &words);
    let answer = endpoints.delete_endpoint(delete()).await;
    refused(answer, Code::NotFound, "endpoint_unknown", "endpoint_id", &words);
}

#[tokio::test]
async fn a_secret_is_shown_where_it_is_asked_for_and_nowhere_else() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("endpoints").await;
    let mut endpoints = system.client(&tenant.token).endpoints();
    let mut ids = Vec::new();
    let cases: [(&str, bool); 3] = [("", false), ("their own secret", false), ("", true)];
    for (secret, unsigned) in cases {
        let asked = create(&tenant, |e| {
            e.secret = secret.to_owned();
            e.unsigned = unsigned;
        });
        let made = endpoints.create_endpoint(asked).await.expect("it is made").into_inner();
        match (secret, unsigned) {
            (_, true) => assert_eq!(made.secret, ""),
            ("", false) => assert!(made.secret.starts_with("whsec_")),
            (given, false) => assert_eq!(made.secret, given),
        }
        assert_eq!(made.unsigned, unsigned);
        let request = pb::GetEndpointSecretRequest {
            endpoint_id: made.id.clone(),
        };
        let shown = endpoints
            .get_endpoint_secret(request)
            .await
            .expect("one's own secret")
            .into_inner();
        assert_eq!(shown.secret, made.secret);
        ids.push(made.id);
    }
    let listed = endpoints
        .list_endpoints(pb::ListEndpointsRequest::default())
        .await
        .expect("a list")
        .into_inner();
    assert_eq!(listed.endpoints.len(), 3);
    assert!(listed.endpoints.iter().all(|endpoint| endpoint.secret.is_empty()));

    // Replaced, and then taken away.
    for (secret, unsigned) in [("another", false), ("", true)] {
        let change = pb::Endpoint {
            id: ids[0].clone(),
            secret: secret.to_owned(),
            unsigned,
            ..pb::Endpoint::default()
        };
        let changed = endpoints
            .update_endpoint(update(change, &["secret"]))
            .await
            .expect("it is changed")
            .into_inner();
        assert_eq!((changed.secret.as_str(), changed.unsigned), ("", unsigned));
        let request = pb::GetEndpointSecretRequest {
            endpoint_id: ids[0].clone(),
        };
        let shown = endpoints
            .get_endpoint_secret(request)
            .await
            .expect("one's own secret")
            .into_inner();
        assert_eq!(shown.secret, secret);
    }
}

#[tokio::test]
async fn a_list_has_filters() {
    let system = Standalone::start().await;
    let (one, other) = (
        system.operator.create_tenant("one").await,
        system.operator.create_tenant("other").await,
    );
    let mut endpoints = system.operator.endpoints();
    let mut made = Vec::new();
    for (tenant, url, dialect) in [
        (&one, "https://crm.example.com/a", ""),
        (&other, "https://crm.example.com/b", "userhero"),
        (&other, "https://erp.example.com/c", ""),
    ] {
        let endpoint = create(tenant, |endpoint| {
            endpoint.url = url.into();
            endpoint.dialect = dialect.into();
        });
        made.push(
            endpoints
                .create_endpoint(endpoint)
                .await
                .expect("it is made")
                .into_inner()
                .id,
        );
    }
    let off = pb::DisableEndpointRequest {
        endpoint_id: made[2].clone(),
    };
    endpoints.disable_endpoint(off).await.expect("it is off");

    let all = pb::ListEndpointsRequest::default();
    let of_host = |host: &str| pb::ListEndpointsRequest {
        host: host.into(),
        ..all.clone()
    };
    let in_state = |state: &str| pb::ListEndpointsRequest {
        state: state.into(),
        ..all.clone()
    };
    let in_dialect = pb::ListEndpointsRequest {
        dialect: "userhero".into(),
        ..all.clone()
    };
    for (asked, expected) in [
        (all.clone(), &made[..]),
        (of_host("CRM.example.com"), &made[..2]),
        (in_state("off"), &made[2..]),
        (in_state("on"), &made[..2]),
        (in_dialect, &made[1..2]),
    ] {
        let list = endpoints
            .list_endpoints(asked.clone())
            .await
            .expect("a list")
            .into_inner();
        let mut found: Vec<_> = list.endpoints.into_iter().map(|endpoint| endpoint.id).collect();
        let mut expected = expected.to_vec();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{asked:?}");
    }
    let wrong = endpoints.list_endpoints(in_state("well")).await;
    invalid(wrong, "state_invalid", "state", "`turned_off`");
}

#[tokio::test]
async fn a_list_has_pages() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("endpoints").await;
    let mut endpoints = system.operator.endpoints();
    let mut made = Vec::new();
    for _ in 0..5 {
        let endpoint = endpoints
            .create_endpoint(create(&tenant, |_| ()))
            .await
            .expect("it is made");
        made.insert(0, endpoint.into_inner().id);
    }
    let mut request = pb::ListEndpointsRequest {
        tenant_id: tenant.id.clone(),
        page_size: 2,
        ..pb::ListEndpointsRequest::default()
    };
    let (mut found, mut pages) = (Vec::new(), 0);
    loop {
        let page = endpoints
            .list_endpoints(request.clone())
            .await
            .expect("a page")
            .into_inner();
        assert!(page.endpoints.len() <= 2);
        found.extend(page.endpoints.into_iter().map(|endpoint| endpoint.id));
        pages += 1;
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!((found, pages), (made, 3), "newest first, each once");

    request.page_size = 201;
    let answer = endpoints.list_endpoints(request.clone()).await;
    invalid(
        answer,
        "page_size_invalid",
        "page_size",
        "at most 200 entries; ask for more by `page_token`",
    );
    request.page_size = 2;
    request.page_token = "2".to_owned();
    let answer = endpoints.list_endpoints(request).await;
    invalid(answer, "id_invalid", "page_token", "followed by 32 hexadecimal digits");
}
