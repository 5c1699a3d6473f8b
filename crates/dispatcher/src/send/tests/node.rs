//! Against Node.js's own HTTP server, far away, at the pace at which it closes its connections.

use std::process::Stdio;

use tidings_testkit::{FaultProxy, languages};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::*;

/// As `http.createServer` makes it, but for a shorter patience; one says what it is (`Keep-Alive: timeout=1`), the other
/// does not.
const SERVERS: &str = "
const http = require('http');
const start = (timeout, headers) => {
  const server = http.createServer((request, response) => {
    request.resume();
    request.on('end', () => { response.writeHead(200, headers); response.end('ok'); });
  });
  server.keepAliveTimeout = timeout;
  server.keepAliveTimeoutBuffer = 0;
  server.listen(0, '127.0.0.1', () => console.log(`${timeout} ${server.address().port}`));
};
start(1000, {});
start(400, { Connection: 'keep-alive' });
process.stdin.on('end', () => process.exit());
process.stdin.resume();
";

#[tokio::test]
async fn a_server_far_away_that_closes_idle_connections_costs_no_attempt() {
    let command = tokio::task::spawn_blocking(languages::node).await.unwrap();
    let mut node = Command::from(command)
        .args(["-e", SERVERS])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(node.stdout.take().unwrap()).lines();
    let mut runs = Vec::new();
    for _ in 0..2 {
        let line = lines.next_line().await.unwrap().unwrap();
        let (timeout, port) = line.split_once(' ').unwrap();
        let server = format!("http://127.0.0.1:{port}/");
        let proxy = FaultProxy::start_far_from(&server, Duration::from_millis(40)).await;
        let pace = Duration::from_millis(timeout.parse().unwrap());
        let rounds = if timeout == "1000" { 2 } else { 5 };
        runs.push(tokio::spawn(async move {
            let url: Url = proxy.in_front_of(&server).parse().unwrap();
            let sender = Arc::new(sender());
            for round in 0..rounds {
                // Each at a slightly other moment around the end of the server's patience.
                let endpoints = (0..10_u32).map(|number| {
                    let (sender, url) = (sender.clone(), url.clone());
                    tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_millis(8) * number).await;
                        let endpoint = endpoint(&url, Authentication::default());
                        let within = Duration::from_secs(20);
                        sender.send(&endpoint, &mut request("{}"), None, within).await
                    })
                });
                for sent in endpoints.collect::<Vec<_>>() {
                    let answer = sent.await.unwrap();
                    let answer = answer.unwrap_or_else(|failed| panic!("{pace:?} {round}: {}", failed.error));
                    assert_eq!(answer.body, "ok");
                }
                tokio::time::sleep(pace - Duration::from_millis(80)).await;
            }
        }));
    }
    for run in runs {
        run.await.unwrap();
    }
}
