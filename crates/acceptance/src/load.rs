//! A publisher that never stops at errors, and remembers which events were accepted.

use std::error::Error as _;
use std::time::Duration;

use serde_json::json;
use tidings_proto::pb;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;
use tonic::{Code, Response, Status};

use crate::client::{Client, Tenant, request};

/// Limit for a publish, after which its publisher gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Publishes at a steady rate until it is stopped.
#[derive(Debug)]
pub struct Load {
    publishing: JoinHandle<Published>,
    stop: oneshot::Sender<()>,
}

#[derive(Debug, Default)]
pub struct Published {
    /// The ids of the events that were accepted.
    pub accepted: Vec<String>,
    /// Publishes rejected, or not answered: nothing is promised for these.
    pub refused: usize,
}

impl Load {
    /// Starts to publish events of type `load.test`, each in a call of its own.
    pub fn start(client: &Client, tenant: &Tenant, per_second: u32) -> Self {
        let (stop, stopped) = oneshot::channel();
        let publishing = tokio::spawn(publish(client.clone(), tenant.clone(), per_second, stopped));
        Self { publishing, stop }
    }

    /// Ends publishing and waits for the last answers.
    pub async fn stop(self) -> Published {
        let _ = self.stop.send(());
        self.publishing.await.expect("publishing does not panic")
    }
}

async fn publish(client: Client, tenant: Tenant, per_second: u32, mut stopped: oneshot::Receiver<()>) -> Published {
    let mut timer = tokio::time::interval(Duration::from_secs(1) / per_second);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut calls = JoinSet::new();
    for number in 0_u64.. {
        tokio::select! {
            _ = &mut stopped => break,
            _ = timer.tick() => {}
        }
        let request = request(&tenant, "load.test", json!({ "number": number }));
        let client = client.clone();
        calls.spawn(async move { tokio::time::timeout(PATIENCE, publish_one(&client, request)).await });
    }
    let mut published = Published::default();
    while let Some(call) = calls.join_next().await {
        match call.expect("a call does not panic") {
            Ok(Ok(answer)) => published.accepted.push(answer.into_inner().event_id),
            Ok(Err(status)) => {
                println!("a publish was refused: {status}");
                published.refused += 1;
            }
            Err(_) => {
                println!("a publish was not answered");
                published.refused += 1;
            }
        }
    }
    published
}

/// Publishes an event, again if its request was never sent. The client may pass a request to a connection that the
/// server is just closing, and get it back; publishers try again then, as clients of other languages do by themselves.
async fn publish_one(client: &Client, request: pb::PublishRequest) -> Result<Response<pb::PublishResponse>, Status> {
    let answer = client.events().publish(request.clone()).await;
    match answer {
        // What the server says has no cause here.
        Err(status) if status.code() == Code::Cancelled && status.source().is_some() => {
            client.events().publish(request).await
        }
        answer => answer,
    }
}
