//! A key that is deleted while streams are open with it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _};
use serde_json::json;
use tidings_acceptance::{Client, problem_code, request};
use tidings_proto::pb;
use tidings_proto::pb::publish_result::Result::Accepted;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::receivers::event_type;
use crate::system::System;

/// Use of the key before it is deleted, in milliseconds.
const USED_FOR: std::ops::Range<u64> = 500..2_500;
/// Interval between two events.
const EVERY: Duration = Duration::from_millis(5);
/// The most that the streams may live on, with all processes well.
const GONE_WITHIN: Duration = Duration::from_secs(15);
const KIND: u8 = 0;

/// Publishes over a stream and watches, deletes the key, and sees that both end with the reason and that nothing is
/// accepted any more. What was accepted goes into the journal, whose end says whether it was delivered.
pub(crate) async fn revoke_while_streaming(system: &mut System, random: &mut StdRng) -> anyhow::Result<String> {
    let wanted = pb::CreateApiKeyRequest {
        name: "to be revoked".into(),
        tenant_id: system.tenant.id.clone(),
        scopes: Vec::new(),
        expires_at: None,
    };
    let made = system.client.tenants().create_api_key(wanted).await?.into_inner();
    let client = Client::new(&system.servers, &made.token);
    until_known(&client).await?;
    let mut tail = client
        .log()
        .watch_attempts(pb::WatchAttemptsRequest::default())
        .await?
        .into_inner();
    let (events, receiver) = mpsc::channel(64);
    let mut answers = client
        .events()
        .publish_stream(ReceiverStream::new(receiver))
        .await?
        .into_inner();

    let (tenant, text) = (system.tenant.clone(), random.next_u64());
    let sending = tokio::spawn(async move {
        for sequence in 0.. {
            let event = request(&tenant, &event_type(KIND), json!({ "number": sequence, "text": text }));
            let event = pb::PublishStreamRequest {
                sequence,
                event: Some(event),
            };
            if events.send(event).await.is_err() {
                return;
            }
            tokio::time::sleep(EVERY).await;
        }
    });
    let used_for = Duration::from_millis(random.random_range(USED_FOR));
    let delete = async {
        tokio::time::sleep(used_for).await;
        let key_id = made.key.context("a key has an id")?.id;
        let request = pb::RevokeApiKeyRequest { key_id };
        system.client.tenants().revoke_api_key(request).await?;
        anyhow::Ok(Instant::now())
    };
    let publish = async {
        let mut accepted = 0;
        loop {
            match answers.message().await {
                Ok(Some(answer)) => {
                    if let Some(Accepted(event)) = answer.result.and_then(|result| result.result) {
                        system.journal.accepted(event.event_id.parse()?, KIND);
                        accepted += 1;
                    }
                }
                Ok(None) => bail!("the stream of publishes ended without a reason"),
                Err(status) => return Ok((accepted, status)),
            }
        }
    };
    let watch = async {
        loop {
            match tail.message().await {
                Ok(Some(_)) => {}
                Ok(None) => bail!("the live tail ended without a reason"),
                Err(status) => return Ok(status),
            }
        }
    };
    let (deleted, published, watched) = tokio::join!(
        delete,
        timeout(used_for + GONE_WITHIN, publish),
        timeout(used_for + GONE_WITHIN, watch)
    );
    let outlived = deleted?.elapsed();
    sending.abort();
    let (accepted, ended) = published.context("a stream of publishes outlives its key")??;
    ends_with_the_key(&ended)?;
    ends_with_the_key(&watched.context("a live tail outlives its key")??)?;
    let again = request(&system.tenant, &event_type(KIND), json!({}));
    match client.events().publish(again).await {
        Ok(_) => bail!("an event is accepted with a key that was deleted"),
        Err(status) => ends_with_the_key(&status)?,
    }
    Ok(format!(
        "after {used_for:.1?} and {accepted} events; streams ended within {outlived:.1?}"
    ))
}

async fn until_known(client: &Client) -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        let asked = pb::ListEventsRequest::default();
        match client.log().list_events(asked).await {
            Ok(_) => return Ok(()),
            Err(status) if start.elapsed() > GONE_WITHIN => bail!("a new key is not known: {status}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

fn ends_with_the_key(status: &Status) -> anyhow::Result<()> {
    let code = problem_code(status);
    ensure!(
        code == "key_unknown",
        "a stream ended for another reason than its key: {status}"
    );
    Ok(())
}
