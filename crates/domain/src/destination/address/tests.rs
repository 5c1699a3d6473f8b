//! Against IANA's registries, and random addresses inside and outside of what they list.

use ipnet::IpNet;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// IANA IPv4 Special-Purpose Address Registry (2025), and multicast (RFC 5771).
const IANA_V4: [&str; 25] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.0.0/29",
    "192.0.0.8/32",
    "192.0.0.9/32",
    "192.0.0.10/32",
    "192.0.0.170/31",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.88.99.2/32",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "255.255.255.255/32",
];

/// IANA IPv6 Special-Purpose Address Registry (2025), multicast and site-local (RFC 4291), without the two ranges
/// that lead to IPv4 addresses (`::ffff:0:0/96`, `64:ff9b::/96`).
const IANA_V6: [&str; 26] = [
    "::1/128",
    "::/128",
    "::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    "2001::/23",
    "2001::/32",
    "2001:1::1/128",
    "2001:1::2/128",
    "2001:1::3/128",
    "2001:2::/48",
    "2001:3::/32",
    "2001:4:112::/48",
    "2001:10::/28",
    "2001:20::/28",
    "2001:30::/28",
    "2001:db8::/32",
    "2002::/16",
    "2620:4f:8000::/48",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

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
        "100.128.0.0",
        "172.32.0.1",
        "191.255.255.255",
        "223.255.255.255",
        "2606:4700::1111",
        "2001:200::1",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2606:4700::5efe:808:808",
    ] {
        assert!(is_public(text.parse().unwrap()), "{text}");
    }
    for text in [
        "169.254.169.254",
        "192.175.48.1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:0:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::8.8.8.8",
        "2002:7f00:1::",
        "2002:808:808::",
        "2001:0:1::1",
        "2606:4700::5efe:10.0.0.1",
        "2606:4700::200:5efe:10.0.0.1",
        "fd00:ec2::254",
    ] {
        assert!(!is_public(text.parse().unwrap()), "{text}");
    }
}

/// Every IPv6 address that leads to this IPv4 address, in networks of any operator where the form leaves room.
fn embeddings(v4: Ipv4Addr, noise: u64) -> Vec<Ipv6Addr> {
    let [a, b, c, d] = v4.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let [n1, n2, n3, n4] = [48, 32, 16, 0].map(|shift| (noise >> shift) as u16);
    [
        [0, 0, 0, 0, 0, 0xffff, high, low],
        [0, 0, 0, 0, 0, 0, high, low],
        [0, 0, 0, 0, 0xffff, 0, high, low],
        [0x64, 0xff9b, 0, 0, 0, 0, high, low],
        [0x64, 0xff9b, 1, n1, n2, n3, high, low],
        [0x2002, high, low, n1, n2, n3, n4, n1],
        [0x2001, 0, n1, n2, n3, n4, !high, !low],
        [0x2606, 0x4700, n1, n2, 0, 0x5efe, high, low],
        [0x2606, 0x4700, n1, n2, 0x200, 0x5efe, high, low],
        [0xfe80, 0, 0, 0, 0, 0x5efe, high, low],
    ]
    .map(Ipv6Addr::from)
    .into()
}

fn inside(network: Ipv4Net, bits: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(network.network()) | (bits & u32::from(network.hostmask())))
}

fn inside_v6(network: Ipv6Net, bits: u128) -> Ipv6Addr {
    Ipv6Addr::from(u128::from(network.network()) | (bits & u128::from(network.hostmask())))
}

fn listed(address: IpAddr) -> bool {
    let contains = |text: &&str| text.parse::<IpNet>().unwrap().contains(&address);
    IANA_V4.iter().any(contains) || IANA_V6.iter().any(contains)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_special_ipv4_address_is_public_in_any_form(
        range in select(&IANA_V4[..]),
        bits in any::<u32>(),
        noise in any::<u64>(),
    ) {
        let address = inside(range.parse().unwrap(), bits);
        prop_assert!(!is_public(address.into()), "{address}");
        for embedded in embeddings(address, noise) {
            prop_assert!(!is_public(embedded.into()), "{embedded}");
            let named = embedded_v4(embedded);
            prop_assert!(named == Some(address) || u128::from(embedded) <= 1, "{embedded}");
        }
    }

    #[test]
    fn no_special_ipv6_address_is_public(range in select(&IANA_V6[..]), bits in any::<u128>()) {
        let address = inside_v6(range.parse().unwrap(), bits);
        prop_assert!(!is_public(address.into()), "{address}");
    }

    #[test]
    fn every_other_ipv4_address_is_public(bits in any::<u32>(), noise in any::<u64>()) {
        let address = Ipv4Addr::from(bits);
        prop_assume!(!listed(address.into()));
        prop_assert!(is_public(address.into()), "{address}");
        let public: Vec<_> = embeddings(address, noise).into_iter().map(|form| is_public(form.into())).collect();
        // Mapped, translated, NAT64, and what only looks like ISATAP; not those whose carrier is refused.
        prop_assert_eq!(public, [true, false, true, true, false, false, false, true, true, false]);
    }

    #[test]
    fn every_other_ipv6_address_in_global_unicast_is_public(bits in any::<u128>()) {
        let address = inside_v6("2000::/3".parse().unwrap(), bits);
        let six_bone: Ipv6Net = "3ffe::/16".parse().unwrap();
        prop_assume!(!listed(address.into()) && !six_bone.contains(&address));
        prop_assert!(is_public(address.into()), "{address}");
    }

    #[test]
    fn nothing_outside_global_unicast_is_public_but_what_leads_to_ipv4(bits in any::<u128>()) {
        let address = Ipv6Addr::from(bits);
        prop_assume!(!GLOBAL_UNICAST.contains(&address) && !is_translated(address));
        prop_assert!(!is_public(address.into()), "{address}");
    }
}
