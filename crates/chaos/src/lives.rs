//! Faults to the life of deliveries: they are cancelled, sent again and erased while what works on that dies.
//!
//! Each has a tenant and an endpoint of its own, whose requests go to a receiver that nobody expects anything of, so that
//! the verdict on everybody else's deliveries stays what it is: theirs must end, and what is left of them in the ledger
//! must have ended too. What is promised of them is looked at here, and a promise that is not kept ends the run.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::json;
use tidings_acceptance::{Tenant, endpoint, request};
use tidings_proto::pb;
use tokio_postgres::Client;

use crate::engines::Engine::RabbitMq;
use crate::system::{Part, System};

/// Events that the tenant of a fault publishes.
const EVENTS: usize = 300;
/// Limit for anything that is promised, on a machine that does other things too.
const WITHIN: Duration = Duration::from_secs(90);

/// Held deliveries are cancelled on request while both logs die, then everything is replayed. Nothing may be cancelled
/// twice: replayed deliveries arrive.
pub(crate) async fn cancel_held_then_replay(system: &mut System, random: &mut StdRng) -> anyhow::Result<String> {
    let tenant = tenant(system, "cancel").await;
    let made = system.client.create_endpoint(aside(system, &tenant, true)).await;
    let id = made.id.clone();
    let disable = pb::DisableEndpointRequest {
        endpoint_id: id.clone(),
    };
    system.client.endpoints().disable_endpoint(disable).await?;
    system.client.ingest_is_up_to_date().await;
    publish(system, &tenant).await?;
    let ledger = system.engines.administer().await?;
    let counted = async |condition: &str| count(&ledger, "deliveries", &tenant, condition).await;
    until("all are held", async || Ok(counted("state = 'held'").await? == EVENTS)).await?;

    let enable = pb::EnableEndpointRequest {
        endpoint_id: id.clone(),
        held: pb::Held::Cancel.into(),
    };
    system.client.endpoints().enable_endpoint(enable).await?;
    tokio::time::sleep(Duration::from_millis(random.random_range(0..600))).await;
    for part in [Part::Log1, Part::Log2] {
        system.role(part).kill9().await?;
        system.role(part).spawn()?;
    }
    let cancelled = "state = 'cancelled' AND reason = 'by_request'";
    until("all are cancelled", async || Ok(counted(cancelled).await? == EVENTS)).await?;
    system.heal().await?;

    let replay = pb::CreateReplayRequest {
        rows: Some(pb::LogRows {
            rows: Some(pb::log_rows::Rows::Deliveries(pb::DeliveryFilter {
                tenant_id: tenant.id.clone(),
                endpoint_id: id,
                ..pb::DeliveryFilter::default()
            })),
        }),
        ..pb::CreateReplayRequest::default()
    };
    system.client.replays().create_replay(replay).await?;
    until("what is sent again arrives", async || {
        Ok(counted("state = 'succeeded'").await? == EVENTS)
    })
    .await?;
    ensure!(
        counted(cancelled).await? == EVENTS,
        "more was cancelled than what was held"
    );
    Ok(format!("{EVENTS} deliveries"))
}

/// Everything of a tenant is erased while its endpoint fails, its retries wait and it publishes on.
pub(crate) async fn erase_tenant_under_retries(system: &mut System, random: &mut StdRng) -> anyhow::Result<String> {
    let tenant = tenant(system, "erase").await;
    system.client.create_endpoint(aside(system, &tenant, false)).await;
    system.client.ingest_is_up_to_date().await;
    publish(system, &tenant).await?;
    let ledger = system.engines.administer().await?;
    let attempted = "attempts > 0 AND state NOT IN ('exhausted')";
    until("some are retried", async || {
        Ok(count(&ledger, "deliveries", &tenant, attempted).await? > EVENTS / 2)
    })
    .await?;
    let erasure = pb::CreateErasureRequest {
        tenant_id: tenant.id.clone(),
        ..pb::CreateErasureRequest::default()
    };
    let erasure = system.client.erasures().create_erasure(erasure).await?.into_inner();
    tokio::time::sleep(Duration::from_millis(random.random_range(0..300))).await;
    // What is published now is not erased, and does not keep the erasure from ending.
    publish(system, &tenant).await?;
    until("the erasure ends", async || {
        let asked = pb::GetErasureRequest {
            erasure_id: erasure.id.clone(),
        };
        let seen = system.client.erasures().get_erasure(asked).await?.into_inner();
        Ok(seen.ended_at.is_some())
    })
    .await?;
    until("what came later ends", async || {
        Ok(count(&ledger, "deliveries", &tenant, "state = 'exhausted'").await? == EVENTS)
    })
    .await?;
    for (table, event, expected) in [
        ("events", "id", EVENTS),
        ("deliveries", "event_id", EVENTS),
        ("attempts", "event_id", 0),
    ] {
        let id: uuid::Uuid = erasure.id.trim_start_matches("ers_").parse()?;
        let old = count(&ledger, table, &tenant, &format!("{event} < '{id}'")).await?;
        ensure!(old == 0, "{old} erased rows of {table} came back");
        let young = count(&ledger, table, &tenant, "true").await?;
        ensure!(
            young >= expected,
            "only {young} rows of {table} are left of what came after the erasure"
        );
    }
    Ok(format!("{EVENTS} events before, {EVENTS} after"))
}

