//! `tidings secrets rekey`, and what is missing for a while.

use std::fs;

use serde_json::json;
use tidings_acceptance::{SOON, Standalone, Tenant, endpoint, problem_code};
use tidings_proto::pb;
use tidings_store::seal::SealKey;
use tidings_testkit::{Receiver, wait_until};

use crate::commands::{fails, tidings};

fn key(name: &str) -> String {
    let key = SealKey::generate().reveal();
    format!("{name}:{}", key.split_once(':').unwrap().1)
}

#[tokio::test]
async fn secrets_get_a_new_key_and_the_old_one_can_go() {
    let (old, new) = (key("old"), key("new"));
    let keys = |keys: &[&String]| serde_json::to_string(keys).unwrap();
    let mut system = Standalone::start_with(&[("SECRETS__KEYS", &keys(&[&old]))]).await;
    let tenant = system.operator.create_tenant("rekey").await;
    let mut made = Vec::new();
    for number in 0..3 {
        let endpoint = endpoint(&tenant, &format!("http://127.0.0.1:9/{number}"));
        made.push(system.operator.create_endpoint(endpoint).await);
    }
    system.process.terminate(SOON).await;
    let data_dir = system.data_dir().display().to_string();
    let rekey = async |more: &[&str], keys: String| {
        let arguments = [&["secrets", "rekey", "--data-dir", &data_dir], more].concat();
        tidings(&arguments, &[("TIDINGS_SECRETS__KEYS", &keys)]).await
    };
    let said = async |more: &[&str]| {
        let output = rekey(more, keys(&[&new, &old])).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(
        said(&["--check"]).await,
        "key old: 3 secrets, 0 answers kept for a day\n"
    );
    let told = said(&[]).await;
    assert_eq!(
        told,
        "sealed again: 3 endpoints\nkey new: 3 secrets, 0 answers kept for a day\n"
    );
    assert_eq!(
        said(&["--check"]).await,
        "key new: 3 secrets, 0 answers kept for a day\n"
    );
    fails(
        &rekey(&[], keys(&[&old])).await,
        &["secrets of 3 endpoints", "add the keys"],
    );
    fails(&rekey(&[], "[]".to_owned()).await, &["secrets.keys is empty"]);

    system.process.set("TIDINGS_SECRETS__KEYS", keys(&[&new]));
    system.process.start().await;
    for endpoint in made {
        let request = pb::GetEndpointSecretRequest {
            endpoint_id: endpoint.id,
        };
        let shown = system.operator.endpoints().get_endpoint_secret(request).await.unwrap();
        assert_eq!(shown.into_inner().secret, endpoint.secret);
    }
}

/// A key and a dialect's file that a process lacks for a while: everything is held that needs them, and nothing is lost.
#[tokio::test]
async fn what_is_missing_for_a_while_loses_nothing() {
    let dialects = tempfile::tempdir().unwrap();
    let file = "name = 'acme'\ndescription = ''\nbody = '{{ payload }}'\n[headers]\nwebhook-id = '{{ id }}'\n[samples]\n'a.b' = '{}'\n";
    fs::write(dialects.path().join("acme.toml"), file).unwrap();
    let (directory, empty) = (dialects.path().display().to_string(), tempfile::tempdir().unwrap());
    let room = ("CONTROL__MAX_ENDPOINT_BYTES_PER_TENANT", "20000");
    let mut system = Standalone::start_with(&[("DIALECTS__DIRECTORY", &directory), room]).await;
    let receiver = Receiver::start().await;
    let tenant = system.operator.create_tenant("missing").await;
    let signed = system
        .operator
        .create_endpoint(endpoint(&tenant, &receiver.url()))
        .await;
    let unknown = pb::Endpoint {
        dialect: "acme".to_owned(),
        unsigned: true,
        ..endpoint(&tenant, &receiver.url())
    };
    let unknown = system.operator.create_endpoint(unknown).await;
    what_takes_too_much_memory_is_refused(&system, &tenant, &receiver).await;
    system.process.terminate(SOON).await;

    // A copy of the database without its key.
    let key = system.data_dir().join("secrets.key");
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    system.process.spawn();
    let (status, log) = system.process.wait_for_exit(SOON).await;
    assert!(
        !status.success() && log.contains("restore the one that belongs to the database"),
        "{log}"
    );
    assert!(!key.exists(), "no key takes its place");

    system.process.set("TIDINGS_STANDALONE__ACCEPT_LOST_KEYS", "true");
    system
        .process
        .set("TIDINGS_DIALECTS__DIRECTORY", empty.path().display().to_string());
    system.process.spawn();
    wait_until(SOON, "what is missing to be told", async || {
        let Ok(answer) = tidings_acceptance::get(&format!("{}/readyz", system.servers.http)).await else {
            return false;
        };
        answer.body.contains("`generated`") && answer.body.contains("`acme` (1 endpoints)")
    })
    .await;
    let event = system.operator.publish(&tenant, "feedback.created", json!({})).await;
    for (endpoint, reason) in [(&signed, "secret_unreadable"), (&unknown, "dialect_unknown")] {
        wait_until(SOON, reason, async || {
            let found = system.operator.deliveries_of(&event).await;
            let delivery = found
                .iter()
                .find(|delivery| delivery.endpoint_id == endpoint.id)
                .unwrap();
            (delivery.state.as_str(), delivery.reason.as_str()) == ("held", reason)
        })
        .await;
    }
    let request = pb::GetEndpointRequest {
        endpoint_id: signed.id.clone(),
    };
    let shown = system
        .operator
        .endpoints()
        .get_endpoint(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!((shown.unreadable, shown.unsigned), (vec!["secret".to_owned()], false));
    let request = pb::GetEndpointSecretRequest {
        endpoint_id: signed.id.clone(),
    };
    let refused = system
        .operator
        .endpoints()
        .get_endpoint_secret(request)
        .await
        .unwrap_err();
    assert_eq!(problem_code(&refused), "secret_unreadable");
    // What does not touch the secret can be changed, and leaves it as it is.
    let renamed = pb::UpdateEndpointRequest {
        endpoint: Some(pb::Endpoint {
            id: signed.id.clone(),
            name: "Renamed".to_owned(),
            ..pb::Endpoint::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["name".to_owned()],
        }),
    };
    system.operator.endpoints().update_endpoint(renamed).await.unwrap();
    assert_eq!(receiver.count(), 0);
    system.process.terminate(SOON).await;

    fs::write(&key, kept).unwrap();
    system.process.set("TIDINGS_DIALECTS__DIRECTORY", directory);
    system.process.start().await;
    for made in [&signed, &unknown] {
        system
            .operator
            .wait_for_all(std::slice::from_ref(&event), made, "succeeded")
            .await;
    }
    assert_eq!(receiver.count(), 2);
}

async fn what_takes_too_much_memory_is_refused(system: &Standalone, tenant: &Tenant, receiver: &Receiver) {
    let filtered = |number: usize| pb::Subscription {
        pattern: format!("type.number{number}"),
        filter: format!("payload.title == \"{}\"", "x".repeat(1_800)),
        ..pb::Subscription::default()
    };
    let large = pb::Endpoint {
        subscriptions: (0..12).map(filtered).collect(),
        ..endpoint(tenant, &receiver.url())
    };
    let request = pb::CreateEndpointRequest {
        endpoint: Some(large),
        disabled: false,
    };
    let refused = system.operator.endpoints().create_endpoint(request).await.unwrap_err();
    assert_eq!(problem_code(&refused), "endpoints_too_large");
    let named = [
        "subscriptions: shorten them",
        "may take 20000",
        "control.max_endpoint_bytes_per_tenant",
    ];
    assert!(named.iter().all(|part| refused.message().contains(part)), "{refused}");
}
