//! Addresses of the broker: one URL may name several hosts, and each host may have several addresses.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::join_all;
use lapin::uri::{AMQPScheme, AMQPUri};
use tokio::net::lookup_host;
use tokio::time::timeout;
use url::{Host, Url};

/// Seconds; a connection that is silent for twice as long is lost.
// The server's default of 60 would leave a dead connection unnoticed for two minutes.
const HEARTBEAT: u16 = 20;

/// For how long an address that failed is tried after all others.
const DISTRUSTED: Duration = Duration::from_secs(60);

/// The hosts of a URL: with one user, one virtual host and one scheme.
#[derive(Debug)]
pub(super) struct Addresses {
    hosts: Vec<AMQPUri>,
    /// Draws the order in which this process tries addresses, so that processes spread over the nodes.
    order: RandomState,
    failed: Mutex<HashMap<SocketAddr, Instant>>,
}

/// One address, and what to say there.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) uri: AMQPUri,
    pub(super) socket: SocketAddr,
}

impl Addresses {
    /// Reads `amqp://user:password@host:port,host:port/vhost?heartbeat=20`.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        Ok(Self {
            hosts: hosts(url).map_err(|error| format!("the AMQP URL is not valid: {error}"))?,
            order: RandomState::new(),
            failed: Mutex::default(),
        })
    }

    pub(super) fn vhost(&self) -> &str {
        &self.hosts[0].vhost
    }

    pub(super) fn is_tls(&self) -> bool {
        self.hosts[0].scheme == AMQPScheme::AMQPS
    }

    /// Resolves every host within `limit`. Returns all addresses, the most promising first, and the errors of hosts
    /// without one.
    pub(super) async fn resolve(&self, limit: Duration) -> (Vec<Address>, Vec<String>) {
        let (mut addresses, mut failures) = (Vec::new(), Vec::new());
        for resolved in join_all(self.hosts.iter().map(|host| resolve(host, limit))).await {
            match resolved {
                Ok(found) => addresses.extend(found),
                Err(failure) => failures.push(failure),
            }
        }
        self.sort(&mut addresses);
        (addresses, failures)
    }

    /// Tries this address after all others for a while.
    pub(super) fn failed(&self, address: SocketAddr) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.retain(|_, at| at.elapsed() < DISTRUSTED);
        failed.insert(address, Instant::now());
    }

    fn sort(&self, addresses: &mut [Address]) {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.sort_by_key(|address| {
            let distrusted = failed.get(&address.socket).filter(|at| at.elapsed() < DISTRUSTED);
            // `None` sorts first, and among the distrusted the one whose failure is oldest.
            (distrusted.copied(), self.order.hash_one(address.socket))
        });
    }
}

async fn resolve(host: &AMQPUri, limit: Duration) -> Result<Vec<Address>, String> {
    let authority = &host.authority;
    let failed = |why: String| format!("can't find {}:{}: {why}", authority.host, authority.port);
    let found = timeout(limit, lookup_host((authority.host.as_str(), authority.port))).await;
    let found = found.map_err(|_| failed(format!("no answer within {limit:?}")))?;
    let address = |socket| Address {
        uri: host.clone(),
        socket,
    };
    let found: Vec<_> = found.map_err(|error| failed(error.to_string()))?.map(address).collect();
    if found.is_empty() {
        return Err(failed("the name has no address".into()));
    }
    Ok(found)
}

fn hosts(url: &str) -> Result<Vec<AMQPUri>, String> {
    const FORM: &str =
        "write it like amqp://user:password@host:5672/vhost, or amqps://, with more hosts as host:5672,host:5672";
    let (scheme, rest) = url.split_once("://").ok_or(FORM)?;
    if !matches!(scheme, "amqp" | "amqps") {
        return Err(format!("its scheme is `{scheme}`: {FORM}"));
    }
    let path = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())).1;
    if path.contains("://") {
        return Err(format!("it holds a second URL: name several hosts in one, and {FORM}"));
    }
    if path
        .strip_prefix('/')
        // By the AMQP URI rules that is the vhost with the empty name, which nobody means.
        .is_some_and(|vhost| vhost.is_empty() || vhost.starts_with(['?', '#']))
    {
        return Err(
            "it names no virtual host behind the slash: leave the slash away, or write /%2f, for the default one"
                .into(),
        );
    }
    each_host(url, one).ok_or(FORM)?
}

/// Reads a URL with several hosts as one URL for each; `None` if it is none.
pub(super) fn each_host<T>(
    url: &str,
    read: impl Fn(&str, &str) -> Result<T, String>,
) -> Option<Result<Vec<T>, String>> {
    let (scheme, rest) = url.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    // From the right, because a password may hold an unescaped `@`.
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    let hosts = hosts.split(',').map(|host| {
        if host.is_empty() || host.starts_with(':') {
            return Err("a host has no name".into());
        }
        read(&format!("{scheme}://{user}{host}{path}"), host)
    });
    Some(hosts.collect())
}

