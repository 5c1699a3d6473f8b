//! What a dialect file may say, and what is said about one that may not.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tidings_dialect::{DialectError, Dialects};
use tidings_domain::{Outcome, Schedule};

const MINIMAL: &str = r#"name = "mine"
description = "For tests"
body = '{{ payload }}'
[samples]
"a.b" = '{}'
"#;

fn load(files: &[(&str, &str)]) -> Result<Dialects, DialectError> {
    let dir = TempDir::new().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    Dialects::with_directory(dir.path())
}

/// The place and the problem that the file `mine.toml` is refused with.
fn refused(text: &str) -> ((usize, usize), String) {
    match load(&[("mine.toml", text)]) {
        Err(DialectError::Invalid {
            file,
            line,
            column,
            problem,
        }) => {
            assert!(file.ends_with("mine.toml"), "{file}");
            ((line, column), problem)
        }
        other => panic!("{other:?} for {text}"),
    }
}

fn assert_refused(text: &str, line: usize, words: &str) {
    let ((at, _), problem) = refused(text);
    assert!(problem.contains(words), "{problem:?} should contain {words:?}");
    assert_eq!(at, line, "{problem}");
}

fn assert_refused_at(text: &str, place: (usize, usize), words: &str) {
    let (at, problem) = refused(text);
    assert!(problem.contains(words), "{problem:?} should contain {words:?}");
    assert_eq!(at, place, "{problem}");
}

#[test]
fn the_compiled_in_dialects_are_sound() {
    let dialects = Dialects::builtin().unwrap();
    let names: Vec<&str> = dialects.names().collect();
    let expected = [
        "abc-user-feedback",
        "cloudevents",
        "discord",
        "feedbackpulse",
        "slack",
        "standard",
        "userback",
        "userhero",
        "userpilot",
    ];
    assert_eq!(names, expected);
    let standard = dialects.get(Dialects::DEFAULT).unwrap();
    assert_eq!(standard.schedule(), &Schedule::default());
    assert_eq!(standard.timeout(), Duration::from_secs(30));
    assert_eq!(standard.user_agent(), concat!("Tidings/", env!("CARGO_PKG_VERSION")));
    assert_eq!(standard.status_rule().classify(204), Outcome::Succeeded);
    assert_eq!(standard.status_rule().classify(410).name(), "failed_final");
    assert_eq!(standard.status_rule().classify(404).name(), "failed_retryable");
    assert_eq!(
        dialects.get("userhero").unwrap().status_rule().classify(410).name(),
        "failed_retryable"
    );
}

#[test]
fn what_is_left_out_has_a_default() {
    let dialects = load(&[("mine.toml", MINIMAL)]).unwrap();
    let mine = dialects.get("mine").unwrap();
    assert_eq!((mine.name(), mine.description()), ("mine", "For tests"));
    assert_eq!(mine.schedule(), &Schedule::default());
    assert_eq!(mine.samples().len(), 1);
}

#[test]
fn a_directory_adds_and_replaces_and_what_else_is_there_is_left_alone() {
    let standard = MINIMAL.replace("\"mine\"", "\"standard\"");
    let dialects = load(&[
        ("mine.toml", MINIMAL),
        ("standard.toml", &standard),
        ("README.md", "# not TOML"),
    ])
    .unwrap();
    assert_eq!(dialects.get("standard").unwrap().description(), "For tests");
    assert!(dialects.get("mine").is_some() && dialects.get("userhero").is_some());
    assert_ne!(
        Dialects::builtin().unwrap().get("standard").unwrap().description(),
        "For tests"
    );
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let error = Dialects::with_directory(Path::new("/nowhere/dialects"))
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("can't read /nowhere/dialects: "), "{error}");
}

#[test]
fn unknown_keys_are_refused() {
    assert_refused(
        &MINIMAL.replace("[samples]", "retries = 3\n[samples]"),
        4,
        "unknown field `retries`",
    );
    let signature = "[[signatures]]\nheader = 'X-S'\nencoding = 'hex'\nsigned = '{{ body }}'\nalgorithm = 'x'\n";
    assert_refused(&format!("{MINIMAL}{signature}"), 10, "unknown field `algorithm`");
    assert_refused("name = \"mine\"\n", 1, "missing field");
    assert_refused(&MINIMAL.replace("name =", "name"), 1, "");
}

