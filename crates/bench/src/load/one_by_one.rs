//! Events published over HTTP one by one, as most products do it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use hdrhistogram::Histogram;
use serde::Deserialize;
use tidings_domain::EventId;
use tokio_util::sync::CancellationToken;

use super::{DRAIN, Load};
use crate::cost::Cost;
use crate::proc::Meter;
use crate::receiver::now;

/// The results of publishing one by one.
pub(crate) struct OneByOneRun {
    pub(crate) cost: Cost,
    /// From the beginning of a publish to its answer, microseconds.
    pub(crate) acknowledged: Histogram<u64>,
    /// From the same moment until the last of its receivers has the event, microseconds.
    pub(crate) delivered: Histogram<u64>,
    pub(crate) lost: u64,
}

#[derive(Deserialize)]
struct Accepted {
    event_id: String,
}

/// The beginning and the answer of a publish, on the clock of [`now`].
struct Published {
    begun: u64,
    acknowledged: u64,
}

impl Load<'_> {
    /// Publishes to `POST /api/v2/events` with so many requests in flight, and waits for what is on its way.
    pub(crate) async fn one_by_one(
        &self,
        in_flight: usize,
        warm_up: Duration,
        length: Duration,
        meter: &Meter,
    ) -> anyhow::Result<OneByOneRun> {
        self.sink.take();
        let measured_from = now() + warm_up.as_nanos() as u64;
        let published = Mutex::new(HashMap::new());
        let stop = CancellationToken::new();
        let publish_one = async || {
            let begun = now();
            let event = self.publish_over_http().await?;
            let acknowledged = now();
            let mut published = published.lock().unwrap_or_else(PoisonError::into_inner);
            published.insert(event, Published { begun, acknowledged });
            anyhow::Ok(())
        };
        let publish = stream::repeat(())
            .take_until(stop.cancelled())
            .map(|()| publish_one())
            .buffer_unordered(in_flight.max(1))
            .try_collect::<()>();
        let measure = async {
            let cost = Cost::measure(meter, self.sink, warm_up, length).await;
            stop.cancel();
            cost
        };
        let ((), cost) = tokio::try_join!(publish, measure)?;

        let published = published.into_inner().unwrap_or_else(PoisonError::into_inner);
        let requests = published.len() as u64 * self.fan_out;
        // What does not come is counted as lost.
        self.sink.wait_for_requests(requests, DRAIN).await;
        let arrived = self.sink.take();
        let mut run = OneByOneRun {
            cost,
            acknowledged: Histogram::new(3)?,
            delivered: Histogram::new(3)?,
            lost: 0,
        };
        for (event, published) in published.iter().filter(|(_, one)| one.begun >= measured_from) {
            let micros_until = |at: u64| at.saturating_sub(published.begun) / 1_000;
            run.acknowledged.record(micros_until(published.acknowledged))?;
            match arrived.get(event) {
                Some(arrival) if u64::from(arrival.times) >= self.fan_out => {
                    run.delivered.record(micros_until(arrival.last))?;
                }
                _ => run.lost += 1,
            }
        }
        Ok(run)
    }

    async fn publish_over_http(&self) -> anyhow::Result<EventId> {
        let event = self.event();
        let (tenant, event_type) = (event.tenant_id, event.event_type);
        let payload = std::str::from_utf8(&event.payload)?;
        let body = format!(r#"{{"tenant_id":"{tenant}","event_type":"{event_type}","payload":{payload}}}"#);
        let response = self
            .http
            .post(&self.events_url)
            .bearer_auth(&self.key)
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .context("a publish is not answered")?;
        let status = response.status();
        let body = response.text().await?;
        anyhow::ensure!(status.is_success(), "a publish was answered {status}: {body}");
        let accepted: Accepted = serde_json::from_str(&body)?;
        Ok(accepted.event_id.parse()?)
    }
}
