//! A receiver that speaks HTTP/2 over TLS, and lets few requests in at once on a connection, as gateways do that many
//! tenants lead to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use rcgen::CertifiedKey;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::Arrived;

/// Counters and response times by path.
type Ways = Arc<Vec<(&'static str, Duration, Arc<Arrived>)>>;

/// Returns its address, its certificate, and what arrives for each path.
pub(super) async fn start<const PATHS: usize>(
    streams: u32,
    paths: [(&'static str, Duration); PATHS],
) -> anyhow::Result<(SocketAddr, String, Vec<Arc<Arrived>>)> {
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .context("no TLS for the receiver")?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let arrived = paths.map(|_| Arc::new(Arrived::default())).to_vec();
    let ways = paths.into_iter().zip(arrived.clone());
    let ways: Ways = Arc::new(ways.map(|((path, after), arrived)| (path, after, arrived)).collect());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, ways) = (acceptor.clone(), ways.clone());
            tokio::spawn(async move {
                let _ = stream.set_nodelay(true);
                let Ok(tls) = acceptor.accept(stream).await else { return };
                let handshake = h2::server::Builder::new()
                    .max_concurrent_streams(streams)
                    .handshake(tls)
                    .await;
                let Ok(mut connection) = handshake else { return };
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tokio::spawn(answer(request, respond, ways.clone()));
                }
            });
        }
    });
    Ok((address, cert.pem(), arrived))
}

async fn answer(request: http::Request<RecvStream>, mut respond: SendResponse<Bytes>, ways: Ways) {
    let (head, mut body) = request.into_parts();
    while let Some(Ok(data)) = body.data().await {
        let _ = body.flow_control().release_capacity(data.len());
    }
    if let Some((_, after, arrived)) = ways.iter().find(|(path, ..)| *path == head.uri.path()) {
        let event = head
            .headers
            .get("webhook-id")
            .and_then(|id| id.to_str().ok()?.parse().ok());
        arrived.note_event(event);
        if !after.is_zero() {
            tokio::time::sleep(*after).await;
        }
    }
    // Whoever asked may have left.
    let _ = respond.send_response(http::Response::new(()), true);
}
