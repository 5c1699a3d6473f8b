//! Reaching another role over gRPC.

use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::SecretText;
use crate::tls::{ClientTls, TlsError};

/// Calls to a role with the token that roles share. Cheap to clone; reconnects by itself.
pub type InternalChannel = InterceptedService<Channel, InternalToken>;

/// Adds the token that roles share.
#[derive(Clone)]
pub struct InternalToken(MetadataValue<Ascii>);

impl Interceptor for InternalToken {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// Why a client can't be made from its configuration.
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
        /// What it says.
        server: String,
    },
    /// TLS that can't be set up, or is set and not asked for.
    #[error("{key}: {source}", key = key.replace(".servers", ".tls"))]
    Tls {
        /// The key of the configuration that names the servers.
        key: &'static str,
        /// Why.
        source: TlsError,
    },
    /// Settings of TLS for a server without.
    #[error("{key}: `{server}` is without TLS, for which there are settings: write it like `https://log:50052`")]
    NoTls {
        /// The key of the configuration.
        key: &'static str,
        /// What it says.
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
    let channel = channel(key, servers, tls, connect_timeout)?;
    let token = format!("Bearer {}", token.reveal())
        .parse()
        .map_err(|_| ClientError::Token)?;
    Ok(InterceptedService::new(channel, InternalToken(token)))
}

/// Whether these are servers that a channel can be made to, with TLS as `tls` says.
pub fn check(key: &'static str, servers: &[String], tls: &ClientTls) -> Result<(), ClientError> {
    endpoints(key, servers, tls).map(|_| ())
}

/// The same without the token, for calls that are made in the name of somebody else. Servers `https://` are reached with
/// TLS, checked by `tls`.
pub fn channel(
    key: &'static str,
    servers: &[String],
    tls: &ClientTls,
    connect_timeout: Duration,
) -> Result<Channel, ClientError> {
    let endpoints = endpoints(key, servers, tls)?.into_iter().map(|endpoint| {
        endpoint
            .connect_timeout(connect_timeout)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(5))
            .initial_stream_window_size(4 * 1024 * 1024)
            .initial_connection_window_size(8 * 1024 * 1024)
    });
    let endpoints: Vec<_> = endpoints.collect();
    match endpoints.as_slice() {
        [only] => Ok(only.connect_lazy()),
        _ => Ok(Channel::balance_list(endpoints.into_iter())),
    }
}

fn endpoints(key: &'static str, servers: &[String], tls: &ClientTls) -> Result<Vec<Endpoint>, ClientError> {
    if servers.is_empty() {
        return Err(ClientError::NoServers(key));
    }
    let endpoint = |server: &String| {
        let wrong = || ClientError::Address {
            key,
            server: server.clone(),
        };
        let endpoint = Endpoint::from_shared(server.clone()).map_err(|_| wrong())?;
        if endpoint.uri().scheme_str() == Some("https") {
            let tls = tls.grpc().map_err(|source| ClientError::Tls { key, source })?;
            endpoint.tls_config(tls).map_err(|_| wrong())
        } else if tls.is_set() {
            let server = server.clone();
            Err(ClientError::NoTls { key, server })
        } else {
            Ok(endpoint)
        }
    };
    servers.iter().map(endpoint).collect()
}
