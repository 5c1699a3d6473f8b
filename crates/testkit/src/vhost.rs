//! A RabbitMQ virtual host of its own for each test, and a look into it through the management API.
//!
//! Counts come from the broker's statistics, which lag by about a second: wait for them, do not assert them at once.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use ureq::Agent;
use ureq::http::Method;
use url::Url;
use uuid::Uuid;

use crate::services;

/// The broker may be busy deleting what other tests left.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// An empty virtual host, deleted with everything in it when this value is dropped.
#[derive(Debug)]
pub struct TestVhost {
    name: String,
    amqp: Url,
    api: Api,
}

/// A queue as the management API sees it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Queue {
    pub name: String,
    /// All messages in it; more than the other two together while dead-lettering is stuck.
    #[serde(default)]
    pub messages: u64,
    /// Those that wait for a consumer.
    #[serde(default, rename = "messages_ready")]
    pub ready: u64,
    /// Those delivered to a consumer and not yet acknowledged.
    #[serde(default, rename = "messages_unacknowledged")]
    pub unacknowledged: u64,
}

impl TestVhost {
    /// Creates a virtual host that the user of the test's AMQP address may do everything in.
    pub async fn create() -> Self {
        let services = services::running().await;
        let name = format!("tidings-test-{}", Uuid::now_v7().simple());
        let vhost = Self {
            name,
            amqp: services.amqp_url.clone(),
            api: Api::new(&services.rabbitmq_api),
        };
        let permissions = format!("/api/permissions/{}/{}", vhost.name, vhost.amqp.username());
        vhost
            .api
            .clone()
            .run(Method::PUT, format!("/api/vhosts/{}", vhost.name), Some(json!({})))
            .await;
        let everything = json!({ "configure": ".*", "write": ".*", "read": ".*" });
        vhost.api.clone().run(Method::PUT, permissions, Some(everything)).await;
        vhost
    }

    /// Its address, as in `amqp://guest:guest@127.0.0.1:5672/name`.
    pub fn amqp_url(&self) -> String {
        let mut url = self.amqp.clone();
        url.set_path(&self.name);
        url.into()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Every queue of the virtual host.
    pub async fn list_queues(&self) -> Vec<Queue> {
        self.api.clone().get(format!("/api/queues/{}", self.name)).await
    }

    /// The number of messages in a queue, waiting or held by a consumer.
    ///
    /// # Panics
    ///
    /// When there is no such queue.
    pub async fn queue_depth(&self, queue: &str) -> u64 {
        let queue: Queue = self.api.clone().get(self.path_of(queue)).await;
        queue.messages
    }

    /// Deletes a queue with the messages in it.
    pub async fn delete_queue(&self, queue: &str) {
        self.api.clone().run(Method::DELETE, self.path_of(queue), None).await;
    }

    /// Deletes the messages that wait in a queue.
    pub async fn purge_queue(&self, queue: &str) {
        self.api
            .clone()
            .run(Method::DELETE, format!("{}/contents", self.path_of(queue)), None)
            .await;
    }

    /// Closes every connection to it from the broker's side and returns their number. A connection younger than a
    /// second may not be known yet.
    pub async fn close_connections(&self) -> usize {
        #[derive(Deserialize)]
        struct Connection {
            name: String,
        }
        let connections: Vec<Connection> = self
            .api
            .clone()
            .get(format!("/api/vhosts/{}/connections", self.name))
            .await;
        for connection in &connections {
            self.api
                .clone()
                .run(
                    Method::DELETE,
                    format!("/api/connections/{}", segment(&connection.name)),
                    None,
                )
                .await;
        }
        connections.len()
    }

    fn path_of(&self, queue: &str) -> String {
        format!("/api/queues/{}/{}", self.name, segment(queue))
    }
}

impl Drop for TestVhost {
    fn drop(&mut self) {
        if let Err(error) = self
            .api
            .send(Method::DELETE, &format!("/api/vhosts/{}", self.name), None)
        {
            eprintln!("the virtual host {} stays behind: {error}", self.name);
        }
    }
}

/// A client of the management API that needs no runtime, so that it works inside of a drop.
#[derive(Clone, Debug)]
struct Api {
    base: Url,
    agent: Agent,
}

impl Api {
    fn new(base: &Url) -> Self {
        let agent = Agent::config_builder()
            .timeout_global(Some(ANSWER_WITHIN))
            .build()
            .into();
        Self {
            base: base.clone(),
            agent,
        }
    }

