//! Where requests may go (guarantee G6): public addresses only, unless the operator allows more.
//!
//! A URL is judged when it is configured ([`Destinations::check_url`]) and its addresses again when a
//! connection is made ([`Destinations::allows`]), because a name can resolve to something else by then.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

/// The operator's rules for destinations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Destinations {
    /// Networks that are allowed although they are not public.
    pub allowed_networks: Vec<IpNet>,
    /// Whether `http://` is allowed for public hosts too. It always is for hosts in `allowed_networks`.
    pub allow_http: bool,
}

/// Why requests may not go to a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// Neither `https://` nor, where allowed, `http://`.
    #[error("`{0}://` is not allowed: use `https://`")]
    Scheme(String),
    /// A user name or password in the URL.
    #[error("the URL contains a user name or password: remove it")]
    UserInfo,
    /// A fragment in the URL.
    #[error("the URL contains a fragment (`#…`), which is never sent: remove it")]
    Fragment,
    /// No host.
    #[error("the URL has no host")]
    NoHost,
    /// A name that means this machine or this network.
    #[error("`{0}` is a local name: use a public host name")]
    LocalName(String),
    /// An address that is not public.
    #[error("{0} is not a public address")]
    NotPublic(IpAddr),
}

impl Destinations {
    /// Whether an endpoint may be configured with this URL.
    ///
    /// The `url` crate has by now turned every odd spelling of an IPv4 address (decimal, octal, hexadecimal,
    /// shortened) into the address itself, and internationalised names into ASCII.
    pub fn check_url(&self, url: &Url) -> Result<(), DestinationError> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(DestinationError::UserInfo);
        }
        if url.fragment().is_some() {
            return Err(DestinationError::Fragment);
        }
        let (local, refusal) = match url.host().ok_or(DestinationError::NoHost)? {
            Host::Ipv4(address) => self.judge(IpAddr::V4(address)),
            Host::Ipv6(address) => self.judge(IpAddr::V6(address)),
            Host::Domain(name) => self.judge_name(name),
        };
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        match url.scheme() {
            "https" => Ok(()),
            "http" if local || self.allow_http => Ok(()),
            other => Err(DestinationError::Scheme(other.to_owned())),
        }
    }

    /// Whether a connection may be made to this address.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        is_public(address) || self.explicitly_allows(address)
    }

    fn explicitly_allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.allowed_networks.iter().any(|network| network.contains(&address))
    }

    fn judge(&self, address: IpAddr) -> (bool, Option<DestinationError>) {
        let local = self.explicitly_allows(address);
        (
            local,
            (!local && !is_public(address)).then_some(DestinationError::NotPublic(address)),
        )
    }

    /// Names that never leave a machine or a site: RFC 6761 (`localhost`), RFC 6762 (`local`), RFC 8375
    /// (`home.arpa`), and `internal`, reserved for private use. Whether `localhost` is allowed follows
    /// from the loopback network.
    fn judge_name(&self, name: &str) -> (bool, Option<DestinationError>) {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let under = |suffix: &str| {
            name.strip_suffix(suffix)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        if under("localhost") && self.explicitly_allows(Ipv4Addr::LOCALHOST.into()) {
            return (true, None);
        }
        let local = ["localhost", "local", "internal", "home.arpa", "localdomain"]
            .into_iter()
            .any(under);
        let single = !name.contains('.');
        (false, (local || single).then_some(DestinationError::LocalName(name)))
    }
}

/// Whether packets to this address leave for the public internet: not in any special-purpose range of RFC 6890
/// and the registries that follow it. IPv6 forms that carry an IPv4 address are judged by that address, or
/// refused where the carrier itself is deprecated.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !SPECIAL_V4.iter().any(|n| n.contains(&v4)),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) => is_public(v4.into()),
            None => GLOBAL_UNICAST.contains(&v6) && !SPECIAL_V6.iter().any(|n| n.contains(&v6)),
        },
    }
}

/// The IPv4 address inside a mapped (`::ffff:a.b.c.d`), translated (`::ffff:0:a.b.c.d`) or NAT64
/// (`64:ff9b::a.b.c.d`) address.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., high, low] = address.segments();
    let v4 = Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some(v4),
        _ => None,
    }
}

