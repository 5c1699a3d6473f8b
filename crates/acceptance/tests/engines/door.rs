//! Who comes without a key costs next to nothing, and who publishes through a balancer does not notice a restart.

use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tidings_acceptance::{Client, Load, SOON, Servers, Standalone, System, endpoint};
use tidings_testkit::{Receiver, Reserved, wait_until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

const MIB: usize = 1024 * 1024;
/// What each says that it will send, and what it sends.
const ANNOUNCED: usize = 16 * MIB;
const SENT: usize = 15 * MIB;
const CONNECTIONS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_connections_without_a_key_cost_next_to_no_memory() {
    let mut system = Standalone::start().await;
    let process = system.process.running().id();
    // A call of each kind first, so that what is made once is made.
    let tenant = system.operator.create_tenant("door").await;
    system.operator.publish(&tenant, "a", json!(1)).await;
    let (grpc, http) = (address(&system.servers.ingest), address(&system.servers.http));
    let idle = resident(process);
    let mut callers = JoinSet::new();
    for number in 0..CONNECTIONS {
        match number % 3 {
            0 => callers.spawn(by_http1(http)),
            1 => callers.spawn(by_http2(http, "/api/v2/events")),
            _ => callers.spawn(by_http2(grpc, "/tidings.v1.EventService/Publish")),
        };
    }
    let mut most = idle;
    let all = async {
        let mut look = tokio::time::interval(Duration::from_millis(20));
        loop {
            tokio::select! {
                ended = callers.join_next() => if ended.is_none() { return },
                _ = look.tick() => most = most.max(resident(process)),
            }
        }
    };
    timeout(SOON, all).await.expect("strangers are sent away");
    let cost = most.saturating_sub(idle) / MIB;
    println!("idle {} MiB, at most {} MiB", idle / MIB, most / MIB);
    assert!(cost <= 64, "{CONNECTIONS} strangers cost {cost} MiB");
    system.operator.publish(&tenant, "a", json!(2)).await;
}

/// Sends until it is told to stop, or has sent all it wanted to.
async fn by_http1(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let head = format!("POST /api/v2/events HTTP/1.1\r\nhost: x\r\ncontent-length: {ANNOUNCED}\r\n\r\n");
    let block = vec![b'x'; MIB];
    let send = async {
        stream.write_all(head.as_bytes()).await?;
        for _ in 0..SENT / MIB {
            stream.write_all(&block).await?;
        }
        Ok::<_, std::io::Error>(())
    };
    let _ = send.await;
}

async fn by_http2(address: SocketAddr, path: &'static str) {
    let stream = TcpStream::connect(address).await.expect("it listens");
    let (mut sender, connection) = h2::client::handshake(stream).await.expect("it speaks HTTP/2");
    let connection = tokio::spawn(connection);
    let request = http::Request::post(format!("http://{address}{path}"))
        .header("content-type", "application/grpc")
        .header("content-length", ANNOUNCED)
        .body(())
        .expect("a request");
    let (_answer, mut body) = sender.send_request(request, false).expect("a stream");
    let block = Bytes::from(vec![b'x'; MIB]);
    let mut sent = 0;
    while sent < SENT {
        body.reserve_capacity(MIB);
        let Some(Ok(room)) = futures::future::poll_fn(|context| body.poll_capacity(context)).await else {
            break;
        };
        let part = block.slice(..room.min(MIB));
        sent += part.len();
        if body.send_data(part, false).is_err() {
            break;
        }
    }
    connection.abort();
}

/// What a process has in memory, bytes.
fn resident(process: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok());
    kib.expect("its memory") * 1024
}

/// Passes connections on to whom it believes to be ready.
struct Balancer {
    address: SocketAddr,
    ready: Arc<Mutex<Vec<SocketAddr>>>,
    _forwarding: JoinSet<()>,
}

impl Balancer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let ready = Arc::new(Mutex::new(Vec::<SocketAddr>::new()));
        let believed = ready.clone();
        let mut forwarding = JoinSet::new();
        forwarding.spawn(async move {
            let mut connections = JoinSet::new();
            for turn in 0.. {
                let (mut from, _) = listener.accept().await.expect("connections come");
                let to = {
                    let ready = believed.lock().expect("no test has panicked");
                    ready.get(turn % ready.len().max(1)).copied()
                };
                connections.spawn(async move {
                    let Some(to) = to else { return };
                    if let Ok(mut to) = TcpStream::connect(to).await {
                        let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
                    }
                });
            }
        });
        Self {
            address,
            ready,
            _forwarding: forwarding,
        }
    }

    /// What it has found out about who is ready.
    fn believe(&self, ready: Vec<SocketAddr>) {
        *self.ready.lock().expect("no test has panicked") = ready;
    }
}

