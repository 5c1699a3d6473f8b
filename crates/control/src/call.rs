//! One call: who makes it and from where, which rights are checked against and the audit log keeps.

use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::sync::Arc;

use http::header::{AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use serde_json::Value;
use tidings_auth::{Access, Caller};
use tidings_domain::{ApiKey, AuditEntry, TenantId};
use tidings_service::problem::Problem;

use crate::now;

/// Header that lists the addresses a call came through; the nearest one comes last.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Authenticates calls and finds the address they come from. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Callers {
    pub(crate) access: Access,
    /// Proxies whose `X-Forwarded-For` is believed.
    trusted_proxies: Arc<[IpNet]>,
}

impl Callers {
    pub(crate) fn new(access: Access, trusted_proxies: &[IpNet]) -> Self {
        Self {
            access,
            trusted_proxies: trusted_proxies.into(),
        }
    }

    /// The call that came with these headers (gRPC metadata are headers as well) over a connection from this address.
    pub(crate) fn call(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Result<Call, Problem> {
        Ok(self.call_of(self.access.caller(headers)?, headers, peer))
    }

    /// The call that bears the token of a portal link that works once, and the key behind the link.
    pub(crate) fn call_by_link(
        &self,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
    ) -> Result<(Call, Arc<ApiKey>), Problem> {
        let (caller, key) = self.access.link(headers)?;
        Ok((self.call_of(caller, headers, peer), key))
    }

    fn call_of(&self, caller: Caller, headers: &HeaderMap, peer: Option<IpAddr>) -> Call {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Call {
            caller,
            authorization: headers
                .get(AUTHORIZATION)
                .cloned()
                .unwrap_or(HeaderValue::from_static("")),
            remote_address: peer.map(|peer| origin(peer, headers, &self.trusted_proxies).to_string()),
            user_agent: headers.get(USER_AGENT).map(text),
        }
    }
}

/// The address a call comes from. Starts at the peer and follows `X-Forwarded-For` backwards as long as the address so
/// far is a trusted proxy; entries before an untrusted address may be made up by the client.
fn origin(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    let mut before = lines
        // One that can't be read ends what is known: what stands before it may be made up.
        .flat_map(|line| line.to_str().unwrap_or_default().rsplit(','))
        .map(|entry| address(entry.trim()));
    // A peer on a socket for both families is `::ffff:a.b.c.d`, which no IPv4 network contains.
    let mut origin = peer.to_canonical();
    while trusted.iter().any(|network| network.contains(&origin)) {
        let Some(Some(address)) = before.next() else { break };
        origin = address.to_canonical();
    }
    origin
}

/// Reads the address of an entry; some load balancers write the port as well.
fn address(entry: &str) -> Option<IpAddr> {
    let with_port = || entry.parse().ok().map(|address: SocketAddr| address.ip());
    entry.parse().ok().or_else(with_port)
}

/// One call: its caller's rights and origin. Dereferences to the caller.
#[derive(Clone, Debug)]
pub struct Call {
    caller: Caller,
    /// The caller's `Authorization` header, for calls to other services in the caller's name.
    pub(crate) authorization: HeaderValue,
    remote_address: Option<String>,
    user_agent: Option<String>,
}

impl Call {
    /// The caller's address, if known.
    pub(crate) fn remote_address(&self) -> Option<&str> {
        self.remote_address.as_deref()
    }

    pub(crate) fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }

    /// The audit entry of a change made by this call. The values must contain no secrets.
    pub(crate) fn entry(
        &self,
        action: &str,
        target: impl ToString,
        tenant: Option<TenantId>,
        before: Option<Value>,
        after: Option<Value>,
    ) -> AuditEntry {
        AuditEntry::new(now(), self.caller.actor(), action, target)
            .of(tenant)
            .change(before, after)
            .from(self.remote_address.clone(), self.user_agent.as_deref())
    }
}

impl Deref for Call {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_balancers_are_believed_as_far_as_they_are_trusted() {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        for (peer, forwarded, expected) in [
            ("192.0.2.1", &[][..], "192.0.2.1"),
            ("192.0.2.1", &["203.0.113.7"], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("::ffff:10.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["203.0.113.7, 10.0.0.2"], "203.0.113.7"),
            ("10.0.0.1", &["203.0.113.7", "10.0.0.2, 10.0.0.3"], "203.0.113.7"),
            // The client made up the first.
            ("10.0.0.1", &["198.51.100.1, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
            ("10.0.0.1", &["10.9.9.9, 10.0.0.2"], "10.9.9.9"),
            ("10.0.0.1", &["203.0.113.7:4711"], "203.0.113.7"),
            ("fd00::1", &["[2001:db8::7]:4711"], "2001:db8::7"),
            ("fd00::1", &["2001:db8::7"], "2001:db8::7"),
            ("10.0.0.1", &["203.0.113.7, unknown"], "10.0.0.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1", "ä, 203.0.113.7"], "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            for line in forwarded {
                headers.append(FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).unwrap());
            }
            let found = origin(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(found.to_string(), expected, "{peer} {forwarded:?}");
        }
    }
}
