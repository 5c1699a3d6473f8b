//! Client of the log service. Calls are made in the caller's own name, so the log service decides what the caller may
//! see.
//!
//! Calls in this file take and return messages, which faces hand on; those in `records` take and return values of the
//! domain, for operations.

mod records;

use std::time::Duration;

use http::HeaderValue;
use tidings_proto::pb;
use tidings_proto::pb::attempt_log_service_client::AttemptLogServiceClient;
use tidings_proto::pb::queue_service_client::QueueServiceClient;
use tidings_service::SecretText;
use tidings_service::auth::{CALLER_ADDRESS, CALLER_AGENT, RELAYED_BY};
use tidings_service::client::ClientError;
use tidings_service::problem::Problem;
use tidings_service::replicas::Replicas;
use tonic::metadata::AsciiMetadataValue;
use tonic::{Request, Response, Status, Streaming};

pub use self::records::{Attempt, AttemptInFull, Delivery, Event, QueueState, Queues};
use crate::call::Call;

/// Limit for one response of the log service; live tails are streams and have none.
const DEADLINE: Duration = Duration::from_secs(10);
/// The largest answer, bytes: one attempt with its bodies, or a page of them without.
const MAX_MESSAGE: usize = 32 * 1024 * 1024;

/// A client of the log service. Cheap to clone; reconnects by itself.
#[derive(Clone)]
pub struct LogClient {
    attempts: AttemptLogServiceClient<Replicas>,
    queues: QueueServiceClient<Replicas>,
    /// Shows the log service that this is a process of its system, which may say whom it asks for.
    relay: AsciiMetadataValue,
}

impl LogClient {
    /// A client of these replicas, with the token that roles share.
    pub fn new(replicas: Replicas, internal_token: &SecretText) -> Result<Self, ClientError> {
        let token = AsciiMetadataValue::try_from(internal_token.reveal()).map_err(|_| ClientError::Token)?;
        let attempts = AttemptLogServiceClient::new(replicas.clone()).max_decoding_message_size(MAX_MESSAGE);
        let queues = QueueServiceClient::new(replicas).max_decoding_message_size(MAX_MESSAGE);
        Ok(Self {
            attempts,
            queues,
            relay: token,
        })
    }

    /// A page of attempts, newest first.
    pub(crate) async fn list_attempts(
        &self,
        authorization: &HeaderValue,
        question: pb::ListAttemptsRequest,
    ) -> Result<pb::ListAttemptsResponse, Status> {
        let mut client = self.attempts.clone();
        answer(client.list_attempts(as_asked_by(authorization, question)?)).await
    }

    /// One attempt with request and response.
    pub(crate) async fn get_attempt(
        &self,
        authorization: &HeaderValue,
        attempt_id: String,
    ) -> Result<pb::Attempt, Status> {
        let mut client = self.attempts.clone();
        let question = pb::GetAttemptRequest { attempt_id };
        answer(client.get_attempt(as_asked_by(authorization, question)?)).await
    }

    /// Attempts as they are recorded from now on.
    pub(crate) async fn watch_attempts(
        &self,
        authorization: &HeaderValue,
        filter: pb::AttemptFilter,
    ) -> Result<Streaming<pb::WatchAttemptsResponse>, Status> {
        let mut client = self.attempts.clone();
        let question = pb::WatchAttemptsRequest { filter: Some(filter) };
        answer(client.watch_attempts(as_asked_by(authorization, question)?)).await
    }

    /// A page of events, newest first.
    pub(crate) async fn list_events(
        &self,
        authorization: &HeaderValue,
        question: pb::ListEventsRequest,
    ) -> Result<pb::ListEventsResponse, Status> {
        let mut client = self.attempts.clone();
        answer(client.list_events(as_asked_by(authorization, question)?)).await
    }

    /// One event with its payload and its deliveries.
    pub(crate) async fn get_event(
        &self,
        authorization: &HeaderValue,
        event_id: String,
    ) -> Result<pb::GetEventResponse, Status> {
        let mut client = self.attempts.clone();
        let question = pb::GetEventRequest { event_id };
        answer(client.get_event(as_asked_by(authorization, question)?)).await
    }