fn address(url: &str) -> SocketAddr {
    url.trim_start_matches("http://").parse().expect("an address")
}

/// Publishes all the time, each event over a connection of its own.
struct Publishing {
    done: Arc<Mutex<Done>>,
    publishing: JoinSet<()>,
}

/// What came of it.
#[derive(Default)]
struct Done {
    accepted: Vec<String>,
    refused: Vec<String>,
}

impl Publishing {
    fn start(to: SocketAddr, token: String) -> Self {
        let done = Arc::new(Mutex::new(Done::default()));
        let mut publishing = JoinSet::new();
        for _ in 0..4 {
            let (done, token) = (done.clone(), token.clone());
            publishing.spawn(async move {
                loop {
                    let answer = publish(to, &token).await;
                    {
                        let mut done = done.lock().expect("no test has panicked");
                        match answer {
                            Ok(event) => done.accepted.push(event),
                            Err(refusal) => done.refused.push(refusal),
                        }
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            });
        }
        Self { done, publishing }
    }

    /// Waits until so many more are accepted that some came at any instant in between.
    async fn goes_on(&self) {
        let accepted = || self.done.lock().expect("no test has panicked").accepted.len();
        let before = accepted();
        wait_until(SOON, "publishing to go on", async || accepted() >= before + 40).await;
    }

    fn stop(mut self) -> Done {
        self.publishing.abort_all();
        std::mem::take(&mut *self.done.lock().expect("no test has panicked"))
    }
}

/// Publishes an event and gives back its id, or whatever else was the answer.
async fn publish(to: SocketAddr, token: &str) -> Result<String, String> {
    let body = json!({ "event_type": "a", "payload": 1 }).to_string();
    let request = format!(
        "POST /api/v2/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let ask = async {
        let mut stream = TcpStream::connect(to).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = ask.await.map_err(|error| error.to_string())?;
    let accepted = answer
        .strip_prefix("HTTP/1.1 202 ")
        .and_then(|answer| answer.split_once("\r\n\r\n"));
    let body: Value = accepted
        .and_then(|(_, body)| serde_json::from_str(body).ok())
        .ok_or_else(|| answer.clone())?;
    Ok(body["event_id"].as_str().ok_or(answer)?.to_owned())
}

#[tokio::test]
async fn a_rolling_restart_behind_a_balancer_refuses_nobody() {
    let mut system = System::prepare().await;
    system.set("TIDINGS_MONITOR__DRAIN", "2s");
    system.start_roles().await;
    let (mut second, second_http) = system.ingest.replica("TIDINGS_INGEST__HTTP_ADDRESS");
    let second_grpc = Reserved::address();
    second.set("TIDINGS_INGEST__GRPC_ADDRESS", second_grpc.socket().to_string());
    second.start().await;
    let receiver = Receiver::start().await;
    let tenant = system.operator.create_tenant("rolling").await;
    let made = system
        .operator
        .create_endpoint(endpoint(&tenant, &receiver.url()))
        .await;

    let first = [address(&system.servers.http), address(&system.servers.ingest)];
    let second_at = [second_http.socket(), second_grpc.socket()];
    let balancers = [Balancer::start().await, Balancer::start().await];
    let believe = |ready: &[[SocketAddr; 2]]| {
        for (port, balancer) in balancers.iter().enumerate() {
            balancer.believe(ready.iter().map(|backend| backend[port]).collect());
        }
    };
    believe(&[first, second_at]);
    let publishing = Publishing::start(balancers[0].address, tenant.token.clone());
    let ingest = format!("http://{}", balancers[1].address);
    let through_balancer = Servers {
        ingest,
        ..system.servers.clone()
    };
    let load = Load::start(&Client::new(&through_balancer, &tenant.token), &tenant, 50);
    publishing.goes_on().await;
    for (restarted, other) in [(&mut system.ingest, second_at), (&mut second, first)] {
        restarted.ask_to_stop();
        wait_until(SOON, "it to say that it is not ready", async || {
            !restarted.is_ready().await
        })
        .await;
        believe(&[other]);
        let status = restarted.wait_for_exit(SOON).await.0;
        assert!(status.success(), "{status}");
        publishing.goes_on().await;
        restarted.start().await;
        believe(&[first, second_at]);
        publishing.goes_on().await;
    }
    let over_http = publishing.stop();
    let over_grpc = load.stop().await;
    println!("{} and {} accepted", over_http.accepted.len(), over_grpc.accepted.len());
    assert_eq!((over_http.refused, over_grpc.refused), (Vec::new(), 0));
    let accepted = [over_http.accepted, over_grpc.accepted].concat();
    system.operator.wait_for_all(&accepted, &made, "succeeded").await;
}
