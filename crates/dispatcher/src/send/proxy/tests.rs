//! Through proxies that would connect to wherever they are told.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tidings_domain::destination::Destinations;

use super::*;
use crate::resolve::GuardedResolver;
use crate::resolve::tests::{NameServer, Reply};
use crate::send::connect::Network;
use crate::send::http_client::HttpClient;
use crate::send::tests::servers::{SecureReceiver, Slowness, TestProxy, Then, plain_receiver, seen};
use crate::send::{Deadline, NoAnswer};

const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(93, 184, 216, 34));
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8));
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

const REFUSAL: &[u8] = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";

/// A client, a receiver that it trusts under the name `shop.example`, and where the name is.
struct Setting {
    receiver: SecureReceiver,
    names: NameServer,
    rules: Destinations,
}

impl Setting {
    async fn new(reply: impl Fn(&str, usize) -> Reply + Send + 'static) -> Self {
        Self {
            receiver: SecureReceiver::start(&["shop.example"], Slowness::default(), 1).await,
            names: NameServer::start(reply).await,
            rules: Destinations::default(),
        }
    }

    async fn at(addresses: Vec<IpAddr>) -> Self {
        Self::new(move |_, _| Reply::Addresses(addresses.clone(), 0)).await
    }

    fn client(&self, proxy: &str, resolves: bool) -> HttpClient {
        let network = Network {
            resolver: GuardedResolver::new(self.rules.clone(), &[self.names.address]).unwrap(),
            proxy: Proxy::parse(proxy, resolves).unwrap(),
            connect_timeout: Duration::from_secs(10),
        };
        HttpClient::new(Arc::new(network), self.receiver.trusting())
    }

    fn port(&self) -> u16 {
        self.receiver.address.port()
    }

    fn url(&self) -> String {
        format!("https://shop.example:{}/hook", self.port())
    }
}

/// The address that a response came from.
async fn post(client: &HttpClient, url: &str) -> Result<Option<IpAddr>, NoAnswer> {
    let mut deadline = Deadline::after(Duration::from_secs(5));
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
    assert_eq!(reply.status, StatusCode::OK);
    Ok(reply.remote)
}

#[tokio::test]
async fn a_request_goes_through_to_the_address_that_was_checked() {
    let setting = Setting::at(vec![LOCAL, PUBLIC]).await;
    let (address, target) = (setting.receiver.address, format!("{PUBLIC}:{}", setting.port()));
    let connect = TestProxy::connect(move |_| Then::Connect(address)).await;
    let socks = TestProxy::socks(Some(("me", "p@ss")), move |_| Then::Connect(address)).await;
    for (proxy, url, login) in [
        (
            &connect,
            format!("http://me:p%40ss@{}", connect.address),
            "Basic bWU6cEBzcw==",
        ),
        (&socks, format!("socks5://me:p%40ss@{}", socks.address), "me:p@ss"),
    ] {
        let client = setting.client(&url, false);
        assert_eq!(post(&client, &setting.url()).await.unwrap(), Some(PUBLIC), "{url}");
        assert_eq!(seen(&proxy.asked), [(target.clone(), Some(login.to_owned()))]);
    }
    let requests = seen(&setting.receiver.requests);
    assert_eq!(requests.len(), 2);
    for (name, head) in requests {
        assert_eq!(name.as_deref(), Some("shop.example"));
        assert!(head.starts_with("POST /hook HTTP/1.1\r\n"), "{head}");
        assert!(
            head.contains(&format!("Host: shop.example:{}\r\n", setting.port())),
            "{head}"
        );
        assert!(!head.to_ascii_lowercase().contains("proxy"), "{head}");
    }
}

