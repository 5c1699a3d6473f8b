//! The five-minute tour (`docs/tour.md`), as somebody who copies it into a terminal would walk it.
//!
//! What is fenced as `sh tour` runs in order in one session of bash, what is fenced as `sh tour-background` beside it
//! until the end. Between two blocks a reader reads; here, what was published is waited for.

use tidings_acceptance::{Client, SOON};
use tidings_proto::pb;
use tidings_testkit::{Reserved, wait_until};

use crate::session::{Server, blocks, document};

#[tokio::test]
async fn the_tour_works_as_it_is_written() {
    let server = Server::start().await;
    let receiver = Reserved::address();
    let mut session = server.session();
    let mut outputs = Vec::new();
    for block in blocks(&document("docs/tour.md")) {
        let commands = server
            .found_by(&block.commands)
            .replace("127.0.0.1:4000", &receiver.socket().to_string())
            .replace("--port 4000", &format!("--port {}", receiver.socket().port()));
        match block.kind.as_str() {
            "sh tour" => {}
            "sh tour-background" => {
                session.run_beside(&commands).await;
                continue;
            }
            _ => continue,
        }
        outputs.push(session.run(&commands).await);
        let ended = async || nothing_is_open(&server.operator).await;
        wait_until(SOON, "every delivery to end", ended).await;
    }
    let beside = session.end().await;

    let [
        tenant,
        by_command,
        over_http,
        over_grpc,
        logs,
        tested,
        broken,
        explained,
        recovered,
    ] = outputs.as_slice()
    else {
        panic!("the tour has other blocks than this test knows: {outputs:#?}");
    };
    assert!(tenant.contains("\"id\":\"ten_"), "{tenant}");
    for published in [by_command, over_http, over_grpc] {
        assert!(published.contains("evt_"), "no event id in {published}");
    }
    let received = beside
        .lines()
        .filter(|line| line.contains("signature verified"))
        .count();
    assert_eq!(
        received, 6,
        "four events, the CRM's test, and what it missed:\n{beside}"
    );
    assert!(beside.contains("Love this product!"), "{beside}");
    for event_type in ["feedback.created", "feedback.status_changed", "feedback.voted"] {
        assert!(logs.contains(event_type), "{event_type} is missing in:\n{logs}");
    }
    assert_eq!(logs.matches("dlv_").count(), 3, "{logs}");
    assert!(
        tested.contains("ep_") && tested.contains("X-UserHero-Signature"),
        "{tested}"
    );
    assert!(broken.contains("evt_"), "{broken}");
    for words in ["Attempt 3 of 3", "no connection", "given up", "/retry"] {
        assert!(explained.contains(words), "{words:?} is missing in:\n{explained}");
    }
    assert!(recovered.contains("succeeded"), "{recovered}");
    println!("{}", outputs.concat());
}

async fn nothing_is_open(operator: &Client) -> bool {
    let request = pb::ListDeliveriesRequest {
        states: vec!["pending".to_owned(), "scheduled".to_owned()],
        ..pb::ListDeliveriesRequest::default()
    };
    let open = operator.log().list_deliveries(request).await;
    open.expect("the log answers").into_inner().deliveries.is_empty()
}
