//! Durations of an attempt's phases.

use std::time::Duration;

/// The parts of one request, as far as it came to them.
///
/// A connection that was there already cost nothing: then only `first_byte` is there. Of a request that failed, the
/// part that was under way counts until the failure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timing {
    /// Finding the address of the host; none if the URL has an address in it.
    pub dns: Option<Duration>,
    /// Making the TCP connection; through a proxy, also its way to the host.
    pub connect: Option<Duration>,
    /// The TLS handshake; none of `http://`.
    pub tls: Option<Duration>,
    /// From the beginning of the attempt until the status of the response was there: the other parts included, and
    /// asking an authorization server for a token.
    pub first_byte: Option<Duration>,
}
