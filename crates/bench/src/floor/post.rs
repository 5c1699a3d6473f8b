//! A signed POST over a kept connection.

use anyhow::Context as _;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rustix::time::{ClockId, clock_gettime};
use sha2::Sha256;
use tidings_domain::EventId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::receiver::{Manner, Sink};

/// Connections, each with one request at a time.
const CONNECTIONS: u32 = 16;

/// µs of CPU per request, of the sender's thread.
pub(super) async fn measure(payload: &[u8], times: u32) -> anyhow::Result<f64> {
    let sink = Sink::start(1, Manner::Answers).await?;
    let address = sink.addresses[0];
    let payload = payload.to_vec();
    let sender = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let before = thread_micros();
        runtime.block_on(async {
            let per_connection = times / CONNECTIONS;
            let sending = (0..CONNECTIONS).map(|_| send(address, &payload, per_connection));
            futures::future::try_join_all(sending).await
        })?;
        anyhow::Ok((thread_micros() - before) / f64::from(times / CONNECTIONS * CONNECTIONS))
    };
    let sent = tokio::task::spawn_blocking(sender).await?;
    sent.context("a signed POST failed")
}

async fn send(address: std::net::SocketAddr, payload: &[u8], times: u32) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut answer = [0; 1024];
    for _ in 0..times {
        let event = EventId::new();
        let mut mac = Hmac::<Sha256>::new_from_slice(b"a key of thirty-two bytes, no less")?;
        mac.update(format!("{event}.1700000000.").as_bytes());
        mac.update(payload);
        let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        let mut request = format!(
            "POST / HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\nwebhook-id: {event}\r\n\
             webhook-timestamp: 1700000000\r\nwebhook-signature: v1,{signature}\r\nContent-Length: {}\r\n\r\n",
            payload.len()
        )
        .into_bytes();
        request.extend_from_slice(payload);
        stream.write_all(&request).await?;
        anyhow::ensure!(
            stream.read(&mut answer).await? > 0,
            "the receiver closed the connection"
        );
    }
    Ok(())
}

fn thread_micros() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
