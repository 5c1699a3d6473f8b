//! What an endpoint's requests carry to be let in, in JSON.

use serde_json::{Value, json};
use tidings_acceptance::Standalone;

use super::{Caller, everything};

#[tokio::test]
async fn secrets_are_written_and_not_read() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("authentication").await;
    let caller = Caller::new(&system, &tenant.token);
    let mut new = everything();
    new["authentication"] = json!({
        "headers": { "X-Api-Key": "hidden-key" },
        "authorization": {
            "type": "oauth2",
            "token_url": "https://example.com/token",
            "client_id": "tidings",
            "client_secret": "hidden-secret",
            "scopes": ["hooks"],
            "credentials_in": "body",
        },
    });
    let made = caller.post("/endpoints", new).await.is(201);
    let masked = json!({
        "headers": { "X-Api-Key": "***" },
        "authorization": {
            "type": "oauth2",
            "token_url": "https://example.com/token",
            "client_id": "tidings",
            "client_secret": "***",
            "scopes": ["hooks"],
            "audience": null,
            "credentials_in": "body",
        },
        "client_certificate": null,
        "trusted_ca": null,
    });
    assert_eq!(made["authentication"], masked);
    let path = format!("/endpoints/{}", made["id"].as_str().unwrap());

    // Untouched by other changes, replaced as a whole, and a mask is not taken for what it stands for.
    let renamed = caller.patch(&path, json!({ "name": "Other" })).await.is(200);
    assert_eq!(renamed["authentication"], masked);
    let sent_back = caller.patch(&path, json!({ "authentication": masked })).await;
    sent_back.is_problem(
        400,
        "authentication_invalid",
        "authentication.headers",
        "give the value itself",
    );
    let bearer = json!({ "authorization": { "type": "bearer", "token": "hidden-token" } });
    let changed = caller.patch(&path, json!({ "authentication": bearer })).await.is(200);
    assert_eq!(changed["authentication"]["headers"], json!({}));
    assert_eq!(
        changed["authentication"]["authorization"],
        json!({ "type": "bearer", "token": "***" })
    );
    let again = json!({ "authorization": { "type": "bearer", "token": "hidden-other" } });
    caller
        .patch(
            &path,
            json!({ "authentication": again, "secret": "hidden-0123456789abcdef" }),
        )
        .await
        .is(200);
    let cleared = caller.patch(&path, json!({ "authentication": null })).await.is(200);
    assert_eq!(cleared["authentication"], Value::Null);
    for wrong in [
        json!({ "authorization": { "type": "digest" } }),
        json!({ "authorization": { "type": "basic", "username": "a" } }),
        json!({ "header": {} }),
    ] {
        let answer = caller.patch(&path, json!({ "authentication": wrong })).await;
        assert_eq!(answer.status, 400, "{answer:?}");
    }

    // The audit log tells that secrets are others, and not which.
    let audit = caller.get("/audit?action=endpoint.*").await.is(200);
    assert!(!audit.to_string().contains("hidden-"), "{audit}");
    let changed: Vec<_> = audit["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["after"]["secrets_changed"])
        .collect();
    let (headers, authorization) = ("authentication.headers", "authentication.authorization");
    assert_eq!(
        json!(changed),
        json!([
            [authorization],
            ["secret", authorization],
            [headers, authorization],
            null,
            null
        ])
    );
}
