//! What filters say about events, and which are refused.

use proptest::prelude::*;

use super::*;
use tidings_domain::EventType;

const PAYLOAD: &str = r#"{
    "id": 1842, "big": 9007199254740993, "rating": 2, "price": 2.5, "message": "The Export button", "email": "Ann@Acme.com",
    "spam": false, "nothing": null, "user-id": "u1", "createdAt": "2026-01-31T09:00:00Z",
    "tags": ["bug", "ui"], "user": {"plan": "pro", "seats": 12},
    "orders": [{"total": 5, "items": [{"sku": "a"}]}, {"total": 50, "items": [{"sku": "b"}, {"sku": "c"}]}, {}]
}"#;

fn verdict_on(filter: &str, payload: &str) -> Verdict {
    let event_type: EventType = "feedback.created".parse().unwrap();
    let at = "2026-01-31T09:30:00Z".parse().unwrap();
    let event = EventView::new(&event_type, at, payload.as_bytes());
    let filter = Filter::compile(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
    let verdict = filter.verdict(&event);
    assert_eq!(verdict.matched, filter.matches(&event));
    verdict
}

#[track_caller]
fn holds(filter: &str) {
    let verdict = verdict_on(filter, PAYLOAD);
    assert_eq!(
        verdict,
        Verdict {
            matched: true,
            error: None
        },
        "{filter}"
    );
}

#[track_caller]
fn does_not_hold(filter: &str) {
    let verdict = verdict_on(filter, PAYLOAD);
    assert_eq!(
        verdict,
        Verdict {
            matched: false,
            error: None
        },
        "{filter}"
    );
}

#[track_caller]
fn cannot_tell(filter: &str, words: &str) {
    let verdict = verdict_on(filter, PAYLOAD);
    assert!(!verdict.matched, "{filter}");
    let error = verdict.error.unwrap_or_else(|| panic!("{filter} could be evaluated"));
    assert!(error.contains(words), "{filter}: {error}");
}

#[track_caller]
fn refused(filter: &str, line: u32, column: u32, words: &str) {
    let error = Filter::compile(filter).expect_err(filter);
    assert!(error.message.contains(words), "{filter}: {error}");
    assert_eq!((error.line, error.column), (line, column), "{filter}: {error}");
}

#[test]
fn values_compare_by_what_they_are_worth() {
    holds("payload.rating <= 2 && payload.rating == 2.0 && data.rating < 2.5");
    holds("payload.price == 2.5 && payload.price > payload.rating");
    holds("payload.big == 9007199254740993 && payload.big != 9007199254740992.0 && payload.big > 9007199254740992.0");
    holds("payload.nothing == null && payload.spam == false && payload.message != 5");
    holds("payload.tags == ['bug', 'ui'] && payload.user != payload.tags && payload.user == payload.user");
    holds("-payload.rating == -2 && payload.rating in [1, 2.0] && !('x' in payload.tags)");
    does_not_hold("payload.rating == '2'");
    does_not_hold("payload.big < 1e300 && payload.big < -1e300");
    cannot_tell("payload.rating < 'three'", "a number and text have no order");
    cannot_tell("payload.nothing < 3", "null and a number have no order");
}

#[test]
fn members_are_found_wherever_they_are() {
    holds("payload.user.plan == 'pro' && payload['user']['seats'] >= 10 && payload.tags[1] == 'ui'");
    holds("payload['user-id'] == 'u1' && 'user-id' in payload && !('user_id' in payload)");
    holds("has(payload.user.plan) && has(payload.nothing) && !has(payload.user.name) && !has(payload.no.such.thing)");
    cannot_tell("payload.user.name == 'x'", "there is no `name`");
    cannot_tell("payload.message.length == 3", "there is no `length`");
    cannot_tell("payload.tags[2] == 'x'", "at the given index");
    cannot_tell("payload.tags[-1] == 'x'", "at the given index");
    cannot_tell("payload.tags['a'] == 'x'", "needs a whole number");
    cannot_tell("payload.rating[0] == 1", "needs an object or a list");
}

#[test]
fn what_is_decided_needs_nothing_else() {
    holds("payload.missing == 1 || payload.rating == 2");
    holds("payload.rating == 2 || payload.missing == 1");
    does_not_hold("payload.missing == 1 && payload.rating == 3");
    cannot_tell("payload.missing == 1 && payload.rating == 2", "`missing`");
    holds("payload.spam ? payload.missing : payload.rating == 2");
    cannot_tell("payload.rating", "needs true or false, not a number");
    cannot_tell("!payload.message", "needs true or false, not text");
}

#[test]
fn texts_are_searched() {
    holds("payload.message.contains('Export') && payload.message.startsWith('The') && payload.message.endsWith('ton')");
    holds("payload.email.lowerAscii().endsWith('@acme.com')");
    holds("payload.message.matches('(?i)export\\\\s+button$') && payload.email.matches('^[^@]+@[^@]+$')");
    holds("size(payload.message) == 17 && payload.tags.size() == 2 && size(payload.user) == 2 && size('ä') == 1");
    cannot_tell("payload.rating.contains('2')", "contains() needs text, not a number");
    cannot_tell("size(payload.rating) == 1", "size() needs text, a list or an object");
}

#[test]
fn lists_are_asked() {
    holds("payload.tags.exists(tag, tag == 'bug') && payload.tags.all(tag, size(tag) < 4)");
    holds("payload.tags.exists_one(tag, tag == 'bug') && !payload.tags.exists_one(tag, size(tag) > 1)");
    holds("payload.orders.exists(order, order.items.exists(item, item.sku == 'c' && order.total == 50))");
    holds("payload.user.exists(name, name == 'plan') && [].all(x, x == 1) && [1, 2].exists(x, x == payload.rating)");
    does_not_hold("payload.orders.all(order, order.total > 10)");
    cannot_tell("payload.orders.exists(order, order.total > 100)", "`total`");
    cannot_tell("payload.rating.exists(x, x == 1)", "exists() needs a list or an object");
}

#[test]
fn times_and_types_are_known() {
    holds("type == 'feedback.created' && type.startsWith('feedback.')");
    holds("occurred_at > timestamp('2026-01-31T09:00:00+01:00') && occurred_at >= timestamp(payload.createdAt)");
    holds("int(occurred_at) - int(timestamp(payload.createdAt)) == 1800");
    holds("string(payload.id) == '1842' && int('7') == 7 && int(2.9) == 2 && double('2.5') == payload.price");
    cannot_tell(
        "timestamp('yesterday') < occurred_at",
        "timestamp() can't read this text",
    );
    cannot_tell("int(1e300) == 1", "int() can't read this");
    cannot_tell("int('x') == 1", "int() can't read this");
}

#[test]
fn arithmetic_never_wraps() {
    holds("payload.rating + 1 == 3 && payload.rating * 2.5 == 5 && 7 / 2 == 3 && 7 % 4 == 3 && 7 / 2.0 == 3.5");
    cannot_tell(
        "9223372036854775807 + payload.rating > 0",
        "+ divides by zero or goes beyond",
    );
    cannot_tell("1 / (payload.rating - 2) > 0", "/ divides by zero");
    cannot_tell("(-9223372036854775807 - 1) / -1 > 0", "beyond 64 bits");
    holds("(-9223372036854775807 - 1) % -1 == 0");
    cannot_tell("-(-9223372036854775807 - 1) > 0", "- divides by zero or goes beyond");
    cannot_tell("payload.message + 'x' == 'y'", "+ needs numbers, not text");
    does_not_hold("1.0 / 0.0 < 5 || 0.0 / 0.0 == 0.0 / 0.0");
}

#[test]
fn a_payload_that_cannot_be_read_matches_nothing() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let verdict = verdict_on("!has(payload.x)", &deep);
    assert!(!verdict.matched && verdict.error.unwrap().contains("can't be read"));
    assert!(
        verdict_on("type == 'feedback.created'", &deep).matched,
        "the payload was read for nothing"
    );
    assert!(
        verdict_on("payload.a == 2", r#"{"a": 1, "a": 2}"#).matched,
        "the last of two members counts"
    );
    assert!(verdict_on("payload > 1e18", "18446744073709551615").matched);
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    refused("", 1, 1, "a filter is a condition");
    refused(&"x".repeat(2_001), 1, 1, "at most 2000");
    refused("payload.rating = 2", 1, 16, "write `==`");
    refused("payload.a == 1 and payload.b == 2", 1, 16, "write `&&`");
    refused("payload.a == 1 &&\n rating == 2", 2, 2, "use `payload.rating`");
    refused("payload.a == 'ä' && rating == 2", 1, 21, "use `payload.rating`");
    refused("payload.a == 'ä' && rating = 2", 1, 28, "write `==`");
    refused("payload.a == 'ä' and rating == 2", 1, 18, "write `&&`");
    refused("payload.status == open", 1, 19, "text stands in quotes");
    refused(
        "payload.name.upper() == 'X'",
        1,
        14,
        "there is no function `upper`; there are has",
    );
    refused("payload.rating + 1", 1, 1, "a filter says yes or no");
    refused("'yes'", 1, 1, "a filter says yes or no");
    refused(
        "payload.x.matches(payload.y)",
        1,
        11,
        "the regular expression is a text",
    );
    refused("payload.x.matches('(')", 1, 11, "regular expression is refused");
    refused(
        "payload.x.matches('(a{1000}){1000}')",
        1,
        11,
        "regular expression is refused",
    );
    refused(
        "payload.tags.exists(tag == 'x')",
        1,
        14,
        "write `payload.list.exists(item,",
    );
    refused("has(payload)", 1, 1, "write `has(payload.name)`");
    refused("size(payload.map(x, x)) == 1", 1, 14, "makes no lists");
    refused("payload.x == 5u", 1, 14, "leave out the `u`");
    refused("payload.x in [payload.y]", 1, 22, "fixed values");
    refused("payload == {'a': 1}", 1, 12, "objects can't be written");
    refused("payload.tags.exists(t, t == 'x') && t == 'y'", 1, 37, "there is no `t`");
}

#[test]
fn nesting_is_bounded_and_chains_are_not_nesting() {
    let nested = |depth: usize| format!("{}payload.a{}", "!(!".repeat(depth), ")".repeat(depth));
    assert!(Filter::compile(&format!("{}payload.a{}", "(".repeat(10), ")".repeat(10))).is_ok());
    assert!(Filter::compile(&nested(40)).is_err());
    assert!(Filter::compile(&format!("{}true{}", "(".repeat(990), ")".repeat(990))).is_err());
    assert!(Filter::compile(&format!("{}true", "!".repeat(1_990))).is_ok());
    assert!(Filter::compile(&format!("payload{} == 1", ".a".repeat(900))).is_err());
    assert!(Filter::compile(&format!("1{} == 1", "+1".repeat(900))).is_err());
    assert!(Filter::compile(&format!("payload{} == 1", "[0]".repeat(600))).is_err());
    assert!(Filter::compile(&"true?true:".repeat(190)).is_err());
    let many: Vec<_> = (0..100).map(|n| format!("payload.a == {n}")).collect();
    assert!(Filter::compile(&many.join(" || ")).is_ok());
}

#[test]
fn no_payload_makes_a_filter_slow() {
    let numbers = vec!["1"; 100_000].join(",");
    let text = "ab".repeat(100_000);
    let payload = format!(r#"{{"n": [{numbers}], "t": "{text}"}}"#);
    let same = vec!["payload == payload"; 80].join(" && ");
    let searches = vec!["payload.t.contains('ba ')"; 65].join(" || ");
    for filter in [
        "payload.n.exists(x, payload.n.exists(y, y == 2))",
        "payload.n.all(x, x in payload.n) && payload.n.exists(x, x == 2)",
        "payload.n.all(x, payload.n.all(y, payload.n.all(z, z == 1 || z == 2)))",
        "payload.t.matches('[ab]*a[ab]{200}c')",
        &same,
        &searches,
    ] {
        let started = std::time::Instant::now();
        let verdict = verdict_on(filter, &payload);
        assert!(
            verdict.error.is_some_and(|error| error.contains("was stopped")),
            "{filter}"
        );
        assert!(
            started.elapsed().as_millis() < 1_000,
            "{filter} took {:?}",
            started.elapsed()
        );
    }
}

/// Expressions from the grammar, and then some.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(vec![
            "payload",
            "data",
            "type",
            "occurred_at",
            "payload.rating",
            "payload.tags",
            "payload.orders",
            "payload.no",
            "x",
            "payload.message",
            "'a'",
            "\"ö\"",
            "1",
            "-1",
            "0",
            "2.5",
            "1e308",
            "9223372036854775807",
            "true",
            "null",
            "[]",
            "[1, 'a']",
            "5u",
            "b'x'",
            "{}",
            "-9223372036854775808",
            "payload.createdAt",
        ])
        .prop_map(str::to_owned),
        any::<i64>().prop_map(|number| number.to_string()),
    ];
    leaf.prop_recursive(6, 64, 4, |inner| {
        let operators = vec![
            "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "in", "&&", "||",
        ];
        let functions = vec!["int", "double", "string", "timestamp", "size", "has", "nope"];
        let methods = vec![
            "contains",
            "startsWith",
            "endsWith",
            "matches",
            "size",
            "lowerAscii",
            "nope",
        ];
        let macros = vec!["all", "exists", "exists_one", "map", "filter"];
        prop_oneof![
            (inner.clone(), prop::sample::select(operators), inner.clone())
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (prop::sample::select(functions), inner.clone()).prop_map(|(f, a)| format!("{f}({a})")),
            (inner.clone(), prop::sample::select(methods), inner.clone()).prop_map(|(a, m, b)| format!("{a}.{m}({b})")),
            (inner.clone(), prop::sample::select(macros), inner.clone())
                .prop_map(|(a, m, b)| format!("{a}.{m}(x, {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}[{b}]")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            inner.clone().prop_map(|a| format!("-{a}")),
            inner.prop_map(|a| format!("!{a}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,60}|[a-z.'\"\\\\()\\[\\]{}?:!&|<>=+*/%0-9ux ,`\n-]{0,60}") {
        if let Err(error) = Filter::compile(&text) {
            prop_assert!(error.message != parse::not_understood().message || text.trim().is_empty(), "{text:?}");
        }
    }

    #[test]
    fn every_expression_is_refused_or_evaluated(text in expression()) {
        if let Ok(filter) = Filter::compile(&text) {
            let event_type: EventType = "feedback.created".parse().unwrap();
            let event = EventView::new(&event_type, tidings_domain::Timestamp::UNIX_EPOCH, PAYLOAD.as_bytes());
            let verdict = filter.verdict(&event);
            prop_assert!(!verdict.matched || verdict.error.is_none());
        }
    }
}

/// What a filter says about this payload.
fn of_payload(filter: &str, payload: &str) -> Verdict {
    let event_type = "feedback.created".parse().unwrap();
    let event = EventView::new(&event_type, tidings_domain::Timestamp::UNIX_EPOCH, payload.as_bytes());
    Filter::compile(filter).unwrap().verdict(&event)
}

#[test]
fn numbers_of_more_than_63_bits_are_exact_or_not_told_from_each_other() {
    let compared = |one: &str, comparison: &str, other: &str| {
        let payload = format!(r#"{{"a": {one}, "b": {other}}}"#);
        of_payload(&format!("payload.a {comparison} payload.b"), &payload)
    };
    let holds = |one, comparison, other| {
        let verdict = compared(one, comparison, other);
        assert_eq!(
            verdict,
            Verdict {
                matched: true,
                error: None
            },
            "{one} {comparison} {other}"
        );
    };
    let inexact = |verdict: Verdict| {
        assert!(verdict.error.unwrap().contains("more than 64 bits"));
    };
    holds("9223372036854775807", "<", "9223372036854775808");
    holds("9223372036854775808", "!=", "9223372036854775809");
    holds("18446744073709551614", "<", "18446744073709551615");
    holds("18446744073709551615", "==", "18446744073709551615");
    holds("18446744073709551615", ">", "-9223372036854775808");
    holds("18446744073709551615", "<", "18446744073709551616");
    holds("18446744073709551616", "<", "36893488147419103232");
    for (one, other) in [
        ("18446744073709551616", "18446744073709551617"),
        ("-18446744073709551616", "-18446744073709551617"),
        ("100000000000000000000000000000", "100000000000000000000000000001"),
    ] {
        for comparison in ["==", "!=", "<", ">="] {
            inexact(compared(one, comparison, other));
        }
    }
    let ids = r#"{"id": 18446744073709551617, "ids": [1, 18446744073709551618], "seen": [18446744073709551618]}"#;
    inexact(of_payload("payload.id in payload.ids", ids));
    inexact(of_payload("payload.ids == payload.ids", ids));
    inexact(of_payload("payload.id - payload.seen[0] == 0", ids));
    inexact(of_payload("string(payload.id) == string(payload.seen[0])", ids));
    let large = r#"{"id": 18446744073709551615}"#;
    assert!(
        of_payload(
            "payload.id % 10 == 5 && string(payload.id) == '18446744073709551615'",
            large
        )
        .matched
    );
    assert!(
        of_payload(
            "int('18446744073709551615') == payload.id && -payload.id == 0 || true",
            large
        )
        .matched
    );
    assert!(
        of_payload("payload.id + 1 > 0", large)
            .error
            .unwrap()
            .contains("beyond 64 bits")
    );
}

#[test]
fn a_budget_is_shared_and_what_it_is_not_enough_for_is_undecided() {
    let event_type = "feedback.created".parse().unwrap();
    let event = EventView::new(
        &event_type,
        tidings_domain::Timestamp::UNIX_EPOCH,
        br#"{"tags": ["a", "b", "c"]}"#,
    );
    let filter = Filter::compile("payload.tags.exists(tag, tag == 'c')").unwrap();
    let mut budget = 1_000;
    assert_eq!(filter.decide(&event, &mut budget), Decision::Wanted);
    let needed = 1_000 - budget;
    assert!((4..100).contains(&needed), "{needed}");
    let mut budget = needed + needed - 1;
    assert_eq!(filter.decide(&event, &mut budget), Decision::Wanted);
    assert_eq!(filter.decide(&event, &mut budget), Decision::Undecided);
    assert_eq!(budget, 0);
    let decisive = Filter::compile("type == 'feedback.created' || payload.tags.all(tag, tag == 'c')").unwrap();
    assert_eq!(
        decisive.decide(&event, &mut 8),
        Decision::Wanted,
        "the rest is not needed"
    );
}
