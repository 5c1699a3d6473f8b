//! Resolving host names to addresses that requests may go to (guarantee G6).
//!
//! Need: [`Network`](crate::send::Network) connects to the addresses given here and to no others, so a name that changes its mind between
//! the check and the connection gains nothing; and one tenant's slow names must not hold up another's. Mechanism:
//! the names of `/etc/hosts`, then the system's name servers, asked without a thread per question (getaddrinfo needs
//! one). Who stops waiting stops asking; questions for the same name at the same time are one. Limit: both files are
//! read once, at the start; names are taken as they stand, so search domains and `ndots` do not apply.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, TokioResolver, system_conf};
use tidings_domain::destination::Destinations;

#[cfg(test)]
pub(crate) mod tests;

/// How many answers are remembered. An answer can hold thousands of addresses (about 1 MB in memory), and who owns
/// the name decides about that; the name server next door remembers answers too.
const REMEMBERED: u64 = 256;

/// How many addresses of one name are tried.
const MAX_ADDRESSES: usize = 16;

/// Asks name servers and drops what is not allowed.
#[derive(Clone)]
pub(crate) struct GuardedResolver(Arc<Parts>);

struct Parts {
    rules: Destinations,
    hosts: Hosts,
    servers: TokioResolver,
}

/// Why a name gave no address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    #[error("`{name}` does not resolve: {why}")]
    Dns { name: String, why: String },
    #[error("`{name}` has no address")]
    Nothing { name: String },
    #[error("`{name}` resolves to {address}, which is not an allowed address")]
    Blocked { name: String, address: IpAddr },
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
            tracing::warn!(%error, "/etc/hosts can't be read: its names are unknown");
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
        // IPv4 first, because more machines can send it; the client tries the other family soon after (RFC 8305).
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.use_hosts_file = ResolveHosts::Never;
        options.cache_size = REMEMBERED;
        let servers = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .build()?;
        Ok(Self(Arc::new(Parts { rules, hosts, servers })))
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
        let Parts { hosts, servers, .. } = &*self.0;
        let mut absolute = Name::from_ascii(name).map_err(|error| ResolveError::Dns {
            name: name.to_owned(),
            why: error.to_string(),
        })?;
        absolute.set_fqdn(true);
        let mut found = in_hosts(hosts, &absolute);
        if found.is_empty() {
            found = match servers.lookup_ip(absolute).await {
                Ok(answer) => answer.iter().collect(),
                Err(error) => return Err(explain(name.to_owned(), &error)),
            };
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

/// What `/etc/resolv.conf` says. Without it the server on this machine is asked, which is also what the C library
/// does (resolv.conf(5)).
fn of_system() -> (ResolverConfig, ResolverOpts) {
    system_conf::read_system_conf().unwrap_or_else(|error| {
        tracing::warn!(
            %error,
            "/etc/resolv.conf names no name server that can be used: asking 127.0.0.1:53; \
             destinations.nameservers can name others"
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
        other => other.to_string(),
    };
    ResolveError::Dns { name, why }
}
