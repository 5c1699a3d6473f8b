//! Checks of the outside: mail, browsers' address, name servers, and outgoing connections.

use std::net::SocketAddr;
use std::time::Duration;

use tidings_control::notifier::MailCheck;
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use super::finding::Findings;
use crate::config::Config;

pub(super) async fn mail(config: &Config, within: Duration, found: &mut Findings) -> anyhow::Result<()> {
    match timeout(within, tidings_control::notifier::check_mail(&config.notifier)).await {
        Ok(MailCheck::Off) => found.warn(
            "mail",
            "notifier.smtp_url is not set: no mails about failing endpoints are sent",
            "set it, unless tenants learn of failing endpoints in other ways",
        ),
        Ok(MailCheck::Well) => found.ok("mail", "the server accepts the login"),
        Ok(MailCheck::Failed(reason)) => found.fail("mail", reason, "correct [notifier]"),
        Err(_) => found.fail(
            "mail",
            "the server does not answer",
            "check notifier.smtp_url and the network",
        ),
    }
}

/// Checks that control answers at its public address, as far as that can be seen from here.
pub(super) async fn public_url(config: &Config, within: Duration, found: &mut Findings) -> anyhow::Result<()> {
    let Some(url) = &config.control.public_url else {
        return found.warn(
            "public_url",
            "control.public_url is not set: there are no portal links",
            "set it if you want them",
        );
    };
    let asked = format!("{}/api/v2/openapi.json", url.as_str().trim_end_matches('/'));
    match get(&asked, within).await {
        Ok((200, _)) => found.ok("public_url", format!("control answers at {url}")),
        Ok((status, _)) => {
            let says = format!("{asked} answers {status}");
            found.fail(
                "public_url",
                says,
                "let your proxy pass it on to control's HTTP address",
            )
        }
        Err(reason) => found.warn("public_url", reason, "check that it answers from outside"),
    }
}

/// Checks that the name servers of dispatchers answer.
pub(super) async fn names(config: &Config, found: &mut Findings) -> anyhow::Result<()> {
    let servers = &config.destinations.nameservers;
    if servers.is_empty() {
        return match std::fs::read_to_string("/etc/resolv.conf") {
            Ok(text) if text.lines().any(|line| line.trim_start().starts_with("nameserver")) => {
                found.ok("names", "those of /etc/resolv.conf are used")
            }
            _ => found.fail(
                "names",
                "/etc/resolv.conf names no name server",
                "set destinations.nameservers",
            ),
        };
    }
    found.ok("names", format!("{} are asked", servers.len()))
}

/// Checks that an address can be reached as dispatchers reach it.
pub(super) async fn egress(config: &Config, url: &Url, within: Duration, found: &mut Findings) -> anyhow::Result<()> {
    let check = format!("egress to {url}");
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return found.fail(&check, "it has no host", "write it like https://example.com");
    };
    let host = host.trim_matches(['[', ']']);
    let addresses: Vec<SocketAddr> = match timeout(within, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => {
            return found.fail(
                &check,
                format!("{host} can't be resolved: {error}"),
                "check DNS where dispatchers run",
            );
        }
        Err(_) => {
            return found.fail(
                &check,
                "the name servers do not answer",
                "check DNS where dispatchers run",
            );
        }
    };
    let rules = config.destinations.rules();
    let Some(address) = addresses.iter().find(|address| rules.allows(address.ip())) else {
        let says = format!("{host} has only addresses that requests may not go to");
        return found.fail(&check, says, "destinations.allowed_networks, if it is meant");
    };
    if !config.destinations.proxy.is_empty() {
        return found.ok(&check, format!("{address} may be dialled, through the proxy"));
    }
    match timeout(within, TcpStream::connect(address)).await {
        Ok(Ok(_)) => found.ok(&check, format!("{address} takes connections")),
        Ok(Err(error)) => found.fail(
            &check,
            format!("{address}: {error}"),
            "open the way out (firewall, NetworkPolicy)",
        ),
        Err(_) => found.fail(
            &check,
            format!("{address} does not answer"),
            "open the way out (firewall, NetworkPolicy)",
        ),
    }
}

/// The status and body that a URL answers with.
pub(super) async fn get(url: &str, within: Duration) -> Result<(u16, bytes::Bytes), String> {
    let client = reqwest::Client::builder().timeout(within).build();
    let answer = async { client?.get(url).send().await };
    let answer = answer.await.map_err(|error| told(&error))?;
    let status = answer.status().as_u16();
    let body = answer.bytes().await.map_err(|error| told(&error))?;
    Ok((status, body))
}

/// An error with its causes, on one line.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let told: Vec<String> = causes.map(ToString::to_string).collect();
    told.join(": ")
}
