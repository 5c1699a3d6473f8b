//! The certificates of a listener: what it shows to clients, and which clients it wants to know.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::tls::{TlsError, server_config};

/// The time after which files are read again: certificates are replaced while processes run.
const READ_EVERY: Duration = Duration::from_secs(60);

/// TLS of a listener (`[server.grpc_tls]`, `[server.http_tls]`). Files hold PEM and are read again every minute.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServerTls {
    /// The listener's certificate with those between it and its authority.
    pub certificate_file: PathBuf,
    /// The key of that certificate.
    pub key_file: PathBuf,
    /// The authorities whose certificates clients must show (mTLS); without it no client has to show one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca_file: Option<PathBuf>,
}

impl ServerTls {
    /// Fails when the files can't be used.
    pub fn check(&self) -> Result<(), TlsError> {
        server_config(self, &[]).map(|_| ())
    }
}

/// The certificates that a listener uses now.
pub(super) struct Certificates {
    files: ServerTls,
    protocols: &'static [&'static [u8]],
    current: Mutex<Read>,
}

struct Read {
    config: Arc<ServerConfig>,
    at: Instant,
}

impl Certificates {
    /// Reads the files. `protocols` are those of the listener by their ALPN names, the preferred one first.
    pub(super) fn read(files: ServerTls, protocols: &'static [&'static [u8]]) -> Result<Self, TlsError> {
        let config = Arc::new(server_config(&files, protocols)?);
        Ok(Self {
            files,
            protocols,
            current: Mutex::new(Read {
                config,
                at: Instant::now(),
            }),
        })
    }

    /// Agrees upon TLS with a client.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(self.current()).accept(stream).await
    }

    fn current(&self) -> Arc<ServerConfig> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.at.elapsed() >= READ_EVERY {
            current.at = Instant::now();
            match server_config(&self.files, self.protocols) {
                Ok(config) => current.config = Arc::new(config),
                Err(error) => {
                    tracing::error!(%error, "certificates can't be read again; those read before stay in use")
                }
            }
        }
        current.config.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::*;

    fn write(directory: &Path) -> ServerTls {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let files = ServerTls {
            certificate_file: directory.join("certificate"),
            key_file: directory.join("key"),
            client_ca_file: None,
        };
        fs::write(&files.certificate_file, cert.pem()).unwrap();
        fs::write(&files.key_file, signing_key.serialize_pem()).unwrap();
        files
    }

    /// The certificates after the files were looked at again.
    fn read_again(certificates: &Certificates) -> Arc<ServerConfig> {
        let long_ago = Instant::now().checked_sub(READ_EVERY).unwrap();
        certificates.current.lock().unwrap().at = long_ago;
        certificates.current()
    }

    #[test]
    fn certificates_are_replaced_and_broken_ones_are_not_taken() {
        let directory = tempfile::tempdir().unwrap();
        let files = write(directory.path());
        let certificates = Certificates::read(files.clone(), &[b"h2"]).unwrap();
        let first = certificates.current();
        assert!(Arc::ptr_eq(&first, &certificates.current()), "not read again at once");
        write(directory.path());
        let second = read_again(&certificates);
        assert!(!Arc::ptr_eq(&first, &second));
        fs::write(&files.key_file, "nothing in PEM").unwrap();
        assert!(Arc::ptr_eq(&second, &read_again(&certificates)));
        assert!(files.check().unwrap_err().to_string().contains("private key"));
    }
}
