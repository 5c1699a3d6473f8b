//! Resolves host names to addresses that the destination policy allows (guarantee G6).
//!
//! [`Network`](crate::send::Network) connects only to addresses returned here, so a name that changes between check
//! and connection gains nothing. Names come from `/etc/hosts`, then from the name servers, over an asynchronous
//! resolver: getaddrinfo would need a thread per query, and one tenant's slow names would hold up another's. Both
//! address families and all name servers are queried at the same time, so that a silent one delays little (RFC 8305,
//! section 3). Concurrent queries for one name are merged, and a query ends when nobody waits for it any more.
//!
//! `/etc/hosts` and `/etc/resolv.conf` are read once, at the start. Names are taken as written: search domains and
//! `ndots` do not apply.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, TokioResolver, system_conf};
use tidings_domain::destination::Destinations;

#[cfg(test)]
pub(crate) mod tests;

/// Cached answers. An answer can hold thousands of addresses (about 1 MB in memory) at its owner's discretion, so the
/// cache is small; the nearest name server caches as well.
const REMEMBERED: u64 = 256;

/// The longest time that an answer is remembered, whatever its owner says; and that there is no address, because names
/// and endpoints are made together and whoever makes the endpoint first has the name a moment later.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);
const ABSENCE_REMEMBERED_FOR: Duration = Duration::from_secs(10);

/// Wait for the second address family after the first has given addresses (RFC 8305, section 3).
const SECOND_FAMILY: Duration = Duration::from_millis(50);

/// Wait for the second family after the first reported that the name does not exist.
const ABSENT_FAMILY: Duration = Duration::from_millis(500);

/// Time for all name servers together to answer one round of queries, and the number of rounds.
const ROUND: Duration = Duration::from_secs(2);
const ROUNDS: usize = 2;

/// Maximum addresses of one name that are tried.
const MAX_ADDRESSES: usize = 16;

/// Asks name servers and drops what is not allowed.
#[derive(Clone)]
pub(crate) struct GuardedResolver(Arc<Inner>);

struct Inner {
    rules: Destinations,
    hosts: Hosts,
    servers: TokioResolver,
}

/// Reason why a name gave no address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    #[error("`{name}` does not resolve: {why}")]
    Dns { name: String, why: String },
    #[error("`{name}` has no address")]
    Nothing { name: String },
    #[error("`{name}` resolves to {address}, which is not an allowed address")]
    Blocked { name: String, address: IpAddr },
}

impl ResolveError {
    /// Nothing was heard of a name for so long.
    pub(crate) fn no_answer(name: &str, within: Duration) -> Self {
        Self::Dns {
            name: name.to_owned(),
            why: format!("no name server answered within {within:?}"),
        }
    }
}

impl GuardedResolver {
    /// Asks these name servers, or the system's if there are none.
    pub(crate) fn new(rules: Destinations, nameservers: &[SocketAddr]) -> Result<Self, NetError> {
        let (config, options) = if nameservers.is_empty() {
            of_system()
        } else {
            (asking(nameservers), ResolverOpts::default())
        };
        let hosts = Hosts::from_system().unwrap_or_else(|error| {
            tracing::warn!(%error, "can't read /etc/hosts; its names will not resolve");
            Hosts::default()
        });
        Self::with(rules, hosts, config, options)
    }

    fn with(
        rules: Destinations,
        hosts: Hosts,
        config: ResolverConfig,
        mut options: ResolverOpts,
    ) -> Result<Self, NetError> {
        options.timeout = ROUND;
        options.attempts = ROUNDS;
        options.num_concurrent_reqs = config.name_servers().len().max(1);
        options.positive_max_ttl = Some(REMEMBERED_FOR);
        options.negative_max_ttl = Some(ABSENCE_REMEMBERED_FOR);
        // `in_hosts` consults the file, for both families at once.
        options.use_hosts_file = ResolveHosts::Never;
        options.cache_size = REMEMBERED;
        let servers = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .build()?;
        Ok(Self(Arc::new(Inner { rules, hosts, servers })))
    }

    /// The addresses of a name that requests may go to, at least one.
    pub(crate) async fn allowed_addresses(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let found = self.addresses(name).await?;
        let first = found[0];
        let rules = self.rules();
        let allowed: Vec<IpAddr> = found
            .into_iter()
            .filter(|address| rules.allows(*address))
            .take(MAX_ADDRESSES)
            .collect();
        if allowed.is_empty() {
            let (name, address) = (name.to_owned(), first);
            return Err(ResolveError::Blocked { name, address });
        }
        Ok(allowed)
    }

