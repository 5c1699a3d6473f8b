//! The examples of `docs/filters.md`, on the samples of the products' dialects.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::fs;
use std::path::PathBuf;

use tidings_domain::{EventType, Timestamp};
use tidings_payload::{EventView, Filter, Schema, Verdict};

#[test]
fn filters_do_what_the_document_says() {
    let document = document();
    let examples = blocks(&document, "cel");
    assert!(examples.len() >= 8, "the document lost its examples");
    for example in examples {
        let (heading, filter) = example.split_once('\n').unwrap();
        let (place, outcome) = heading.trim_start_matches("// ").split_once(": ").unwrap();
        let (dialect, event_type) = place.split_once(' ').unwrap();
        let matched = match outcome {
            "holds" => true,
            "does not hold" => false,
            other => panic!("{other}"),
        };
        let payload = sample(dialect, event_type);
        let event_type: EventType = event_type.parse().unwrap();
        let event = EventView::new(&event_type, Timestamp::UNIX_EPOCH, payload.as_bytes());
        for text in [filter, example] {
            let verdict = Filter::compile(text).unwrap().verdict(&event);
            assert_eq!(verdict, Verdict { matched, error: None }, "{example}");
        }
    }
}

#[test]
fn the_schema_of_the_document_describes_the_sample() {
    let document = document();
    let schema = Schema::compile(blocks(&document, "json")[0]).unwrap();
    let event_type: EventType = "feedback.created".parse().unwrap();
    let payload = sample("userhero", "feedback.created");
    let good = EventView::new(&event_type, Timestamp::UNIX_EPOCH, payload.as_bytes());
    assert_eq!(schema.check(&good), Ok(()));
    let payload = payload.replace("\"rating\": 2", "\"rating\": 6");
    let bad = EventView::new(&event_type, Timestamp::UNIX_EPOCH, payload.as_bytes());
    let violations = schema.check(&bad).unwrap_err();
    assert_eq!(violations.len(), 1, "{violations:?}");
    assert_eq!(violations[0].path, "/rating");
}

fn document() -> String {
    fs::read_to_string(root().join("docs/filters.md")).unwrap()
}

/// The blocks of code in this language.
fn blocks<'a>(document: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    let parts = document.split(&fence).skip(1);
    parts.map(|part| part.split("```").next().unwrap()).collect()
}

fn sample(dialect: &str, event_type: &str) -> String {
    let text = fs::read_to_string(root().join(format!("dialects/{dialect}.toml"))).unwrap();
    let file: toml::Table = text.parse().unwrap();
    file["samples"][event_type].as_str().unwrap().to_owned()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}
