//! `TenantService`.

use tidings_acceptance::{SOON, Standalone};
use tidings_domain::{SignedDuration, Timestamp};
use tidings_proto::{pb, timestamp};
use tidings_testkit::wait_until;
use tonic::Code;

use crate::{invalid, nobody, refused};

fn get(id: &str) -> pb::GetTenantRequest {
    pb::GetTenantRequest {
        tenant_id: id.to_owned(),
    }
}

#[tokio::test]
async fn a_tenant_is_made_found_listed_and_deleted() {
    let system = Standalone::start().await;
    let mut tenants = system.operator.tenants();
    let mut made = Vec::new();
    for name in ["one", " two ", "three", "four", "five"] {
        let request = pb::CreateTenantRequest { name: name.to_owned() };
        let answer = tenants.create_tenant(request).await.expect("it is made").into_inner();
        let (tenant, key) = (answer.tenant.expect("the tenant"), answer.key.expect("its key"));
        assert_eq!(
            (tenant.name.as_str(), key.tenant_id.as_str()),
            (name.trim(), tenant.id.as_str())
        );
        assert_eq!(key.scopes, ["publish", "read", "manage"]);
        assert!(answer.token.starts_with(&key.hint) && answer.token.len() > key.hint.len() + 30);
        let found = tenants
            .get_tenant(get(&tenant.id))
            .await
            .expect("it is there")
            .into_inner();
        assert_eq!(found, tenant);
        made.insert(0, tenant);
    }
    let mut request = pb::ListTenantsRequest {
        page_size: 2,
        page_token: String::new(),
    };
    let mut found = Vec::new();
    loop {
        let page = tenants
            .list_tenants(request.clone())
            .await
            .expect("a page")
            .into_inner();
        found.extend(page.tenants);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(found, made, "newest first, each once");

    let id = &made[0].id;
    let delete = || pb::DeleteTenantRequest { tenant_id: id.clone() };
    tenants.delete_tenant(delete()).await.expect("it can be deleted");
    let words = format!("there is no tenant {id}");
    refused(
        tenants.get_tenant(get(id)).await,
        Code::NotFound,
        "tenant_unknown",
        "tenant_id",
        &words,
    );
    refused(
        tenants.delete_tenant(delete()).await,
        Code::NotFound,
        "tenant_unknown",
        "tenant_id",
        &words,
    );
}

#[tokio::test]
async fn the_keys_of_a_deleted_tenant_end() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("gone").await;
    let client = system.client(&tenant.token);
    let list = || pb::ListApiKeysRequest::default();
    client.tenants().list_api_keys(list()).await.expect("the key works");
    let delete = pb::DeleteTenantRequest { tenant_id: tenant.id };
    system
        .operator
        .tenants()
        .delete_tenant(delete)
        .await
        .expect("it can be deleted");
    let ended = async || client.tenants().list_api_keys(list()).await.is_err();
    wait_until(SOON, "the key to end", ended).await;
    let answer = client.tenants().list_api_keys(list()).await;
    refused(answer, Code::Unauthenticated, "key_unknown", "", "does not exist");
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("keys").await;
    let mut tenants = system.client(&tenant.token).tenants();
    let in_an_hour = timestamp(Timestamp::now() + SignedDuration::from_hours(1));
    let request = pb::CreateApiKeyRequest {
        name: String::new(),
        tenant_id: String::new(),
        scopes: vec!["read".to_owned()],
        expires_at: Some(in_an_hour),
    };
    let made = tenants.create_api_key(request).await.expect("it is made").into_inner();
    let key = made.key.expect("the key");
    assert_eq!(
        (&key.tenant_id, key.scopes.as_slice()),
        (&tenant.id, &["read".to_owned()][..])
    );
    assert!(made.token.starts_with(&key.hint));

    let list = || pb::ListApiKeysRequest::default();
    let listed = tenants.list_api_keys(list()).await.expect("a list").into_inner().keys;
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0], key, "newest first");
    let revoke = pb::RevokeApiKeyRequest { key_id: key.id };
    tenants.revoke_api_key(revoke).await.expect("it can be revoked");
    let listed = tenants.list_api_keys(list()).await.expect("a list").into_inner().keys;
    assert_eq!(listed.len(), 1);

    let operators = system
        .operator
        .tenants()
        .list_api_keys(list())
        .await
        .expect("a list")
        .into_inner()
        .keys;
    assert!(operators.len() == 1 && operators[0].tenant_id.is_empty());
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_named() {
    let system = Standalone::start().await;
    let mut tenants = system.operator.tenants();
    for name in ["", "  ", &"n".repeat(201)] {
        let answer = tenants
            .create_tenant(pb::CreateTenantRequest { name: name.to_owned() })
            .await;
        invalid(answer, "name_invalid", "name", "1 to 200 characters");
    }
    invalid(
        tenants.get_tenant(get("acme")).await,
        "id_invalid",
        "tenant_id",
        "write `ten_` followed by",
    );
    let key = |change: &dyn Fn(&mut pb::CreateApiKeyRequest)| {
        let mut request = pb::CreateApiKeyRequest::default();
        change(&mut request);
        request
    };
    let answer = tenants
        .create_api_key(key(&|k| k.scopes = vec!["root".to_owned()]))
        .await;
    invalid(answer, "scope_unknown", "scopes", "use `publish`, `read` or `manage`");
    let past = timestamp(Timestamp::now() - SignedDuration::from_secs(1));
    let answer = tenants.create_api_key(key(&|k| k.expires_at = Some(past))).await;
    invalid(answer, "expiry_in_past", "expires_at", "give a time in the future");
    let nobody = nobody().id;
    let answer = tenants.create_api_key(key(&|k| k.tenant_id.clone_from(&nobody))).await;
    let words = format!("there is no tenant {nobody}");
    refused(answer, Code::NotFound, "tenant_unknown", "tenant_id", &words);
    let revoke = pb::RevokeApiKeyRequest {
        key_id: "tk_1".to_owned(),
    };
    let answer = tenants.revoke_api_key(revoke).await;
    invalid(
        answer,
        "id_invalid",
        "key_id",
        "write `key_` followed by 32 hexadecimal digits",
    );
}