#[tokio::test]
async fn a_plain_request_goes_through_a_tunnel_as_well() {
    let mut setting = Setting::at(vec![PUBLIC]).await;
    setting.rules.allow_http = true;
    let (address, heads) = plain_receiver(SocketAddr::new(LOCAL, 0)).await;
    let proxy = TestProxy::connect(move |_| Then::Connect(address)).await;
    let client = setting.client(&format!("http://me:secret@{}", proxy.address), false);
    assert_eq!(post(&client, "http://shop.example/hook").await.unwrap(), Some(PUBLIC));
    assert_eq!(proxy.targets(), [format!("{PUBLIC}:80")]);
    let heads = seen(&heads);
    assert!(heads[0].starts_with("POST /hook HTTP/1.1\r\n"), "{heads:?}");
    assert!(heads[0].contains("Host: shop.example\r\n"), "{heads:?}");
    assert!(!heads[0].contains("proxy"), "{heads:?}");
}

#[tokio::test]
async fn an_answer_that_the_proxy_makes_up_is_not_the_receivers() {
    let mut setting = Setting::at(vec![PUBLIC]).await;
    setting.rules.allow_http = true;
    let answers = b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let proxy = TestProxy::connect(|_| Then::Answer(answers.to_vec())).await;
    let client = setting.client(&format!("http://{}", proxy.address), false);
    let failed = post(&client, "http://shop.example/").await.unwrap_err();
    assert_eq!(failed.reason, FailureReason::Proxy);
    assert!(
        failed
            .error
            .ends_with("the proxy sent something before the receiver was asked"),
        "{}",
        failed.error
    );
}

#[tokio::test]
async fn a_proxy_is_never_asked_for_what_is_not_public() {
    let mut setting = Setting::at(vec![LOCAL, "10.0.0.1".parse().unwrap()]).await;
    setting.rules.allow_http = true;
    let address = setting.receiver.address;
    let connect = TestProxy::connect(move |_| Then::Connect(address)).await;
    let socks = TestProxy::socks(None, move |_| Then::Connect(address)).await;
    for url in [
        format!("http://{}", connect.address),
        format!("socks5://{}", socks.address),
    ] {
        let client = setting.client(&url, false);
        for target in [
            setting.url(),
            format!("http://{address}/"),
            format!("http://{}/", connect.address),
            "http://[::ffff:10.0.0.1]/".to_owned(),
            "http://169.254.169.254/latest/meta-data/".to_owned(),
        ] {
            let refused = post(&client, &target).await.unwrap_err();
            assert_eq!(refused.reason, FailureReason::BlockedAddress, "{target}");
        }
    }
    assert_eq!(connect.targets().len() + socks.targets().len(), 0);
}

#[tokio::test]
async fn a_name_that_moves_inside_after_its_first_answer_gets_nothing() {
    let setting = Setting::new(|_, before| match before {
        0 => Reply::Addresses(vec![PUBLIC], 0),
        _ => Reply::Addresses(vec![LOCAL], 0),
    })
    .await;
    let address = setting.receiver.address;
    let proxy = TestProxy::connect(move |_| Then::Connect(address)).await;
    let client = setting.client(&format!("http://{}", proxy.address), false);
    post(&client, &setting.url()).await.unwrap();
    let refused = post(&client, &setting.url()).await.unwrap_err();
    assert_eq!(refused.reason, FailureReason::BlockedAddress);
    assert_eq!(proxy.targets(), [format!("{PUBLIC}:{}", setting.port())]);
}

#[tokio::test]
async fn the_next_address_is_asked_for_when_the_proxy_can_not_reach_one() {
    let setting = Setting::at(vec![OTHER, PUBLIC]).await;
    let address = setting.receiver.address;
    let reached = |target: &str| target.starts_with("93.");
    let bad_gateway = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n".to_vec();
    let connect = TestProxy::connect(move |target| match reached(target) {
        true => Then::Connect(address),
        false => Then::Answer(bad_gateway.clone()),
    })
    .await;
    let socks = TestProxy::socks(None, move |target| match reached(target) {
        true => Then::Connect(address),
        false => Then::Answer(vec![4]),
    })
    .await;
    for (proxy, url) in [
        (&connect, format!("http://{}", connect.address)),
        (&socks, format!("socks5://{}", socks.address)),
    ] {
        let client = setting.client(&url, false);
        assert_eq!(post(&client, &setting.url()).await.unwrap(), Some(PUBLIC));
        let both = [OTHER, PUBLIC].map(|address| format!("{address}:{}", setting.port()));
        assert_eq!(proxy.targets(), both);
    }
}

