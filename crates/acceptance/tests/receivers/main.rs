//! Receivers in customers' own languages, with the calls that the products' documents print and the libraries of the
//! standards, accept what the whole system sends, and refuse what others send.
//!
//! The programs are in `receivers/` of this crate; `scripts/receivers` installs what they need.

#![allow(clippy::unwrap_used, reason = "a test panics with what it found")]

mod abc_user_feedback;
mod cloudevents;
mod feedbackpulse;
mod standard;
mod userback;
mod userhero;
mod userpilot;

use std::path::Path;

use bytes::Bytes;
use tidings_acceptance::{SOON, Standalone, Tenant, endpoint, request};
use tidings_dialect::Dialects;
use tidings_domain::EventType;
use tidings_proto::pb;
use tidings_testkit::{ForeignReceiver, Judged};

/// A customer of one product: their receiver, and the endpoint that Tidings has for it.
struct Customer {
    tidings: Standalone,
    tenant: Tenant,
    receiver: ForeignReceiver,
    dialect: &'static str,
}

impl Customer {
    /// One whose receiver and endpoint have this secret.
    async fn with_secret(dialect: &'static str, program: &str, secret: &str) -> Self {
        let customer = Self::without_endpoint(dialect, program, secret).await;
        customer.add_secret(secret).await;
        customer
    }

    /// One whose receiver has this secret, or what proves it, and that gets nothing yet.
    async fn without_endpoint(dialect: &'static str, program: &str, secret: &str) -> Self {
        let receiver = receiver(program, secret).await;
        let tidings = Standalone::start().await;
        let tenant = tidings.operator.create_tenant(dialect).await;
        Self {
            tidings,
            tenant,
            receiver,
            dialect,
        }
    }

    async fn add_secret(&self, secret: &str) -> pb::Endpoint {
        self.add_endpoint(|endpoint| secret.clone_into(&mut endpoint.secret))
            .await
    }

    async fn add_endpoint(&self, adapt: impl FnOnce(&mut pb::Endpoint)) -> pb::Endpoint {
        let mut wanted = endpoint(&self.tenant, self.receiver.url());
        self.dialect.clone_into(&mut wanted.dialect);
        adapt(&mut wanted);
        self.tidings.operator.create_endpoint(wanted).await
    }

    /// Gives an endpoint a new secret beside the one it has.
    async fn rotate(&self, endpoint: &pb::Endpoint, secret: &str) {
        let request = pb::RotateEndpointSecretRequest {
            endpoint_id: endpoint.id.clone(),
            secret: secret.to_owned(),
            ..pb::RotateEndpointSecretRequest::default()
        };
        self.tidings
            .operator
            .endpoints()
            .rotate_endpoint_secret(request)
            .await
            .unwrap();
    }

    /// Every sample of the dialect, delivered and accepted.
    async fn accepts_samples(&self) -> Vec<Judged> {
        let mut accepted = Vec::new();
        for (event_type, payload) in self.samples() {
            accepted.push(self.accepts(event_type.as_str(), &payload).await);
        }
        accepted
    }

    /// Publishes an event and returns the request that was made of it, which the receiver accepted.
    async fn accepts(&self, event_type: &str, payload: &[u8]) -> Judged {
        let before = self.receiver.count();
        let event = self.publish(event_type, payload).await;
        let judged = self.receiver.wait_for(before + 1, SOON).await.remove(before);
        assert!(judged.accepted, "{event_type} was refused: {judged:?}");
        self.tidings.operator.wait_for_state(&event, "succeeded").await;
        judged
    }

    /// Asserts that the receiver refuses what an endpoint with another secret gets.
    async fn refuses_secret(&self, another: &str, status: u16) {
        self.add_secret(another).await;
        let before = self.receiver.count();
        let (event_type, payload) = self.samples().remove(0);
        self.publish(event_type.as_str(), &payload).await;
        let judged = self.receiver.wait_for(before + 2, SOON).await.split_off(before);
        let mut statuses: Vec<u16> = judged.iter().map(|request| request.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, status], "{judged:?}");
    }

    /// Asserts that the receiver refuses a request that it accepted once this is changed.
    async fn refuses(&self, status: u16, words: &str, accepted: &Judged, change: impl FnOnce(&mut Judged)) {
        let mut request = accepted.clone();
        change(&mut request);
        assert_eq!(self.send(&request).await, (status, words.to_owned()), "{request:?}");
    }

    /// Sends a request as it is, and returns the status and the text of the answer.
    async fn send(&self, request: &Judged) -> (u16, String) {
        send(&self.receiver, request).await
    }

    async fn publish(&self, event_type: &str, payload: &[u8]) -> String {
        let mut request = request(&self.tenant, event_type, serde_json::Value::Null);
        request.payload = payload.to_vec().into();
        let published = self.tidings.operator.events().publish(request).await;
        published.unwrap().into_inner().event_id
    }

    fn samples(&self) -> Vec<(EventType, Bytes)> {
        let dialects = Dialects::builtin().unwrap();
        let samples = dialects.get(self.dialect).unwrap().samples();
        samples
            .iter()
            .map(|(name, payload)| (name.clone(), payload.clone()))
            .collect()
    }
}

/// A program of `receivers/`, with a secret or what proves it.
async fn receiver(program: &str, secret: &str) -> ForeignReceiver {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("receivers").join(program);
    ForeignReceiver::start(&program, secret).await
}

/// Sends a request as it is, and returns the status and the text of the answer.
async fn send(receiver: &ForeignReceiver, request: &Judged) -> (u16, String) {
    let before = receiver.count();
    let (url, request) = (receiver.url().to_owned(), request.clone());
    let answer = tokio::task::spawn_blocking(move || post(&url, &request)).await;
    receiver.wait_for(before + 1, SOON).await;
    answer.unwrap()
}

fn post(url: &str, request: &Judged) -> (u16, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut sent = agent.post(url);
    for (name, value) in &request.headers {
        if !matches!(name.as_str(), "host" | "content-length" | "connection") {
            sent = sent.header(name, value);
        }
    }
    let mut answer = sent.send(&request.body).unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}

/// Changes a text in the body.
fn tamper(from: &str, to: &str) -> impl FnOnce(&mut Judged) {
    move |request| {
        assert!(request.body.contains(from), "{from:?} is not in {request:?}");
        request.body = request.body.replacen(from, to, 1);
    }
}

/// Leaves a header out.
fn without(header: &str) -> impl FnOnce(&mut Judged) {
    move |request| {
        request
            .headers
            .remove(header)
            .unwrap_or_else(|| panic!("{header} is sent"));
    }
}

/// Puts something else into a header.
fn with(header: &str, value: impl Into<String>) -> impl FnOnce(&mut Judged) {
    move |request| {
        request.headers.insert(header.to_owned(), value.into());
    }
}
