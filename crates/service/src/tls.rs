//! TLS of connections: whom either side trusts, and how it shows who it is.
//!
//! Files hold PEM. A client that brings its own transport reads them again with each connection; a role that calls another
//! reads them when it starts; a listener every minute.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde::{Deserialize, Serialize};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use crate::serve::ServerTls;

/// The client's side of TLS: its check of the server, and the certificate that it shows if the server asks for one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientTls {
    /// The authorities that are trusted, instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// The client's own certificate with those between it and its authority.
    pub certificate_file: Option<PathBuf>,
    /// The key of that certificate.
    pub key_file: Option<PathBuf>,
    /// The name that the server's certificate must bear, instead of the host in the address.
    pub server_name: Option<String>,
}

/// The reason that TLS can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing or holds something else.
    #[error("{path} can't be used as {what}: {reason}")]
    File {
        path: PathBuf,
        /// The expected content.
        what: &'static str,
        /// The reason that it can't be used.
        reason: String,
    },
    /// One half of a pair.
    #[error("certificate_file and key_file belong together: set both or neither")]
    Half,
    /// A server name that none can have.
    #[error("server_name `{0}` is neither a host name nor an address")]
    Name(String),
    /// The parts do not fit together.
    #[error("TLS can't be set up: {0}")]
    Unfit(String),
}

impl ClientTls {
    /// True if anything is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self != Self::default()
    }

    /// For clients that bring their own transport.
    pub fn rustls(&self) -> Result<ClientConfig, TlsError> {
        let unfit = |error: rustls::Error| TlsError::Unfit(error.to_string());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = match &self.ca_file {
            None => RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(path) => authorities(path)?,
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unfit)?
            .with_root_certificates(roots);
        match pair(self.certificate_file.as_deref(), self.key_file.as_deref())? {
            None => Ok(config.with_no_client_auth()),
            Some((certificate, key)) => config
                .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
                .map_err(unfit),
        }
    }

    /// For calls to another role.
    pub fn grpc(&self) -> Result<ClientTlsConfig, TlsError> {
        // Says what is wrong with which file, which the other does only when it connects.
        self.rustls()?;
        let mut config = match &self.ca_file {
            None => ClientTlsConfig::new().with_webpki_roots(),
            Some(path) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(path, AUTHORITIES)?)),
        };
        if let Some((certificate, key)) = pair(self.certificate_file.as_deref(), self.key_file.as_deref())? {
            config = config.identity(Identity::from_pem(read(certificate, CERTIFICATE)?, read(key, KEY)?));
        }
        if let Some(name) = &self.server_name {
            ServerName::try_from(name.as_str()).map_err(|_| TlsError::Name(name.clone()))?;
            config = config.domain_name(name);
        }
        Ok(config)
    }
}

/// A listener's side of TLS. `protocols` are its ALPN names, the preferred one first.
pub(crate) fn server_config(tls: &ServerTls, protocols: &[&[u8]]) -> Result<ServerConfig, TlsError> {
    let unfit = |error: &dyn std::fmt::Display| TlsError::Unfit(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| unfit(&error))?;
    let config = match &tls.client_ca_file {
        None => config.with_no_client_auth(),
        Some(path) => {
            let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(path)?), provider);
            config.with_client_cert_verifier(clients.build().map_err(|error| unfit(&error))?)
        }
    };
    let certificates = certificates(&tls.certificate_file)?;
    let key = private_key(&tls.key_file)?;
    let mut config = config
        .with_single_cert(certificates, key)
        .map_err(|error| unfit(&error))?;
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

const AUTHORITIES: &str = "certificates of authorities";
const CERTIFICATE: &str = "a certificate";
const KEY: &str = "a private key";

fn pair<'a>(certificate: Option<&'a Path>, key: Option<&'a Path>) -> Result<Option<(&'a Path, &'a Path)>, TlsError> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
        (None, None) => Ok(None),
        _ => Err(TlsError::Half),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unusable = |reason: String| file(path, CERTIFICATE, reason);
    let found = CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.to_string()))?;
    let found: Vec<_> = found
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(error.to_string()))?;
    if found.is_empty() {
        return Err(unusable("it holds no CERTIFICATE in PEM".into()));
    }
    Ok(found)
}

fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        let added = roots.add(certificate);
        added.map_err(|error| file(path, AUTHORITIES, error.to_string()))?;
    }
    Ok(roots)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| file(path, KEY, error.to_string()))
}

fn read(path: &Path, what: &'static str) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|error| file(path, what, error.to_string()))
}

fn file(path: &Path, what: &'static str, reason: String) -> TlsError {
    TlsError::File {
        path: path.to_owned(),
        what,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tempfile::TempDir;

    use super::*;

    struct Files {
        directory: TempDir,
    }

    impl Files {
        fn new() -> Self {
            let files = Self {
                directory: tempfile::tempdir().unwrap(),
            };
            let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            fs::write(files.path("certificate"), cert.pem()).unwrap();
            fs::write(files.path("key"), signing_key.serialize_pem()).unwrap();
            fs::write(files.path("broken"), "nothing in PEM").unwrap();
            files
        }

        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(name)
        }

        fn client(&self, ca: &str, certificate: &str, key: &str) -> ClientTls {
            let path = |name: &str| (!name.is_empty()).then(|| self.path(name));
            ClientTls {
                ca_file: path(ca),
                certificate_file: path(certificate),
                key_file: path(key),
                server_name: None,
            }
        }
    }

    #[test]
    fn what_is_wrong_with_a_client_is_said() {
        let files = Files::new();
        for good in [
            ("", "", ""),
            ("certificate", "", ""),
            ("certificate", "certificate", "key"),
        ] {
            let tls = files.client(good.0, good.1, good.2);
            assert!(tls.rustls().is_ok() && tls.grpc().is_ok(), "{good:?}");
        }
        for ((ca, certificate, key), expected) in [
            (("absent", "", ""), "absent can't be used as a certificate"),
            (("broken", "", ""), "it holds no CERTIFICATE in PEM"),
            (("", "certificate", ""), "belong together"),
            (("", "certificate", "broken"), "broken can't be used as a private key"),
        ] {
            let error = files.client(ca, certificate, key).grpc().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let mut named = files.client("", "", "");
        named.server_name = Some("no name".into());
        assert!(named.grpc().unwrap_err().to_string().contains("`no name`"));
    }
}
