//! The checks that every request passes before anything else sees it.
//!
//! Need: nobody is to cost memory or hold a place for ever before it is known who is there. Mechanism: who asks is told
//! from the headers alone; a body is read only from those who are known, within what is left of the process's memory for
//! bodies and within a time; a call that is no stream has to end. Strangers have a little room, because health checks and
//! people who forgot their key deserve an answer. Limit: what a known caller may do is the handlers' business.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, EXPECT};
use http::{HeaderMap, HeaderValue, Request, Version};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::Status;
use tower::ServiceExt as _;

use super::Config;
use super::body::{Counted, Slip, Terms, guarded};
use super::budget::{Budget, Payer};
use super::calls::{self, Call};
use crate::auth;
use crate::health::Health;
use crate::problem::Problem;

/// The most that a stranger sends in one request, bytes.
const OF_A_STRANGER: u64 = 16 * 1024;
/// The services that strangers may call: health and reflection.
const OPEN: &str = "/grpc.";
/// The one of them that goes on for as long as its caller likes.
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const HEALTH_CHECK: &str = "/grpc.health.v1.Health/Check";
const HEALTH_WATCH: &str = "/grpc.health.v1.Health/Watch";

/// Says who sends these headers.
type Knows = Arc<dyn Fn(&HeaderMap) -> Result<Payer, Problem> + Send + Sync>;

/// The door of a listener. Clones, also those that know somebody else, share one budget.
#[derive(Clone)]
pub struct Door {
    pub(super) config: Arc<Config>,
    pub(super) health: Health,
    budget: Budget,
    knows: Option<Knows>,
    streams: Arc<HashMap<String, Streams>>,
}

/// The sides of a gRPC method that are streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Streams {
    request: bool,
    response: bool,
}

/// A request that was let through, with what was checked of it.
struct Entered {
    request: Request<Body>,
    slip: Slip,
}

impl Door {
    /// A door that knows nobody. `health` says whether the process is stopping.
    pub fn new(config: Config, health: Health) -> Self {
        let budget = Budget::new(config.max_body_memory);
        budget.show();
        Self {
            budget,
            config: Arc::new(config),
            health,
            knows: None,
            streams: Arc::new(HashMap::from([
                (
                    REFLECTION.to_owned(),
                    Streams {
                        request: true,
                        response: true,
                    },
                ),
                (
                    HEALTH_CHECK.to_owned(),
                    Streams {
                        request: false,
                        response: false,
                    },
                ),
                (
                    HEALTH_WATCH.to_owned(),
                    Streams {
                        request: false,
                        response: true,
                    },
                ),
            ])),
        }
    }

    /// The same, which knows who sends headers.
    #[must_use]
    pub fn knowing(&self, knows: impl Fn(&HeaderMap) -> Result<Payer, Problem> + Send + Sync + 'static) -> Self {
        Self {
            knows: Some(Arc::new(knows)),
            ..self.clone()
        }
    }

    /// The same in plain text, whatever is configured.
    #[must_use]
    pub fn without_tls(&self) -> Self {
        let mut config = Config::clone(&self.config);
        (config.grpc_tls, config.http_tls) = (None, None);
        Self {
            config: Arc::new(config),
            ..self.clone()
        }
    }

