//! Replicas that come, go and stand still.

use std::collections::BTreeSet;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::*;
use crate::serve::{self, Door, ServeError};
use crate::{Health, Problem};

const SOON: Duration = Duration::from_secs(20);
const WHO: &str = "who";
const ONE: ServingStatus = ServingStatus::Serving;
const TWO: ServingStatus = ServingStatus::NotServing;
const THREE: ServingStatus = ServingStatus::Unknown;

/// A replica that answers with its own status when it is asked who it is.
struct Served {
    address: SocketAddr,
    status: ServingStatus,
    stop: CancellationToken,
    serving: JoinHandle<Result<(), ServeError>>,
}

impl Served {
    async fn start(status: ServingStatus) -> Self {
        Self::start_with(serve::Config::default(), status).await
    }

    async fn start_with(config: serve::Config, status: ServingStatus) -> Self {
        let listener = serve::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (routes, reporter) = serve::grpc_routes(tonic_health::pb::FILE_DESCRIPTOR_SET).unwrap();
        reporter.set_service_status(WHO, status).await;
        let (door, stop) = (Door::new(config, Health::new()), CancellationToken::new());
        let serving = serve::grpc("replica", listener, routes.routes(), door, stop.clone(), SOON);
        Self {
            address,
            status,
            stop,
            serving: tokio::spawn(serving),
        }
    }

    /// Returns when it has gone.
    async fn stop(self) {
        self.stop.cancel();
        self.serving.await.unwrap().unwrap();
    }
}

/// A name server with one name.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<Option<Vec<SocketAddr>>>>);

impl Names {
    fn set(&self, replicas: &[&Served]) {
        *self.0.lock().unwrap() = Some(replicas.iter().map(|replica| replica.address).collect());
    }

    fn forget(&self) {
        *self.0.lock().unwrap() = None;
    }

    fn replicas(&self) -> Replicas {
        let names = self.0.clone();
        let server = Server {
            uri: "http://log:50052".parse().unwrap(),
            tls: None,
            connect_timeout: Duration::from_secs(2),
        };
        Replicas::found_by(vec![server], move |host, port| {
            assert_eq!((host.as_str(), port), ("log", 50052));
            let known = names.lock().unwrap().clone();
            async move { known.ok_or_else(|| io::Error::other("no such name")) }
        })
    }
}

/// Whom a call reaches; an error if it fails.
async fn reached(client: &mut HealthClient<Replicas>) -> Result<i32, Status> {
    let question = HealthCheckRequest { service: WHO.into() };
    Ok(client.check(question).await?.into_inner().status)
}

