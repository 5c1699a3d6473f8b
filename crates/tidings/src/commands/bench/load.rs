//! The publisher of the benchmark.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use hdrhistogram::Histogram;
use tidings_proto::pb;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::cpu::Meter;
use super::receiver::Sink;
use super::system::System;
use crate::client::{Client, explain};

/// How long the last deliveries may take after the last event was published.
const DRAIN: Duration = Duration::from_secs(60);
/// How many batches are under way at once while saturating.
const PUBLISHERS: usize = 4;

/// Publishes events for one tenant.
pub(super) struct Load<'a> {
    client: Client,
    sink: &'a Sink,
    /// One event type per endpoint.
    event_types: Vec<String>,
    filler: String,
    next: Arc<AtomicU64>,
}

/// What a steady run showed.
pub(super) struct SteadyRun {
    pub(super) events: u64,
    /// From the moment an event should have been sent to its acknowledgement, microseconds.
    pub(super) acknowledged: Histogram<u64>,
    /// From the same moment to its arrival at the receiver, microseconds.
    pub(super) delivered: Histogram<u64>,
    pub(super) lost: u64,
}

/// What a saturated run showed.
pub(super) struct SaturatedRun {
    pub(super) deliveries: u64,
    pub(super) seconds: f64,
    pub(super) cpu: Vec<(&'static str, Duration)>,
}

impl<'a> Load<'a> {
    /// Makes a tenant with endpoints that all lead to the sink.
    pub(super) async fn prepare(
        system: &System,
        sink: &'a Sink,
        endpoints: usize,
        payload: usize,
    ) -> anyhow::Result<Self> {
        let operator = Client::connect(&system.control, &system.operator).await?;
        let request = pb::CreateTenantRequest { name: "bench".into() };
        let created = operator
            .tenants()
            .create_tenant(request)
            .await
            .map_err(explain)?
            .into_inner();
        let tenant = Client::connect(&system.control, &created.token).await?;
        let event_types: Vec<_> = (0..endpoints.max(1)).map(|n| format!("bench.endpoint_{n}")).collect();
        for event_type in &event_types {
            let endpoint = pb::Endpoint {
                name: event_type.clone(),
                url: format!("http://{}/", sink.address),
                subscriptions: vec![pb::Subscription {
                    pattern: event_type.clone(),
                    disabled: false,
                }],
                ..pb::Endpoint::default()
            };
            let request = pb::CreateEndpointRequest {
                endpoint: Some(endpoint),
                disabled: false,
            };
            tenant.endpoints().create_endpoint(request).await.map_err(explain)?;
        }
        let load = Self {
            client: Client::connect(&system.ingest, &created.token).await?,
            sink,
            event_types,
            filler: "x".repeat(payload.saturating_sub(32)),
            next: Arc::new(AtomicU64::new(0)),
        };
        load.wait_until_known().await?;
        Ok(load)
    }

    /// Publishes at a steady rate over one stream.
    pub(super) async fn steady(&self, rate: u32, warm_up: Duration, length: Duration) -> anyhow::Result<SteadyRun> {
        let (requests, receiver) = mpsc::channel(4_096);
        let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
        let mut answers = self
            .client
            .events()
            .publish_stream(stream)
            .await
            .map_err(explain)?
            .into_inner();
        self.sink.take();

        let gap = Duration::from_secs(1) / rate.max(1);
        let first = self.next.load(Ordering::Relaxed);
        let count = (warm_up + length).as_nanos() as u64 / gap.as_nanos() as u64;
        let skip = warm_up.as_nanos() as u64 / gap.as_nanos() as u64;
        let (begin, begin_ns) = (Instant::now(), self.sink.now());
        let intended = |n: u64| begin_ns + gap.as_nanos() as u64 * n;

        let send = async {
            for n in 0..count {
                tokio::time::sleep_until(begin + gap * u32::try_from(n)?).await;
                let request = pb::PublishStreamRequest {
                    sequence: n,
                    event: Some(self.event()),
                };
                requests.send(request).await.context("the stream was closed")?;
            }
            drop(requests);
            anyhow::Ok(())
        };
        let mut acknowledged = Histogram::new(3)?;
        let mut refused = 0;
        let receive = async {
            while let Some(answer) = answers.message().await.map_err(explain)? {
                match answer.result.and_then(|result| result.result) {
                    Some(pb::publish_result::Result::Accepted(_)) if answer.sequence >= skip => {
                        acknowledged.record(self.sink.now().saturating_sub(intended(answer.sequence)) / 1_000)?;
                    }
                    Some(pb::publish_result::Result::Accepted(_)) => {}
                    _ => refused += 1,
                }
            }
            anyhow::Ok(())
        };
        let (sent, received) = tokio::join!(send, receive);
        sent.and(received)?;
        anyhow::ensure!(refused == 0, "{refused} events were refused");

        let mut arrived = self.sink.take();
        let give_up = Instant::now() + DRAIN;
        while (arrived.len() as u64) < count && Instant::now() < give_up {
            tokio::time::sleep(Duration::from_millis(50)).await;
            for (number, at) in self.sink.take() {
                arrived.entry(number).or_insert(at);
            }
        }
        let mut delivered = Histogram::new(3)?;
        for n in skip..count {
            if let Some(at) = arrived.get(&(first + n)) {
                delivered.record(at.saturating_sub(intended(n)) / 1_000)?;
            }
        }
        let lost = (count - skip) - delivered.len();
        Ok(SteadyRun {
            events: count - skip,
            acknowledged,
            delivered,
            lost,
        })
    }