/// The broker dies while the sweeper publishes what it could not take, into lanes in which messages wait.
pub(crate) async fn unconfirmed_sweep(system: &mut System, random: &mut StdRng) -> anyhow::Result<String> {
    for part in [Part::Dispatcher1, Part::Dispatcher2] {
        system.role(part).kill9().await?;
    }
    system.engines.signal(RabbitMq, "KILL").await?;
    let away = Duration::from_millis(random.random_range(2_000..4_000));
    tokio::time::sleep(away).await;
    system.engines.start_one(RabbitMq).await?;
    // As soon as it answers the sweeper publishes a second's worth at a time.
    let alive = Duration::from_millis(random.random_range(300..1_500));
    tokio::time::sleep(alive).await;
    let queues = system.engines.queues().await;
    system.engines.signal(RabbitMq, "KILL").await?;
    system.engines.start_one(RabbitMq).await?;
    for part in [Part::Dispatcher1, Part::Dispatcher2] {
        system.role(part).spawn()?;
    }
    let in_retry =
        |queue: &crate::engines::Queue| queue.name.starts_with("tidings.work.") && queue.name.contains(".retry.");
    let longest = queues
        .unwrap_or_default()
        .iter()
        .filter(|queue| in_retry(queue))
        .map(|queue| queue.messages)
        .max();
    Ok(format!(
        "away for {away:.1?}, alive for {alive:.1?} with {} messages in the longest retry lane, killed again",
        longest.unwrap_or(0)
    ))
}

async fn tenant(system: &System, what: &str) -> Tenant {
    system.client.create_tenant(&format!("chaos {what}")).await
}

/// An endpoint that nobody else's journal is about.
fn aside(system: &System, tenant: &Tenant, answers: bool) -> pb::Endpoint {
    let seconds = |seconds| prost_types::Duration { seconds, nanos: 0 };
    pb::Endpoint {
        schedule: [1, 2, 3].map(seconds).to_vec(),
        ..endpoint(tenant, &system.receivers.aside(answers))
    }
}

/// Publishes all at once, so that none has had its last attempt when the last is published.
async fn publish(system: &System, tenant: &Tenant) -> anyhow::Result<()> {
    let publish = async |number: usize| {
        let request = request(tenant, "chaos.aside", json!({ "number": number }));
        let answer = system.client.events().publish(request).await;
        answer.map(|_| ()).context("an event is not accepted")
    };
    futures::future::try_join_all((0..EVENTS).map(publish)).await?;
    Ok(())
}

/// The number of a tenant's rows in a table that meet a condition.
async fn count(ledger: &Client, table: &str, tenant: &Tenant, condition: &str) -> anyhow::Result<usize> {
    let id: uuid::Uuid = tenant.id.trim_start_matches("ten_").parse()?;
    let query = format!("SELECT count(*) FROM {table} WHERE tenant_id = $1 AND {condition}");
    let count: i64 = ledger.query_one(&query, &[&id]).await?.try_get(0)?;
    Ok(usize::try_from(count)?)
}

async fn until(what: &str, is_so: impl AsyncFn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let start = Instant::now();
    while !is_so().await? {
        if start.elapsed() > WITHIN {
            bail!("not within {WITHIN:?}: {what}");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}