/// Calls until all of these are reached in turn, and nobody else is.
async fn expect(replicas: &Replicas, wanted: &[&Served]) {
    let mut client = HealthClient::new(replicas.clone());
    let wanted: BTreeSet<i32> = wanted.iter().map(|served| served.status as i32).collect();
    let spread = async {
        loop {
            let mut seen = BTreeSet::new();
            for _ in 0..30 {
                seen.extend(reached(&mut client).await);
            }
            if seen == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON, spread)
        .await
        .expect("calls reach whom they should");
}

#[tokio::test]
async fn calls_reach_all_addresses_of_a_name_and_those_that_come_later() {
    let (one, two, three) = (
        Served::start(ONE).await,
        Served::start(TWO).await,
        Served::start(THREE).await,
    );
    let names = Names::default();
    names.set(&[&one, &two]);
    let replicas = names.replicas();
    expect(&replicas, &[&one, &two]).await;
    assert_eq!(replicas.len(), 2);
    names.set(&[&two, &three]);
    expect(&replicas, &[&two, &three]).await;
}

#[tokio::test]
async fn one_that_has_gone_is_left_out_before_the_name_says_so() {
    let (one, two) = (Served::start(ONE).await, Served::start(TWO).await);
    let names = Names::default();
    names.set(&[&one, &two]);
    let replicas = names.replicas();
    expect(&replicas, &[&one, &two]).await;
    one.stop().await;
    let mut client = HealthClient::new(replicas.clone());
    for _ in 0..200 {
        assert_eq!(reached(&mut client).await.unwrap(), TWO as i32);
    }
}

#[tokio::test]
async fn a_call_over_a_connection_that_its_server_ends_is_made_over_another() {
    // It asks for another connection all the time, in the middle of calls.
    let config = serve::Config {
        max_connection_age: Duration::from_millis(15),
        ..serve::Config::default()
    };
    let one = Served::start_with(config, ONE).await;
    let names = Names::default();
    names.set(&[&one]);
    let replicas = names.replicas();
    let calls = (0..4).map(|_| {
        let mut client = HealthClient::new(replicas.clone());
        tokio::spawn(async move {
            for _ in 0..500 {
                assert_eq!(reached(&mut client).await.unwrap(), ONE as i32);
                tokio::task::yield_now().await;
            }
        })
    });
    for calls in futures::future::join_all(calls).await {
        calls.unwrap();
    }
}

#[tokio::test]
async fn one_that_does_not_answer_is_left_out() {
    let well = Served::start(ONE).await;
    // Takes connections, and says nothing.
    let hangs = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let names = Names::default();
    *names.0.lock().unwrap() = Some(vec![well.address, hangs.local_addr().unwrap()]);
    let replicas = names.replicas();
    let mut client = HealthClient::new(replicas);
    let mut late = 0;
    for _ in 0..40 {
        let answer = tokio::time::timeout(Duration::from_millis(300), reached(&mut client)).await;
        late += u32::from(!matches!(answer, Ok(Ok(_))));
    }
    assert!((1..=3).contains(&late), "{late} of 40 calls got no answer");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_an_error_that_says_so_and_keeps_its_last_addresses() {
    let one = Served::start(ONE).await;
    let names = Names::default();
    let replicas = names.replicas();
    let mut client = HealthClient::new(replicas.clone());
    let refused = reached(&mut client).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable);
    assert!(refused.message().contains("log can't be resolved"), "{refused}");
    names.set(&[&one]);
    expect(&replicas, &[&one]).await;
    names.forget();
    // Each failure makes it look again.
    let Way::Connections(shared) = &replicas.0 else {
        panic!("they are reached over connections")
    };
    shared.look.notify_one();
    tokio::time::timeout(SOON, shared.known.subscribe().wait_for(|known| known.failed.is_some()))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(reached(&mut client).await.unwrap(), ONE as i32);
}

#[tokio::test]
async fn addresses_need_no_name_server() {
    let one = Served::start(ONE).await;
    let server = Server {
        uri: format!("http://{}", one.address).parse().unwrap(),
        tls: None,
        connect_timeout: Duration::from_secs(2),
    };
    let replicas = Replicas::found_by(vec![server], |host, _| async move { panic!("{host} was looked up") });
    expect(&replicas, &[&one]).await;
}

#[tokio::test]
async fn services_of_this_process_are_called_once_they_are_served_and_through_their_door() {
    let services = InProcess::default();
    let replicas = Replicas::from(services.clone());
    assert_eq!(replicas.len(), 1);
    let early = tokio::spawn({
        let mut client = HealthClient::new(replicas.clone());
        async move { reached(&mut client).await }
    });
    let (routes, reporter) = serve::grpc_routes(tonic_health::pb::FILE_DESCRIPTOR_SET).unwrap();
    reporter.set_service_status(WHO, ONE).await;
    let door = Door::new(serve::Config::default(), Health::new());
    services.serve(
        routes.routes(),
        door.knowing(|_| Err(Problem::unauthenticated("strange", "you are a stranger"))),
    );
    let answer = tokio::time::timeout(SOON, early).await.unwrap().unwrap();
    assert_eq!(answer.unwrap(), ONE as i32);
    // Health is open to all; nothing else is.
    let body = Body::new(Full::new(vec![0_u8; 5].into()));
    let request = Request::post("http://in.process/tidings.v1.AttemptLogService/Record").body(body);
    let answer = replicas.clone().call(request.unwrap()).await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], "16");
}
