//! Rules, spelled in all the ways that a URL can be spelled.

use proptest::prelude::*;

use super::*;

fn check(rules: &Destinations, url: &str) -> Result<(), DestinationError> {
    rules.check_url(&url.parse().unwrap())
}

fn patterns(texts: &[&str]) -> Vec<HostPattern> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn only_public_https_urls_pass_by_default() {
    let rules = Destinations::default();
    assert_eq!(check(&rules, "https://example.com/hook"), Ok(()));
    assert_eq!(check(&rules, "https://8.8.8.8/"), Ok(()));
    assert_eq!(check(&rules, "https://bücher.example:8443/"), Ok(()));
    for scheme in ["http", "ftp", "ws", "gopher"] {
        assert_eq!(
            check(&rules, &format!("{scheme}://example.com/")),
            Err(DestinationError::Scheme(scheme.into()))
        );
    }
    assert_eq!(check(&rules, "file:///etc/passwd"), Err(DestinationError::NoHost));
    assert_eq!(check(&rules, "data:text/plain,hello"), Err(DestinationError::NoHost));
    for url in [
        "https://u:p@example.com/",
        "https://u@example.com/",
        "https://:p@example.com/",
        "https://example.com%2f@127.0.0.1/",
        r"https://example.com:x@127.0.0.1/",
    ] {
        assert_eq!(check(&rules, url), Err(DestinationError::UserInfo), "{url}");
    }
    assert_eq!(check(&rules, "https://example.com/#x"), Err(DestinationError::Fragment));
}

#[test]
fn an_odd_spelling_is_the_address_that_it_means() {
    let rules = Destinations::default();
    for url in [
        "https://127.0.0.1/",
        "https://127.0.0.1./",
        "https://127.1/",
        "https://127.0.1/",
        "https://0x7f.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://017700000001/",
        "https://0177.0.0.1/",
        "https://0X7F.0.0.0x1/",
        "https://127.0.0.1:443/",
        "https://①②⑦.⓪.⓪.①/",
        "https://１２７.0.0.1/",
        "https://127。0。0。1/",
        "https://127%2e0%2e0%2e1/",
        "https://%31%32%37.0.0.1/",
        r"https:\\127.0.0.1\",
        "https:127.0.0.1",
        " https://127.0.0.1/ ",
        "ht\ntps://127.0\t.0.1/",
        "https://[::1]/",
        "https://[0:0:0:0:0:0:0:1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[::127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[fe80::1]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://0/",
        "https://0.0.0.0/",
    ] {
        assert!(
            matches!(check(&rules, url), Err(DestinationError::NotPublic(_))),
            "{url}: {:?}",
            check(&rules, url)
        );
    }
    for text in [
        "https://[fe80::1%25eth0]/",
        "https://[::1",
        "https://256.0.0.1/",
        "https://1.2.3.4.5/",
        "https://0x100000000/",
        "https://09.0.0.1/",
        "https://exa mple.com/",
        "https://example.com:65536/",
        "https://%00/",
        "https:///",
    ] {
        assert!(text.parse::<Url>().is_err(), "{text}");
    }
}

#[test]
fn local_names_are_refused_unless_the_operator_lists_them() {
    let rules = Destinations::default();
    for url in [
        "https://localhost/",
        "https://LOCALHOST./",
        "https://ｌocalhost/",
        "https://a.localhost/",
        "https://db.internal/",
        "https://db.internal./",
        "https://printer.local/",
        "https://nas.home.arpa/",
        "https://intranet/",
    ] {
        assert!(
            matches!(check(&rules, url), Err(DestinationError::LocalName(_))),
            "{url}"
        );
    }
    for url in [
        "https://localhost.example.com/",
        "https://notlocal.example/",
        "https://mylocal.dev/",
    ] {
        assert_eq!(check(&rules, url), Ok(()), "{url}");
    }
    let listing = Destinations {
        allowed_hosts: patterns(&["receiver", "*.internal"]),
        ..Destinations::default()
    };
    assert_eq!(check(&listing, "https://receiver/"), Ok(()));
    assert_eq!(check(&listing, "https://db.internal./"), Ok(()));
    assert!(check(&listing, "https://localhost/").is_err());
}

#[test]
fn the_operator_can_allow_networks() {
    let rules = Destinations {
        allowed_networks: nets(&["127.0.0.0/8"]),
        ..Destinations::default()
    };
    assert_eq!(check(&rules, "http://127.0.0.1:9000/"), Ok(()));
    assert_eq!(check(&rules, "http://localhost:9000/"), Ok(()));
    assert_eq!(check(&rules, "http://[::ffff:127.0.0.1]/"), Ok(()));
    assert!(check(&rules, "http://10.0.0.1/").is_err());
    assert!(rules.allows("::ffff:127.0.0.1".parse().unwrap()));
    assert!(!rules.allows("169.254.169.254".parse().unwrap()));
}