#[tokio::test]
async fn a_proxy_that_fails_is_told_apart_from_a_receiver_that_does() {
    let setting = Setting::at(vec![PUBLIC]).await;
    let target = format!("{PUBLIC}:{}", setting.port());
    let answered = |status: &str| format!("the proxy answered {status} to CONNECT {target}");
    for (response, reason, error) in [
        (REFUSAL, FailureReason::Proxy, answered("403 Forbidden")),
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 5\r\n\r\nlogin",
            FailureReason::Proxy,
            answered("407 Proxy Authentication Required"),
        ),
        (
            b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
            FailureReason::Connect,
            answered("502 Bad Gateway"),
        ),
        (
            b"HTTP/1.1 301 Moved\r\nlocation: http://127.0.0.1/\r\n\r\n",
            FailureReason::Proxy,
            answered("301 Moved Permanently"),
        ),
        (
            b"SSH-2.0\r\n",
            FailureReason::Proxy,
            "the proxy does not speak HTTP: ".to_owned(),
        ),
        (b"", FailureReason::Proxy, "the proxy does not speak HTTP: ".to_owned()),
    ] {
        let proxy = TestProxy::connect(move |_| Then::Answer(response.to_vec())).await;
        let client = setting.client(&format!("http://{}", proxy.address), false);
        let failed = post(&client, &setting.url()).await.unwrap_err();
        assert_eq!(failed.reason, reason, "{}", failed.error);
        assert!(failed.error.contains(&error), "{}", failed.error);
    }
    for (code, reason, error) in [
        (1, FailureReason::Proxy, "General SOCKS server failure"),
        (2, FailureReason::Proxy, "Connection not allowed by ruleset"),
        (5, FailureReason::Connect, "Connection refused"),
    ] {
        let proxy = TestProxy::socks(None, move |_| Then::Answer(vec![code])).await;
        let client = setting.client(&format!("socks5://{}", proxy.address), false);
        let failed = post(&client, &setting.url()).await.unwrap_err();
        assert_eq!(failed.reason, reason, "{}", failed.error);
        let expected = format!("the proxy did not connect to {target} (SOCKS5): {error}");
        assert!(failed.error.contains(&expected), "{}", failed.error);
    }
}

#[tokio::test]
async fn a_proxy_that_is_down_or_does_not_know_us_is_told_as_such() {
    let setting = Setting::at(vec![PUBLIC]).await;
    let proxy = TestProxy::socks(Some(("me", "right")), |_| Then::Silence).await;
    let client = setting.client(&format!("socks5://me:hunter2@{}", proxy.address), false);
    let failed = post(&client, &setting.url()).await.unwrap_err();
    assert_eq!(failed.reason, FailureReason::Proxy);
    assert!(failed.error.contains("Password auth failure"), "{}", failed.error);
    assert!(!failed.error.contains("hunter2"), "{}", failed.error);

    let gone = proxy.address;
    drop(proxy);
    let client = setting.client(&format!("http://me:hunter2@{gone}"), false);
    let refusing = async {
        loop {
            let failed = post(&client, &setting.url()).await.unwrap_err();
            if failed.error.contains("refused") {
                return failed;
            }
        }
    };
    let failed = tokio::time::timeout(Duration::from_secs(5), refusing).await.unwrap();
    assert_eq!(failed.reason, FailureReason::Proxy);
    let expected = format!("the proxy {gone} can't be reached: ");
    assert!(failed.error.contains(&expected), "{}", failed.error);
    assert!(!failed.error.contains("hunter2"), "{}", failed.error);

    let silent = TestProxy::connect(|_| Then::Silence).await;
    let client = setting.client(&format!("http://{}", silent.address), false);
    let mut deadline = Deadline::after(Duration::from_millis(300));
    let url = setting.url().parse().unwrap();
    let failed = client
        .post(
            &url,
            HeaderMap::new(),
            http::Extensions::new(),
            "{}".into(),
            &mut deadline,
        )
        .await;
    assert_eq!(failed.err().unwrap().reason, FailureReason::Timeout);
}

