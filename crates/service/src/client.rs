//! Reaching another role over gRPC.

use std::time::Duration;

use http::Uri;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Status};

use crate::SecretText;
use crate::replicas::{Replicas, Server};
use crate::tls::{ClientTls, TlsError};

/// Calls to a role with the token that roles share. Cheap to clone; reconnects by itself.
pub type InternalChannel = InterceptedService<Replicas, InternalToken>;

/// Adds the token that roles share.
#[derive(Clone)]
pub struct InternalToken(MetadataValue<Ascii>);

impl Interceptor for InternalToken {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// The reason that a client can't be made from its configuration.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No address at all.
    #[error("{0} is empty: name at least one address like `http://log:50052`")]
    NoServers(&'static str),
    /// Not an address.
    #[error("{key}: `{server}` is not an address: write it like `http://log:50052`")]
    Address {
        /// The key of the configuration.
        key: &'static str,
        server: String,
    },
    /// TLS that can't be set up, or is set and not asked for.
    #[error("{key}: {source}", key = key.replace(".servers", ".tls"))]
    Tls {
        /// The key of the configuration that names the servers.
        key: &'static str,
        source: TlsError,
    },
    /// Settings of TLS for a server without.
    #[error("{key}: `{server}` is without TLS, for which there are settings: write it like `https://log:50052`")]
    NoTls {
        /// The key of the configuration.
        key: &'static str,
        server: String,
    },
    /// A token that can't be a header.
    #[error("internal.token must be visible ASCII")]
    Token,
}

/// A channel to a role's replicas, which are used in turn; calls bear the token that roles share. Nothing is connected
/// yet. `key` is the key of the configuration that names the servers, for errors.
pub fn internal_channel(
    key: &'static str,
    servers: &[String],
    tls: &ClientTls,
    connect_timeout: Duration,
    token: &SecretText,
) -> Result<InternalChannel, ClientError> {
    with_token(channel(key, servers, tls, connect_timeout)?, token)
}

/// The same of replicas that are known already.
pub fn with_token(replicas: Replicas, token: &SecretText) -> Result<InternalChannel, ClientError> {
    let token = format!("Bearer {}", token.reveal())
        .parse()
        .map_err(|_| ClientError::Token)?;
    Ok(InterceptedService::new(replicas, InternalToken(token)))
}

/// Checks that a channel can be made to these servers, with TLS as `tls` says.
pub fn check(key: &'static str, servers: &[String], tls: &ClientTls) -> Result<(), ClientError> {
    parse(key, servers, tls, Duration::ZERO).map(|_| ())
}

/// The same without the token, for calls that are made in the name of somebody else. Servers `https://` are reached with
/// TLS, checked by `tls`. All addresses of a name are used, and looked up again regularly.
pub fn channel(
    key: &'static str,
    servers: &[String],
    tls: &ClientTls,
    connect_timeout: Duration,
) -> Result<Replicas, ClientError> {
    Ok(Replicas::of(parse(key, servers, tls, connect_timeout)?))
}

fn parse(
    key: &'static str,
    servers: &[String],
    tls: &ClientTls,
    connect_timeout: Duration,
) -> Result<Vec<Server>, ClientError> {
    if servers.is_empty() {
        return Err(ClientError::NoServers(key));
    }
    let parsed = servers.iter().map(|server| {
        let wrong = || ClientError::Address {
            key,
            server: server.clone(),
        };
        let uri: Uri = server.parse().map_err(|_| wrong())?;
        let host = uri.host().filter(|_| uri.scheme().is_some()).ok_or_else(wrong)?;
        let encrypted = uri.scheme_str() == Some("https");
        if tls.is_set() && !encrypted {
            let server = server.clone();
            return Err(ClientError::NoTls { key, server });
        }
        let of_server = || match &tls.server_name {
            Some(_) => tls.grpc(),
            None => Ok(tls.grpc()?.domain_name(host.trim_matches(['[', ']']))),
        };
        let tls = encrypted.then(of_server).transpose();
        let tls = tls.map_err(|source| ClientError::Tls { key, source })?;
        let server = Server {
            uri,
            tls,
            connect_timeout,
        };
        // Whatever its address is, it can be called, or it never can.
        server.endpoint(([127, 0, 0, 1], 1).into()).map_err(|_| wrong())?;
        Ok(server)
    });
    parsed.collect()
}