#[test]
fn wrong_values_are_refused_at_their_line() {
    let with = |line: &str| MINIMAL.replace("[samples]", &format!("{line}\n[samples]"));
    assert_refused(&with("timeout = '1h'"), 4, "between 1s and 5m");
    assert_refused(&with("timeout = 'soon'"), 4, "");
    assert_refused(&with("schedule = ['1m', 'x']"), 4, "`x` is not a duration");
    assert_refused(&with("success = ['2xx', '10xx']"), 4, "`10xx` is not an HTTP status");
    assert_refused(&with("canonical = 'rfc8785'"), 4, "unknown variant `rfc8785`");
    assert_refused(&with("content_type = 'text/plain'"), 4, "is not JSON");
    assert_refused(&with("user_agent = \"a\\nb\""), 4, "visible ASCII");
    assert_refused(&with("chosen_for = ['hooks.slack.com']"), 4, "no host and path");
    assert_refused(
        &with("events.'a b'.name = 'x'"),
        4,
        "`events`: `a b` is not an event pattern",
    );
    assert_refused(
        &with("events.a.name = ['x']"),
        4,
        "`name` must be a text, a number, true or false",
    );
    assert_refused(&with("headers.'a b' = 'x'"), 4, "can't be the name of a header");
    assert_refused(&with("headers.Host = 'x'"), 4, "not a dialect's to set");
    assert_refused(&with("headers.X-A = '1'\nheaders.x-a = '2'"), 5, "set twice");
    assert_refused(
        &MINIMAL.replace("\"mine\"", "\"other\""),
        1,
        "call the file `other.toml`",
    );
    assert_refused(&MINIMAL.replace("\"mine\"", "\"Mine\""), 1, "lower-case");
}

#[test]
fn templates_are_refused_at_their_own_line() {
    let body = |template: &str| MINIMAL.replace("'{{ payload }}'", &format!("'''\n{template}\n'''"));
    assert_refused(
        &body("{\n  \"a\": {{ id }},\n  \"b\": {{ id | nope }}\n}"),
        10,
        "filter nope is unknown (in body:3)",
    );
    assert_refused(&body("{\n\"a\": {{ }"), 5, "`body`: syntax error");
    assert_refused(
        &MINIMAL.replace("payload }}", "payloda }}"),
        3,
        "there is no variable `payloda` here; did you mean `payload`?",
    );
    assert_refused(
        &MINIMAL.replace("payload }}", "secret }}"),
        3,
        "there is no variable `secret` here; there are `id`, `type`",
    );
    let header = |value: &str| MINIMAL.replace("[samples]", &format!("headers.x-a = '{value}'\n[samples]"));
    assert_refused(
        &header("{{ body }}"),
        4,
        "`headers.x-a`: there is no variable `body` here",
    );
    assert_refused(&header("{% if %}"), 4, "`headers.x-a`: syntax error");
}

