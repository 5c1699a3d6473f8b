//! The published limits of Slack and Discord as a checker, and any payload held against it.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::case::{Case, json};

/// The message for Slack, checked.
pub(crate) fn slack(event_type: &str, payload: &Value) -> Value {
    let message = json(&Case::builtin().render("slack", event_type, &payload.to_string(), &[]));
    check_slack(&message);
    message
}

/// The embed for Discord, checked.
pub(crate) fn discord(event_type: &str, payload: &Value) -> Value {
    let message = json(&Case::builtin().render("discord", event_type, &payload.to_string(), &[]));
    check_discord(&message);
    message["embeds"][0].clone()
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

fn text_of(value: &Value, most: usize) -> &str {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is no text"));
    assert!((1..=most).contains(&units(text)), "{} units: {text}", units(text));
    assert!(!text.trim().is_empty(), "{text:?} is blank");
    text
}

/// What Slack's reference on Block Kit says of the blocks that we use.
pub(crate) fn check_slack(message: &Value) {
    text_of(&message["text"], 4000);
    dead_in_slack(message["text"].as_str().unwrap());
    let blocks = message["blocks"].as_array().unwrap();
    assert!((1..=50).contains(&blocks.len()));
    for block in blocks {
        match block["type"].as_str().unwrap() {
            "header" => {
                assert_eq!(block["text"]["type"], "plain_text");
                slack_text(&block["text"], 150);
            }
            "section" => {
                assert!(block["text"].is_object() || block["fields"].is_array());
                if block["text"].is_object() {
                    slack_text(&block["text"], 3000);
                }
                if let Some(fields) = block["fields"].as_array() {
                    assert!((1..=10).contains(&fields.len()));
                    fields.iter().for_each(|field| slack_text(field, 2000));
                }
            }
            "context" => {
                let elements = block["elements"].as_array().unwrap();
                assert!((1..=10).contains(&elements.len()));
                elements.iter().for_each(|element| slack_text(element, 3000));
            }
            other => panic!("{other}"),
        }
    }
}

fn slack_text(object: &Value, most: usize) {
    assert!(["plain_text", "mrkdwn"].contains(&object["type"].as_str().unwrap()));
    assert!(object["verbatim"].is_null() || object["type"] == "mrkdwn");
    dead_in_slack(text_of(&object["text"], most));
}

/// Nothing in angle brackets but links of ours, and every ampersand begins an escape.
fn dead_in_slack(text: &str) {
    for inside in text.split('<').skip(1) {
        assert!(
            inside.starts_with("http://") || inside.starts_with("https://"),
            "{text}"
        );
        assert!(inside.contains("|Open>") || inside.contains("|Screenshot>"), "{text}");
    }
    for after in text.split('&').skip(1) {
        assert!(
            ["amp;", "lt;", "gt;"].iter().any(|escape| after.starts_with(escape)),
            "{text}"
        );
    }
}

/// What Discord's reference on messages says of embeds.
pub(crate) fn check_discord(message: &Value) {
    assert_eq!(message["allowed_mentions"], json!({"parse": []}));
    assert!(message["content"].is_null());
    let embeds = message["embeds"].as_array().unwrap();
    assert_eq!(embeds.len(), 1);
    let embed = &embeds[0];
    let mut all = 0;
    let mut text = |value: &Value, most: usize| {
        if !value.is_null() {
            let text = text_of(value, most);
            dead_in_discord(text);
            all += units(text);
        }
    };
    assert!(embed["title"].is_string());
    text(&embed["title"], 256);
    text(&embed["description"], 4096);
    text(&embed["author"]["name"], 256);
    text(&embed["footer"]["text"], 2048);
    let fields = embed["fields"].as_array().unwrap();
    assert!(fields.len() <= 25);
    for field in fields {
        assert!(field["name"].is_string() && field["value"].is_string());
        text(&field["name"], 256);
        text(&field["value"], 1024);
    }
    assert!(all <= 6000, "{all}");
    assert!((0..0x100_0000).contains(&embed["color"].as_i64().unwrap()));
    for url in [&embed["url"], &embed["image"]["url"]] {
        if !url.is_null() {
            let url = url.as_str().unwrap();
            assert!(url.starts_with("http://") || url.starts_with("https://"), "{url}");
            assert!(url.len() <= 2048);
        }
    }
}

fn dead_in_discord(text: &str) {
    let lower = text.to_ascii_lowercase();
    for mention in ["@everyone", "@here", "<@", "<#", "<:", "<t:", "</", "<id:"] {
        assert!(!lower.contains(mention), "{mention} in {text}");
    }
}

fn any_text() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        "@everyone",
        "@here",
        "<@1>",
        "<!channel>",
        "<#1>",
        "<https://a.example|x>",
        "&amp;",
        "&",
        "<",
        ">",
        "@",
        "```",
        "**",
        "||",
        "\\",
        "\n",
        "\r",
        "\0",
        "\u{200b}",
        "😀",
        "e\u{301}",
        "https://a.example/x_y",
        "javascript:x",
        "[",
        "](",
        " ",
    ]);
    prop::collection::vec(prop_oneof![2 => odd.prop_map(str::to_owned), 1 => "\\PC{0,6}"], 0..12)
        .prop_map(|pieces| pieces.concat())
}

fn any_key() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "message",
        "text_feedback",
        "feedback",
        "comment",
        "rating",
        "star_rating",
        "score",
        "name",
        "customer_name",
        "user",
        "email",
        "userEmail",
        "url",
        "pageUrl",
        "screenshotUrl",
        "priority",
        "status",
        "sentiment",
        "title",
        "issue",
        "addedIssue",
        "company",
        "project",
        "context",
        "data",
        "id",
        "action",
        "app_token",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => any_text()]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        2 => prop_oneof![(-10_i64..110).prop_map(Value::from), any::<f64>().prop_map(Value::from)],
        6 => any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 8, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            5 => prop::collection::vec((any_key(), inner), 0..12).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_payload_is_told_within_the_limits(payload in any_json()) {
        slack("feedback.created", &payload);
        discord("feedback.created", &payload);
    }

    #[test]
    fn any_payload_is_told_in_every_dialect(payload in any_json()) {
        let case = Case::builtin();
        for dialect in case.dialects.names() {
            let payload = payload.to_string();
            let request = case.render(dialect, "nps.feedback", &payload, &["shared"]);
            json(&request);
            if !["slack", "discord", "userpilot", "userhero"].contains(&dialect) {
                let verbatim = request.payload_at.map(|at| &request.body[at]);
                prop_assert_eq!(verbatim, Some(payload.as_bytes()), "{}", dialect);
            }
        }
    }
}
