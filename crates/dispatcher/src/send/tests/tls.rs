//! Client certificates and pinned authorities, against real TLS servers.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tidings_domain::ClientCertificate;
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::TlsAcceptor;

use super::receiver::read_request;
use super::*;

/// An authority that signs certificates.
pub(super) struct Authority {
    pub(super) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    pub(super) fn certificate(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> ClientCertificate {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        ClientCertificate {
            chain: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    fn of_client(&self) -> ClientCertificate {
        self.certificate("tidings.example", ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// A receiver on loopback with a certificate of this authority, which asks for one of another if there is one.
    async fn receiver(&self, asks_for: Option<&Authority>) -> Receiver {
        showing(
            self.certificate("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth),
            asks_for,
        )
        .await
    }
}

/// A receiver on loopback with this certificate.
async fn showing(certificate: ClientCertificate, asks_for: Option<&Authority>) -> Receiver {
    let ClientCertificate { chain, key } = certificate;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match asks_for {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap())
                .unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()));
    Receiver::start(move |caller: Caller| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(caller.stream).await?;
            loop {
                read_request(&mut stream).await?;
                stream.write_all(OK.as_bytes()).await?;
            }
        }
    })
    .await
}

fn shown(certificate: Option<ClientCertificate>, trusted: &Authority) -> Authentication {
    Authentication {
        client_certificate: certificate,
        trusted_ca: Some(trusted.pem.clone()),
        ..Authentication::default()
    }
}

async fn send(sender: &Sender, receiver: &Receiver, authentication: Authentication) -> Result<Answer, NoAnswer> {
    let endpoint = endpoint(&receiver.url("https"), authentication);
    sender.send(&endpoint, &mut request("{}"), None, DEADLINE).await
}

#[tokio::test]
async fn only_the_pinned_authority_is_trusted() {
    let (ours, other, sender) = (Authority::new("ours"), Authority::new("other"), sender());
    let receiver = ours.receiver(None).await;

    let answer = send(&sender, &receiver, shown(None, &ours)).await;
    assert_eq!(answer.unwrap().body, "ok");

    for authentication in [Authentication::default(), shown(None, &other)] {
        let refused = send(&sender, &receiver, authentication).await.unwrap_err();
        assert_eq!(refused.reason, FailureReason::Tls, "{}", refused.error);
        assert!(
            refused.error.contains("no authority that is trusted here"),
            "{}",
            refused.error
        );
    }
    let both = Authentication {
        trusted_ca: Some(other.pem.clone() + &ours.pem),
        ..Authentication::default()
    };
    assert_eq!(send(&sender, &receiver, both).await.unwrap().body, "ok");
}

#[tokio::test]
async fn a_receiver_that_asks_for_a_certificate_gets_it() {
    let [servers, clients, strangers] = ["servers", "clients", "strangers"].map(Authority::new);
    let sender = sender();
    let receiver = servers.receiver(Some(&clients)).await;

    let certificate = clients.of_client();
    let answer = send(&sender, &receiver, shown(Some(certificate.clone()), &servers)).await;
    assert_eq!(answer.unwrap().body, "ok");

    for certificate in [None, Some(strangers.of_client())] {
        let refused = send(&sender, &receiver, shown(certificate, &servers)).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.reason, FailureReason::Tls, "{}", refused.error);
    }
    // The connection of the first is still there, and it is used only for those who show the same certificate.
    let before = receiver.connections();
    let answer = send(&sender, &receiver, shown(Some(certificate), &servers)).await;
    assert_eq!(answer.unwrap().body, "ok");
    assert_eq!(receiver.connections(), before);
    let renewed = shown(Some(clients.of_client()), &servers);
    assert_eq!(send(&sender, &receiver, renewed).await.unwrap().body, "ok");
    assert_eq!(receiver.connections(), before + 1);
}

#[tokio::test]
async fn a_certificate_that_can_not_be_used_says_what_to_change() {
    let (authority, sender) = (Authority::new("ours"), sender());
    let receiver = authority.receiver(None).await;
    let (one, other) = (authority.of_client(), authority.of_client());
    let broken = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let with = |chain: &str, key: &str| {
        let certificate = ClientCertificate {
            chain: chain.to_owned(),
            key: key.to_owned(),
        };
        shown(Some(certificate), &authority)
    };
    let pinning = |pem: &str| Authentication {
        trusted_ca: Some(pem.to_owned()),
        ..Authentication::default()
    };
    for (authentication, advice) in [
        (with(&one.chain, &other.key), "the key that belongs to the first"),
        (with(broken, &one.key), "client certificate can't be used"),
        (with("", &one.key), "give PEM"),
        (with(&one.chain, ""), "give PEM of an unencrypted key"),
        (pinning(broken), "trusted CA can't be used"),
        (pinning("junk"), "give PEM"),
    ] {
        let refused = send(&sender, &receiver, authentication).await.unwrap_err();
        assert_eq!(refused.reason, FailureReason::Tls);
        assert!(refused.error.contains(advice), "{}", refused.error);
        assert!(!refused.error.contains("BEGIN"), "{}", refused.error);
    }
    assert_eq!(receiver.connections(), 0);
}

/// As `openssl req -x509` makes it: issued by itself, and an authority by its own account.
fn by_itself(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> ClientCertificate {
    let key = KeyPair::generate().unwrap();
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, "127.0.0.1");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut params);
    ClientCertificate {
        chain: params.self_signed(&key).unwrap().pem(),
        key: key.serialize_pem(),
    }
}

