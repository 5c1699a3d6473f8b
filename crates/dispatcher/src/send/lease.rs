//! A pooled connection while one request uses it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};

use super::outbound::Outbound;
use super::pool::{About, Origin, Pool, Shared};
use super::tap::Tap;

/// Time for the HTTP library to make a connection ready again after a response was read.
const READY: Duration = Duration::from_millis(50);

/// Safety margin before the end of a receiver's keep-alive timeout: a request takes time to arrive.
const MARGIN: Duration = Duration::from_secs(1);

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// A connection, until this is dropped or given back.
pub(super) struct Lease {
    pool: Arc<Pool>,
    origin: Origin,
    /// None after it was given back.
    channel: Option<Channel>,
    about: Arc<About>,
    /// Earlier requests have used the connection.
    pub(super) reused: bool,
}

pub(super) enum Channel {
    One(http1::SendRequest<Outbound>),
    /// A stream of a shared HTTP/2 connection.
    Stream(Arc<Shared>),
}

impl Lease {
    pub(super) fn new(pool: Arc<Pool>, origin: Origin, channel: Channel, about: Arc<About>, reused: bool) -> Self {
        Self {
            pool,
            origin,
            channel: Some(channel),
            about,
            reused,
        }
    }

    pub(super) fn is_http2(&self) -> bool {
        matches!(self.channel, Some(Channel::Stream(_)))
    }

    pub(super) fn tap(&self) -> &Tap {
        &self.about.tap
    }

    pub(super) fn remote(&self) -> Option<IpAddr> {
        self.about.remote
    }

    /// Sends a request and waits for the head of its response.
    pub(super) async fn send(
        &mut self,
        request: Request<Outbound>,
    ) -> Result<Response<Incoming>, Option<TrySendError<Request<Outbound>>>> {
        match &mut self.channel {
            Some(Channel::One(sender)) => {
                self.about.tap.begin();
                let response = sender.try_send_request(request).await.map_err(Some)?;
                self.about.tap.understood();
                Ok(response)
            }
            Some(Channel::Stream(shared)) => shared.sender.clone().try_send_request(request).await.map_err(Some),
            None => Err(None),
        }
    }

    /// Gives the connection back after a response with these headers was read to its end.
    pub(super) async fn give_back(mut self, headers: &HeaderMap) {
        if self.is_http2() {
            return;
        }
        let kept_for = kept_for(headers);
        if let Some(Channel::One(mut sender)) = self.channel.take()
            && (sender.is_ready() || matches!(tokio::time::timeout(READY, sender.ready()).await, Ok(Ok(()))))
        {
            self.pool.put(&self.origin, sender, self.about.clone(), kept_for);
        }
    }

    /// Retires the connection, because it was silent for too long.
    pub(super) fn retire(self) {
        // Silence on a new HTTP/1.1 connection is the receiver's own; on an old one, its neighbours may be dead as
        // well.
        if self.is_http2() || self.reused {
            self.pool.retire(&self.origin, self.channel.as_ref());
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(Channel::Stream(shared)) = &self.channel {
            shared.end();
        }
    }
}

/// The receiver's keep-alive timeout (RFC 2068, section 19.7.1), less [`MARGIN`].
fn kept_for(headers: &HeaderMap) -> Option<Duration> {
    let parameters = headers.get_all(KEEP_ALIVE);
    let parameters = parameters.iter().filter_map(|value| value.to_str().ok());
    let mut kept_for = None;
    for (name, value) in parameters
        .flat_map(|value| value.split([',', ';']))
        .filter_map(|parameter| parameter.split_once('='))
    {
        let Ok(number) = value.trim().trim_matches('"').parse::<f64>() else {
            continue;
        };
        let name = name.trim();
        if name.eq_ignore_ascii_case("timeout") {
            let timeout = Duration::try_from_secs_f64(number.clamp(0.0, 86_400.0)).unwrap_or_default();
            // Half at most, or short timeouts would leave no time for another request.
            kept_for = Some(timeout - MARGIN.min(timeout / 2));
        } else if name.eq_ignore_ascii_case("max") && number < 1.0 {
            return Some(Duration::ZERO);
        }
    }
    kept_for
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(value: &str) -> Option<u64> {
        let headers = HeaderMap::from_iter([(KEEP_ALIVE, value.parse().unwrap())]);
        kept_for(&headers).map(|kept| kept.as_millis() as u64)
    }

    #[test]
    fn a_connection_is_kept_for_less_than_its_receiver_says() {
        assert_eq!(kept("timeout=5"), Some(4_000));
        assert_eq!(kept("timeout=5, max=100"), Some(4_000));
        assert_eq!(kept("max=99; Timeout = \"15\""), Some(14_000));
        assert_eq!(kept("timeout=1"), Some(500));
        assert_eq!(kept("timeout=0"), Some(0));
        assert_eq!(kept("timeout=-3"), Some(0));
        assert_eq!(kept("timeout=1e30"), Some(86_399_000));
        assert_eq!(kept("timeout=5, max=0"), Some(0));
        assert_eq!(kept("timeout=soon"), None);
        assert_eq!(kept("yes"), None);
        assert_eq!(kept_for(&HeaderMap::new()), None);
    }
}