    /// Publishes as fast as the system delivers, in batches.
    pub(super) async fn saturate(
        &self,
        batch: usize,
        outstanding: u64,
        warm_up: Duration,
        length: Duration,
        meter: &Meter,
    ) -> anyhow::Result<SaturatedRun> {
        let before = self.sink.requests();
        let accepted = Arc::new(AtomicU64::new(0));
        let stop = tokio_util::sync::CancellationToken::new();
        let slots = Arc::new(Semaphore::new(PUBLISHERS));
        let mut publishers = JoinSet::new();
        let publish = async {
            while !stop.is_cancelled() {
                let ahead = accepted
                    .load(Ordering::Relaxed)
                    .saturating_sub(self.sink.requests() - before);
                if ahead >= outstanding {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    continue;
                }
                let slot = slots.clone().acquire_owned().await?;
                let events = (0..batch.max(1)).map(|_| self.event()).collect();
                let (mut client, accepted) = (self.client.events(), accepted.clone());
                publishers.spawn(async move {
                    let result = client
                        .publish_batch(pb::PublishBatchRequest { events })
                        .await
                        .map_err(explain)?;
                    for result in result.into_inner().results {
                        match result.result {
                            Some(pb::publish_result::Result::Accepted(_)) => {
                                accepted.fetch_add(1, Ordering::Relaxed);
                            }
                            Some(pb::publish_result::Result::Error(error)) => {
                                anyhow::bail!("refused: {}", error.detail)
                            }
                            None => anyhow::bail!("an event got no result"),
                        }
                    }
                    drop(slot);
                    anyhow::Ok(())
                });
                while let Some(ended) = publishers.try_join_next() {
                    ended??;
                }
            }
            anyhow::Ok(())
        };
        let measure = async {
            tokio::time::sleep(warm_up).await;
            let (cpu, requests, begin) = (meter.read()?, self.sink.requests(), Instant::now());
            tokio::time::sleep(length).await;
            let (cpu_after, requests_after, seconds) =
                (meter.read()?, self.sink.requests(), begin.elapsed().as_secs_f64());
            stop.cancel();
            let cpu = cpu
                .iter()
                .zip(&cpu_after)
                .map(|((name, from), (_, to))| (*name, to.saturating_sub(*from)));
            anyhow::Ok(SaturatedRun {
                deliveries: requests_after - requests,
                seconds,
                cpu: cpu.collect(),
            })
        };
        let (published, measured) = tokio::join!(publish, measure);
        published?;
        while let Some(ended) = publishers.join_next().await {
            ended??;
        }
        self.wait_for(before + accepted.load(Ordering::Relaxed)).await?;
        self.sink.take();
        measured
    }

    /// Publishes until an event of every type is matched: the registry's caches learn of endpoints within a second.
    async fn wait_until_known(&self) -> anyhow::Result<()> {
        let give_up = Instant::now() + DRAIN;
        let mut published = 0;
        for event_type in &self.event_types {
            loop {
                let event = pb::PublishRequest {
                    event_type: event_type.clone(),
                    ..self.event()
                };
                match self.client.events().publish(event).await {
                    Ok(response) if response.get_ref().deliveries == 1 => break,
                    Ok(_) => {}
                    Err(status) if Instant::now() > give_up => return Err(explain(status)),
                    Err(_) => {}
                }
                anyhow::ensure!(Instant::now() < give_up, "an endpoint is not known to ingest");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            published += 1;
        }
        self.wait_for(published).await
    }

    async fn wait_for(&self, requests: u64) -> anyhow::Result<()> {
        let give_up = Instant::now() + DRAIN;
        while self.sink.requests() < requests {
            let come = self.sink.requests();
            anyhow::ensure!(
                Instant::now() < give_up,
                "{come} of {requests} deliveries came within {DRAIN:?}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    fn event(&self) -> pb::PublishRequest {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let event_type = &self.event_types[(number % self.event_types.len() as u64) as usize];
        pb::PublishRequest {
            event_type: event_type.clone(),
            payload: format!("{{\"n\":{number},\"filler\":\"{}\"}}", self.filler).into(),
            ..pb::PublishRequest::default()
        }
    }
}
