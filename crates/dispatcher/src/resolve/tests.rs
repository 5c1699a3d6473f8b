//! Against a name server of the test's own.

use std::collections::HashMap;
use std::net::Ipv6Addr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::{RData, Record};
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;

use super::*;

const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8));
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A name server on a loopback port of its own, UDP only.
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<HashMap<String, usize>>>,
    serving: AbortHandle,
}

/// What a question is answered with.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Those of the addresses that are of the family asked for, valid for so many seconds.
    Addresses(Vec<IpAddr>, u32),
    /// An error, or no address with [`ResponseCode::NoError`].
    Code(ResponseCode),
    /// The reply, so much later.
    After(Duration, Box<Reply>),
    /// Nothing, ever.
    Silence,
}

impl NameServer {
    /// Starts one that answers by name and by how often this name's IPv4 addresses were asked for before.
    pub(crate) async fn start(reply: impl Fn(&str, usize) -> Reply + Send + 'static) -> Self {
        Self::start_by_family(move |name, _, before| reply(name, before)).await
    }

    /// The same, by the family as well.
    pub(super) async fn start_by_family(reply: impl Fn(&str, RecordType, usize) -> Reply + Send + 'static) -> Self {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(HashMap::<String, usize>::new()));
        let counted = asked.clone();
        let serving = tokio::spawn(async move {
            let mut buffer = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let question = Message::from_vec(&buffer[..length]).unwrap();
                let query = question.queries[0].clone();
                let name = query.name().to_ascii();
                let before = {
                    let mut counted = counted.lock().unwrap_or_else(PoisonError::into_inner);
                    let count = counted.entry(name.clone()).or_insert(0);
                    if query.query_type() == RecordType::A {
                        *count += 1;
                    }
                    count.saturating_sub(1)
                };
                let mut reply = reply(&name, query.query_type(), before);
                let socket = socket.clone();
                tokio::spawn(async move {
                    while let Reply::After(wait, later) = reply {
                        tokio::time::sleep(wait).await;
                        reply = *later;
                    }
                    let mut answer = question.into_response();
                    match reply {
                        Reply::Addresses(addresses, ttl) => {
                            let family = |address: &IpAddr| address.is_ipv4() == (query.query_type() == RecordType::A);
                            let records = addresses.into_iter().filter(family);
                            answer.insert_answers(
                                records
                                    .map(|address| Record::from_rdata(query.name().clone(), ttl, RData::from(address)))
                                    .collect(),
                            );
                        }
                        Reply::Code(code) => answer.metadata.response_code = code,
                        Reply::After(..) | Reply::Silence => return,
                    }
                    let _ = socket.send_to(&answer.to_vec().unwrap(), from).await;
                });
            }
        });
        Self {
            address,
            asked,
            serving: serving.abort_handle(),
        }
    }

    /// How often the IPv4 addresses of each name were asked for.
    pub(crate) fn asked(&self) -> HashMap<String, usize> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn resolver(server: &NameServer) -> GuardedResolver {
    GuardedResolver::new(Destinations::default(), &[server.address]).unwrap()
}

async fn look_up(resolver: &GuardedResolver, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
    resolver.allowed_addresses(name).await
}

#[tokio::test]
async fn only_allowed_addresses_are_given() {
    let v6: IpAddr = "2606:4700::1111".parse().unwrap();
    let server = NameServer::start(move |name, _| match name {
        "mixed.example." => Reply::Addresses(vec![LOCAL, PUBLIC, Ipv6Addr::LOCALHOST.into(), v6], 60),
        "inside.example." => Reply::Addresses(vec![LOCAL], 60),
        "many.example." => Reply::Addresses((1..=40).map(|n| Ipv4Addr::new(8, 8, 8, n).into()).collect(), 60),
        "empty.example." => Reply::Code(ResponseCode::NoError),
        "broken.example." => Reply::Code(ResponseCode::ServFail),
        _ => Reply::Code(ResponseCode::NXDomain),
    })
    .await;
    let resolver = resolver(&server);

    assert_eq!(look_up(&resolver, "mixed.example").await.unwrap(), [PUBLIC, v6]);
    assert_eq!(look_up(&resolver, "mixed.example.").await.unwrap(), [PUBLIC, v6]);
    assert_eq!(look_up(&resolver, "many.example").await.unwrap().len(), MAX_ADDRESSES);
    for (name, error) in [
        (
            "inside.example",
            "`inside.example` resolves to 127.0.0.1, which is not an allowed address",
        ),
        ("empty.example", "`empty.example` has no address"),
        ("broken.example", "`broken.example` does not resolve: Server Failure"),
        (
            "absent.example",
            "`absent.example` does not resolve: Non-Existent Domain",
        ),
        ("two..dots", "`two..dots` does not resolve: "),
    ] {
        let found = look_up(&resolver, name).await.unwrap_err().to_string();
        assert!(found.starts_with(error), "{found}");
    }
}

