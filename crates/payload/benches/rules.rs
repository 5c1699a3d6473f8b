//! What rules cost on a payload of about one kilobyte, and what the slowest that are allowed cost.

#![allow(clippy::unwrap_used, reason = "a bench that can't go on has failed")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use tidings_domain::{EventType, Timestamp};
use tidings_payload::{EventView, Filter, Schema};

fn filters(c: &mut Criterion) {
    let event_type = event_type();
    let payload = payload();
    let event = EventView::new(&event_type, Timestamp::UNIX_EPOCH, payload.as_bytes());
    let texts = [
        ("one comparison", "payload.rating <= 2"),
        (
            "five conditions",
            "payload.category == 'bug' && payload.rating <= 2 && has(payload.metadata.plan) \
             && payload.metadata.plan in ['pro', 'enterprise'] && payload.message.contains('export')",
        ),
        ("a list", "payload.tags.exists(tag, tag.startsWith('ui'))"),
        (
            "a regular expression",
            "payload.email.lowerAscii().matches('@(acme|example)[.]com$')",
        ),
    ];
    for (name, text) in texts {
        let filter = Filter::compile(text).unwrap();
        assert!(filter.matches(&event), "{name}");
        c.bench_function(&format!("filter/{name}/1KB"), |b| {
            b.iter(|| filter.matches(black_box(&event)))
        });
    }
    c.bench_function("filter/compile", |b| {
        b.iter(|| Filter::compile(black_box(texts[1].1)).unwrap())
    });
    let filter = Filter::compile(texts[0].1).unwrap();
    c.bench_function("filter/reading the payload too/1KB", |b| {
        b.iter(|| {
            filter.matches(&EventView::new(
                &event_type,
                Timestamp::UNIX_EPOCH,
                black_box(payload.as_bytes()),
            ))
        })
    });
}

fn schemas(c: &mut Criterion) {
    let event_type = event_type();
    let payload = payload();
    let event = EventView::new(&event_type, Timestamp::UNIX_EPOCH, payload.as_bytes());
    let text = |max: u32| json!({"type": "string", "maxLength": max});
    let schema = json!({
        "type": "object",
        "required": ["id", "message", "category", "rating"],
        "properties": {
            "id": {"type": "string", "pattern": "^fb_[a-z0-9]+$"},
            "message": text(4_000), "email": text(200), "category": {"enum": ["bug", "idea"]},
            "rating": {"type": "integer", "minimum": 1, "maximum": 5},
            "tags": {"type": "array", "items": text(20), "maxItems": 20},
            "metadata": {"$ref": "#/$defs/metadata"},
        },
        "$defs": {"metadata": {"type": "object", "additionalProperties": text(100), "required": ["plan"]}},
    });
    let text = schema.to_string();
    let schema = Schema::compile(&text).unwrap();
    assert_eq!(schema.check(&event), Ok(()));
    c.bench_function("schema/check/1KB", |b| b.iter(|| schema.check(black_box(&event))));
    c.bench_function("schema/compile", |b| {
        b.iter(|| Schema::compile(black_box(&text)).unwrap())
    });
}

/// Rules that were made to be slow, on payloads made for them. Each uses all that is allowed.
fn attacks(c: &mut Criterion) {
    let event_type = event_type();
    let numbers = format!("[{}]", vec!["1"; 100_000].join(","));
    let text: String = (0..49_000_u32)
        .map(|n| {
            if n.wrapping_mul(2_654_435_761) >> 30 == 0 {
                'a'
            } else {
                'b'
            }
        })
        .collect();
    let text = format!("\"{text}\"");
    let filters = [
        ("elements", "payload.all(x, payload.all(y, y == 1 || y == x))", &numbers),
        ("membership", "payload.all(x, !(2 in payload))", &numbers),
        ("regular expression", "payload.matches('[ab]*a[ab]{150}c')", &text),
        (
            "search",
            "[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1].exists(x, payload.contains('bbbbbbbbbbbbbbbbbbbc'))",
            &text,
        ),
    ];
    for (name, filter, payload) in filters {
        let event = EventView::new(&event_type, Timestamp::UNIX_EPOCH, payload.as_bytes());
        let filter = Filter::compile(filter).unwrap();
        c.bench_function(&format!("attack/filter/{name}"), |b| {
            b.iter(|| filter.matches(black_box(&event)))
        });
    }
    let items: Vec<_> = (0..12).map(|n| json!({"items": {"minimum": n - 20}})).collect();
    let patterns: Vec<_> = (0..75)
        .map(|n| json!({"pattern": format!("[ab]*a[ab]{{140}}c{n}")}))
        .collect();
    let wrong = vec![json!({"items": {"type": "string"}}); 12];
    let fewer = format!("[{}]", vec!["1"; 4_000].join(","));
    let schemas = [
        ("elements", json!({ "allOf": items }), &numbers),
        ("violations", json!({ "allOf": wrong }), &fewer),
        ("violations of every choice", json!({ "anyOf": wrong }), &fewer),
        (
            "equal elements",
            json!({"uniqueItems": true, "contains": {"minimum": 2}}),
            &numbers,
        ),
        ("patterns", json!({ "allOf": patterns }), &text),
    ];
    for (name, schema, payload) in schemas {
        let event = EventView::new(&event_type, Timestamp::UNIX_EPOCH, payload.as_bytes());
        let schema = Schema::compile(&schema.to_string()).unwrap();
        c.bench_function(&format!("attack/schema/{name}"), |b| {
            b.iter(|| schema.check(black_box(&event)))
        });
    }
}

fn event_type() -> EventType {
    "feedback.created".parse().unwrap()
}

fn payload() -> String {
    json!({
        "id": "fb_abc123", "message": format!("The export button does nothing. {}", "It worked last week. ".repeat(25)),
        "category": "bug", "rating": 2, "status": "new", "email": "Ann@Acme.com", "tags": ["bug", "ui-export", "urgent"],
        "context": {"pageUrl": "/dashboard/reports", "browser": "Chrome", "viewport": {"width": 1920, "height": 1080}},
        "metadata": {"userId": "user_123", "plan": "pro", "company": "Acme Inc", "country": "US"},
    })
    .to_string()
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = filters, schemas, attacks
}
criterion_main!(benches);
