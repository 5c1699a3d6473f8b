//! Classification of IP addresses as public or not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::{Ipv4Net, Ipv6Net};

/// Tells if packets to this address leave for the public internet: it is no multicast address and in no
/// special-purpose range of RFC 6890 and the registries that follow it (IANA IPv4 and IPv6 Special-Purpose Address
/// Registries, as of 2025). IPv6 forms that carry an IPv4 address are judged by that address too, or refused if the
/// form itself is deprecated.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !SPECIAL_V4.iter().any(|n| n.contains(&v4)),
        IpAddr::V6(v6) => {
            let carrier = is_translated(v6) || GLOBAL_UNICAST.contains(&v6);
            let special = SPECIAL_V6.iter().any(|n| n.contains(&v6));
            carrier && !special && embedded_v4(v6).is_none_or(|v4| is_public(v4.into()))
        }
    }
}

/// The IPv4 address that packets to an IPv6 address end at: inside a mapped (`::ffff:a.b.c.d`), compatible
/// (`::a.b.c.d`), translated (`::ffff:0:a.b.c.d`), NAT64 (`64:ff9b::a.b.c.d`, RFC 6052; `64:ff9b:1::/48`, RFC 8215),
/// 6to4 (`2002:a.b.c.d::`, RFC 3056), Teredo (RFC 4380: the client, inverted) or ISATAP (`…:0:5efe:a.b.c.d`,
/// RFC 5214) address.
pub(super) fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0x2002, high, low, ..]
        | [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => Some(join(high, low)),
        [0x2001, 0, .., high, low] => Some(join(!high, !low)),
        _ => None,
    }
}

/// Forms that stand for an IPv4 address and for nothing else.
fn is_translated(address: Ipv6Addr) -> bool {
    matches!(
        address.segments(),
        [0, 0, 0, 0, 0, 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..]
    )
}

fn networks<T: std::str::FromStr>(list: &[&str]) -> Vec<T> {
    list.iter().filter_map(|text| text.parse().ok()).collect()
}

static SPECIAL_V4: LazyLock<Vec<Ipv4Net>> = LazyLock::new(|| networks(&SPECIAL_V4_TEXT));
static SPECIAL_V6: LazyLock<Vec<Ipv6Net>> = LazyLock::new(|| networks(&SPECIAL_V6_TEXT));

pub(super) const SPECIAL_V4_TEXT: [&str; 17] = [
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
    "192.175.48.0/24", // AS112
    "198.18.0.0/15",   // benchmarking
    "198.51.100.0/24", // documentation
    "203.0.113.0/24",  // documentation
    "224.0.0.0/3",     // multicast, reserved, broadcast
];

/// Everything that may be public in IPv6 lies here; the rest (loopback, unique local, link-local, site-local,
/// multicast, IPv4-compatible, local NAT64, discard-only, segment routing) is outside.
const GLOBAL_UNICAST: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

pub(super) const SPECIAL_V6_TEXT: [&str; 6] = [
    "2001::/23",         // protocol assignments: Teredo, benchmarking, AMT, ORCHID, DRIP
    "2001:db8::/32",     // documentation
    "2002::/16",         // 6to4, deprecated
    "2620:4f:8000::/48", // AS112
    "3fff::/20",         // documentation
    "3ffe::/16",         // 6bone, returned
];

#[cfg(test)]
mod tests;