    async fn get<T: DeserializeOwned>(self, path: String) -> T {
        let body = self.run(Method::GET, path, None).await;
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error} in {body}"))
    }

    async fn run(self, method: Method, path: String, body: Option<serde_json::Value>) -> String {
        let sent = tokio::task::spawn_blocking(move || {
            self.send(method.clone(), &path, body)
                .unwrap_or_else(|error| panic!("RabbitMQ's management API, {method} {path}: {error}"))
        });
        sent.await.expect("the management API answers")
    }

    /// The credentials in the address become basic authentication.
    fn send(&self, method: Method, path: &str, body: Option<serde_json::Value>) -> Result<String, ureq::Error> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base.as_str().trim_end_matches('/')))
            .header("content-type", "application/json")
            .body(body)?;
        self.agent.run(request)?.into_body().read_to_string()
    }
}

/// A name as one segment of a path.
fn segment(name: &str) -> String {
    let mut encoded = String::new();
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use lapin::options::{BasicPublishOptions, QueueDeclareOptions};
    use lapin::types::FieldTable;
    use lapin::{BasicProperties, Connection, ConnectionProperties};

    use super::*;
    use crate::wait_until;

    const SOON: Duration = Duration::from_secs(20);

    async fn connect(vhost: &TestVhost) -> Connection {
        Connection::connect(&vhost.amqp_url(), ConnectionProperties::default())
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn queues_are_seen_counted_and_deleted() {
        let vhost = TestVhost::create().await;
        let other = TestVhost::create().await;
        let connection = connect(&vhost).await;
        let channel = connection.create_channel().await.unwrap();
        let durable = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        channel
            .queue_declare("work/live 03".into(), durable, FieldTable::default())
            .await
            .unwrap();
        for _ in 0..3 {
            let options = BasicPublishOptions::default();
            channel
                .basic_publish(
                    "".into(),
                    "work/live 03".into(),
                    options,
                    b"x",
                    BasicProperties::default(),
                )
                .await
                .unwrap();
        }
        wait_until(SOON, "three messages", async || {
            vhost.queue_depth("work/live 03").await == 3
        })
        .await;
        assert_eq!(vhost.list_queues().await.len(), 1);
        assert_eq!(other.list_queues().await, []);

        vhost.purge_queue("work/live 03").await;
        wait_until(SOON, "no messages", async || {
            vhost.queue_depth("work/live 03").await == 0
        })
        .await;
        vhost.delete_queue("work/live 03").await;
        assert_eq!(vhost.list_queues().await, []);
    }

    #[tokio::test]
    async fn connections_are_closed_from_the_brokers_side() {
        let vhost = TestVhost::create().await;
        let connection = connect(&vhost).await;
        wait_until(SOON, "a connection to close", async || {
            vhost.close_connections().await == 1
        })
        .await;
        wait_until(SOON, "the client to notice", async || !connection.status().connected()).await;
    }

    #[tokio::test]
    async fn it_is_gone_afterwards() {
        let vhost = TestVhost::create().await;
        let url = vhost.amqp_url();
        let connection = connect(&vhost).await;
        drop(vhost);
        wait_until(SOON, "the client to notice", async || !connection.status().connected()).await;
        assert!(
            Connection::connect(&url, ConnectionProperties::default())
                .await
                .is_err()
        );
    }
}
