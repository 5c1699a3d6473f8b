//! Changes of the registry are in force within a second, over LISTEN and NOTIFY.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::json;
use tidings_acceptance::{Client, SOON, Servers, System, Tenant, endpoint, problem_code};
use tidings_proto::pb;
use tidings_testkit::{Answer, Receiver, wait_until};

use crate::arrived;

const AT_ONCE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn changes_are_in_force_within_a_second() {
    let system = System::start().await;
    let tenant = system.operator.create_tenant("registry").await;
    a_new_endpoint_gets_events(&system, &tenant).await;
    tokio::join!(
        a_disabled_endpoint_is_held(&system, &tenant),
        a_deleted_endpoint_cancels(&system, &tenant)
    );
}

async fn a_new_endpoint_gets_events(system: &System, tenant: &Tenant) {
    let receiver = Receiver::start().await;
    let made = create(system, tenant, "new.endpoint", &receiver).await;
    let since = Instant::now();
    wait_until(SOON, "ingest to know the endpoint", async || {
        let request = tidings_acceptance::request(tenant, "new.endpoint", json!({}));
        system
            .operator
            .events()
            .publish(request)
            .await
            .unwrap()
            .into_inner()
            .deliveries
            == 1
    })
    .await;
    println!("a new endpoint gets events after {:?}", since.elapsed());
    assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
    receiver.wait_for(1, SOON).await;
    delete(system, &made).await;
}

async fn a_disabled_endpoint_is_held(system: &System, tenant: &Tenant) {
    let receiver = Receiver::start().await;
    let mut endpoints = system.operator.endpoints();
    let made = create(system, tenant, "to.disable", &receiver).await;
    system.operator.ingest_is_up_to_date().await;

    let request = pb::DisableEndpointRequest {
        endpoint_id: made.id.clone(),
    };
    endpoints.disable_endpoint(request).await.unwrap();
    let since = Instant::now();
    let mut events = Vec::new();
    wait_until(SOON, "an event to be held", async || {
        let event = system.operator.publish(tenant, "to.disable", json!({})).await;
        let delivery = system.operator.deliveries_of(&event).await.remove(0);
        events.push(event);
        (delivery.state.as_str(), delivery.reason.as_str()) == ("held", "endpoint_disabled")
    })
    .await;
    let held = events.last().expect("the one that is held");
    assert!(!arrived(&receiver).0.contains(held));
    println!("a disabled endpoint is held after {:?}", since.elapsed());
    assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
    let request = pb::EnableEndpointRequest {
        endpoint_id: made.id.clone(),
        ..Default::default()
    };
    endpoints.enable_endpoint(request).await.unwrap();
    system.operator.wait_for_all(&events, &made, "succeeded").await;
    assert_eq!(arrived(&receiver), (events.into_iter().collect(), 0));
}

/// Both what waits for its next attempt and what is held.
async fn a_deleted_endpoint_cancels(system: &System, tenant: &Tenant) {
    let receiver = Receiver::start().await;
    receiver.answer_always(Answer::Status(503));
    let made = create(system, tenant, "to.delete", &receiver).await;
    let held = create(system, tenant, "to.delete", &receiver).await;
    let request = pb::DisableEndpointRequest {
        endpoint_id: held.id.clone(),
    };
    system.operator.endpoints().disable_endpoint(request).await.unwrap();
    system.operator.ingest_is_up_to_date().await;

    let event = system.operator.publish(tenant, "to.delete", json!({})).await;
    receiver.wait_for(1, SOON).await;
    delete(system, &made).await;
    delete(system, &held).await;
    for delivery in system.operator.wait_for_state(&event, "cancelled").await {
        assert_eq!(delivery.reason, "endpoint_deleted", "{delivery:?}");
    }
    assert_eq!(receiver.count(), 1);
}

async fn create(system: &System, tenant: &Tenant, event_type: &str, receiver: &Receiver) -> pb::Endpoint {
    let endpoint = pb::Endpoint {
        subscriptions: vec![pb::Subscription {
            pattern: event_type.to_owned(),
            disabled: false,
            ..pb::Subscription::default()
        }],
        schedule: vec![prost_types::Duration { seconds: 1, nanos: 0 }; 10],
        ..endpoint(tenant, &receiver.url())
    };
    let request = pb::CreateEndpointRequest {
        endpoint: Some(endpoint),
        disabled: false,
    };
    system
        .operator
        .endpoints()
        .create_endpoint(request)
        .await
        .unwrap()
        .into_inner()
}

async fn delete(system: &System, endpoint: &pb::Endpoint) {
    let request = pb::DeleteEndpointRequest {
        endpoint_id: endpoint.id.clone(),
    };
    system.operator.endpoints().delete_endpoint(request).await.unwrap();
}

#[tokio::test]
async fn a_link_that_works_once_works_once_on_two_replicas() {
    let mut system = System::prepare().await;
    system.set("TIDINGS_CONTROL__PUBLIC_URL", "https://hooks.example.com");
    system.start_roles().await;
    let (mut other, address) = system.control.replica("TIDINGS_CONTROL__GRPC_ADDRESS");
    other.set("TIDINGS_CONTROL__HTTP_ADDRESS", "127.0.0.1:0");
    other.start().await;
    let tenant = system.operator.create_tenant("once").await;
    let there = Servers {
        control: address.url(),
        ..system.servers.clone()
    };
    for _ in 0..5 {
        let asked = pb::CreatePortalLinkRequest {
            tenant_id: tenant.id.clone(),
            once: true,
            ..pb::CreatePortalLinkRequest::default()
        };
        let made = system.operator.tenants().create_portal_link(asked).await.unwrap();
        let link = made.into_inner().token;
        let both = [Client::new(&system.servers, &link), Client::new(&there, &link)];
        // The other replica knows the link as soon as it has seen the change.
        wait_until(SOON, "both replicas to know the link", async || {
            let refused = both[1]
                .endpoints()
                .list_endpoints(pb::ListEndpointsRequest::default())
                .await;
            problem_code(&refused.unwrap_err()) == "portal_link_unused"
        })
        .await;
        let exchanges = (0..6).map(|n: usize| {
            let client = both[n % 2].clone();
            async move {
                let exchange = pb::ExchangePortalLinkRequest {};
                client.tenants().exchange_portal_link(exchange).await
            }
        });
        let (won, lost): (Vec<_>, Vec<_>) = join_all(exchanges).await.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        for refused in lost {
            assert_eq!(problem_code(&refused.unwrap_err()), "portal_link_used");
        }
        let token = won.into_iter().next().unwrap().unwrap().into_inner().token;
        for servers in [&system.servers, &there] {
            let client = Client::new(servers, &token);
            wait_until(AT_ONCE, "the key to be known", async || {
                let listed = client
                    .endpoints()
                    .list_endpoints(pb::ListEndpointsRequest::default())
                    .await;
                listed.is_ok()
            })
            .await;
        }
    }
}
