//! The publisher of the benchmarks, with its tenants and endpoints.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use hdrhistogram::Histogram;
use tidings_domain::EventId;
use tidings_proto::pb;
use tidings_service::tls::ClientTls;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

mod one_by_one;
mod plan;

pub(crate) use self::one_by_one::OneByOneRun;
pub(crate) use self::plan::Plan;
use self::plan::{filler, subscriptions};
use crate::cost::Cost;
use crate::proc::{Meter, Processors};
use crate::receiver::{Sink, now};
use crate::system::System;
use tidings_cli::client::{Client, explain};

/// Limit for the last deliveries after the last event was published.
const DRAIN: Duration = Duration::from_secs(60);
/// Batches published at the same time.
const PUBLISHERS: usize = 4;
/// Default number of events per call.
const BATCH: usize = 200;

/// Publishes events to endpoints that lead to one sink.
pub(crate) struct Load<'a> {
    client: Client,
    control: Client,
    log: Client,
    sink: &'a Sink,
    http: reqwest::Client,
    /// The URL of ingest's `/api/v2/events`.
    events_url: String,
    key: String,
    targets: Vec<Target>,
    /// Deliveries per event.
    fan_out: u64,
    filler: String,
    next: AtomicU64,
}

struct Target {
    tenant: String,
    event_type: String,
    endpoints: Vec<String>,
}

/// An accepted event of a steady run, on the clock of [`now`].
struct Published {
    event: EventId,
    /// The time at which it should have been sent.
    intended: u64,
    acknowledged: u64,
}

/// The results of a steady run.
pub(crate) struct SteadyRun {
    pub(crate) events: u64,
    pub(crate) seconds: f64,
    /// Load of the machine meanwhile, percent; near 100 the latencies show nothing else.
    pub(crate) busy: Option<f64>,
    /// From the moment an event should have been sent to its acknowledgement, microseconds.
    pub(crate) acknowledged: Histogram<u64>,
    /// From the same moment to its arrival at the receiver, microseconds.
    pub(crate) delivered: Histogram<u64>,
    pub(crate) lost: u64,
}

pub(crate) struct Batch {
    pub(crate) accepted: Vec<EventId>,
    pub(crate) refused: Vec<pb::PublishError>,
}

impl<'a> Load<'a> {
    /// Makes the tenants and endpoints of a plan, and waits until ingest knows them.
    pub(crate) async fn prepare(system: &System, sink: &'a Sink, plan: Plan) -> anyhow::Result<Self> {
        let control = Client::connect(&system.control, &ClientTls::default(), &system.operator).await?;
        let mut targets: Vec<Target> = Vec::new();
        for number in 0..plan.endpoints.max(1) {
            let tenant = match targets.first() {
                Some(first) if !plan.own_tenants => first.tenant.clone(),
                _ => create_tenant(&control, plan.name).await?,
            };
            let event_type = format!("{}.endpoint_{number}", plan.name);
            let (rate_per_second, rate_burst) = plan.rate_limit.unwrap_or_default();
            let endpoint = pb::Endpoint {
                tenant_id: tenant.clone(),
                name: event_type.clone(),
                url: sink.url(number),
                authentication: sink.certificate.as_ref().map(|certificate| pb::EndpointAuthentication {
                    trusted_ca: certificate.clone(),
                    ..pb::EndpointAuthentication::default()
                }),
                subscriptions: subscriptions(plan, number, &event_type),
                rate_per_second,
                rate_burst,
                ..pb::Endpoint::default()
            };
            let mut target = Target {
                tenant,
                event_type,
                endpoints: Vec::new(),
            };
            for _ in 0..plan.fan_out.max(1) {
                let request = pb::CreateEndpointRequest {
                    endpoint: Some(endpoint.clone()),
                    disabled: plan.disabled,
                };
                let created = control.endpoints().create_endpoint(request).await.map_err(explain)?;
                target.endpoints.push(created.into_inner().id);
            }
            targets.push(target);
        }
        let load = Self {
            client: Client::connect(&system.ingest, &ClientTls::default(), &system.operator).await?,
            control,
            log: Client::connect(&system.log, &ClientTls::default(), &system.operator).await?,
            sink,
            http: reqwest::Client::new(),
            events_url: format!("{}/api/v2/events", system.http),
            key: system.operator.clone(),
            targets,
            fan_out: plan.fan_out.max(1) as u64,
            filler: filler(plan),
            next: AtomicU64::new(0),
        };
        load.wait_until_known().await?;
        if !plan.disabled {
            load.wait_for(load.targets.len() as u64).await?;
            sink.take();
        }
        Ok(load)
    }

