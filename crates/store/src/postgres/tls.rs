//! Encryption of connections.
//!
//! `sslmode=require` in the URL means TLS with a checked certificate; anything else means none. There is no
//! silent middle (encrypted if possible, certificate unchecked), because it protects from nobody who can
//! stand in between.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::StoreError;

pub(super) type Tls = MakeRustlsConnect;

/// The connector for these settings, which are made to say "TLS" or "no TLS" and nothing between.
pub(super) fn connector(session: &mut tokio_postgres::Config, ca_file: Option<&Path>) -> Result<Tls, StoreError> {
    if session.get_ssl_mode() != SslMode::Require {
        session.ssl_mode(SslMode::Disable);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StoreError::Refused(format!("TLS can't be set up: {error}")))?
        .with_root_certificates(roots(ca_file)?)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, StoreError> {
    let Some(path) = ca_file else {
        return Ok(RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()));
    };
    let refused = |error: String| StoreError::Refused(format!("`ca_file` {} can't be used: {error}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| refused(e.to_string()))? {
        let certificate = certificate.map_err(|e| refused(e.to_string()))?;
        roots.add(certificate).map_err(|e| refused(e.to_string()))?;
    }
    Ok(roots)
}
