//! Against a name server and a receiver that are slow in one thing at a time.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use http::HeaderMap;
use tidings_domain::FailureReason;
use tidings_domain::destination::Destinations;

use super::*;
use crate::resolve::GuardedResolver;
use crate::resolve::tests::{NameServer, Reply};
use crate::send::connect::Network;
use crate::send::http_client::HttpClient;
use crate::send::tests::servers::{SecureReceiver, Slowness, seen};
use crate::send::{Deadline, NoAnswer, read};

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const DNS: Duration = Duration::from_millis(150);
const HANDSHAKE: Duration = Duration::from_millis(250);
const ANSWER: Duration = Duration::from_millis(350);
/// How much longer a part may take on a busy machine.
const SLACK: Duration = Duration::from_millis(1500);

async fn setting(slowness: Slowness, requests: usize) -> (SecureReceiver, NameServer, HttpClient) {
    let receiver = SecureReceiver::start(&["shop.example", "once.example"], slowness, requests).await;
    let names = NameServer::start(|name, before| match name {
        "silent.example." => Reply::Silence,
        "once.example." if before > 0 => Reply::Silence,
        _ => Reply::After(DNS, Box::new(Reply::Addresses(vec![LOCAL], 0))),
    })
    .await;
    let destinations = Destinations {
        allowed_networks: vec!["127.0.0.0/8".parse().unwrap()],
        allow_http: true,
        ..Destinations::default()
    };
    let network = Network {
        resolver: GuardedResolver::new(destinations, &[names.address]).unwrap(),
        proxy: None,
        connect_timeout: Duration::from_secs(10),
    };
    let client = HttpClient::new(Arc::new(network), receiver.trusting());
    (receiver, names, client)
}

async fn post(client: &HttpClient, url: &str, within: Duration) -> Result<Timing, NoAnswer> {
    let mut deadline = Deadline::after(within);
    let url = url.parse().unwrap();
    let reply = client
        .post(
            &url,
            HeaderMap::new(),
            http::Extensions::new(),
            "{}".into(),
            &mut deadline,
        )
        .await?;
    Ok(read(reply, deadline, 1024).await.timing)
}

fn about(measured: Option<Duration>, expected: Duration) -> bool {
    measured.is_some_and(|measured| (expected..expected + SLACK).contains(&measured))
}

#[tokio::test]
async fn each_part_is_measured_and_a_connection_that_is_there_costs_none() {
    let slowness = Slowness {
        handshake: HANDSHAKE,
        answer: ANSWER,
    };
    let (receiver, _names, client) = setting(slowness, 10).await;
    let url = format!("https://shop.example:{}/", receiver.address.port());
    let within = Duration::from_secs(20);

    let first = post(&client, &url, within).await.unwrap();
    assert!(about(first.dns, DNS), "{first:?}");
    assert!(about(first.connect, Duration::ZERO), "{first:?}");
    assert!(about(first.tls, HANDSHAKE), "{first:?}");
    assert!(about(first.first_byte, DNS + HANDSHAKE + ANSWER), "{first:?}");

    let second = post(&client, &url, within).await.unwrap();
    assert_eq!((second.dns, second.connect, second.tls), (None, None, None));
    assert!(about(second.first_byte, ANSWER), "{second:?}");
}

#[tokio::test]
async fn what_was_under_way_at_the_failure_counts_until_then() {
    let slowness = Slowness {
        handshake: Duration::from_secs(60),
        ..Slowness::default()
    };
    let (receiver, _names, client) = setting(slowness, 1).await;
    let within = Duration::from_millis(500);

    let url = format!("https://shop.example:{}/", receiver.address.port());
    let NoAnswer { reason, timing, .. } = post(&client, &url, within).await.unwrap_err();
    assert_eq!(reason, FailureReason::Timeout);
    assert!(about(timing.dns, DNS), "{timing:?}");
    assert!(timing.tls.unwrap() > Duration::ZERO, "{timing:?}");
    assert_eq!(timing.first_byte, None);

    let NoAnswer { reason, timing, .. } = post(&client, "https://silent.example/", within).await.unwrap_err();
    assert_eq!(reason, FailureReason::Dns);
    assert!(about(timing.dns, within / 2 - Duration::from_millis(50)), "{timing:?}");
    assert_eq!((timing.connect, timing.tls), (None, None));
}

#[tokio::test]
async fn an_address_in_the_url_needs_no_name_server() {
    let (_receiver, names, client) = setting(Slowness::default(), 1).await;
    let url = format!("http://127.0.0.1:{}/", names.address.port());
    let NoAnswer { reason, timing, .. } = post(&client, &url, Duration::from_secs(5)).await.unwrap_err();
    assert_eq!(reason, FailureReason::Connect);
    assert_eq!((timing.dns, timing.tls), (None, None));
    assert!(timing.connect.is_some());
}

#[tokio::test]
async fn a_request_that_got_the_connection_of_another_one_was_not_held_up_by_its_own() {
    let slowness = Slowness {
        answer: ANSWER,
        ..Slowness::default()
    };
    let (receiver, names, client) = setting(slowness, 10).await;
    let url = format!("https://once.example:{}/", receiver.address.port());
    let within = Duration::from_secs(20);
    let second = async {
        let asked = async {
            while seen(&receiver.requests).is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(within, asked).await.unwrap();
        post(&client, &url, within).await
    };
    let (first, second) = tokio::join!(post(&client, &url, within), second);
    assert!(first.unwrap().dns.is_some());
    // It asked for the name, which nobody answered, and got the connection of the first.
    assert!(names.asked()["once.example."] >= 2);
    let second = second.unwrap();
    assert_eq!((second.dns, second.connect, second.tls), (None, None, None));
    assert!(about(second.first_byte, ANSWER), "{second:?}");
}