#[tokio::test]
async fn names_are_asked_for_as_they_stand() {
    let server = NameServer::start(|name, _| match name {
        "web." | "shop.example." => Reply::Addresses(vec![PUBLIC], 60),
        _ => Reply::Code(ResponseCode::NXDomain),
    })
    .await;
    let mut config = asking(&[server.address]);
    config.add_search(Name::from_ascii("cluster.local.").unwrap());
    let mut options = ResolverOpts::default();
    options.ndots = 5;
    let resolver = GuardedResolver::with(Destinations::default(), Hosts::default(), config, options).unwrap();

    for name in ["web", "shop.example"] {
        assert_eq!(look_up(&resolver, name).await.unwrap(), [PUBLIC], "{name}");
    }
    assert!(look_up(&resolver, "absent.example").await.is_err());
    let mut asked: Vec<_> = server.asked().into_keys().collect();
    asked.sort();
    assert_eq!(asked, ["absent.example.", "shop.example.", "web."]);
}

#[tokio::test]
async fn the_hosts_file_and_localhost_need_no_name_server() {
    let server = NameServer::start(|_, _| Reply::Silence).await;
    let mut hosts = Hosts::default();
    hosts.read_hosts_conf("9.9.9.9 Shop.example shop".as_bytes()).unwrap();
    let rules = Destinations {
        allowed_networks: vec!["127.0.0.0/8".parse().unwrap()],
        ..Destinations::default()
    };
    let config = asking(&[server.address]);
    let resolver = GuardedResolver::with(rules, hosts, config, ResolverOpts::default()).unwrap();

    let started = Instant::now();
    for name in ["shop.example", "SHOP.example.", "shop"] {
        let expected: IpAddr = "9.9.9.9".parse().unwrap();
        assert_eq!(look_up(&resolver, name).await.unwrap(), [expected], "{name}");
    }
    assert_eq!(look_up(&resolver, "localhost").await.unwrap(), [LOCAL]);
    assert_eq!(look_up(&resolver, "a.localhost").await.unwrap(), [LOCAL]);
    assert!(server.asked().is_empty());
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn an_answer_is_remembered_as_long_as_it_is_valid_and_asked_for_once_at_a_time() {
    let server = NameServer::start(|name, _| {
        let ttl = if name == "moving.example." { 0 } else { 60 };
        Reply::After(Duration::from_millis(50), Box::new(Reply::Addresses(vec![PUBLIC], ttl)))
    })
    .await;
    let resolver = resolver(&server);

    let together = (0..50).map(|_| {
        let resolver = resolver.clone();
        tokio::spawn(async move { look_up(&resolver, "still.example").await.unwrap() })
    });
    for lookup in together.collect::<Vec<_>>() {
        assert_eq!(lookup.await.unwrap(), [PUBLIC]);
    }
    for _ in 0..3 {
        look_up(&resolver, "still.example").await.unwrap();
        look_up(&resolver, "moving.example").await.unwrap();
    }
    assert_eq!(server.asked()["still.example."], 1);
    assert_eq!(server.asked()["moving.example."], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_names_hold_up_nobody_else() {
    let server = NameServer::start(|name, _| {
        if name.ends_with("slow.example.") {
            Reply::After(Duration::from_secs(20), Box::new(Reply::Addresses(vec![PUBLIC], 60)))
        } else {
            Reply::Addresses(vec![PUBLIC], 60)
        }
    })
    .await;
    let resolver = resolver(&server);
    let slow: Vec<_> = (0..500)
        .map(|number| {
            let resolver = resolver.clone();
            tokio::spawn(async move { look_up(&resolver, &format!("{number}.slow.example")).await })
        })
        .collect();
    let all_asked = async {
        while server.asked().len() < 500 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), all_asked).await.unwrap();

    for number in 0..20 {
        let started = Instant::now();
        let found = look_up(&resolver, &format!("{number}.quick.example")).await.unwrap();
        assert_eq!(found, [PUBLIC]);
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    }
    assert!(slow.iter().all(|lookup| !lookup.is_finished()));
    slow.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn who_stops_waiting_stops_asking() {
    let server = NameServer::start(|_, _| Reply::Silence).await;
    let resolver = resolver(&server);
    let lookup = look_up(&resolver, "slow.example");
    tokio::time::timeout(Duration::from_millis(100), lookup)
        .await
        .unwrap_err();

    let asked = server.asked();
    assert_eq!(asked["slow.example."], 1);
    // It would be asked again after a third of a second.
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(server.asked(), asked);
}

/// A name server that tells the families apart: by name, what each is answered with.
async fn by_family(reply: impl Fn(&str, RecordType) -> Reply + Send + 'static) -> NameServer {
    NameServer::start_by_family(move |name, family, _| reply(name, family)).await
}

fn address(family: RecordType) -> Reply {
    let v6: IpAddr = "2606:4700::1111".parse().unwrap();
    Reply::Addresses(vec![if family == RecordType::A { PUBLIC } else { v6 }], 60)
}

#[tokio::test]
async fn a_family_that_is_silent_or_fails_is_not_waited_for() {
    let server = by_family(|name, family| {
        let (kind, silent) = name.split_once('.').unwrap();
        let other = (silent == "a.example.") == (family == RecordType::A);
        match kind {
            _ if !other => address(family),
            "silent" => Reply::Silence,
            "slow" => Reply::After(Duration::from_secs(20), Box::new(address(family))),
            "failing" => Reply::Code(ResponseCode::ServFail),
            "refusing" => Reply::Code(ResponseCode::Refused),
            _ => Reply::Code(ResponseCode::NoError),
        }
    })
    .await;
    let resolver = resolver(&server);
    let started = Instant::now();
    for kind in ["silent", "slow", "failing", "refusing", "empty"] {
        for silent in ["a.example", "aaaa.example"] {
            let found = look_up(&resolver, &format!("{kind}.{silent}")).await.unwrap();
            assert_eq!(found.len(), 1, "{kind} {silent}");
            assert_eq!(found[0].is_ipv4(), silent == "aaaa.example", "{kind} {silent}");
        }
    }
    // Each waits for 50 ms at most, where a silent name server has seconds.
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_name_server_that_is_silent_is_not_waited_for() {
    let silent = NameServer::start(|_, _| Reply::Silence).await;
    let other = NameServer::start(|_, _| Reply::Silence).await;
    let server = NameServer::start(|_, _| Reply::Addresses(vec![PUBLIC], 60)).await;
    let servers = [silent.address, other.address, server.address];
    let resolver = GuardedResolver::new(Destinations::default(), &servers).unwrap();
    let started = Instant::now();
    for number in 0..5 {
        let found = look_up(&resolver, &format!("{number}.example")).await.unwrap();
        assert_eq!(found, [PUBLIC]);
    }
    assert!(started.elapsed() < ROUND, "{:?}", started.elapsed());
}

#[tokio::test]
async fn that_there_is_no_address_is_remembered_for_seconds_only() {
    let options = |resolver: &GuardedResolver| resolver.0.servers.options().clone();
    let server = NameServer::start(|_, _| Reply::Silence).await;
    let options = options(&resolver(&server));
    assert_eq!(options.negative_max_ttl, Some(ABSENCE_REMEMBERED_FOR));
    assert_eq!(options.positive_max_ttl, Some(REMEMBERED_FOR));
    assert!(ABSENCE_REMEMBERED_FOR <= Duration::from_secs(60) && REMEMBERED_FOR <= Duration::from_secs(60));
}

#[tokio::test]
async fn why_there_is_no_address_is_said_in_our_words() {
    let server = by_family(|name, family| match name {
        "v4-broken.example." if family == RecordType::A => Reply::Code(ResponseCode::ServFail),
        "v4-broken.example." => Reply::Code(ResponseCode::NoError),
        "refused.example." => Reply::Code(ResponseCode::Refused),
        _ => Reply::Silence,
    })
    .await;
    let resolver = resolver(&server);
    for (name, why) in [
        (
            "v4-broken.example",
            "`v4-broken.example` does not resolve: Server Failure",
        ),
        ("refused.example", "`refused.example` does not resolve: Query Refused"),
    ] {
        assert_eq!(look_up(&resolver, name).await.unwrap_err().to_string(), why);
    }
}
