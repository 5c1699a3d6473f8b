//! Resolving host names to addresses that requests may go to (guarantee G6).
//!
//! The client connects to the addresses given here and to no others, so a name that changes its mind between the
//! check and the connection gains nothing.

use std::net::{IpAddr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tidings_domain::destination::Destinations;

/// Resolves by the system's resolver and drops what is not allowed.
pub(crate) struct GuardedResolver(pub(crate) Destinations);

/// Why a name gave no address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    #[error("`{name}` does not resolve: {error}")]
    Dns { name: String, error: std::io::Error },
    #[error("`{name}` has no address")]
    Nothing { name: String },
    #[error("`{name}` resolves to {address}, which is not a public address")]
    Blocked { name: String, address: IpAddr },
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (rules, name) = (self.0.clone(), name.as_str().to_owned());
        Box::pin(async move { Ok(resolve(&rules, name).await?) })
    }
}

async fn resolve(rules: &Destinations, name: String) -> Result<Addrs, ResolveError> {
    let looked_up = tokio::net::lookup_host((name.as_str(), 0))
        .await
        .map(Iterator::collect::<Vec<SocketAddr>>);
    let found = match looked_up {
        Ok(found) => found,
        Err(error) => return Err(ResolveError::Dns { name, error }),
    };
    let Some(first) = found.first().copied() else {
        return Err(ResolveError::Nothing { name });
    };
    let allowed: Vec<SocketAddr> = found.into_iter().filter(|address| rules.allows(address.ip())).collect();
    if allowed.is_empty() {
        return Err(ResolveError::Blocked {
            name,
            address: first.ip(),
        });
    }
    Ok(Box::new(allowed.into_iter()))
}