fn one(url: &str, host: &str) -> Result<AMQPUri, String> {
    let wrong = |error: String| format!("host `{host}`: {error}");
    let mut uri: AMQPUri = url.parse().map_err(wrong)?;
    let parsed = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
    // The client would take the machine it runs on instead.
    if let Some(Host::Ipv6(address)) = parsed.host() {
        uri.authority.host = IpAddr::from(address).to_string();
    }
    uri.query.heartbeat.get_or_insert(HEARTBEAT);
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn names(url: &str) -> Vec<String> {
        let name = |host: &AMQPUri| format!("{}:{}", host.authority.host, host.authority.port);
        Addresses::parse(url).unwrap().hosts.iter().map(name).collect()
    }

    #[test]
    fn a_url_names_one_host_or_several() {
        assert_eq!(names("amqp://localhost"), ["localhost:5672"]);
        assert_eq!(names("amqps://user:p%40ss@mq/v"), ["mq:5671"]);
        assert_eq!(
            names("amqp://u:p@10.0.0.1:1,mq.example.org,[::1]:3/v?heartbeat=7"),
            ["10.0.0.1:1", "mq.example.org:5672", "::1:3"]
        );
        let addresses = Addresses::parse("amqp://u:p%2Fw@a,b/my%2fvhost").unwrap();
        assert_eq!(addresses.vhost(), "my/vhost");
        let password = |host: &AMQPUri| host.authority.userinfo.password == "p/w";
        assert!(addresses.hosts.iter().all(password));
        assert_eq!(Addresses::parse("amqp://a").unwrap().vhost(), "/");
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said() {
        for (url, expected) in [
            ("nonsense", "amqp://user:password@host:5672/vhost"),
            ("http://mq", "its scheme is `http`"),
            ("amqp://a:1,b:x/v", "host `b:x`: invalid port number"),
            ("amqp://a,,b/v", "a host has no name"),
            ("amqp:///v", "a host has no name"),
            ("amqp://u:p@:5672/v", "a host has no name"),
            ("amqp://a/v,amqp://b/v", "name several hosts in one"),
            ("amqp://a/", "no virtual host behind the slash"),
            ("amqp://a/?heartbeat=5", "no virtual host behind the slash"),
            ("amqp://a/v?heartbeat=soon", "invalid digit"),
        ] {
            let error = Addresses::parse(url).unwrap_err();
            assert!(
                error.starts_with("the AMQP URL is not valid: ") && error.contains(expected),
                "{url}: {error}"
            );
        }
    }

    #[test]
    fn a_heartbeat_is_asked_for_unless_the_url_names_one() {
        let heartbeat = |url| Addresses::parse(url).unwrap().hosts[0].query.heartbeat;
        assert_eq!(heartbeat("amqp://localhost"), Some(20));
        assert_eq!(heartbeat("amqp://localhost/v?heartbeat=7"), Some(7));
    }

    async fn order(addresses: &Addresses) -> Vec<SocketAddr> {
        let (found, failures) = addresses.resolve(Duration::from_secs(5)).await;
        assert!(failures.is_empty(), "{failures:?}");
        found.into_iter().map(|address| address.socket).collect()
    }

    #[tokio::test]
    async fn an_address_that_failed_is_tried_last() {
        let addresses = Addresses::parse("amqp://127.0.0.1,127.0.0.2,[::1]").unwrap();
        let before = order(&addresses).await;
        addresses.failed(before[0]);
        assert_eq!(order(&addresses).await, [before[1], before[2], before[0]]);
        addresses.failed(before[2]);
        assert_eq!(order(&addresses).await, [before[1], before[0], before[2]]);
    }

    #[tokio::test]
    async fn processes_do_not_all_begin_with_the_same_address() {
        let mut firsts = BTreeSet::new();
        for _ in 0..100 {
            let addresses = Addresses::parse("amqp://127.0.0.1,127.0.0.2,127.0.0.3").unwrap();
            firsts.insert(order(&addresses).await[0]);
        }
        assert_eq!(firsts.len(), 3);
    }

    #[tokio::test]
    async fn a_name_that_leads_nowhere_does_not_hide_the_others() {
        let addresses = Addresses::parse("amqp://nowhere.invalid,127.0.0.1").unwrap();
        let (found, failures) = addresses.resolve(Duration::from_secs(5)).await;
        assert_eq!(found.len(), 1);
        assert!(
            failures[0].starts_with("can't find nowhere.invalid:5672: "),
            "{failures:?}"
        );
    }
}
