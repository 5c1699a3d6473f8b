//! What rendering costs: a payload of about one kilobyte in each dialect that is compiled in.

#![allow(clippy::unwrap_used, reason = "a bench that can't go on has failed")]

use criterion::{Criterion, criterion_group, criterion_main};
use std::collections::BTreeMap;
use std::hint::black_box;
use tidings_dialect::{Dialects, Message, canonical};
use tidings_domain::{EventId, EventType, Secret, Timestamp};

fn render(c: &mut Criterion) {
    let payload = payload();
    let secrets = [Secret::generate()];
    let event_type: EventType = "feedback.created".parse().unwrap();
    let settings = BTreeMap::new();
    let now = Timestamp::now();
    let message = Message {
        event_id: EventId::new(),
        event_type: &event_type,
        occurred_at: now,
        sent_at: now,
        attempt: 1,
        payload: &payload,
        properties: &[],
        settings: &settings,
    };

    let dialects = Dialects::builtin().unwrap();
    for name in dialects.names() {
        let dialect = dialects.get(name).unwrap();
        c.bench_function(&format!("render/{name}/1KB"), |b| {
            b.iter(|| dialect.render(black_box(&message), &secrets).unwrap())
        });
    }
    let key = [Secret::generate_ed25519()];
    c.bench_function("render/standard with ed25519/1KB", |b| {
        b.iter(|| {
            dialects
                .get("standard")
                .unwrap()
                .render(black_box(&message), &key)
                .unwrap()
        })
    });
    for name in ["slack", "discord"] {
        let dialect = dialects.get(name).unwrap();
        let sample = Message {
            payload: &dialect.samples()[&event_type],
            ..message
        };
        c.bench_function(&format!("render/{name}/its sample"), |b| {
            b.iter(|| dialect.render(black_box(&sample), &secrets).unwrap())
        });
    }
    c.bench_function("check/1KB", |b| {
        b.iter(|| canonical::check(black_box(&payload)).unwrap())
    });
    c.bench_function("ecmascript/1KB", |b| {
        b.iter(|| canonical::ecmascript(black_box(&payload)).unwrap())
    });
}

fn payload() -> Vec<u8> {
    let users: Vec<String> = (0..10)
        .map(|i| {
            format!(r#"{{"id":{i},"name":"Jane Doe","email":"jane.doe.{i}@example.org","score":{i}.5,"vip":false}}"#)
        })
        .collect();
    let text = "The export button doesn't work when the table has more than a thousand rows. ".repeat(3);
    format!(
        r#"{{"id":"fb_abc123","message":"{text}","users":[{}]}}"#,
        users.join(",")
    )
    .into_bytes()
}

criterion_group!(benches, render);
criterion_main!(benches);