    /// Enables its endpoints.
    pub(crate) async fn enable(&self) -> anyhow::Result<()> {
        for endpoint in self.targets.iter().flat_map(|target| &target.endpoints) {
            let mut request = pb::EnableEndpointRequest::default();
            request.endpoint_id.clone_from(endpoint);
            self.control
                .endpoints()
                .enable_endpoint(request)
                .await
                .map_err(explain)?;
        }
        Ok(())
    }

    /// Waits until the log has this number of successful deliveries to its first endpoint.
    pub(crate) async fn wait_until_recorded(&self, deliveries: u64) -> anyhow::Result<()> {
        let request = pb::CountRowsRequest {
            rows: Some(self.succeeded()),
        };
        let give_up = Instant::now() + DRAIN;
        let log = self.log.log();
        while log
            .clone()
            .count_rows(request.clone())
            .await
            .map_err(explain)?
            .get_ref()
            .rows
            < deliveries
        {
            anyhow::ensure!(Instant::now() < give_up, "deliveries that arrived are not on record");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }

    /// Replays every delivery of its first endpoint, at most so many per second.
    pub(crate) async fn replay(&self, per_second: u32) -> anyhow::Result<pb::Replay> {
        let request = pb::CreateReplayRequest {
            rows: Some(self.succeeded()),
            per_second,
            ..pb::CreateReplayRequest::default()
        };
        let made = self.control.replays().create_replay(request).await.map_err(explain)?;
        Ok(made.into_inner())
    }

    /// Counts what is not there among the attempts at its endpoints: each has to be looked at.
    pub(crate) async fn search_in_vain(&self) -> anyhow::Result<()> {
        let filter = pb::AttemptFilter {
            tenant_id: self.targets[0].tenant.clone(),
            error_contains: "no error says this".into(),
            ..pb::AttemptFilter::default()
        };
        let request = pb::PreviewReplayRequest {
            rows: Some(pb::LogRows {
                rows: Some(pb::log_rows::Rows::Attempts(filter)),
            }),
        };
        self.control.replays().preview_replay(request).await.map_err(explain)?;
        Ok(())
    }

    /// The filter for its first endpoint's successful deliveries.
    fn succeeded(&self) -> pb::LogRows {
        let target = &self.targets[0];
        let filter = pb::DeliveryFilter {
            tenant_id: target.tenant.clone(),
            endpoint_id: target.endpoints[0].clone(),
            states: vec!["succeeded".into()],
            ..pb::DeliveryFilter::default()
        };
        pb::LogRows {
            rows: Some(pb::log_rows::Rows::Deliveries(filter)),
        }
    }

    /// Publishes at a steady rate over one stream until the time has come, and waits for what is on its way.
    pub(crate) async fn steady(
        &self,
        rate: u32,
        warm_up: Duration,
        until: impl Future<Output = ()>,
    ) -> anyhow::Result<SteadyRun> {
        self.sink.take();
        let processors = Processors::now();
        let measured_from = now() + warm_up.as_nanos() as u64;
        let published = self.stream(rate, until).await?;
        let seconds = now().saturating_sub(measured_from) as f64 / 1e9;
        let processors_after = Processors::now();
        // What does not come is counted as lost.
        self.sink.wait_for(published.len() as u64, DRAIN).await;

        let arrived = self.sink.take();
        let mut run = SteadyRun {
            events: 0,
            seconds,
            busy: processors_after
                .zip(processors)
                .map(|(after, before)| after.busy_since(before)),
            acknowledged: Histogram::new(3)?,
            delivered: Histogram::new(3)?,
            lost: 0,
        };
        for event in published.iter().filter(|event| event.intended >= measured_from) {
            let micros_until = |at: u64| at.saturating_sub(event.intended) / 1_000;
            run.events += 1;
            run.acknowledged.record(micros_until(event.acknowledged))?;
            match arrived.get(&event.event) {
                Some(arrival) => run.delivered.record(micros_until(arrival.first))?,
                None => run.lost += 1,
            }
        }
        Ok(run)
    }

    /// Publishes at a steady rate and does not look what becomes of it.
    pub(crate) async fn publish_steadily(&self, rate: u32, until: impl Future<Output = ()>) -> anyhow::Result<()> {
        self.stream(rate, until).await.map(drop)
    }

    /// Publishes this number of events as fast as they are accepted.
    pub(crate) async fn flood(&self, events: u64) -> anyhow::Result<()> {
        let full = vec![BATCH; events as usize / BATCH];
        let rest = Some(events as usize % BATCH).filter(|rest| *rest > 0);
        stream::iter(full.into_iter().chain(rest))
            .map(|size| self.publish_batch(size))
            .buffer_unordered(PUBLISHERS)
            .try_for_each(async |batch| none_refused(&batch))
            .await
    }

    /// Publishes batches as fast as their events arrive, at most `outstanding` ahead, and passes the result of each to
    /// `told`. Ends with `stop`, or with the first error of `told`.
    pub(crate) async fn keep_ahead(
        &self,
        batch: usize,
        outstanding: u64,
        stop: &CancellationToken,
        told: impl Fn(anyhow::Result<Batch>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let accepted = AtomicU64::new(0);
        let publish_one = async || {
            while accepted.load(Ordering::Relaxed).saturating_sub(self.sink.distinct()) >= outstanding {
                if stop.is_cancelled() {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let result = self.publish_batch(batch).await;
            let failed = result.is_err();
            if let Ok(batch) = &result {
                accepted.fetch_add(batch.accepted.len() as u64, Ordering::Relaxed);
            }
            told(result)?;
            if failed {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            anyhow::Ok(())
        };
        stream::repeat(())
            .take_until(stop.cancelled())
            .map(|()| publish_one())
            .buffer_unordered(PUBLISHERS)
            .try_collect()
            .await
    }

    /// Publishes as fast as the system delivers, in batches.
    pub(crate) async fn saturate(
        &self,
        batch: usize,
        outstanding: u64,
        warm_up: Duration,
        length: Duration,
        meter: &Meter,
    ) -> anyhow::Result<Cost> {
        self.sink.take();
        let accepted = AtomicU64::new(0);
        let stop = CancellationToken::new();
        let publish = self.keep_ahead(batch, outstanding, &stop, |result| {
            let batch = result?;
            accepted.fetch_add(batch.accepted.len() as u64, Ordering::Relaxed);
            none_refused(&batch)
        });
        let measure = async {
            let cost = Cost::measure(meter, self.sink, warm_up, length).await;
            stop.cancel();
            cost
        };
        let ((), measured) = tokio::try_join!(publish, measure)?;
        self.wait_for(accepted.into_inner()).await?;
        self.sink.take();
        Ok(measured)
    }

    /// Publishes events at a steady rate over one stream.
    async fn stream(&self, rate: u32, until: impl Future<Output = ()>) -> anyhow::Result<Vec<Published>> {
        let (requests, receiver) = mpsc::channel(4_096);
        let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
        let mut answers = self
            .client
            .events()
            .publish_stream(stream)
            .await
            .map_err(explain)?
            .into_inner();
        let gap = Duration::from_secs(1) / rate.max(1);
        let (begin, begin_ns) = (Instant::now(), now());
        let send = async move {
            let publish = async {
                for sequence in 0_u32.. {
                    tokio::time::sleep_until(begin + gap * sequence).await;
                    let request = pb::PublishStreamRequest {
                        sequence: sequence.into(),
                        event: Some(self.event()),
                    };
                    requests.send(request).await.context("the stream was closed")?;
                }
                anyhow::Ok(())
            };
            tokio::select! {
                () = until => Ok(()),
                result = publish => result,
            }
        };
        let receive = async {
            let mut published = Vec::new();
            while let Some(answer) = answers.message().await.map_err(explain)? {
                published.push(Published {
                    event: accepted(answer.result)?,
                    intended: begin_ns + gap.as_nanos() as u64 * answer.sequence,
                    acknowledged: now(),
                });
            }
            anyhow::Ok(published)
        };
        let ((), published) = tokio::try_join!(send, receive)?;
        Ok(published)
    }

    async fn publish_batch(&self, size: usize) -> anyhow::Result<Batch> {
        /// Time after which an unanswered publish does not count as accepted.
        const PATIENCE: Duration = Duration::from_secs(30);
        let request = pb::PublishBatchRequest {
            events: (0..size.max(1)).map(|_| self.event()).collect(),
        };
        let mut events = self.client.events();
        let response = tokio::time::timeout(PATIENCE, events.publish_batch(request))
            .await
            .context("a batch is not answered")?
            .map_err(explain)?;
        let mut batch = Batch {
            accepted: Vec::with_capacity(size),
            refused: Vec::new(),
        };
        for result in response.into_inner().results {
            match result.result.context("an event got no result")? {
                pb::publish_result::Result::Accepted(accepted) => batch.accepted.push(accepted.event_id.parse()?),
                pb::publish_result::Result::Error(error) => batch.refused.push(error),
            }
        }
        Ok(batch)
    }

    /// Publishes until an event of every type is matched: the registry's caches learn of endpoints within a second.
    async fn wait_until_known(&self) -> anyhow::Result<()> {
        let give_up = Instant::now() + DRAIN;
        for _ in &self.targets {
            let event = self.event();
            loop {
                match self.client.events().publish(event.clone()).await {
                    Ok(response) if u64::from(response.get_ref().deliveries) == self.fan_out => break,
                    Ok(_) => {}
                    Err(status) if Instant::now() > give_up => return Err(explain(status)),
                    Err(_) => {}
                }
                anyhow::ensure!(Instant::now() < give_up, "an endpoint is not known to ingest");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    async fn wait_for(&self, events: u64) -> anyhow::Result<()> {
        let all = self.sink.wait_for(events, DRAIN).await;
        let come = self.sink.distinct();
        anyhow::ensure!(all, "{come} of {events} events came within {DRAIN:?}");
        Ok(())
    }

    /// The next event, for the next endpoint.
    fn event(&self) -> pb::PublishRequest {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let target = &self.targets[(number % self.targets.len() as u64) as usize];
        pb::PublishRequest {
            tenant_id: target.tenant.clone(),
            event_type: target.event_type.clone(),
            payload: format!("{{\"n\":{number},\"filler\":{}}}", self.filler).into(),
            ..pb::PublishRequest::default()
        }
    }
}

async fn create_tenant(control: &Client, name: &str) -> anyhow::Result<String> {
    let request = pb::CreateTenantRequest { name: name.to_owned() };
    let created = control.tenants().create_tenant(request).await.map_err(explain)?;
    let tenant = created.into_inner().tenant.context("no tenant was made")?;
    Ok(tenant.id)
}

fn accepted(result: Option<pb::PublishResult>) -> anyhow::Result<EventId> {
    match result.and_then(|result| result.result) {
        Some(pb::publish_result::Result::Accepted(accepted)) => Ok(accepted.event_id.parse()?),
        Some(pb::publish_result::Result::Error(error)) => anyhow::bail!("an event was refused: {}", error.detail),
        None => anyhow::bail!("an event got no result"),
    }
}

fn none_refused(batch: &Batch) -> anyhow::Result<()> {
    match batch.refused.first() {
        Some(error) => anyhow::bail!("{} events were refused: {}", batch.refused.len(), error.detail),
        None => Ok(()),
    }
}
