//! The receivers of the demo. They share no code with what signs: each follows its document and recomputes the
//! signature.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tidings_service::serve;

use super::{Role, documents};
use tidings_cli::verify;

/// A receiver's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    Accept,
    /// 503 twice for each event, then 200.
    FailTwice,
    Fail,
}

/// A request as a receiver understood it.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) body: Bytes,
    /// `webhook-id`, where the dialect has one.
    pub(super) id: Option<String>,
    /// The violation of its document that the receiver found, if any.
    pub(super) flaw: Option<String>,
    pub(super) answered: u16,
}

/// All receivers, on one port; each has a path of its own.
#[derive(Clone)]
pub(super) struct Receivers {
    address: SocketAddr,
    state: Arc<Mutex<HashMap<String, Receiver>>>,
}

struct Receiver {
    endpoint: String,
    dialect: &'static str,
    secret: String,
    behaviour: Behaviour,
    requests: Vec<Received>,
}

impl Receivers {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let listener = serve::bind("127.0.0.1:0").await?;
        let receivers = Self {
            address: listener.local_addr()?,
            state: Arc::default(),
        };
        let router = Router::new()
            .route("/{name}", post(receive))
            .with_state(receivers.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(receivers)
    }

    pub(super) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// Registers an endpoint and its secret with its receiver.
    pub(super) fn expect(&self, role: &Role, endpoint: &str, secret: &str) {
        let receiver = Receiver {
            endpoint: endpoint.into(),
            dialect: role.dialect,
            secret: secret.into(),
            behaviour: role.behaviour,
            requests: Vec::new(),
        };
        self.lock().insert(role.name.into(), receiver);
    }

    /// The id of a receiver's endpoint.
    pub(super) fn endpoint(&self, name: &str) -> String {
        self.lock()
            .get(name)
            .map(|receiver| receiver.endpoint.clone())
            .unwrap_or_default()
    }

    /// The requests that a receiver got.
    pub(super) fn requests(&self, name: &str) -> Vec<Received> {
        self.lock()
            .get(name)
            .map(|receiver| receiver.requests.clone())
            .unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Receiver>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn receive(
    State(receivers): State<Receivers>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let mut state = receivers.lock();
    let Some(receiver) = state.get_mut(&name) else {
        return StatusCode::NOT_FOUND;
    };
    let flaw = documents::check(receiver.dialect, &headers, &body, &receiver.secret);
    let mut received = Received {
        id: verify::header(&headers, "webhook-id").map(str::to_owned),
        body,
        flaw: flaw.err(),
        answered: 0,
    };
    let seen = receiver.requests.iter().filter(|request| request.body == received.body);
    received.answered = match receiver.behaviour {
        Behaviour::Accept => 200,
        Behaviour::Fail => 500,
        Behaviour::FailTwice => {
            if seen.count() < 2 {
                503
            } else {
                200
            }
        }
    };
    let status = received.answered;
    receiver.requests.push(received);
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
