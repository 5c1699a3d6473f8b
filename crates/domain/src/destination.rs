//! Destination policy (guarantee G6): requests go to public addresses only, unless the operator allows more.
//!
//! A URL is checked when it is configured and again before each request ([`Destinations::check_url`]), because the
//! policy can change; its addresses are checked when a connection is made ([`Destinations::allows`]), because the
//! name can resolve to something else by then.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use url::{Host, Url};

mod address;
mod host;
mod written;

pub use address::is_public;
pub use host::{HostPattern, HostPatternError};
pub use written::{UrlError, deserialize_url, read_url};

/// The operator's rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Destinations {
    /// Networks that are allowed although they are not public.
    pub allowed_networks: Vec<IpNet>,
    /// Networks that are refused, whatever else allows them.
    pub denied_networks: Vec<IpNet>,
    /// The only hosts that requests may go to; all, if empty. Their addresses must be allowed all the same.
    pub allowed_hosts: Vec<HostPattern>,
    /// Hosts that are refused, whatever else allows them.
    pub denied_hosts: Vec<HostPattern>,
    /// Allows `http://` for public hosts. Hosts in `allowed_networks` may always use it.
    pub allow_http: bool,
}

/// Reason why a URL is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// Neither `https://` nor, where allowed, `http://`.
    #[error("`{0}://` is not allowed: use `https://`")]
    Scheme(String),
    /// A user name or password in the URL.
    #[error("the URL contains a user name or password: remove it")]
    UserInfo,
    #[error("the URL contains a fragment (`#…`), which is never sent: remove it")]
    Fragment,
    #[error("the URL has no host")]
    NoHost,
    /// A name that means this machine or this network.
    #[error("`{0}` is a local name: use a public host name")]
    LocalName(String),
    /// An address that is not public.
    #[error("{0} is not a public address")]
    NotPublic(IpAddr),
    /// The operator refuses this host or its network.
    #[error("the operator of this system does not allow requests to `{0}`: use another host")]
    Denied(String),
    /// The operator has a list of hosts, and this is none of them.
    #[error("`{0}` is not among the hosts that the operator of this system allows: use one of those, or ask for it")]
    NotListed(String),
    /// A port where something listens that is no web server and could take a request for its own protocol.
    #[error("port {0} belongs to a protocol other than HTTP: use another port")]
    Port(u16),
}

impl Destinations {
    /// Checks a URL that is configured for an endpoint, or that a request is about to use.
    ///
    /// The `url` crate has already turned every notation of an IPv4 address (decimal, octal, hexadecimal, shortened)
    /// into the address itself, and internationalised names into ASCII.
    pub fn check_url(&self, url: &Url) -> Result<(), DestinationError> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(DestinationError::UserInfo);
        }
        if url.fragment().is_some() {
            return Err(DestinationError::Fragment);
        }
        let host = url.host().ok_or(DestinationError::NoHost)?;
        self.check_lists(&host)?;
        let local = match host {
            Host::Ipv4(address) => self.check_address(address.into())?,
            Host::Ipv6(address) => self.check_address(address.into())?,
            Host::Domain(name) => self.check_name(name)?,
        };
        match url.scheme() {
            "https" => {}
            "http" if local || self.allow_http => {}
            other => return Err(DestinationError::Scheme(other.to_owned())),
        }
        match url.port() {
            Some(port) if !local && (port == 0 || BAD_PORTS.contains(&port)) => Err(DestinationError::Port(port)),
            _ => Ok(()),
        }
    }

    /// Tells if connections to this address are allowed.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        !self.denies(address) && (is_public(address) || self.explicitly_allows(address))
    }

    fn check_lists(&self, host: &Host<&str>) -> Result<(), DestinationError> {
        if self.denied_hosts.iter().any(|pattern| pattern.matches(host)) {
            return Err(DestinationError::Denied(host.to_string()));
        }
        if !self.allowed_hosts.is_empty() && !self.lists(host) {
            return Err(DestinationError::NotListed(host.to_string()));
        }
        Ok(())
    }

    fn lists(&self, host: &Host<&str>) -> bool {
        self.allowed_hosts.iter().any(|pattern| pattern.matches(host))
    }

    /// `true` for an address that the operator allows although it is not public.
    fn check_address(&self, address: IpAddr) -> Result<bool, DestinationError> {
        if self.denies(address) {
            return Err(DestinationError::Denied(address.to_string()));
        }
        let local = self.explicitly_allows(address);
        if local || is_public(address) {
            Ok(local)
        } else {
            Err(DestinationError::NotPublic(address))
        }
    }

    /// Names that never leave a machine or a site: RFC 6761 (`localhost`), RFC 6762 (`local`), RFC 8375
    /// (`home.arpa`), and `internal`, reserved for private use; the operator can list them. Whether `localhost` is
    /// allowed follows from the loopback network.
    fn check_name(&self, name: &str) -> Result<bool, DestinationError> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let under = |suffix: &str| {
            name.strip_suffix(suffix)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        if under("localhost") && self.allows(Ipv4Addr::LOCALHOST.into()) {
            return Ok(true);
        }
        let local = ["localhost", "local", "internal", "home.arpa", "localdomain"]
            .into_iter()
            .any(under);
        let single = !name.contains('.');
        if (local || single) && !self.lists(&Host::Domain(&name)) {
            return Err(DestinationError::LocalName(name));
        }
        Ok(false)
    }

    fn explicitly_allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.allowed_networks.iter().any(|network| network.contains(&address))
    }

    /// An address is refused in every form that leads to it.
    fn denies(&self, address: IpAddr) -> bool {
        let embedded = match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(v6) => address::embedded_v4(v6).map(IpAddr::V4),
        };
        let denied = |address: IpAddr| self.denied_networks.iter().any(|network| network.contains(&address));
        denied(address) || embedded.is_some_and(denied)
    }
}

/// Ports of other protocols, some of which make out commands in a request's body: "bad ports" of the Fetch standard
/// (section 2.9, Port blocking), without 0.
const BAD_PORTS: [u16; 82] = [
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
    111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532,
    540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061,
    6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
];

#[cfg(test)]
mod tests;
