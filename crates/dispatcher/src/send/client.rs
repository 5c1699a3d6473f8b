//! The HTTP clients that requests are sent with.
//!
//! Need: connections are shared by all endpoints, but never one that shows a client certificate, or that was let in by
//! one endpoint's own authority, with an endpoint that did not ask for it. Mechanism: one client for all endpoints
//! that have neither, and one for each pair of certificate and authority otherwise, made at the first use and dropped
//! after a rest. All connect in the same way and under the same bounds. Limit: a certificate's dates are not
//! looked at; the receiver does that.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls_platform_verifier::Verifier;
use sha2::{Digest as _, Sha256};
use tidings_domain::{Authentication, ClientCertificate, FailureReason};

use super::connect::Network;
use super::http_client::HttpClient;
use super::trust::Pinned;
use super::{NoAnswer, SenderError};

/// How many clients with a certificate or an authority of their own are kept, and for how long without a request. What
/// goes is made again when it is needed.
const MAX_CLIENTS: u64 = 1_000;
const KEPT_IDLE: Duration = Duration::from_secs(600);

/// Hands out clients.
pub(super) struct Clients {
    shared: HttpClient,
    own: Cache<[u8; 32], HttpClient>,
    making: Making,
}

/// Why requests can't be sent with an endpoint's certificate or authority.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum CertificateError {
    #[error("the endpoint's {0} has no certificate that can be read: give PEM")]
    Unreadable(&'static str),
    #[error("the endpoint's trusted CA can't be used: give X.509 certificates in PEM")]
    Authority,
    #[error("the private key of the endpoint's client certificate can't be read: give PEM of an unencrypted key")]
    Key,
    #[error(
        "the endpoint's client certificate can't be used: give the certificate first, then those that lead to an \
         authority, and the key that belongs to the first"
    )]
    Certificate,
    #[error("no client could be made: {0}")]
    Client(String),
}

impl Clients {
    /// Clients that connect over this network.
    pub(super) fn new(network: Arc<Network>) -> Result<Self, SenderError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = Verifier::new(provider.clone())
            .map_err(|error| SenderError(format!("no authorities to check certificates with: {error}")))?;
        let making = Making {
            network,
            provider,
            verifier: Arc::new(verifier),
        };
        let shared = making
            .client(None, None)
            .map_err(|error| SenderError(error.to_string()))?;
        let own = Cache::builder()
            .max_capacity(MAX_CLIENTS)
            .time_to_idle(KEPT_IDLE)
            .build();
        Ok(Self { shared, own, making })
    }

    /// The client of all endpoints that have nothing of their own.
    pub(super) fn shared(&self) -> &HttpClient {
        &self.shared
    }

    /// The client for requests that are let in by this.
    pub(super) fn of(&self, authentication: &Authentication) -> Result<HttpClient, CertificateError> {
        let certificate = authentication.client_certificate.as_ref();
        let authority = authentication.trusted_ca.as_deref();
        if certificate.is_none() && authority.is_none() {
            return Ok(self.shared.clone());
        }
        let make = || self.making.client(certificate, authority);
        self.own
            .try_get_with(fingerprint(certificate, authority), make)
            .map_err(|error| CertificateError::clone(&error))
    }
}

/// What every client is made of.
struct Making {
    network: Arc<Network>,
    provider: Arc<CryptoProvider>,
    /// The authorities of the system; reading them takes long, so all clients share them.
    verifier: Arc<Verifier>,
}

impl Making {
    fn client(
        &self,
        certificate: Option<&ClientCertificate>,
        authority: Option<&str>,
    ) -> Result<HttpClient, CertificateError> {
        let tls = self.tls(certificate, authority)?;
        Ok(HttpClient::new(self.network.clone(), tls))
    }

    /// How connections are secured: with an authority, no other one counts.
    fn tls(
        &self,
        certificate: Option<&ClientCertificate>,
        authority: Option<&str>,
    ) -> Result<ClientConfig, CertificateError> {
        let builder = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| CertificateError::Client(error.to_string()))?;
        let builder = match authority {
            None => builder
                .dangerous()
                .with_custom_certificate_verifier(self.verifier.clone()),
            Some(pem) => {
                let pinned = Pinned::new(certificates("trusted CA", pem)?, self.provider.clone());
                let pinned = pinned.map_err(|_| CertificateError::Authority)?;
                builder.dangerous().with_custom_certificate_verifier(Arc::new(pinned))
            }
        };
        let config = match certificate {
            None => builder.with_no_client_auth(),
            Some(ClientCertificate { chain, key }) => {
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| CertificateError::Key)?;
                builder
                    .with_client_auth_cert(certificates("client certificate", chain)?, key)
                    .map_err(|_| CertificateError::Certificate)?
            }
        };
        Ok(config)
    }
}

impl From<CertificateError> for NoAnswer {
    fn from(error: CertificateError) -> Self {
        Self::new(FailureReason::Tls, error.to_string())
    }
}

fn certificates(what: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|certificates| !certificates.is_empty())
        .ok_or(CertificateError::Unreadable(what))
}

/// What a client is found by again, so that no key is kept beside the client that needs it.
fn fingerprint(certificate: Option<&ClientCertificate>, authority: Option<&str>) -> [u8; 32] {
    let mut hash = Sha256::new();
    let parts = [
        certificate.map(|certificate| certificate.chain.as_str()),
        certificate.map(|certificate| certificate.key.as_str()),
        authority,
    ];
    for part in parts {
        // The length keeps parts apart that run into each other; no part has the length of a missing one.
        let length = part.map_or(u64::MAX, |part| part.len() as u64);
        hash.update(length.to_be_bytes());
        hash.update(part.unwrap_or_default());
    }
    hash.finalize().into()
}
