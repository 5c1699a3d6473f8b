//! Calls of a process to services of its own.
//!
//! Need: in one process that has every role, a connection to itself would cost more than the calls. Mechanism: a call is
//! handed to the services on the task that makes it, through the same door as calls from outside, so that it is
//! authenticated, bounded and counted like them. Limit: messages are still encoded and decoded.

use http::{Request, Response};
use tokio::sync::watch;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::BoxError;

use crate::serve::{Calls, Door};

/// The services of this process, for its own clients. They exist before the services do: calls wait until those are
/// served.
#[derive(Clone, Default)]
pub struct InProcess(watch::Sender<Option<Calls>>);

impl InProcess {
    /// Begins to serve calls.
    pub fn serve(&self, routes: Routes, door: Door) {
        self.0.send_replace(Some(Calls::new(routes, door)));
    }

    pub(super) async fn call(&self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let mut served = self.0.subscribe();
        // It fails only when the sender is gone, which `self` holds.
        let served = served.wait_for(Option::is_some).await.map(|calls| calls.clone());
        let Ok(Some(calls)) = served else {
            return Err(Status::unavailable("nothing is served yet").into());
        };
        Ok(calls.answer(request).await.map(Body::new))
    }
}
