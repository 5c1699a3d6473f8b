//! Names that say one thing when they are checked and another when they are connected to.

use std::net::Ipv4Addr;
use std::sync::Arc;

use http::HeaderMap;
use tidings_domain::destination::Destinations;

use super::*;
use crate::resolve::tests::{NameServer, Reply};
use crate::send::http_client::HttpClient;
use crate::send::tests::servers::{SecureReceiver, Slowness, plain_receiver, seen};
use crate::send::{Deadline, NoAnswer};

/// This machine has many addresses; one of them stands for the public ones.
const ALLOWED: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn rules() -> Destinations {
    Destinations {
        allowed_networks: vec!["127.0.0.2/32".parse().unwrap()],
        allow_http: true,
        ..Destinations::default()
    }
}

async fn client(rules: Destinations, names: &NameServer) -> HttpClient {
    let network = Network {
        resolver: GuardedResolver::new(rules, &[names.address]).unwrap(),
        proxy: None,
        connect_timeout: Duration::from_secs(5),
    };
    let any = SecureReceiver::start(&["shop.example"], Slowness::default(), 1).await;
    HttpClient::new(Arc::new(network), any.trusting())
}

async fn post(client: &HttpClient, url: &str) -> Result<Option<IpAddr>, NoAnswer> {
    let (url, mut deadline) = (url.parse().unwrap(), Deadline::after(Duration::from_secs(5)));
    let reply = client
        .post(
            &url,
            HeaderMap::new(),
            http::Extensions::new(),
            "{}".into(),
            &mut deadline,
        )
        .await?;
    Ok(reply.remote)
}

#[tokio::test]
async fn only_addresses_that_were_checked_are_connected_to() {
    let names = NameServer::start(|_, before| {
        let addresses = match before % 4 {
            0 => vec![ALLOWED],
            1 => vec![LOCAL],
            2 => vec![LOCAL, ALLOWED],
            _ => vec![ALLOWED, LOCAL],
        };
        Reply::Addresses(addresses, 0)
    })
    .await;
    let (inside, at_inside) = plain_receiver(SocketAddr::new(LOCAL, 0)).await;
    let (_, at_allowed) = plain_receiver(SocketAddr::new(ALLOWED, inside.port())).await;
    let client = client(rules(), &names).await;
    let url = format!("http://shop.example:{}/", inside.port());
    for round in 0..20 {
        match (round % 4, post(&client, &url).await) {
            (1, refused) => assert_eq!(refused.unwrap_err().reason, FailureReason::BlockedAddress),
            (_, answered) => assert_eq!(answered.unwrap(), Some(ALLOWED)),
        }
    }
    assert_eq!(names.asked()["shop.example."], 20);
    assert_eq!(seen(&at_allowed).len(), 15);
    assert!(seen(&at_inside).is_empty());
}

#[tokio::test]
async fn rules_that_came_later_hold_for_urls_that_were_configured_before() {
    let names = NameServer::start(|_, _| Reply::Addresses(vec![ALLOWED], 0)).await;
    let with = |change: fn(&mut Destinations)| {
        let mut rules = rules();
        change(&mut rules);
        rules
    };
    for (rules, url) in [
        (
            with(|rules| rules.denied_hosts = vec!["*.example".parse().unwrap()]),
            "http://shop.example/",
        ),
        (
            with(|rules| rules.allowed_hosts = vec!["a.example".parse().unwrap()]),
            "http://shop.example/",
        ),
        (
            with(|rules| rules.denied_networks = vec!["127.0.0.2/31".parse().unwrap()]),
            "http://shop.example/",
        ),
        (
            with(|rules| rules.denied_networks = vec!["127.0.0.2/31".parse().unwrap()]),
            "http://127.0.0.2/",
        ),
        (with(|rules| rules.allow_http = false), "http://shop.example/"),
        (rules(), "http://shop.example:25/"),
    ] {
        let refused = post(&client(rules, &names).await, url).await.unwrap_err();
        assert_eq!(
            refused.reason,
            FailureReason::BlockedAddress,
            "{url}: {}",
            refused.error
        );
    }
}