fn trusting(pem: &str) -> Authentication {
    Authentication {
        trusted_ca: Some(pem.to_owned()),
        ..Authentication::default()
    }
}

#[tokio::test]
async fn who_names_exactly_this_certificate_trusts_it() {
    let (sender, other) = (sender(), Authority::new("other"));
    let plain = |params: &mut CertificateParams| params.is_ca = IsCa::NoCa;
    let issued = other.certificate("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
    for (certificate, kind) in [
        (by_itself(&["127.0.0.1"], |_| {}), "an authority by its own account"),
        (by_itself(&["127.0.0.1"], plain), "nobody but itself"),
        (by_itself(&[], |_| {}), "without names"),
        (issued, "issued by somebody"),
    ] {
        let receiver = showing(certificate.clone(), None).await;
        let answer = send(&sender, &receiver, trusting(&certificate.chain)).await;
        let answer = answer.unwrap_or_else(|failed| panic!("{kind}: {}", failed.error));
        assert_eq!(answer.body, "ok");
        let among_others = other.pem.clone() + &certificate.chain;
        assert_eq!(
            send(&sender, &receiver, trusting(&among_others)).await.unwrap().body,
            "ok"
        );

        let twin = by_itself(&["127.0.0.1"], |_| {});
        let refused = send(&sender, &receiver, trusting(&twin.chain)).await.unwrap_err();
        assert_eq!(refused.reason, FailureReason::Tls, "{kind}: {}", refused.error);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_said_in_a_sentence() {
    let (sender, ours) = (sender(), Authority::new("ours"));
    let expired = by_itself(&["127.0.0.1"], |params| {
        params.not_after = rcgen::date_time_ymd(2020, 2, 3)
    });
    let future = by_itself(&["127.0.0.1"], |params| {
        params.not_before = rcgen::date_time_ymd(4000, 2, 3)
    });
    let elsewhere = by_itself(&["a.example", "*.b.example", "10.0.0.1"], |_| {});
    let of_client = ours.certificate("127.0.0.1", ExtendedKeyUsagePurpose::ClientAuth);
    for (certificate, trusted, words) in [
        (
            expired.clone(),
            expired.chain,
            "the receiver's certificate expired on 2020-02-03 00:00 UTC",
        ),
        (
            future.clone(),
            future.chain,
            "the receiver's certificate is valid from 4000-02-03 00:00 UTC on only",
        ),
        (
            elsewhere.clone(),
            elsewhere.chain,
            "the receiver's certificate is not for `127.0.0.1`, but for a.example, *.b.example, 10.0.0.1",
        ),
        (
            of_client,
            ours.pem.clone(),
            "the receiver's certificate may not be used for servers (extended key usage)",
        ),
        (
            by_itself(&["127.0.0.1"], |_| {}),
            ours.pem.clone(),
            "the receiver shows the certificate of an authority as its own: give exactly this certificate",
        ),
    ] {
        let receiver = showing(certificate, None).await;
        let refused = send(&sender, &receiver, trusting(&trusted)).await.unwrap_err();
        assert_eq!(refused.reason, FailureReason::Tls);
        assert!(refused.error.starts_with(words), "{}", refused.error);
    }
}
