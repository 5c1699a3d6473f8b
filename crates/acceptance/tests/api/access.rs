//! Who may do what.

use serde_json::json;
use tidings_acceptance::{Client, SOON, Standalone, Tenant, endpoint, problem_code, request};
use tidings_domain::{SignedDuration, Timestamp};
use tidings_proto::pb::event_service_client::EventServiceClient;
use tidings_proto::{pb, timestamp};
use tidings_testkit::wait_until;
use tonic::{Code, Status};

use crate::refused;

/// The answer to publishing an event with a key.
async fn publish(client: &Client, tenant: &Tenant) -> Result<tonic::Response<pb::PublishResponse>, Status> {
    client.events().publish(request(tenant, "a", json!(1))).await
}

async fn create_key(
    by: &Client,
    tenant: &Tenant,
    scopes: &[&str],
    expires_at: Option<Timestamp>,
) -> pb::CreateApiKeyResponse {
    let request = pb::CreateApiKeyRequest {
        name: String::new(),
        tenant_id: tenant.id.clone(),
        scopes: scopes.iter().map(|scope| scope.to_string()).collect(),
        expires_at: expires_at.map(timestamp),
    };
    by.tenants()
        .create_api_key(request)
        .await
        .expect("a key can be made")
        .into_inner()
}

#[tokio::test]
async fn nothing_goes_without_a_key_that_works() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("access").await;
    let mut without_key = EventServiceClient::connect(system.servers.ingest.clone())
        .await
        .expect("the service can be reached");
    let answer = without_key.publish(request(&tenant, "a", json!(1))).await;
    refused(
        answer,
        Code::Unauthenticated,
        "key_missing",
        "",
        "`Authorization: Bearer tk_…`",
    );
    let answer = publish(&system.client("tk_unknown"), &tenant).await;
    refused(answer, Code::Unauthenticated, "key_unknown", "", "does not exist");
}

#[tokio::test]
async fn a_key_ends_when_it_is_revoked_or_expires() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("access").await;
    let in_a_second = Timestamp::now() + SignedDuration::from_secs(1);
    let expiring = create_key(&system.operator, &tenant, &[], Some(in_a_second)).await;
    let revoked = create_key(&system.operator, &tenant, &[], None).await;

    let client = system.client(&revoked.token);
    publish(&client, &tenant).await.expect("the key works");
    let key_id = revoked.key.expect("the key").id;
    let revoke = pb::RevokeApiKeyRequest { key_id: key_id.clone() };
    system
        .operator
        .tenants()
        .revoke_api_key(revoke.clone())
        .await
        .expect("it can be revoked");
    let gone = async || publish(&client, &tenant).await.is_err();
    wait_until(SOON, "the key to be gone", gone).await;
    refused(
        publish(&client, &tenant).await,
        Code::Unauthenticated,
        "key_unknown",
        "",
        "was it deleted?",
    );
    let answer = system.operator.tenants().revoke_api_key(revoke).await;
    refused(
        answer,
        Code::NotFound,
        "key_unknown",
        "key_id",
        &format!("there is no key {key_id}"),
    );

    let client = system.client(&expiring.token);
    let expired = async || {
        let answer = publish(&client, &tenant).await;
        answer.is_err_and(|status| problem_code(&status) == "key_expired")
    };
    wait_until(SOON, "the key to expire", expired).await;
    assert!(Timestamp::now() >= in_a_second, "it expired too early");
    refused(
        publish(&client, &tenant).await,
        Code::Unauthenticated,
        "key_expired",
        "",
        "ask for a new one",
    );
}

#[tokio::test]
async fn a_scope_opens_what_it_names_and_nothing_else() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("access").await;
    let mut clients = Vec::new();
    for scope in ["publish", "read", "manage"] {
        let key = create_key(&system.operator, &tenant, &[scope], None).await;
        let client = system.client(&key.token);
        let known = async || match publish(&client, &tenant).await {
            Err(status) => status.code() != Code::Unauthenticated,
            Ok(_) => true,
        };
        wait_until(SOON, "the key to be known", known).await;
        clients.push(client);
    }
    let [publisher, reader, manager] = clients.try_into().expect("three keys");
    let forbidden = Code::PermissionDenied;

    publish(&publisher, &tenant)
        .await
        .expect("that is what the scope is for");
    for client in [&reader, &manager] {
        let answer = publish(client, &tenant).await;
        refused(
            answer,
            forbidden,
            "scope_missing",
            "",
            "requires a key with the scope `publish`",
        );
    }
    let attempts = pb::ListAttemptsRequest::default;
    reader
        .log()
        .list_attempts(attempts())
        .await
        .expect("that is what the scope is for");
    let answer = publisher.log().list_attempts(attempts()).await;
    refused(
        answer,
        forbidden,
        "scope_missing",
        "",
        "requires a key with the scope `read`",
    );

    let create = || pb::CreateEndpointRequest {
        endpoint: Some(endpoint(&tenant, "https://example.com/")),
        disabled: false,
    };
    let made = manager.endpoints().create_endpoint(create()).await;
    let id = made.expect("that is what the scope is for").into_inner().id;
    let secret = || pb::GetEndpointSecretRequest {
        endpoint_id: id.clone(),
    };
    for client in [&publisher, &reader] {
        let answer = client.endpoints().create_endpoint(create()).await;
        refused(
            answer,
            forbidden,
            "scope_missing",
            "",
            "requires a key with the scope `manage`",
        );
        let answer = client.endpoints().get_endpoint_secret(secret()).await;
        refused(
            answer,
            forbidden,
            "scope_missing",
            "",
            "requires a key with the scope `manage`",
        );
    }
    let get = pb::GetEndpointRequest {
        endpoint_id: id.clone(),
    };
    reader
        .endpoints()
        .get_endpoint(get)
        .await
        .expect("to look takes `read`");

    let stronger = pb::CreateApiKeyRequest {
        scopes: vec!["publish".to_owned()],
        ..pb::CreateApiKeyRequest::default()
    };
    let answer = manager.tenants().create_api_key(stronger).await;
    refused(
        answer,
        forbidden,
        "scope_missing",
        "",
        "requires a key with the scope `publish`",
    );
}

#[tokio::test]
async fn what_operators_do_takes_an_operators_key() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("access").await;
    let mut tenants = system.client(&tenant.token).tenants();
    let forbidden = Code::PermissionDenied;
    let answer = tenants
        .create_tenant(pb::CreateTenantRequest {
            name: "mine".to_owned(),
        })
        .await;
    refused(answer, forbidden, "operator_only", "", "an operator's key");
    let answer = tenants.list_tenants(pb::ListTenantsRequest::default()).await;
    refused(answer, forbidden, "operator_only", "", "an operator's key");
    let delete = pb::DeleteTenantRequest {
        tenant_id: tenant.id.clone(),
    };
    let answer = tenants.delete_tenant(delete).await;
    refused(answer, forbidden, "operator_only", "", "an operator's key");
}

#[tokio::test]
async fn what_roles_do_takes_the_internal_token() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("access").await;
    for client in [&system.operator, &system.client(&tenant.token)] {
        let answer = client.log().record(pb::RecordRequest::default()).await;
        let words = "the token that the services share";
        refused(answer, Code::PermissionDenied, "internal_only", "", words);
        let answer = client
            .log()
            .fetch_deliveries(pb::FetchDeliveriesRequest::default())
            .await;
        refused(answer, Code::PermissionDenied, "internal_only", "", words);
    }
}
