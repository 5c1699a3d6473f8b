//! HTTP clients, one per combination of client certificate and pinned authority.
//!
//! Endpoints share connections, except that a connection which presents a client certificate, or was trusted because
//! of one endpoint's own authority, must not serve endpoints that did not configure it. So one client serves all
//! endpoints with neither, and each pair of certificate and authority has its own, created at first use and dropped
//! when idle. All clients connect in the same way and under the same limits. Validity dates of certificates are left
//! to the receiver to check.

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

/// Maximum number of clients with a certificate or authority of their own, and their idle lifetime. A dropped client
/// is created again when needed.
const MAX_CLIENTS: u64 = 1_000;
const KEPT_IDLE: Duration = Duration::from_secs(600);

pub(super) struct Clients {
    shared: HttpClient,
    own: Cache<[u8; 32], HttpClient>,
    making: Making,
}

/// Reason why an endpoint's certificate or authority can't be used.
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
    #[error("the HTTP client could not be created: {0}")]
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

    /// Client for requests with these credentials.
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

/// Parts common to all clients.
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

    /// TLS configuration. With a pinned authority, no other one is trusted.
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

/// Cache key of a client: a hash, so that no second copy of the private key is kept.
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
