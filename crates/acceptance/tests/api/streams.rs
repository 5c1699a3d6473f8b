//! Streams and live tails end with the key that opened them.

use futures::StreamExt as _;
use serde_json::{Value, json};
use tidings_acceptance::{Client, SOON, Standalone, Tenant, problem_code, request};
use tidings_domain::{SignedDuration, Timestamp};
use tidings_proto::{pb, timestamp};
use tidings_testkit::wait_until;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

/// The streams that are open with one key.
struct Open {
    events: mpsc::Sender<pb::PublishStreamRequest>,
    answers: Streaming<pb::PublishStreamResponse>,
    tail: Streaming<pb::WatchAttemptsResponse>,
    page: TcpStream,
}

impl Open {
    async fn with(system: &Standalone, tenant: &Tenant, token: &str) -> Self {
        let client = system.client(token);
        let (events, receiver) = mpsc::channel(4);
        let answers = client.events().publish_stream(ReceiverStream::new(receiver)).await;
        let tail = client.log().watch_attempts(pb::WatchAttemptsRequest::default()).await;
        let mut open = Self {
            events,
            answers: answers.expect("a stream of publishes").into_inner(),
            tail: tail.expect("a live tail").into_inner(),
            page: watched_page(system, token).await,
        };
        open.events.send(event(tenant)).await.expect("the stream is read");
        let answer = open.answers.message().await.expect("the stream goes on");
        let result = answer.and_then(|answer| answer.result?.result);
        assert!(
            matches!(result, Some(pb::publish_result::Result::Accepted(_))),
            "{result:?}"
        );
        open
    }

    /// Waits until all of it has ended, and says why.
    async fn ended(mut self) -> [String; 3] {
        let wait = async {
            let published = end_of(&mut self.answers).await;
            let watched = end_of(&mut self.tail).await;
            let mut page = String::new();
            // It ends by itself: nothing is cut off.
            self.page.read_to_string(&mut page).await.expect("the page is text");
            let (_, refused) = page.split_once("event: refused\n").expect("the page says why");
            let data = refused.lines().find_map(|line| line.strip_prefix("data: "));
            let problem: Value = serde_json::from_str(data.expect("a problem")).expect("a document");
            let code = problem["code"].as_str().expect("a code").to_owned();
            [problem_code(&published), problem_code(&watched), code]
        };
        timeout(SOON, wait).await.expect("streams end with their key")
    }
}

fn event(tenant: &Tenant) -> pb::PublishStreamRequest {
    pb::PublishStreamRequest {
        sequence: 1,
        event: Some(request(tenant, "a", json!(1))),
    }
}

async fn end_of<T>(stream: &mut Streaming<T>) -> Status {
    while let Some(message) = stream.next().await {
        if let Err(status) = message {
            return status;
        }
    }
    Status::ok("it ended without a reason")
}

async fn watched_page(system: &Standalone, token: &str) -> TcpStream {
    let address = system.servers.rest.trim_start_matches("http://");
    let mut page = TcpStream::connect(address).await.expect("control listens");
    let ask = format!(
        "GET /api/v2/webhooks/logs/watch HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         connection: close\r\n\r\n"
    );
    page.write_all(ask.as_bytes()).await.expect("control reads");
    let mut first = [0; 12];
    page.read_exact(&mut first).await.expect("control answers");
    assert_eq!(&first, b"HTTP/1.1 200");
    page
}

async fn key(by: &Client, tenant: &Tenant, expires_at: Option<Timestamp>) -> pb::CreateApiKeyResponse {
    let wanted = pb::CreateApiKeyRequest {
        name: String::new(),
        tenant_id: tenant.id.clone(),
        scopes: Vec::new(),
        expires_at: expires_at.map(timestamp),
    };
    let made = by.tenants().create_api_key(wanted).await;
    made.expect("a key can be made").into_inner()
}

#[tokio::test]
async fn streams_end_with_the_key_that_opened_them() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("streams").await;
    let in_a_while = Timestamp::now() + SignedDuration::from_secs(4);
    let expiring = key(&system.operator, &tenant, Some(in_a_while)).await;
    let revoked = key(&system.operator, &tenant, None).await;
    let by_expiring = Open::with(&system, &tenant, &expiring.token).await;
    let by_revoked = Open::with(&system, &tenant, &revoked.token).await;
    let by_deleted = Open::with(&system, &tenant, &tenant.token).await;

    let key_id = revoked.key.expect("the key").id;
    let revoke = pb::RevokeApiKeyRequest { key_id };
    system
        .operator
        .tenants()
        .revoke_api_key(revoke)
        .await
        .expect("it can be revoked");
    assert_eq!(by_revoked.ended().await, ["key_unknown"; 3]);
    assert_eq!(by_expiring.ended().await, ["key_expired"; 3]);

    let delete = pb::DeleteTenantRequest {
        tenant_id: tenant.id.clone(),
    };
    system
        .operator
        .tenants()
        .delete_tenant(delete)
        .await
        .expect("it can be deleted");
    assert_eq!(by_deleted.ended().await, ["key_unknown"; 3]);
    let failed = async || system.process.metric("tidings_authentications_failed_total").await;
    let before = failed().await;
    let refused = system
        .client(&tenant.token)
        .events()
        .publish(request(&tenant, "a", json!(1)))
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
    wait_until(SOON, "the refusal to be counted", async || {
        failed().await == before + 1.0
    })
    .await;
}
