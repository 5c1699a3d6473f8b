//! `tidings secrets rekey`.

use tidings_acceptance::{SOON, Standalone, endpoint};
use tidings_proto::pb;
use tidings_store::seal::SealKey;

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
