//! Addresses of PostgreSQL and RabbitMQ.
//!
//! They come from the environment (`TIDINGS_TEST_DATABASE_URL`, `TIDINGS_TEST_AMQP_URL`, `TIDINGS_TEST_RABBITMQ_API`).
//! Otherwise `scripts/services up` starts both, once in each process, so that a plain `cargo test -p …` works. It
//! returns at once when they run already, and leaves them running.

use std::env;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use url::Url;

/// Addresses of the services that tests use.
#[derive(Debug)]
pub struct Services {
    /// An existing database of a PostgreSQL whose user may create databases.
    pub database_url: Url,
    /// RabbitMQ's address; tests replace the virtual host.
    pub amqp_url: Url,
    /// RabbitMQ's management API with the credentials of an administrator.
    pub rabbitmq_api: Url,
}

/// The services, running. Blocks while they start.
///
/// # Panics
///
/// When they can be neither found nor started.
pub fn services() -> &'static Services {
    &SERVICES
}

/// Like [`services`], without blocking the runtime.
pub async fn running() -> &'static Services {
    tokio::task::spawn_blocking(services)
        .await
        .expect("PostgreSQL and RabbitMQ are needed")
}

static SERVICES: LazyLock<Services> = LazyLock::new(|| {
    let given = (given("DATABASE_URL"), given("AMQP_URL"), given("RABBITMQ_API"));
    if !matches!(given, (Some(_), Some(_), Some(_))) {
        start();
    }
    // The ports of scripts/services; change them together.
    let or = |url: Option<Url>, default: &str| url.unwrap_or_else(|| parse(default));
    Services {
        database_url: or(given.0, "postgres://tidings@127.0.0.1:54329/postgres"),
        amqp_url: or(given.1, "amqp://guest:guest@127.0.0.1:56729/%2f"),
        rabbitmq_api: or(given.2, "http://guest:guest@127.0.0.1:15679"),
    }
});

fn given(name: &str) -> Option<Url> {
    env::var(format!("TIDINGS_TEST_{name}"))
        .ok()
        .filter(|url| !url.is_empty())
        .map(|url| parse(&url))
}

fn parse(url: &str) -> Url {
    Url::parse(url).unwrap_or_else(|error| panic!("{url} is not a URL: {error}"))
}

fn start() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/services");
    let output = Command::new(&script)
        .arg("up")
        .output()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", script.display()));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`scripts/services up` failed:\n{said}");
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn they_run() {
        let services = running().await;
        for (url, port) in [
            (&services.database_url, 5432),
            (&services.amqp_url, 5672),
            (&services.rabbitmq_api, 80),
        ] {
            let address = (url.host_str().unwrap(), url.port().unwrap_or(port));
            TcpStream::connect(address).unwrap_or_else(|error| panic!("{url}: {error}"));
        }
    }
}
