//! What belongs to one tenant does not exist for another.

use serde_json::json;
use tidings_acceptance::{Client, SOON, Standalone, Tenant, endpoint, request};
use tidings_domain::{AttemptId, EndpointId, EventId, KeyId};
use tidings_proto::pb;
use tidings_testkit::{Receiver, wait_until};
use tonic::Code;

use crate::{Refusal, nobody, refusal};

/// One tenant with something of every kind, and another who looks for it.
struct Case {
    system: Standalone,
    owner: Tenant,
    /// Speaks with the owner's key.
    own: Client,
    /// Speaks with the other tenant's key.
    other: Client,
    endpoint: pb::Endpoint,
    event: String,
    attempt: pb::Attempt,
    _receiver: Receiver,
}

impl Case {
    async fn start() -> Self {
        let system = Standalone::start().await;
        let receiver = Receiver::start().await;
        let owner = system.operator.create_tenant("owner").await;
        let other = system.operator.create_tenant("other").await;
        let endpoint = system.operator.create_endpoint(endpoint(&owner, &receiver.url())).await;
        let event = system.operator.publish(&owner, "a", json!(1)).await;
        system.operator.wait_for_state(&event, "succeeded").await;
        let [attempt] = <[_; 1]>::try_from(system.operator.attempts_of(&event).await).expect("one attempt");
        Self {
            own: system.client(&owner.token),
            other: system.client(&other.token),
            system,
            owner,
            endpoint,
            event,
            attempt,
            _receiver: receiver,
        }
    }
}

/// Asserts that two refusals differ in nothing but the id they speak of.
#[track_caller]
fn same_words(theirs: &Refusal, id: &str, nobodys: &Refusal, unknown: &str) {
    assert_eq!(theirs.status, Code::NotFound, "{theirs:?}");
    let masked = |refusal: &Refusal, id: &str| {
        assert!(refusal.detail.contains(id), "{id} is missing in {refusal:?}");
        let detail = refusal.detail.replace(id, "ID");
        (refusal.status, refusal.code.clone(), refusal.field.clone(), detail)
    };
    assert_eq!(masked(theirs, id), masked(nobodys, unknown));
}

/// Calls a method with the id of another tenant's thing and with one of nothing, and asserts that nobody can tell the
/// answers apart.
macro_rules! hidden {
    ($service:expr, $method:ident, $request:ident { $field:ident }, $id:expr, $unknown:expr) => {{
        let (id, unknown): (String, String) = ($id.to_string(), $unknown.to_string());
        #[allow(clippy::needless_update, reason = "some requests have one field only")]
        let theirs = $service
            .$method(pb::$request {
                $field: id.clone(),
                ..Default::default()
            })
            .await;
        #[allow(clippy::needless_update, reason = "some requests have one field only")]
        let nobodys = $service
            .$method(pb::$request {
                $field: unknown.clone(),
                ..Default::default()
            })
            .await;
        same_words(&refusal(theirs), &id, &refusal(nobodys), &unknown);
    }};
}

