//! A crowd: many endpoints of one tenant that answer well, each after many seconds, beside an endpoint of another tenant
//! whose events must not wait for theirs.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::json;
use tidings_acceptance::{Tenant, endpoint, request};
use tidings_proto::pb;
use tidings_testkit::{Answer, Receiver};

use crate::system::System;

/// As many as have all places of a dispatcher under way, with the requests that each is allowed at first.
const ENDPOINTS: usize = 200;
const ANSWERS_AFTER: Duration = Duration::from_secs(20);
/// Events sent to the whole crowd, one after the other.
const EVENTS: usize = 12;
/// Events sent to the endpoint beside the crowd, while the crowd has requests under way.
const BESIDE: usize = 30;
/// Limit for one of those. It would otherwise wait for the crowd's answers.
const BOUND: Duration = Duration::from_secs(10);
/// Limit for the crowd's deliveries once it answers at once.
const DRAINS_WITHIN: Duration = Duration::from_secs(120);

pub(crate) async fn gather(system: &mut System) -> anyhow::Result<String> {
    let client = &system.client;
    let (slow, quick) = (Receiver::start().await, Receiver::start().await);
    slow.answer_always(Answer::Status(200).after(ANSWERS_AFTER));
    let (crowd, beside) = (
        client.create_tenant("crowd").await,
        client.create_tenant("beside").await,
    );
    let beside_endpoint = client.create_endpoint(endpoint(&beside, &quick.url())).await;
    let mut made = Vec::new();
    for _ in 0..ENDPOINTS {
        made.push(client.create_endpoint(endpoint(&crowd, &slow.url())).await);
    }

    for number in 0..EVENTS {
        publish(system, &crowd, number).await?;
    }
    slow.wait_for(ENDPOINTS, BOUND * 3).await;
    let mut longest = Duration::ZERO;
    for number in 0..BESIDE {
        let published = Instant::now();
        publish(system, &beside, number).await?;
        let arrived = quick.wait_for(number + 1, BOUND * 6).await.len() > number;
        ensure!(arrived, "an event beside the crowd did not arrive");
        longest = longest.max(published.elapsed());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let under_way = slow.count();

    // Nothing is lost of what had to wait.
    slow.answer_always(Answer::Status(200));
    slow.wait_for(ENDPOINTS * EVENTS, DRAINS_WITHIN).await;
    for endpoint in made.iter().chain([&beside_endpoint]) {
        let request = pb::DeleteEndpointRequest {
            endpoint_id: endpoint.id.clone(),
        };
        let deleted = system.client.endpoints().delete_endpoint(request).await;
        deleted.context("an endpoint of the crowd can't be deleted")?;
    }
    ensure!(
        longest < BOUND,
        "an event beside a crowd of slow endpoints took {longest:.1?} to arrive, longer than {BOUND:?}"
    );
    Ok(format!(
        "{under_way} requests to {ENDPOINTS} slow endpoints; beside them at most {longest:.1?}"
    ))
}

/// Publishes an event, again and again if need be.
async fn publish(system: &System, tenant: &Tenant, number: usize) -> anyhow::Result<()> {
    let give_up = Instant::now() + BOUND;
    loop {
        let event = request(tenant, "crowd.event", json!({ "number": number }));
        match system.client.events().publish(event).await {
            // Ingest learns of new endpoints within a moment.
            Ok(answer) if answer.get_ref().deliveries > 0 => return Ok(()),
            Ok(_) => {}
            Err(status) if Instant::now() > give_up => return Err(status).context("an event is not accepted"),
            Err(_) => {}
        }
        ensure!(Instant::now() < give_up, "the endpoints are not known to ingest");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