    /// The same, which knows from the compiled protos (encoded) which calls are streams; others have to end.
    pub fn with_streams_of(mut self, descriptor_set: &[u8]) -> Result<Self, prost::DecodeError> {
        let set = FileDescriptorSet::decode(descriptor_set)?;
        let streams = Arc::make_mut(&mut self.streams);
        for file in &set.file {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    let found = Streams {
                        request: method.client_streaming(),
                        response: method.server_streaming(),
                    };
                    streams.insert(path, found);
                }
            }
        }
        Ok(self)
    }

    /// An HTTP request, passed on to `router` or refused, and counted.
    pub(super) async fn http<B>(
        self,
        listener: &'static str,
        router: Router,
        request: Request<B>,
    ) -> Result<Response, Infallible>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let (method, begun) = (request.method().clone(), Instant::now());
        let response = self.pass_http(router, request).await;
        calls::answered(listener, &method, &response, begun);
        Ok(response)
    }

    async fn pass_http<B>(self, router: Router, request: Request<B>) -> Response
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let version = request.version();
        let within = Some(self.config.body_within);
        let entered = self.enter(request, false, Counted::Whole, within, false);
        let mut response = match entered {
            Err(problem) => problem.into_response(),
            Ok(Entered { request, slip }) => {
                let response = router.oneshot(request).await;
                match slip.refusal.get() {
                    Some(problem) => problem.clone().into_response(),
                    None => response.into_response(),
                }
            }
        };
        if version < Version::HTTP_2 && self.health.is_stopping() {
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// A gRPC call, passed on to `router` or refused, and counted.
    pub(super) async fn grpc<B>(self, router: Router, request: Request<B>) -> Response
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let path = request.uri().path();
        let known = self.streams.get(path).copied();
        let streams = known.unwrap_or(Streams {
            request: false,
            response: false,
        });
        let call = Call::begin(known.map(|_| path), streams.request || streams.response);
        let response = self.pass_grpc(router, request, streams).await;
        call.answered(response)
    }

    async fn pass_grpc<B>(self, router: Router, request: Request<B>, streams: Streams) -> Response
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let path = request.uri().path();
        let (counted, body_within) = if streams.request {
            (Counted::ByMessage, None)
        } else {
            (Counted::Whole, Some(self.config.body_within))
        };
        let asked = deadline(request.headers());
        let ours = (!streams.request && !streams.response).then_some(self.config.call_within);
        let within = ours.into_iter().chain(asked).min();
        let open = path.starts_with(OPEN);
        let entered = match self.enter(request, true, counted, body_within, open) {
            Ok(entered) => entered,
            Err(problem) => return Status::from(problem).into_http(),
        };
        let answer = router.oneshot(entered.request);
        let answer = match within {
            None => answer.await,
            Some(within) => match tokio::time::timeout(within, answer).await {
                Ok(answer) => answer,
                Err(_) => {
                    let status = Status::deadline_exceeded(format!("the call did not end within {within:?}"));
                    return status.into_http();
                }
            },
        };
        match entered.slip.refusal.get() {
            Some(problem) if !streams.request => Status::from(problem.clone()).into_http(),
            _ => answer.into_response(),
        }
    }

    /// Finds out who is there and sets the terms for the body.
    fn enter<B>(
        &self,
        request: Request<B>,
        grpc: bool,
        counted: Counted,
        within: Option<Duration>,
        open: bool,
    ) -> Result<Entered, Problem>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let (head, body) = request.into_parts();
        // Most requests over HTTP have no body, and then there is nothing to wait for; handlers ask who it is.
        if body.is_end_stream() {
            return Ok(Entered {
                request: Request::from_parts(head, Body::empty()),
                slip: Slip::default(),
            });
        }
        let known = match &self.knows {
            Some(knows) if !open => knows(&head.headers).map_err(Some),
            _ => Err(None),
        };
        let payer = *known.as_ref().unwrap_or(&Payer::Stranger);
        let terms = Terms {
            share: self.budget.share_of(payer),
            most: known.is_err().then_some(OF_A_STRANGER),
            grpc,
            counted,
            within,
            discard: head.version < Version::HTTP_2 && !head.headers.contains_key(EXPECT),
        };
        let length = body.size_hint().exact();
        let (body, slip) = guarded(body, terms);
        match known {
            // Small enough to be answered by whom it was meant for.
            Err(Some(_)) if !grpc && length.is_some_and(|length| length <= OF_A_STRANGER) => {}
            Err(Some(problem)) => {
                auth::count_failure(&problem);
                return Err(problem);
            }
            Ok(_) | Err(None) => {}
        }
        Ok(Entered {
            request: Request::from_parts(head, body),
            slip,
        })
    }
}

/// The time that the caller of a gRPC method waits (`grpc-timeout`).
fn deadline(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_deadline_is_read() {
        for (text, expected) in [
            ("5S", Some(Duration::from_secs(5))),
            ("250m", Some(Duration::from_millis(250))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("123456789S", None),
            ("S", None),
            ("-1S", None),
            ("5x", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static("grpc-timeout"),
                HeaderValue::from_static(text),
            )]);
            assert_eq!(deadline(&headers), expected, "{text}");
        }
    }

    #[test]
    fn streams_are_read_from_the_protos() {
        let door = Door::new(Config::default(), Health::new());
        let door = door.with_streams_of(tonic_health::pb::FILE_DESCRIPTOR_SET).unwrap();
        let of = |path: &str| door.streams.get(path).copied();
        let (one, many) = (
            Streams {
                request: false,
                response: false,
            },
            Streams {
                request: false,
                response: true,
            },
        );
        assert_eq!(of("/grpc.health.v1.Health/Check"), Some(one));
        assert_eq!(of("/grpc.health.v1.Health/Watch"), Some(many));
        assert!(
            Door::new(Config::default(), Health::new())
                .with_streams_of(b"not protos")
                .is_err()
        );
    }
}