fn networks<T: std::str::FromStr>(list: &[&str]) -> Vec<T> {
    list.iter().filter_map(|text| text.parse().ok()).collect()
}

static SPECIAL_V4: LazyLock<Vec<Ipv4Net>> = LazyLock::new(|| networks(&SPECIAL_V4_TEXT));
static SPECIAL_V6: LazyLock<Vec<Ipv6Net>> = LazyLock::new(|| networks(&SPECIAL_V6_TEXT));

const SPECIAL_V4_TEXT: [&str; 16] = [
    "0.0.0.0/8",       // this network
    "10.0.0.0/8",      // private
    "100.64.0.0/10",   // carrier-grade NAT
    "127.0.0.0/8",     // loopback
    "169.254.0.0/16",  // link-local, where clouds keep their metadata services
    "172.16.0.0/12",   // private
    "192.0.0.0/24",    // protocol assignments
    "192.0.2.0/24",    // documentation
    "192.31.196.0/24", // AS112
    "192.52.193.0/24", // AMT
    "192.88.99.0/24",  // 6to4 relay, deprecated
    "192.168.0.0/16",  // private
    "198.18.0.0/15",   // benchmarking
    "198.51.100.0/24", // documentation
    "203.0.113.0/24",  // documentation
    "224.0.0.0/3",     // multicast, reserved, broadcast
];

/// Everything that may be public in IPv6 lies here; the rest (loopback, unique local, link-local, site-local,
/// multicast, IPv4-compatible) is outside.
const GLOBAL_UNICAST: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

const SPECIAL_V6_TEXT: [&str; 6] = [
    "2001::/23",         // protocol assignments: Teredo, benchmarking, ORCHID
    "2001:db8::/32",     // documentation
    "2002::/16",         // 6to4, deprecated
    "2620:4f:8000::/48", // AS112
    "3fff::/20",         // documentation
    "3ffe::/16",         // 6bone, returned
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_in_the_tables_is_written_well() {
        assert_eq!(SPECIAL_V4.len(), SPECIAL_V4_TEXT.len());
        assert_eq!(SPECIAL_V6.len(), SPECIAL_V6_TEXT.len());
    }

    #[test]
    fn public_addresses_are_public_and_the_others_are_not() {
        for text in [
            "8.8.8.8",
            "1.1.1.1",
            "100.63.255.255",
            "172.32.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.31.255.255",
            "192.168.0.1",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:0:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001:0:1::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "100::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    fn check(rules: &Destinations, url: &str) -> Result<(), DestinationError> {
        rules.check_url(&url.parse().unwrap())
    }

    #[test]
    fn only_public_https_urls_pass_by_default() {
        let rules = Destinations::default();
        assert_eq!(check(&rules, "https://example.com/hook"), Ok(()));
        assert_eq!(check(&rules, "https://8.8.8.8/"), Ok(()));
        assert_eq!(
            check(&rules, "http://example.com/"),
            Err(DestinationError::Scheme("http".into()))
        );
        assert_eq!(
            check(&rules, "https://u:p@example.com/"),
            Err(DestinationError::UserInfo)
        );
        assert_eq!(check(&rules, "https://example.com/#x"), Err(DestinationError::Fragment));
        for url in [
            "https://127.0.0.1/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://0177.0.0.1/",
            "https://[::1]/",
        ] {
            assert!(
                matches!(check(&rules, url), Err(DestinationError::NotPublic(_))),
                "{url}"
            );
        }
        for url in [
            "https://localhost/",
            "https://LOCALHOST./",
            "https://a.localhost/",
            "https://db.internal/",
            "https://intranet/",
        ] {
            assert!(
                matches!(check(&rules, url), Err(DestinationError::LocalName(_))),
                "{url}"
            );
        }
    }

    #[test]
    fn the_operator_can_allow_networks() {
        let rules = Destinations {
            allowed_networks: vec!["127.0.0.0/8".parse().unwrap()],
            allow_http: false,
        };
        assert_eq!(check(&rules, "http://127.0.0.1:9000/"), Ok(()));
        assert_eq!(check(&rules, "http://localhost:9000/"), Ok(()));
        assert!(check(&rules, "http://10.0.0.1/").is_err());
        assert!(rules.allows("::ffff:127.0.0.1".parse().unwrap()));
        assert!(!rules.allows("169.254.169.254".parse().unwrap()));
    }
}
