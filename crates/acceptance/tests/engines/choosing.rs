//! Content filters, schemas and authentication, with every role in a process of its own.

use std::collections::HashMap;

use prost_types::FieldMask;
use serde_json::json;
use tidings_acceptance::{SOON, System, endpoint, request};
use tidings_proto::pb;
use tidings_proto::pb::endpoint_authentication::Authorization;
use tidings_service::problem::Problem;
use tidings_testkit::{Receiver, wait_until};

use crate::arrived;

#[tokio::test]
async fn what_is_wanted_is_sent_with_what_lets_it_in() {
    let system = System::start().await;
    let operator = &system.operator;
    let tenant = operator.create_tenant("choosing").await;
    let receiver = Receiver::start().await;
    let asked = pb::Endpoint {
        subscriptions: vec![pb::Subscription {
            pattern: "feedback.*".into(),
            filter: "payload.rating <= 2".into(),
            ..pb::Subscription::default()
        }],
        authentication: Some(pb::EndpointAuthentication {
            headers: HashMap::from([("X-Api-Key".into(), "hidden-key".into())]),
            authorization: Some(Authorization::Bearer(pb::BearerAuthorization {
                token: "hidden-token".into(),
            })),
            ..pb::EndpointAuthentication::default()
        }),
        ..endpoint(&tenant, &receiver.url())
    };
    operator.create_endpoint(asked).await;
    let publish = async |rating: u32| {
        operator
            .publish(&tenant, "feedback.created", json!({ "rating": rating }))
            .await
    };
    let (good, bad) = (publish(5).await, publish(1).await);
    let filtered = operator.wait_for_state(&good, "cancelled").await;
    assert_eq!(filtered[0].reason, "filtered");
    operator.wait_for_state(&bad, "succeeded").await;
    assert_eq!(arrived(&receiver), ([bad.clone()].into(), 0));
    let sent = &receiver.requests()[0];
    assert_eq!(sent.header("x-api-key"), Some("hidden-key"));
    assert_eq!(sent.header("authorization"), Some("Bearer hidden-token"));
    for attempt in operator.attempts_of(&bad).await {
        let request = pb::GetAttemptRequest { attempt_id: attempt.id };
        let text = format!("{:?}", operator.log().get_attempt(request).await.unwrap());
        assert!(text.contains("***") && !text.contains("hidden-"), "{text}");
    }

    // Filters are tried by control on what the log kept.
    let asked = pb::TryFilterRequest {
        endpoint_id: filtered[0].endpoint_id.clone(),
        event_id: good,
        ..pb::TryFilterRequest::default()
    };
    let tried = operator.endpoints().try_filter(asked).await.unwrap().into_inner();
    assert!(!tried.matched && tried.subscriptions[0].type_matched, "{tried:?}");
}

#[tokio::test]
async fn a_schema_reaches_every_ingest() {
    let system = System::start().await;
    let operator = &system.operator;
    let tenant = operator.create_tenant("choosing").await;
    let update = pb::UpdateTenantRequest {
        tenant: Some(pb::Tenant {
            id: tenant.id.clone(),
            schema_validation: "reject".into(),
            ..pb::Tenant::default()
        }),
        update_mask: Some(FieldMask {
            paths: vec!["schema_validation".into()],
        }),
    };
    operator.tenants().update_tenant(update).await.unwrap();
    let version = pb::CreateEventTypeVersionRequest {
        name: "feedback.created".into(),
        description: String::new(),
        schema: r#"{"required": ["rating"]}"#.into(),
    };
    operator.event_types().create_event_type_version(version).await.unwrap();
    wait_until(SOON, "a payload to be refused", async || {
        let event = request(&tenant, "feedback.created", json!({}));
        match operator.events().publish(event).await {
            Ok(_) => false,
            Err(status) => Problem::from_status(&status).0 == "payload_invalid",
        }
    })
    .await;
    operator
        .publish(&tenant, "feedback.created", json!({ "rating": 1 }))
        .await;
}
