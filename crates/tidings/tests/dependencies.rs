//! The arrows between crates that ARCHITECTURE.md draws, held against what cargo knows.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The crates of ours that each may depend on, tests aside. A new arrow belongs into ARCHITECTURE.md first.
const MAY_USE: [(&str, &[&str]); 22] = [
    ("domain", &[]),
    ("service", &[]),
    ("dialect", &["domain"]),
    ("model", &["domain"]),
    ("payload", &["domain"]),
    ("proto", &["domain"]),
    ("testkit", &["domain"]),
    ("api", &["domain", "proto"]),
    ("store", &["domain", "service"]),
    ("auth", &["domain", "service", "store"]),
    ("queue", &["domain", "proto", "service", "store"]),
    ("recorder", &["domain", "proto", "queue", "service"]),
    ("ingest", ROLE),
    ("dispatcher", ROLE),
    ("log", ROLE),
    ("control", ROLE),
    ("console", &["auth", "domain", "service", "store"]),
    ("cli", &["api", "dialect", "domain", "proto", "service"]),
    ("bench", &["cli", "domain", "proto", "service", "store"]),
    ("acceptance", &["domain", "proto", "service", "store", "testkit"]),
    ("chaos", &["acceptance", "domain", "proto", "testkit"]),
    ("tidings", BINARY),
];

/// A role knows everything below it, and no other role.
const ROLE: &[&str] = &[
    "api", "auth", "dialect", "domain", "payload", "proto", "queue", "recorder", "service", "store",
];

/// The binary puts everything together that ships.
const BINARY: &[&str] = &[
    "auth",
    "cli",
    "console",
    "control",
    "dialect",
    "dispatcher",
    "domain",
    "ingest",
    "log",
    "proto",
    "queue",
    "recorder",
    "service",
    "store",
];

/// Clients of engines and those that may name them, tests aside.
const CLIENTS: [(&str, &[&str]); 4] = [
    // `bench floor` measures the engines alone.
    ("lapin", &["queue", "bench"]),
    ("rusqlite", &["store"]),
    ("deadpool-postgres", &["store"]),
    ("tokio-postgres", &["store", "testkit", "chaos", "bench"]),
];

/// The `[dependencies]` of each crate of the workspace: its own crates by the name of their folder, others by their own.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let short = |name: &Value| {
        let name = name.as_str().unwrap();
        name.strip_prefix("tidings-").unwrap_or(name).to_owned()
    };
    let packages = metadata["packages"].as_array().unwrap();
    let named = |package: &Value| {
        let dependencies = package["dependencies"].as_array().unwrap();
        let normal = dependencies.iter().filter(|dependency| dependency["kind"].is_null());
        (short(&package["name"]), normal.map(|it| short(&it["name"])).collect())
    };
    packages.iter().map(named).collect()
}

#[test]
fn crates_depend_only_on_those_below_them() {
    let all = dependencies();
    let allowed: BTreeMap<&str, &[&str]> = MAY_USE.into_iter().collect();
    let unknown: Vec<_> = all.keys().filter(|name| !allowed.contains_key(name.as_str())).collect();
    assert!(
        unknown.is_empty(),
        "not in MAY_USE, nor in ARCHITECTURE.md: {unknown:?}"
    );
    for (name, used) in &all {
        let ours = used.iter().filter(|used| all.contains_key(used.as_str()));
        let wrong: Vec<_> = ours
            .filter(|used| !allowed[name.as_str()].contains(&used.as_str()))
            .collect();
        assert!(
            wrong.is_empty(),
            "{name} may not depend on {wrong:?}: see ARCHITECTURE.md"
        );
    }
}

#[test]
fn only_store_and_queue_name_the_clients_of_engines() {
    for (name, used) in dependencies() {
        for (client, may) in CLIENTS {
            let is_allowed = !used.contains(client) || may.contains(&name.as_str());
            assert!(is_allowed, "{name} names {client}: go through the store or the queue");
        }
    }
}

#[test]
fn the_map_of_the_architecture_has_every_crate() {
    let map = include_str!("../../../ARCHITECTURE.md");
    for name in dependencies().keys() {
        assert!(
            map.contains(&format!("crates/{name} ")),
            "{name} is not in the map of ARCHITECTURE.md"
        );
    }
}

#[test]
fn operations_know_neither_a_face_nor_the_wire() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../control/src/operations");
    let mut left = vec![folder];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for name in [
            "http::",
            "crate::grpc",
            "axum::",
            "utoipa",
            "tonic::",
            "prost::",
            "pb::",
        ] {
            assert!(!text.contains(name), "{} names {name}", path.display());
        }
    }
}