#[tokio::test]
async fn ids_of_another_tenant_are_ids_of_nothing() {
    let case = Case::start().await;
    let id = &case.endpoint.id;
    let mut endpoints = case.other.endpoints();
    let unknown = EndpointId::new();
    hidden!(endpoints, get_endpoint, GetEndpointRequest { endpoint_id }, id, unknown);
    hidden!(
        endpoints,
        delete_endpoint,
        DeleteEndpointRequest { endpoint_id },
        id,
        unknown
    );
    hidden!(
        endpoints,
        enable_endpoint,
        EnableEndpointRequest { endpoint_id },
        id,
        unknown
    );
    hidden!(
        endpoints,
        disable_endpoint,
        DisableEndpointRequest { endpoint_id },
        id,
        unknown
    );
    hidden!(
        endpoints,
        get_endpoint_secret,
        GetEndpointSecretRequest { endpoint_id },
        id,
        unknown
    );
    let update = |id: &str| pb::UpdateEndpointRequest {
        endpoint: Some(pb::Endpoint {
            id: id.to_owned(),
            name: "mine now".to_owned(),
            ..pb::Endpoint::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["name".to_owned()],
        }),
    };
    let unknown = unknown.to_string();
    let theirs = refusal(endpoints.update_endpoint(update(id)).await);
    same_words(
        &theirs,
        id,
        &refusal(endpoints.update_endpoint(update(&unknown)).await),
        &unknown,
    );

    let mut log = case.other.log();
    hidden!(log, get_event, GetEventRequest { event_id }, case.event, EventId::new());
    hidden!(
        log,
        get_attempt,
        GetAttemptRequest { attempt_id },
        case.attempt.id,
        AttemptId::new()
    );

    let mut tenants = case.other.tenants();
    let keys = case
        .own
        .tenants()
        .list_api_keys(pb::ListApiKeysRequest::default())
        .await;
    let key = keys.expect("one's own keys").into_inner().keys[0].id.clone();
    hidden!(
        tenants,
        revoke_api_key,
        RevokeApiKeyRequest { key_id },
        key,
        KeyId::new()
    );
    hidden!(
        tenants,
        get_tenant,
        GetTenantRequest { tenant_id },
        case.owner.id,
        nobody().id
    );
    let operators = pb::ListApiKeysRequest::default();
    let operators = case.system.operator.tenants().list_api_keys(operators).await;
    let operators_key = operators.expect("the operators' keys").into_inner().keys[0].id.clone();
    hidden!(
        tenants,
        revoke_api_key,
        RevokeApiKeyRequest { key_id },
        operators_key,
        KeyId::new()
    );

    // Nothing of that changed anything.
    let get = pb::GetEndpointRequest {
        endpoint_id: id.clone(),
    };
    let endpoint = case
        .own
        .endpoints()
        .get_endpoint(get)
        .await
        .expect("it is there")
        .into_inner();
    assert!(endpoint.enabled && endpoint.name.is_empty());
}

#[tokio::test]
async fn naming_another_tenant_is_naming_nobody() {
    let case = Case::start().await;
    let (theirs, unknown) = (&case.owner.id, nobody().id);
    macro_rules! hidden_tenant {
        ($service:expr, $method:ident, $request:ident) => {{
            let request = |id: &str| pb::$request {
                tenant_id: id.to_owned(),
                ..Default::default()
            };
            let refused = refusal($service.$method(request(theirs)).await);
            let nobodys = refusal($service.$method(request(&unknown)).await);
            same_words(&refused, theirs, &nobodys, &unknown);
        }};
    }
    let (mut endpoints, mut log, mut tenants) = (case.other.endpoints(), case.other.log(), case.other.tenants());
    hidden_tenant!(endpoints, list_endpoints, ListEndpointsRequest);
    hidden_tenant!(log, list_events, ListEventsRequest);
    hidden_tenant!(log, list_deliveries, ListDeliveriesRequest);
    hidden!(
        tenants,
        list_api_keys,
        ListApiKeysRequest { tenant_id },
        theirs,
        unknown
    );
    hidden_tenant!(tenants, create_api_key, CreateApiKeyRequest);

    let filter = |id: &str| {
        Some(pb::AttemptFilter {
            tenant_id: id.to_owned(),
            ..pb::AttemptFilter::default()
        })
    };
    let list = |id: &str| pb::ListAttemptsRequest {
        filter: filter(id),
        ..pb::ListAttemptsRequest::default()
    };
    let refused = refusal(log.list_attempts(list(theirs)).await);
    same_words(
        &refused,
        theirs,
        &refusal(log.list_attempts(list(&unknown)).await),
        &unknown,
    );
    let watch = |id: &str| pb::WatchAttemptsRequest { filter: filter(id) };
    let refused = refusal(log.watch_attempts(watch(theirs)).await);
    same_words(
        &refused,
        theirs,
        &refusal(log.watch_attempts(watch(&unknown)).await),
        &unknown,
    );
    let create = |id: &str| pb::CreateEndpointRequest {
        endpoint: Some(pb::Endpoint {
            tenant_id: id.to_owned(),
            ..case.endpoint.clone()
        }),
        disabled: false,
    };
    let refused = refusal(endpoints.create_endpoint(create(theirs)).await);
    same_words(
        &refused,
        theirs,
        &refusal(endpoints.create_endpoint(create(&unknown)).await),
        &unknown,
    );
    let publish = |id: &str| {
        let tenant = Tenant {
            id: id.to_owned(),
            token: String::new(),
        };
        request(&tenant, "a", json!(1))
    };
    let mut events = case.other.events();
    let refused = refusal(events.publish(publish(theirs)).await);
    same_words(
        &refused,
        theirs,
        &refusal(events.publish(publish(&unknown)).await),
        &unknown,
    );
    // What a tenant hears of an unknown tenant is what an operator hears.
    let operators = refusal(case.system.operator.events().publish(publish(&unknown)).await);
    same_words(&refused, theirs, &operators, &unknown);
}

