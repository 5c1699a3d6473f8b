//! The result of a demo, compared with what should have happened.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tidings_proto::{pb, timestamp_from};

use super::fixtures::Fixture;
use super::receivers::Receivers;
use super::{ROLES, Role, Tenants, documents};
use tidings_cli::client::{Client, explain};
use tidings_cli::output::{heading, line, table};

/// Counts and discrepancies of a demo.
#[derive(Serialize)]
pub(super) struct Account {
    events: usize,
    deliveries: Vec<DeliveryLine>,
    requests: usize,
    seconds: f64,
    /// Everything that is not as it should be.
    pub(super) problems: Vec<String>,
}

#[derive(Serialize)]
struct DeliveryLine {
    product: &'static str,
    event_type: String,
    event_id: String,
    endpoint: &'static str,
    /// The statuses of its attempts, in order.
    attempts: Vec<u32>,
    outcome: String,
    /// From acceptance to the end of the last attempt, milliseconds.
    milliseconds: f64,
}

impl Account {
    /// Asks the log and the receivers about every event.
    pub(super) async fn draw_up(
        tenants: &Tenants,
        published: &[(Fixture, String)],
        receivers: &Receivers,
        took: Duration,
    ) -> anyhow::Result<Self> {
        let mut account = Self {
            events: published.len(),
            deliveries: Vec::new(),
            requests: ROLES.iter().map(|role| receivers.requests(role.name).len()).sum(),
            seconds: took.as_secs_f64(),
            problems: Vec::new(),
        };
        for (fixture, id) in published {
            let tenant = &tenants[fixture.product].1;
            let request = pb::GetEventRequest { event_id: id.clone() };
            let found = tenant.log().get_event(request).await.map_err(explain)?.into_inner();
            let event = found.event.unwrap_or_default();
            let filter = pb::AttemptFilter {
                event_id: id.clone(),
                ..Default::default()
            };
            let request = pb::ListAttemptsRequest {
                filter: Some(filter),
                ..Default::default()
            };
            let attempts = tenant
                .log()
                .list_attempts(request)
                .await
                .map_err(explain)?
                .into_inner()
                .attempts;
            if event.payload != fixture.payload.get().as_bytes() {
                account.problem(
                    fixture,
                    "log",
                    "the payload on record is not the one that was published",
                );
            }
            for role in ROLES.iter().filter(|role| role.wants(fixture)) {
                account.check_log(role, fixture, &event, &found.deliveries, &attempts, receivers);
                let endpoint = receivers.endpoint(role.name);
                for attempt in attempts.iter().filter(|attempt| attempt.endpoint_id == endpoint) {
                    account.check_attempt(tenant, role, fixture, attempt, receivers).await?;
                }
            }
        }
        for role in &ROLES {
            let wanted = published.iter().filter(|(fixture, _)| role.wants(fixture)).count() * role.statuses.len();
            let got = receivers.requests(role.name).len();
            if got != wanted {
                account
                    .problems
                    .push(format!("{}: {got} requests instead of {wanted}", role.name));
            }
        }
        Ok(account)
    }