#[test]
fn what_the_operator_denies_nothing_else_allows() {
    let rules = Destinations {
        allowed_networks: nets(&["10.0.0.0/8"]),
        denied_networks: nets(&["10.66.0.0/16", "8.8.0.0/16", "2606:4700::/32"]),
        allowed_hosts: patterns(&[
            "*.example.com",
            "10.66.0.1",
            "10.1.0.1",
            "8.8.8.8",
            "[64:ff9b::808:808]",
        ]),
        denied_hosts: patterns(&["bad.example.com", "*.bad.example.com", "10.2.0.1"]),
        allow_http: true,
    };
    for url in [
        "https://bad.example.com/",
        "https://BAD.example.com./",
        "https://x.bad.example.com/",
        "https://10.66.0.1/",
        "https://10.2.0.1/",
        "https://8.8.8.8/",
        "https://0x8.8.2056/",
        "https://[64:ff9b::8.8.8.8]/",
    ] {
        assert!(matches!(check(&rules, url), Err(DestinationError::Denied(_))), "{url}");
    }
    assert_eq!(check(&rules, "http://good.example.com/"), Ok(()));
    assert_eq!(check(&rules, "http://10.1.0.1/"), Ok(()));
    for (address, allowed) in [
        ("10.1.0.1", true),
        ("10.66.0.1", false),
        ("::ffff:10.66.0.1", false),
        ("8.8.8.8", false),
        ("::ffff:8.8.8.8", false),
        ("64:ff9b::8.8.8.8", false),
        ("9.9.9.9", true),
        ("2606:4700::1111", false),
    ] {
        assert_eq!(rules.allows(address.parse().unwrap()), allowed, "{address}");
    }
}

#[test]
fn a_list_of_hosts_opens_no_addresses() {
    let rules = Destinations {
        allowed_hosts: patterns(&["hooks.example.com", "127.0.0.1"]),
        ..Destinations::default()
    };
    assert_eq!(check(&rules, "https://hooks.example.com/"), Ok(()));
    for url in [
        "https://example.com/",
        "https://a.hooks.example.com/",
        "https://8.8.8.8/",
    ] {
        assert!(
            matches!(check(&rules, url), Err(DestinationError::NotListed(_))),
            "{url}"
        );
    }
    assert!(matches!(
        check(&rules, "https://127.0.0.1/"),
        Err(DestinationError::NotPublic(_))
    ));
}

#[test]
fn ports_of_other_protocols_are_refused_outside_allowed_networks() {
    let rules = Destinations {
        allowed_networks: nets(&["10.0.0.0/8"]),
        allow_http: true,
        ..Destinations::default()
    };
    for port in [0, 22, 25, 465, 6000, 6667, 10080] {
        assert_eq!(
            check(&rules, &format!("https://example.com:{port}/")),
            Err(DestinationError::Port(port))
        );
        assert_eq!(check(&rules, &format!("https://10.0.0.1:{port}/")), Ok(()));
    }
    for url in [
        "https://example.com:443/",
        "https://example.com:/",
        "http://example.com:80/",
        "https://example.com:8443/",
        "https://example.com:65535/",
    ] {
        assert_eq!(check(&rules, url), Ok(()), "{url}");
    }
    assert!(BAD_PORTS.is_sorted());
}

/// One of the spellings of an IPv4 address that WHATWG's URL standard knows (section 3.5, the IPv4 parser).
fn spelled(address: Ipv4Addr) -> impl Strategy<Value = String> {
    let number = u32::from(address);
    (1..=4_u32, prop::array::uniform4(0..5_u8), any::<bool>()).prop_map(move |(parts, forms, dot)| {
        let last_bits = 32 - 8 * (parts - 1);
        let mut text = String::new();
        for part in 0..parts {
            let value = if part + 1 == parts {
                u64::from(number) & ((1 << last_bits) - 1)
            } else {
                u64::from(number >> (24 - 8 * part)) & 0xff
            };
            if part > 0 {
                text.push('.');
            }
            text.push_str(&match forms[part as usize] {
                0 => format!("{value}"),
                1 => format!("0{value:o}"),
                2 => format!("0x{value:x}"),
                3 => format!("0X{value:08X}"),
                _ => format!("000{value:o}"),
            });
        }
        if dot {
            text.push('.');
        }
        text
    })
}

proptest! {
    #[test]
    fn every_spelling_of_an_address_is_judged_alike(
        (address, text) in any::<u32>().prop_flat_map(|bits| {
            let address = Ipv4Addr::from(bits);
            (Just(address), spelled(address))
        }),
    ) {
        let rules = Destinations::default();
        let url: Url = format!("https://{text}/").parse().unwrap();
        prop_assert_eq!(url.host(), Some(Host::Ipv4(address)));
        prop_assert_eq!(rules.check_url(&url).is_ok(), is_public(address.into()));
        let mapped: Url = format!("https://[{}]/", address.to_ipv6_mapped()).parse().unwrap();
        prop_assert_eq!(rules.check_url(&mapped).is_ok(), is_public(address.into()));
    }

    #[test]
    fn a_url_is_refused_or_names_what_may_be_asked_for(text in "(https?:)?[/\\\\]{0,3}[a-z0-9@:.%\\[\\]０-９。x]{0,24}") {
        let rules = Destinations::default();
        if let Ok(url) = text.parse::<Url>() && rules.check_url(&url).is_ok() {
            prop_assert_eq!(url.scheme(), "https");
            match url.host().unwrap() {
                Host::Domain(name) => prop_assert!(name.trim_end_matches('.').contains('.')),
                Host::Ipv4(address) => prop_assert!(rules.allows(address.into())),
                Host::Ipv6(address) => prop_assert!(rules.allows(address.into())),
            }
        }
    }
}