    /// A page of deliveries, newest first.
    pub(crate) async fn list_deliveries(
        &self,
        authorization: &HeaderValue,
        question: pb::ListDeliveriesRequest,
    ) -> Result<pb::ListDeliveriesResponse, Status> {
        let mut client = self.attempts.clone();
        answer(client.list_deliveries(as_asked_by(authorization, question)?)).await
    }

    pub(crate) async fn get_delivery(
        &self,
        authorization: &HeaderValue,
        delivery_id: String,
    ) -> Result<pb::Delivery, Status> {
        let mut client = self.attempts.clone();
        let question = pb::GetDeliveryRequest { delivery_id };
        answer(client.get_delivery(as_asked_by(authorization, question)?)).await
    }

    /// Attempts by outcome, in spans of time.
    pub(crate) async fn count_attempts(
        &self,
        authorization: &HeaderValue,
        question: pb::CountAttemptsRequest,
    ) -> Result<pb::CountAttemptsResponse, Status> {
        let mut client = self.attempts.clone();
        answer(client.count_attempts(as_asked_by(authorization, question)?)).await
    }

    /// Parked messages, without their bodies.
    pub(crate) async fn parked(
        &self,
        authorization: &HeaderValue,
        question: pb::ListParkedRequest,
    ) -> Result<pb::ListParkedResponse, Status> {
        let mut client = self.queues.clone();
        answer(client.list_parked(as_asked_by(authorization, question)?)).await
    }

    /// One parked message, with its body.
    pub(crate) async fn parked_message(
        &self,
        authorization: &HeaderValue,
        question: pb::GetParkedRequest,
    ) -> Result<pb::ParkedMessage, Status> {
        let mut client = self.queues.clone();
        answer(client.get_parked(as_asked_by(authorization, question)?)).await
    }

    /// Publishes parked messages to where they came from.
    pub(crate) async fn requeue(
        &self,
        call: &Call,
        which: pb::SettleParkedRequest,
    ) -> Result<pb::SettleParkedResponse, Status> {
        let mut client = self.queues.clone();
        answer(client.requeue_parked(self.relayed(call, which)?)).await
    }

    /// Deletes parked messages for good.
    pub(crate) async fn discard(
        &self,
        call: &Call,
        which: pb::SettleParkedRequest,
    ) -> Result<pb::SettleParkedResponse, Status> {
        let mut client = self.queues.clone();
        answer(client.discard_parked(self.relayed(call, which)?)).await
    }

    /// A request in the caller's name that also says where the call comes from, for the audit log.
    fn relayed<T>(&self, call: &Call, question: T) -> Result<Request<T>, Status> {
        let mut request = as_asked_by(&call.authorization, question)?;
        let metadata = request.metadata_mut();
        metadata.insert(RELAYED_BY, self.relay.clone());
        for (name, text) in [
            (CALLER_ADDRESS, call.remote_address()),
            (CALLER_AGENT, call.user_agent()),
        ] {
            // A user agent that is no visible ASCII is left out.
            if let Some(value) = text.and_then(|text| text.parse().ok()) {
                metadata.insert(name, value);
            }
        }
        Ok(request)
    }
}

fn as_asked_by<T>(authorization: &HeaderValue, question: T) -> Result<Request<T>, Status> {
    let mut request = Request::new(question);
    let value = AsciiMetadataValue::try_from(authorization.as_bytes())
        .map_err(|_| Problem::unauthenticated("key_unknown", "a key is visible ASCII"))?;
    request.metadata_mut().insert("authorization", value);
    Ok(request)
}

async fn answer<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Status> {
    let late = |_| Status::deadline_exceeded("the log service did not answer in time");
    match tokio::time::timeout(DEADLINE, call).await.map_err(late).flatten() {
        Ok(answer) => Ok(answer.into_inner()),
        // No connection, and nothing that the log service itself said.
        Err(status) if status.details().is_empty() => {
            tracing::warn!(%status, "the log service can't be reached");
            let detail = "the log service can't be reached: try again in a moment";
            Err(Problem::unavailable("log_unavailable", detail).into())
        }
        Err(status) => Err(status),
    }
}
