//! Replicas that come, go and stand still.

use std::collections::BTreeSet;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::*;

const SOON: Duration = Duration::from_secs(20);
const WHO: &str = "who";
const ONE: ServingStatus = ServingStatus::Serving;
const TWO: ServingStatus = ServingStatus::NotServing;
const THREE: ServingStatus = ServingStatus::Unknown;

/// A replica that answers with its own status when it is asked who it is.
struct Served {
    address: SocketAddr,
    status: ServingStatus,
    serving: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Served {
    async fn start(status: ServingStatus) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (reporter, health) = tonic_health::server::health_reporter();
        reporter.set_service_status(WHO, status).await;
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        let serving = tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(health)
                .serve_with_incoming(incoming),
        );
        Self {
            address,
            status,
            serving,
        }
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
    one.serving.abort();
    let _ = one.serving.await;
    let mut client = HealthClient::new(replicas.clone());
    let mut failed = 0;
    let begun = Instant::now();
    for _ in 0..200 {
        failed += u32::from(reached(&mut client).await.is_err());
    }
    let tries = 2 + begun.elapsed().as_secs() / SHUNNED_FOR.as_secs();
    assert!(u64::from(failed) <= tries, "{failed} of 200 calls failed");
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
    replicas.0.look.notify_one();
    tokio::time::timeout(
        SOON,
        replicas.0.known.subscribe().wait_for(|known| known.failed.is_some()),
    )
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