#[test]
fn a_mistake_is_found_to_the_column() {
    let with = |line: &str| MINIMAL.replace("[samples]", &format!("{line}\n[samples]"));
    assert_refused_at(&with("shedule = ['1m']"), (4, 1), "did you mean `schedule`?");
    assert_refused_at(&with("canonical = 'ecmascrpt'"), (4, 13), "did you mean `ecmascript`?");
    assert_refused_at(&with("success = ['2xx', '10xx']"), (4, 11), "`10xx`");
    assert_refused_at(
        &with("chosen_for = ['a.example/', 'é', 'x']"),
        (4, 29),
        "`é` is no host and path",
    );
    let body = |template: &str| MINIMAL.replace("'{{ payload }}'", template);
    assert_refused_at(&body(r#"'{"é": {{ id } }}'"#), (3, 21), "syntax error");
    assert_refused_at(
        &body("'''\n[\n  {{ paylaod }}\n]'''"),
        (5, 6),
        "did you mean `payload`?",
    );
    assert_refused_at(&body(r#""\u007b{ paylaod }}""#), (3, 8), "did you mean `payload`?");
}

#[test]
fn choices_are_checked_when_they_are_offered() {
    let with = |tables: &str| format!("{MINIMAL}{tables}\n");
    assert_refused(&with("[settings.Token]\ndescription = ''"), 6, "lower-case letters");
    assert_refused(
        &with("[settings.token]\ndefault = 'x'"),
        6,
        "missing field `description`",
    );
    let source = "[settings.s]\ndescription = ''\nform = 'uri-reference'\ndefault = 'a b'";
    assert_refused(&with(source), 9, "`s` must be a URI-reference");
    let properties = |max: u32, always: &str| with(&format!("[properties]\nmax = {max}\nalways = {always}"));
    assert_refused(&properties(0, "{ user = [] }"), 8, "at least 1");
    assert_refused(&properties(1, "{ 'a.b' = [] }"), 8, "has a dot");
    assert_refused(&properties(1, "1"), 8, "invalid type");
}

#[test]
fn a_dialect_must_be_able_to_tell_its_samples() {
    assert_refused(&MINIMAL.replace("'{}'", "'{'"), 5, "`a.b` is not JSON at byte 1");
    assert_refused(&MINIMAL.replace("\"a.b\"", "\"a..b\""), 5, "is not an event type");
    assert_refused(&MINIMAL.replace("\"a.b\" = '{}'\n", ""), 1, "at least one");
    assert_refused(
        &MINIMAL.replace("'{{ payload }}'", "'{\"type\":\"{{ type }}\"}'"),
        5,
        "its body is not JSON at byte 10",
    );
    assert_refused(
        &MINIMAL.replace("'{{ payload }}'", "'{{ data.x | abs }}'"),
        5,
        "`samples`: `a.b`: dialect `mine`",
    );
}

#[test]
fn a_dialect_can_be_chosen_by_the_url() {
    let text = MINIMAL.replace("[samples]", "chosen_for = ['Hooks.a.example/in/*']\n[samples]");
    let dialects = load(&[("mine.toml", &text)]).unwrap();
    let chosen = |url: &str| dialects.chosen_for(&url.parse().unwrap()).map(|dialect| dialect.name());
    assert_eq!(chosen("https://hooks.a.example/in/x"), Some("mine"));
    assert_eq!(chosen("https://example.org/"), None);
    let patterns: Vec<String> = dialects.get("mine").unwrap().chosen_for().collect();
    assert_eq!(patterns, ["hooks.a.example/in/*"]);
}

#[test]
fn slack_and_discord_are_chosen_by_their_urls() {
    let dialects = Dialects::builtin().unwrap();
    for (url, name) in [
        ("https://hooks.slack.com/services/T0/B0/x", Some("slack")),
        ("https://hooks.slack-gov.com/services/T0/B0/x", Some("slack")),
        ("https://discord.com/api/webhooks/1/x", Some("discord")),
        ("https://discord.com/api/v10/webhooks/1/x", Some("discord")),
        ("https://discordapp.com/api/webhooks/1/x?wait=true", Some("discord")),
        ("https://discordapp.com/api/v6/webhooks/1/x", Some("discord")),
        ("https://canary.discord.com/api/webhooks/1/x", Some("discord")),
        (
            "https://ptb.discord.com/api/v9/webhooks/1/x?thread_id=2",
            Some("discord"),
        ),
        ("https://discord.com/api/webhooks/1/x/slack", Some("slack")),
        (
            "https://ptb.discord.com/api/v10/webhooks/1/x/slack?wait=true",
            Some("slack"),
        ),
        ("https://discord.com/api/channels/1/messages", None),
        ("https://discord.com/channels/1", None),
        ("https://slack.com/api/chat.postMessage", None),
        ("https://hooks.slack.com.a.example/services/x", None),
    ] {
        let chosen = dialects.chosen_for(&url.parse().unwrap()).map(|dialect| dialect.name());
        assert_eq!(chosen, name, "{url}");
    }
}

#[test]
fn doors_that_no_dialect_speaks_are_refused_with_a_reason() {
    let dialects = Dialects::builtin().unwrap();
    for (url, reason) in [
        ("https://hooks.slack.com/workflows/T0/A0/1/x", "workflow"),
        ("https://hooks.slack.com/triggers/T0/1/x", "workflow"),
        ("https://hooks.slack-gov.com/triggers/T0/1/x", "workflow"),
        ("https://hooks.slack.com/commands/T0/1/x", "half an hour"),
        ("https://discord.com/api/webhooks/1/x/github", "GitHub"),
        ("https://canary.discord.com/api/v10/webhooks/1/x/github", "GitHub"),
        ("https://discord.com/api/webhooks/1/x/messages/2", "one message"),
    ] {
        let url = url.parse().unwrap();
        let chosen = dialects.chosen_for(&url).unwrap().name();
        for dialect in [chosen, "standard"] {
            let refusal = dialects.refusal(&url, dialect);
            assert!(
                refusal.is_some_and(|it| it.contains(reason)),
                "{url} {dialect}: {refusal:?}"
            );
        }
    }
    for url in [
        "https://hooks.slack.com/services/T0/B0/x",
        "https://discord.com/api/v10/webhooks/1/x",
        "https://a.example/",
    ] {
        assert_eq!(dialects.refusal(&url.parse().unwrap(), "standard"), None, "{url}");
    }
}

#[test]
fn a_dialect_of_ones_own_may_speak_a_door_that_is_refused() {
    let text = MINIMAL.replace("[samples]", "chosen_for = ['hooks.slack.com/triggers/*']\n[samples]");
    let dialects = load(&[("mine.toml", &text)]).unwrap();
    let url = "https://hooks.slack.com/triggers/T0/1/x".parse().unwrap();
    assert_eq!(dialects.chosen_for(&url).unwrap().name(), "mine");
    assert_eq!(dialects.refusal(&url, "mine"), None);
    assert!(dialects.refusal(&url, "slack").is_some());
    let wrong = MINIMAL.replace("[samples]", "[[refused]]\nurls = ['x']\nreason = ''\n[samples]");
    assert_refused(&wrong, 5, "no host and path");
}

#[test]
fn the_example_in_the_readme_is_a_dialect() {
    let readme = include_str!("../../../dialects/README.md");
    let example = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let dialects = load(&[("acme.toml", example)]).unwrap();
    let acme = dialects.get("acme").unwrap();
    assert_eq!(acme.user_agent(), "Acme-Feedback/2");
    assert_eq!(acme.schedule().to_string(), "3s 1m 2h");
    assert_eq!(acme.samples().len(), 2);
}