#[tokio::test]
async fn lists_show_ones_own_only() {
    let case = Case::start().await;
    let own = case.system.operator.publish(&case.owner, "a", json!(2)).await;
    case.system.operator.wait_for_state(&own, "succeeded").await;
    for (client, found) in [(&case.own, 2), (&case.other, 0)] {
        let mut log = client.log();
        let events = log
            .list_events(pb::ListEventsRequest::default())
            .await
            .expect("a list")
            .into_inner();
        let deliveries = log
            .list_deliveries(pb::ListDeliveriesRequest::default())
            .await
            .expect("a list")
            .into_inner();
        let attempts = log
            .list_attempts(pb::ListAttemptsRequest::default())
            .await
            .expect("a list")
            .into_inner();
        assert_eq!(
            (
                events.events.len(),
                deliveries.deliveries.len(),
                attempts.attempts.len()
            ),
            (found, found, found)
        );
        let endpoints = client
            .endpoints()
            .list_endpoints(pb::ListEndpointsRequest::default())
            .await;
        assert_eq!(endpoints.expect("a list").into_inner().endpoints.len(), found.min(1));
        // Nor by asking for another's things by their ids.
        let filter = pb::AttemptFilter {
            event_id: case.event.clone(),
            delivery_id: case.attempt.delivery_id.clone(),
            endpoint_id: case.endpoint.id.clone(),
            ..pb::AttemptFilter::default()
        };
        let request = pb::ListAttemptsRequest {
            filter: Some(filter),
            ..pb::ListAttemptsRequest::default()
        };
        assert_eq!(
            log.list_attempts(request)
                .await
                .expect("a list")
                .into_inner()
                .attempts
                .len(),
            found.min(1)
        );
        let request = pb::ListDeliveriesRequest {
            event_id: case.event.clone(),
            ..pb::ListDeliveriesRequest::default()
        };
        assert_eq!(
            log.list_deliveries(request)
                .await
                .expect("a list")
                .into_inner()
                .deliveries
                .len(),
            found.min(1)
        );
    }
}

#[tokio::test]
async fn a_live_tail_shows_ones_own_only() {
    let case = Case::start().await;
    let other = case.system.operator.create_tenant("third").await;
    let receiver = Receiver::start().await;
    case.system
        .operator
        .create_endpoint(endpoint(&other, &receiver.url()))
        .await;
    let third = case.system.client(&other.token);
    let watched = third.log().watch_attempts(pb::WatchAttemptsRequest::default()).await;
    let mut watched = watched.expect("one may watch").into_inner();
    let theirs = case.system.operator.publish(&case.owner, "a", json!(3)).await;
    case.system.operator.wait_for_state(&theirs, "succeeded").await;
    let own = case.system.operator.publish(&other, "a", json!(4)).await;
    let first = tokio::time::timeout(SOON, watched.message())
        .await
        .expect("an attempt is shown");
    let attempt = first
        .expect("the tail goes on")
        .expect("a message")
        .attempt
        .expect("an attempt");
    assert_eq!((attempt.event_id, attempt.tenant_id), (own, other.id));
    wait_until(SOON, "the request", async || receiver.count() == 1).await;
}