    fn check_log(
        &mut self,
        role: &Role,
        fixture: &Fixture,
        event: &pb::Event,
        deliveries: &[pb::Delivery],
        attempts: &[pb::Attempt],
        receivers: &Receivers,
    ) {
        let endpoint = receivers.endpoint(role.name);
        let Some(delivery) = deliveries.iter().find(|delivery| delivery.endpoint_id == endpoint) else {
            return self.problem(fixture, role.name, "no delivery on record");
        };
        let mut mine: Vec<_> = attempts
            .iter()
            .filter(|attempt| attempt.delivery_id == delivery.id)
            .collect();
        mine.sort_by_key(|attempt| attempt.number);
        let statuses: Vec<u32> = mine.iter().map(|attempt| attempt.status_code).collect();
        if statuses != role.statuses {
            self.problem(
                fixture,
                role.name,
                &format!("attempts {statuses:?} instead of {:?}", role.statuses),
            );
        }
        if delivery.state != role.ends {
            self.problem(
                fixture,
                role.name,
                &format!("{} instead of {}", delivery.state, role.ends),
            );
        }
        let accepted = event.accepted_at.as_ref().and_then(timestamp_from);
        let ended = mine.last().and_then(|attempt| {
            let took = Duration::try_from(attempt.duration?).ok()?;
            timestamp_from(attempt.started_at.as_ref()?)?.checked_add(took).ok()
        });
        let milliseconds = accepted
            .zip(ended)
            .map_or(0.0, |(from, to)| to.duration_since(from).as_micros() as f64 / 1_000.0);
        self.deliveries.push(DeliveryLine {
            product: fixture.product,
            event_type: fixture.event_type.to_string(),
            event_id: event.id.clone(),
            endpoint: role.name,
            attempts: statuses,
            outcome: delivery.state.clone(),
            milliseconds,
        });
    }

    /// The log must show, byte for byte, a request that the endpoint's receiver got, answered like this, and found to be
    /// as its document says.
    async fn check_attempt(
        &mut self,
        tenant: &Client,
        role: &Role,
        fixture: &Fixture,
        attempt: &pb::Attempt,
        receivers: &Receivers,
    ) -> anyhow::Result<()> {
        let request = pb::GetAttemptRequest {
            attempt_id: attempt.id.clone(),
        };
        let attempt = tenant.log().get_attempt(request).await.map_err(explain)?.into_inner();
        let requests = receivers.requests(role.name);
        let mine = requests.iter().filter(|request| request.body == attempt.request_body);
        let Some(request) = mine
            .clone()
            .find(|request| u32::from(request.answered) == attempt.status_code)
        else {
            self.problem(fixture, role.name, "the request on record is not one that was received");
            return Ok(());
        };
        if let Some(flaw) = &request.flaw {
            self.problem(fixture, role.name, flaw);
        }
        if request.id.as_deref().is_some_and(|given| given != attempt.event_id) {
            self.problem(fixture, role.name, "webhook-id is not the event's id");
        }
        let payload: Value = serde_json::from_str(fixture.payload.get()).unwrap_or_default();
        if documents::content(role.dialect, &request.body).is_some_and(|content| content != payload) {
            self.problem(fixture, role.name, "the content is not what was published");
        }
        Ok(())
    }

    fn problem(&mut self, fixture: &Fixture, place: &str, what: &str) {
        self.problems.push(format!(
            "{} ({}) at {place}: {what}",
            fixture.event_type, fixture.product
        ));
    }

    /// Prints the result for people.
    pub(super) fn print(&self) -> anyhow::Result<()> {
        let rows: Vec<_> = self
            .deliveries
            .iter()
            .map(|delivery| {
                let attempts: Vec<_> = delivery.attempts.iter().map(ToString::to_string).collect();
                vec![
                    delivery.product.to_owned(),
                    delivery.event_type.clone(),
                    delivery.endpoint.to_owned(),
                    attempts.join(" "),
                    delivery.outcome.clone(),
                    format!("{:.1} ms", delivery.milliseconds),
                ]
            })
            .collect();
        table(&["document", "event", "endpoint", "attempts", "outcome", "time"], &rows)?;
        line("")?;
        for problem in &self.problems {
            line(&format!("WRONG  {problem}"))?;
        }
        let verdict = match self.problems.len() {
            0 => "every signature verified, every attempt on record as it was received".to_owned(),
            1 => "one check failed".to_owned(),
            n => format!("{n} checks failed"),
        };
        heading(&format!(
            "{} events, {} deliveries, {} requests in {:.1} s: {verdict}",
            self.events,
            self.deliveries.len(),
            self.requests,
            self.seconds
        ))
    }
}