    /// All addresses of a name, at least one, for what the operator named and not a tenant.
    pub(crate) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let Inner { hosts, servers, .. } = &*self.0;
        let mut absolute = Name::from_ascii(name).map_err(|error| ResolveError::Dns {
            name: name.to_owned(),
            why: error.to_string(),
        })?;
        // Search domains could turn a customer's name into one of this network's.
        absolute.set_fqdn(true);
        let mut found = in_hosts(hosts, &absolute);
        if found.is_empty() {
            found = of_both_families(servers, absolute)
                .await
                .map_err(|error| explain(name.to_owned(), &error))?;
        }
        if found.is_empty() {
            return Err(ResolveError::Nothing { name: name.to_owned() });
        }
        Ok(found)
    }

    /// The rules that addresses are held against.
    pub(crate) fn rules(&self) -> &Destinations {
        &self.0.rules
    }
}

/// IPv4 first, because more machines can send it; the other family is tried soon after. The other family's silence or
/// failure does not matter once there are addresses of one.
async fn of_both_families(servers: &TokioResolver, name: Name) -> Result<Vec<IpAddr>, NetError> {
    let of = async |family| {
        let answer = servers.lookup(name.clone(), family).await?;
        let records = answer.answers().iter();
        Ok(records.filter_map(|record| record.data.ip_addr()).collect::<Vec<_>>())
    };
    let (mut ipv4, mut ipv6) = (pin!(of(RecordType::A)), pin!(of(RecordType::AAAA)));
    let (first, first_is_ipv4) = tokio::select! {
        // IPv4 counts as first where both are there.
        biased;
        found = &mut ipv4 => (found, true),
        found = &mut ipv6 => (found, false),
    };
    let second = async { if first_is_ipv4 { ipv6.await } else { ipv4.await } };
    let second = match &first {
        Ok(found) if !found.is_empty() => {
            let found = tokio::time::timeout(SECOND_FAMILY, second).await;
            found.unwrap_or_else(|_| Ok(Vec::new()))
        }
        // Some name servers say so of one family where they know the other (RFC 4074, section 4.2).
        Err(error) if is_absent(error) => match tokio::time::timeout(ABSENT_FAMILY, second).await {
            Ok(second) => second,
            Err(_) => return first,
        },
        _ => second.await,
    };
    let (ipv4, ipv6) = if first_is_ipv4 {
        (first, second)
    } else {
        (second, first)
    };
    match (ipv4, ipv6) {
        (Ok(ipv4), Ok(ipv6)) => Ok([ipv4, ipv6].concat()),
        (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.is_empty() => Ok(found),
        // What is known of one family says less than why nothing is of the other.
        (Err(error), _) | (_, Err(error)) if !has_no_records(&error) => Err(error),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// Recognises an answer that the name exists in neither family.
fn is_absent(error: &NetError) -> bool {
    matches!(error, NetError::Dns(DnsError::NoRecordsFound(none)) if none.response_code == ResponseCode::NXDomain)
}

fn has_no_records(error: &NetError) -> bool {
    matches!(error, NetError::Dns(DnsError::NoRecordsFound(_)))
}

/// Configuration from `/etc/resolv.conf`. Without that file the server on this machine is used, as the C library does
/// (resolv.conf(5)).
fn of_system() -> (ResolverConfig, ResolverOpts) {
    system_conf::read_system_conf().unwrap_or_else(|error| {
        tracing::warn!(
            %error,
            "/etc/resolv.conf names no usable name server; using 127.0.0.1:53; \
             set destinations.nameservers to use others"
        );
        (asking(&[(Ipv4Addr::LOCALHOST, 53).into()]), ResolverOpts::default())
    })
}

fn asking(nameservers: &[SocketAddr]) -> ResolverConfig {
    let servers = nameservers.iter().map(|server| {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = server.port();
            connection
        });
        NameServerConfig::new(server.ip(), true, connections.into())
    });
    ResolverConfig::from_name_servers(servers.collect())
}

/// A name that stands in the file is not looked for elsewhere, in neither family.
fn in_hosts(hosts: &Hosts, name: &Name) -> Vec<IpAddr> {
    [RecordType::A, RecordType::AAAA]
        .into_iter()
        .filter_map(|family| hosts.lookup_static_host(&Query::query(name.clone(), family)))
        .flat_map(|entry| {
            let records = entry.answers().iter();
            records.filter_map(|record| record.data.ip_addr()).collect::<Vec<_>>()
        })
        .collect()
}

fn explain(name: String, error: &NetError) -> ResolveError {
    let why = match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) if none.response_code == ResponseCode::NoError => {
            return ResolveError::Nothing { name };
        }
        NetError::Dns(DnsError::NoRecordsFound(none)) => none.response_code.to_string(),
        NetError::Dns(DnsError::ResponseCode(code)) => code.to_string(),
        NetError::Timeout => "no name server answered in time".to_owned(),
        NetError::Io(_) | NetError::NoConnections => "no name server can be reached".to_owned(),
        NetError::Busy => "the name servers are overloaded".to_owned(),
        _ => "the name servers' answers can't be used".to_owned(),
    };
    ResolveError::Dns { name, why }
}
