//! `docs/api.md`: every example is run, in order, and answered as it is meant to be.

use tidings_testkit::{Answer, Receiver};

use crate::session::{Server, blocks, document};

/// Every request is answered well, or the session ends.
const CURL: &str = r#"curl() { command curl --fail-with-body "$@"; }
"#;

#[tokio::test]
async fn every_example_works_as_it_is_written() {
    let server = Server::start().await;
    // Out of order, so that there is something to look for in the logs.
    let receiver = Receiver::start().await;
    receiver.answer_always(Answer::Status(500));
    let mut session = server.session();
    session.run(CURL).await;
    let blocks = blocks(&document("docs/api.md"));
    let mut examples = 0;
    for (at, block) in blocks.iter().enumerate().filter(|(_, block)| block.kind == "sh") {
        let mut commands = server
            .found_by(&block.commands)
            .replace("https://example.com/webhooks", &receiver.url());
        // The answer that is shown behind the commands.
        let shown = blocks.get(at + 1).filter(|next| next.kind == "json");
        if shown.is_some() {
            commands = commands.replace("curl ", "command curl ");
        }
        let answer = session.run(&commands).await;
        if let Some(shown) = shown {
            let words = |text: &str| text.split_whitespace().collect::<String>();
            assert_eq!(words(&answer), words(&shown.commands));
        }
        examples += commands.matches("curl ").count();
    }
    session.close().await;
    assert!(examples > 30, "{examples}");
}
