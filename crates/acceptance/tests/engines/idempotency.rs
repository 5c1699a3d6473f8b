//! One idempotency key, one event (guarantee G10).

use std::collections::HashSet;

use serde_json::json;
use tidings_acceptance::{SOON, System, Tenant, endpoint, problem_code, request};
use tidings_domain::EventId;
use tidings_proto::pb;
use tidings_testkit::Receiver;
use tonic::Code;

#[tokio::test]
async fn one_key_makes_one_event() {
    let mut system = System::prepare().await;
    system.set("TIDINGS_INGEST__IDEMPOTENCY_LEASE", "500ms");
    system.start_roles().await;
    let receiver = Receiver::start().await;
    let tenant = system.operator.create_tenant("idempotency").await;
    system
        .operator
        .create_endpoint(endpoint(&tenant, &receiver.url()))
        .await;

    let together = (0..20).map(|_| publish(&system, &tenant, "together", 1));
    let together: Vec<_> = futures::future::join_all(together)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let ids: HashSet<_> = together.iter().map(|answer| answer.event_id.as_str()).collect();
    assert_eq!(
        (ids.len(), together.iter().filter(|answer| !answer.duplicate).count()),
        (1, 1)
    );

    let again = publish(&system, &tenant, "together", 1).await.unwrap();
    assert_eq!(
        (again.event_id.as_str(), again.duplicate, again.deliveries),
        (*ids.iter().next().unwrap(), true, 0)
    );

    let other = publish(&system, &tenant, "together", 2).await.unwrap_err();
    assert_eq!(
        (other.code(), problem_code(&other).as_str()),
        (Code::AlreadyExists, "idempotency_key_reused")
    );

    let taken_over = take_over(&system, &tenant).await;
    let requests = receiver.wait_for(2, SOON).await;
    let arrived: HashSet<_> = requests
        .iter()
        .filter_map(|request| request.header("webhook-id"))
        .collect();
    assert_eq!(arrived, HashSet::from([again.event_id.as_str(), taken_over.as_str()]));
    assert_eq!(requests.len(), 2);
}

/// A publish that died between claiming its key and settling it leaves such a row.
async fn take_over(system: &System, tenant: &Tenant) -> String {
    let claimed = EventId::new();
    let claim = format!(
        "INSERT INTO idempotency_keys (tenant_id, key, fingerprint, event_id)
         SELECT tenant_id, 'left-behind', fingerprint, '{}' FROM idempotency_keys WHERE key = 'together'",
        claimed.uuid()
    );
    system.database.execute(&claim).await;
    let answer = publish(system, tenant, "left-behind", 1).await.unwrap();
    assert_eq!(
        (answer.event_id, answer.duplicate, answer.deliveries),
        (claimed.to_string(), false, 1)
    );
    let settled = publish(system, tenant, "left-behind", 1).await.unwrap();
    assert_eq!((settled.event_id, settled.duplicate), (claimed.to_string(), true));
    claimed.to_string()
}

async fn publish(
    system: &System,
    tenant: &Tenant,
    key: &str,
    number: u64,
) -> Result<pb::PublishResponse, tonic::Status> {
    let request = pb::PublishRequest {
        idempotency_key: key.to_owned(),
        ..request(tenant, "idempotency.test", json!({ "number": number }))
    };
    Ok(system.operator.events().publish(request).await?.into_inner())
}
