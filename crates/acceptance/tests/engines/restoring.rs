//! Drills: a backup that was made under load, everything lost, and what became of what was promised before.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use tidings_acceptance::{Load, SOON, Standalone, System, Tenant, endpoint, run_to_end};
use tidings_proto::pb;
use tidings_testkit::{Answer, Receiver, TestDatabase, TestVhost, wait_until};

/// More than enough to have some under way in every state.
const EVENTS: usize = 100;

/// An endpoint whose receiver fails for now, and that is tried again often, and for long enough.
fn patient(tenant: &Tenant, receiver: &Receiver) -> pb::Endpoint {
    let seconds = |seconds| prost_types::Duration { seconds, nanos: 0 };
    pb::Endpoint {
        schedule: [vec![seconds(1); 5], vec![seconds(5); 15]].concat(),
        ..endpoint(tenant, &receiver.url())
    }
}

#[tokio::test]
async fn everything_that_was_pending_ends_after_both_engines_were_lost_and_the_database_restored() {
    let mut system = System::prepare().await;
    system.set("TIDINGS_LOG__GRACE", "2s");
    system.start_roles().await;
    let receiver = Receiver::start().await;
    receiver.answer_always(Answer::Status(503));
    let operator = system.operator.clone();
    let tenant = operator.create_tenant("restoring").await;
    let made = operator.create_endpoint(patient(&tenant, &receiver)).await;
    let load = Load::start(&operator, &tenant, 50);
    wait_until(SOON, "attempts that fail", async || receiver.count() > EVENTS).await;
    let before = load.stop().await.accepted;
    assert!(before.len() > EVENTS / 2, "{} events", before.len());

    let load = Load::start(&operator, &tenant, 50);
    let dump = dump(&system.database.url()).await;
    for role in system.roles() {
        role.kill9();
    }
    drop(load.stop().await);
    let (database, vhost) = tokio::join!(TestDatabase::create(), TestVhost::create());
    restore(&database.url(), dump).await;
    system.set("TIDINGS_DATABASE__URL", &database.url());
    system.set("TIDINGS_AMQP__URL", &vhost.amqp_url());
    receiver.answer_always(Answer::Status(200));
    let url = ("TIDINGS_DATABASE__URL".to_owned(), database.url());
    let said = run_to_end(&["migrate"], std::slice::from_ref(&url)).await;
    assert!(said.contains("up to date"), "{said}");
    system.start_roles().await;

    operator.wait_for_all(&before, &made, "succeeded").await;
    // And it goes on as if nothing had happened.
    let event = operator.publish(&tenant, "restored.all", serde_json::json!({})).await;
    operator.wait_for_state(&event, "succeeded").await;
}

#[tokio::test]
async fn everything_that_was_pending_ends_after_an_embedded_system_was_restored() {
    let mut system = Standalone::start_with(&[("LOG__GRACE", "2s")]).await;
    let receiver = Receiver::start().await;
    receiver.answer_always(Answer::Status(503));
    let operator = system.operator.clone();
    let tenant = operator.create_tenant("restoring").await;
    let made = operator.create_endpoint(patient(&tenant, &receiver)).await;
    let load = Load::start(&operator, &tenant, 50);
    wait_until(SOON, "attempts that fail", async || receiver.count() > EVENTS).await;
    let before = load.stop().await.accepted;

    let load = Load::start(&operator, &tenant, 50);
    let (data, copies) = (system.data_dir().to_owned(), tempfile::tempdir().unwrap());
    let copy = copies.path().join("copy.db");
    let arguments = ["backup", copy.to_str().unwrap(), "--data-dir", data.to_str().unwrap()];
    let said = run_to_end(&arguments, &[]).await;
    assert!(said.contains("checked") && said.contains("secrets.key"), "{said}");
    system.process.kill9();
    drop(load.stop().await);
    for file in ["tidings.db", "tidings.db-wal", "tidings.db-shm"] {
        let _ = std::fs::remove_file(data.join(file));
    }
    std::fs::rename(&copy, data.join("tidings.db")).unwrap();
    receiver.answer_always(Answer::Status(200));
    system.process.start().await;
    operator.wait_for_all(&before, &made, "succeeded").await;
}

async fn dump(url: &str) -> Vec<u8> {
    let mut command = postgres("pg_dump");
    command.arg("--no-owner").arg(url).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

async fn restore(url: &str, dump: Vec<u8>) {
    let mut command = postgres("psql");
    command
        .args([
            "--quiet",
            "--no-psqlrc",
            "--set",
            "ON_ERROR_STOP=1",
            "--output",
            "/dev/null",
        ])
        .arg(url)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped());
    let restored = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), &dump).unwrap();
        child.wait_with_output().unwrap()
    });
    let output = restored.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A client of PostgreSQL: the one on the path, or the newest where Debian keeps them.
fn postgres(program: &str) -> Command {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let found = versions.filter_map(|version| Some(version.ok()?.path().join("bin").join(program)));
    let newest = found.filter(|path| path.exists()).max();
    Command::new(newest.unwrap_or_else(|| PathBuf::from(program)))
}
