//! TLS with certificates on both sides, between all roles and to whoever calls them.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tidings_acceptance::{SOON, Standalone, System};
use tidings_service::tls::ClientTls;
use tidings_testkit::{Binary, Receiver};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// An authority, a certificate of it for 127.0.0.1, and one of another authority.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        for [authority, name] in [["ca", "own"], ["other-ca", "foreign"]] {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().unwrap();
            files.write(authority, &params.self_signed(&key).unwrap().pem());
            let issuer = Issuer::new(params, key);
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
            files.write(name, &params.signed_by(&key, &issuer).unwrap().pem());
            files.write(&format!("{name}.key"), &key.serialize_pem());
        }
        files
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

/// Runs a command against a server, with an operator's key and the certificate of this name.
async fn tidings(files: &Files, certificate: &str, server: &str, key: &str, arguments: &[&str]) -> Output {
    let mut command = Binary::command();
    command
        .args(arguments)
        .env("TIDINGS_SERVER", server.replace("http://", "https://"))
        .env("TIDINGS_KEY", key)
        .env("TIDINGS_TLS_CA_FILE", files.path("ca"))
        .stdin(Stdio::null());
    if !certificate.is_empty() {
        command
            .env("TIDINGS_TLS_CERTIFICATE_FILE", files.path(certificate))
            .env("TIDINGS_TLS_KEY_FILE", files.path(&format!("{certificate}.key")));
    }
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

/// What a command printed that is expected to work.
async fn done(files: &Files, server: &str, key: &str, arguments: &[&str]) -> String {
    let output = tidings(files, "own", server, key, arguments).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tidings {}: {said}", arguments.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

/// Makes a tenant with an endpoint, tests it, publishes, and waits for both requests.
async fn deliver(files: &Files, control: &str, ingest: &str, key: &str) {
    let receiver = Receiver::start().await;
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let made = json(&done(files, control, key, &["tenant", "create", "Acme", "--output", "json"]).await);
    let tenant_key = made["token"].as_str().unwrap();
    let url = receiver.url();
    let create = [
        "endpoint",
        "create",
        "--url",
        &url,
        "--subscribe",
        "*",
        "--output",
        "json",
    ];
    let endpoint = json(&done(files, control, tenant_key, &create).await);
    let id = endpoint["id"].as_str().unwrap();
    // Control asks a dispatcher to send it.
    done(files, control, tenant_key, &["endpoint", "test", id]).await;
    let publish = ["publish", "--type", "feedback.created", "--payload", "{}"];
    done(files, ingest, tenant_key, &publish).await;
    receiver.wait_for(2, SOON).await;
}

#[tokio::test]
async fn roles_show_each_other_certificates_and_strangers_are_refused() {
    let files = Files::new();
    let mut system = System::prepare().await;
    system.speak_tls(&files.path("ca"), &files.path("own"), &files.path("own.key"));
    system.start_roles().await;
    let (key, control, ingest) = (&system.operator_token, &system.servers.control, &system.servers.ingest);
    deliver(&files, control, ingest, key).await;
    for certificate in ["", "foreign"] {
        let refused = tidings(&files, certificate, control, key, &["tenant", "list"]).await;
        assert!(!refused.status.success(), "with `{certificate}`");
    }
    // In plain text nobody is understood, and nobody is served.
    assert!(
        system
            .operator
            .tenants()
            .list_tenants(tidings_proto::pb::ListTenantsRequest::default())
            .await
            .is_err()
    );
    done(&files, control, key, &["tenant", "list"]).await;
}

#[tokio::test]
async fn one_process_speaks_tls_to_others_and_plain_text_to_itself() {
    let files = Files::new();
    let paths = ["own", "own.key", "ca"].map(|name| files.text(name));
    let standalone = Standalone::start_with(&[
        ("SERVER__GRPC_TLS__CERTIFICATE_FILE", &paths[0]),
        ("SERVER__GRPC_TLS__KEY_FILE", &paths[1]),
        ("SERVER__GRPC_TLS__CLIENT_CA_FILE", &paths[2]),
        ("SERVER__HTTP_TLS__CERTIFICATE_FILE", &paths[0]),
        ("SERVER__HTTP_TLS__KEY_FILE", &paths[1]),
    ])
    .await;
    let servers = &standalone.servers;
    deliver(&files, &servers.control, &servers.ingest, &standalone.operator_token).await;
    let answer = get_securely(&files.path("ca"), &servers.http).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// What `/healthz` answers over HTTPS.
async fn get_securely(authority: &Path, server: &str) -> String {
    let tls = ClientTls {
        ca_file: Some(authority.to_owned()),
        ..ClientTls::default()
    };
    let connector = TlsConnector::from(Arc::new(tls.rustls().unwrap()));
    let stream = TcpStream::connect(server.trim_start_matches("http://")).await.unwrap();
    let mut stream = connector
        .connect("127.0.0.1".try_into().unwrap(), stream)
        .await
        .unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nhost: tidings\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(SOON, stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    answer
}