#[tokio::test]
async fn names_can_be_left_to_the_proxy_and_the_rules_about_hosts_hold() {
    let mut setting = Setting::new(|_, _| Reply::Silence).await;
    setting.rules.denied_hosts = vec!["*.evil.example".parse().unwrap()];
    let address = setting.receiver.address;
    let connect = TestProxy::connect(move |_| Then::Connect(address)).await;
    let socks = TestProxy::socks(None, move |_| Then::Connect(address)).await;
    for (proxy, url) in [
        (&connect, format!("http://{}", connect.address)),
        (&socks, format!("socks5://{}", socks.address)),
    ] {
        let client = setting.client(&url, true);
        assert_eq!(post(&client, &setting.url()).await.unwrap(), None);
        for target in [
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://a.evil.example/",
            "https://localhost/",
        ] {
            let refused = post(&client, target).await.unwrap_err();
            assert_eq!(refused.reason, FailureReason::BlockedAddress, "{target}");
        }
        assert_eq!(proxy.targets(), [format!("shop.example:{}", setting.port())]);
    }
    assert!(setting.names.asked().is_empty());
}

#[tokio::test]
async fn the_proxy_may_have_a_name_and_an_address_that_are_not_public() {
    let setting = Setting::new(|name, _| match name {
        "proxy.internal." => Reply::Addresses(vec![LOCAL], 0),
        _ => Reply::Addresses(vec![PUBLIC], 0),
    })
    .await;
    let address = setting.receiver.address;
    let proxy = TestProxy::connect(move |_| Then::Connect(address)).await;
    let client = setting.client(&format!("http://proxy.internal:{}", proxy.address.port()), false);
    assert_eq!(post(&client, &setting.url()).await.unwrap(), Some(PUBLIC));
    let refused = post(&client, "https://proxy.internal/").await.unwrap_err();
    assert_eq!(refused.reason, FailureReason::BlockedAddress);
}

#[test]
fn a_proxy_is_configured_by_a_url() {
    assert!(Proxy::parse("", false).unwrap().is_none());
    assert_eq!(Proxy::parse("", true).unwrap_err(), ProxyConfigError::NoProxy);
    for (url, shown) in [
        ("http://proxy.example.com", "Proxy(Connect proxy.example.com:80)"),
        ("http://me:hunter2@10.0.0.1:3128/", "Proxy(Connect 10.0.0.1:3128)"),
        ("socks5://[::1]", "Proxy(Socks5 [::1]:1080)"),
        (
            "socks5://me:hunter2@Proxy.example.com:9050",
            "Proxy(Socks5 proxy.example.com:9050)",
        ),
    ] {
        assert_eq!(format!("{:?}", Proxy::parse(url, false).unwrap().unwrap()), shown);
    }
    let long = format!("socks5://{}:x@proxy", "u".repeat(256));
    for (url, error) in [
        ("proxy:3128", ProxyConfigError::Scheme("proxy".into())),
        ("https://proxy:3128", ProxyConfigError::Scheme("https".into())),
        ("socks5h://proxy:1080", ProxyConfigError::Socks5h),
        ("http://proxy:3128/path", ProxyConfigError::Path),
        ("http://proxy:3128/?x", ProxyConfigError::Path),
        ("socks5:///", ProxyConfigError::NoHost),
        ("socks5://me@proxy", ProxyConfigError::Login),
        (&long, ProxyConfigError::Login),
        ("http://a%3Ab:c@proxy", ProxyConfigError::Login),
        ("http://%ff:c@proxy", ProxyConfigError::Login),
    ] {
        assert_eq!(Proxy::parse(url, false).unwrap_err(), error, "{url}");
    }
    assert!(matches!(
        Proxy::parse("//proxy", false).unwrap_err(),
        ProxyConfigError::NotUrl(_)
    ));
}
