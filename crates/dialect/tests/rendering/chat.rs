//! Messages for people: they say what matters and mention nobody.

use serde_json::{Value, json};

use crate::case::{Case, json};
use crate::chat_limits::{check_discord, check_slack, discord, slack};

fn fields(embed: &Value) -> Vec<(&str, &str)> {
    embed["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| (field["name"].as_str().unwrap(), field["value"].as_str().unwrap()))
        .collect()
}

#[test]
fn userheros_feedback() {
    let payload = json!({
        "id": "fb_abc123", "projectId": "proj_xyz", "message": "The export button doesn't work", "category": "bug",
        "rating": 2, "status": "new", "screenshotUrl": "https://storage.example/1.png",
        "context": {"pageUrl": "/dashboard/reports", "browser": "Chrome", "os": "macOS", "locale": "en-US"},
        "metadata": {"userId": "user_123", "plan": "pro", "company": "Acme Inc"},
        "createdAt": "2026-01-07T15:30:00Z"
    });
    let message = slack("feedback.created", &payload);
    assert_eq!(message["text"], "🔴 Feedback created: The export button doesn't work");
    let blocks = message["blocks"].as_array().unwrap();
    let kinds: Vec<&str> = blocks.iter().map(|block| block["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["header", "context", "section", "section", "section", "context"]);
    assert_eq!(blocks[0]["text"]["text"], "🔴 Feedback created");
    assert_eq!(blocks[1]["elements"][0]["text"], "★★☆☆☆");
    assert_eq!(
        blocks[2]["text"],
        json!({"type": "plain_text", "text": "The export button doesn't work"})
    );
    assert_eq!(blocks[3]["fields"][0]["text"], "*Category*\nbug");
    assert_eq!(blocks[4]["text"]["text"], "<https://storage.example/1.png|Screenshot>");
    assert_eq!(
        blocks[5]["elements"][0]["text"],
        "feedback.created · 2026-01-07T15:30:00Z"
    );

    let embed = discord("feedback.created", &payload);
    assert_eq!(embed["title"], "Feedback created");
    assert_eq!(embed["description"], "The export button doesn't work");
    assert_eq!(embed["color"], 15_158_332);
    assert_eq!(embed["image"]["url"], "https://storage.example/1.png");
    assert_eq!(
        fields(&embed),
        [
            ("Rating", "★★☆☆☆"),
            ("Category", "bug"),
            ("Status", "new"),
            ("Company", "Acme Inc"),
            ("Plan", "pro"),
            ("Page URL", "/dashboard/reports"),
            ("Browser", "Chrome"),
            ("OS", "macOS"),
        ]
    );
}

#[test]
fn what_the_other_products_say_is_found() {
    let case = Case::builtin();
    let sample = |dialect: &str, event_type: &str| -> Value {
        let samples = case.dialects.get(dialect).unwrap().samples();
        serde_json::from_slice(&samples[&event_type.parse().unwrap()]).unwrap()
    };
    let embed = discord("feedback.created", &sample("userback", "feedback.created"));
    assert_eq!(embed["author"]["name"], "John Doe · john@example.com");
    assert_eq!(
        embed["url"],
        "https://app.userback.io/viewer/123456/98765/2007850MSNv8n6f/"
    );
    assert_eq!(embed["color"], 10_038_562, "urgent");
    assert_eq!(
        fields(&embed),
        [
            ("Feedback type", "Bug Report"),
            ("Priority", "Urgent"),
            ("Project", "Pied Piper")
        ]
    );

    let embed = discord("submission.created", &sample("feedbackpulse", "submission.created"));
    assert_eq!(embed["author"]["name"], "Jane Doe");
    assert_eq!(embed["description"], "Love this product!");
    assert_eq!(fields(&embed), [("Rating", "★★★★★"), ("Status", "pending")]);
    assert_eq!(embed["color"], 3_066_993);

    let embed = discord("nps.feedback", &sample("userpilot", "nps.feedback"));
    assert_eq!(embed["title"], "NPS feedback");
    assert_eq!(embed["author"]["name"], "John Doe · john@userpilot.co");
    assert_eq!(embed["description"], "Great Product");
    assert_eq!(fields(&embed)[0], ("Rating", "10/10"));

    let embed = discord("feedback.created", &sample("abc-user-feedback", "feedback.created"));
    assert_eq!(embed["description"], "User feedback content");
    assert_eq!(embed["author"]["name"], "user@example.com");
    assert_eq!(
        fields(&embed),
        [
            ("Project", "My Project"),
            ("Channel", "Website Feedback"),
            ("Issues", "Bug Report")
        ]
    );

    let embed = discord(
        "issue.status_changed",
        &sample("abc-user-feedback", "issue.status_changed"),
    );
    assert_eq!(embed["title"], "Issue status changed: Issue Name");
    assert_eq!(embed["description"], "Status: OPEN → IN\\_PROGRESS\nIssue description");
    assert_eq!(
        fields(&embed),
        [
            ("Status", r"IN\_PROGRESS"),
            ("Previous status", "OPEN"),
            ("Project", "My Project"),
            ("Feedback count", "3"),
        ]
    );
    for dialect in [
        "userback",
        "userpilot",
        "userhero",
        "abc-user-feedback",
        "feedbackpulse",
    ] {
        for (event_type, payload) in case.dialects.get(dialect).unwrap().samples() {
            let payload = serde_json::from_slice(payload).unwrap();
            slack(event_type.as_str(), &payload);
            discord(event_type.as_str(), &payload);
        }
    }
}

#[test]
fn a_payload_of_another_shape_is_told_as_well_as_it_can_be() {
    let embed = discord(
        "build.finished",
        &json!({"id": 7, "branch": "main", "passed": true, "api_token": "hunter2"}),
    );
    assert_eq!(embed["title"], "Build finished");
    assert_eq!(fields(&embed), [("Branch", "main"), ("Passed", "yes")]);
    assert_eq!(fields(&discord("a.b", &json!({"id": 7, "token": "x"}))), [("ID", "7")]);
    assert_eq!(discord("a.b", &json!("hello"))["description"], "hello");
    assert_eq!(discord("a.b", &json!(4.5))["description"], "4.5");
    for nothing in [
        json!(null),
        json!([]),
        json!([{"a": 1}]),
        json!({}),
        json!({"a": [], "b": null, "c": " \u{200b}"}),
    ] {
        let embed = discord("a.b", &nothing);
        assert_eq!((&embed["title"], &embed["description"]), (&json!("A b"), &Value::Null));
        slack("a.b", &nothing);
    }
}

#[test]
fn ratings_become_stars_of_five_or_points_of_ten() {
    for (payload, shown) in [
        (json!({"rating": 0}), Some("☆☆☆☆☆")),
        (json!({"rating": 4.5}), Some("★★★★★")),
        (json!({"rating": 4.4}), Some("★★★★☆")),
        (json!({"rating": 8}), Some("8/10")),
        (json!({"rating": 80}), Some("80/100")),
        (json!({"score": 3}), Some("3/10")),
        (json!({"rating": 101}), None),
        (json!({"rating": -1}), None),
        (json!({"rating": "good"}), None),
    ] {
        let embed = discord("a.b", &payload);
        let rating = fields(&embed)
            .into_iter()
            .find(|(name, value)| *name == "Rating" && !value.is_empty());
        let stars = rating
            .map(|(_, value)| value)
            .filter(|value| value.contains(['★', '☆', '/']));
        assert_eq!(stars, shown, "{payload}");
    }
}

#[test]
fn customers_can_mention_nobody() {
    let text = "<!channel> <!here> <@U1> <#C1> @everyone @here <@1> <@&2> </x:1> <https://evil.example|Open> & [a](https://b.example)";
    let payload = json!({
        "message": text, "customer_name": text, "email": text, "status": text, text: text, "title": text, "rating": 1
    });
    slack("a.b", &payload);
    let embed = discord("a.b", &payload);
    assert!(
        embed["description"]
            .as_str()
            .unwrap()
            .contains(r"\[a\](https://b.example)")
    );
    slack("a.b", &json!(text));
    discord("a.b", &json!(text));

    let escaped =
        r#"{"mess\u0061ge":"\u0040everyone \u003c@1\u003e \u003c!here\u003e \ud83d","\u0040here":"\u003c#1\u003e"}"#;
    let case = Case::builtin();
    check_slack(&json(&case.render("slack", "a.b", escaped, &[])));
    check_discord(&json(&case.render("discord", "a.b", escaped, &[])));
}

#[test]
fn only_web_addresses_become_links() {
    for url in [
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "https://user:pass@a.example/",
        "http://localhost:3000/1",
        "http://intranet/1.png",
        "https://my_host.example.com/1.png",
        "http://93.184.216.34/1.png",
        "https://[2606:4700::1]/",
        "https://a..example/",
        "https://a.local/",
        "https://a.example/b c",
        "/relative",
        "http://",
        &format!("https://a.example/{}", "x".repeat(3000)),
    ] {
        let payload = json!({"url": url, "screenshotUrl": url, "message": "m"});
        let embed = discord("a.b", &payload);
        assert_eq!((&embed["url"], &embed["image"]), (&Value::Null, &Value::Null), "{url}");
        let sections = slack("a.b", &payload);
        assert!(!sections.to_string().contains("|Open>"), "{url}");
    }
    let odd = json!({"url": "https://a.example/<x>|y?a=1&b=(2)\"", "message": "m"});
    let message = slack("a.b", &odd).to_string();
    assert!(
        message.contains("<https://a.example/%3Cx%3E%7Cy?a=1&amp;b=%282%29%22|Open>"),
        "{message}"
    );
    assert_eq!(
        discord("a.b", &odd)["url"],
        "https://a.example/%3Cx%3E%7Cy?a=1&b=%282%29%22"
    );
}

#[test]
fn what_is_no_link_for_a_service_is_told_as_a_text() {
    let payload = json!({
        "message": "m", "url": "http://localhost:3000/feedback/1", "screenshotUrl": "https://my_host.example.com/1.png"
    });
    let embed = discord("a.b", &payload);
    let told = fields(&embed);
    assert!(told.contains(&("Link", "http://localhost:3000/feedback/1")), "{told:?}");
    assert!(
        told.contains(&("Picture", "https://my_host.example.com/1.png")),
        "{told:?}"
    );
    let message = slack("a.b", &payload).to_string();
    assert!(
        message.contains("*Link*\\nhttp://localhost:3000/feedback/1"),
        "{message}"
    );
}

#[test]
fn a_text_alone_says_what_changed_from_what_to_what() {
    for payload in [
        json!({"id": 42, "status": "resolved", "previous_status": "open", "priority": "high"}),
        json!({"id": 42, "status": {"from": "open", "to": "resolved"}, "priority": "high"}),
        json!({"ticket": {"id": 42, "old_status": "open", "new_status": "resolved", "priority": "high"}}),
        json!({"id": 42, "changes": {"status": ["open", "resolved"]}, "priority": "high"}),
    ] {
        let message = slack("feedback.status_changed", &payload);
        assert_eq!(
            message["text"], "🟢 Feedback status changed: Status: open → resolved",
            "{payload}"
        );
        let embed = discord("feedback.status_changed", &payload);
        assert_eq!(embed["description"], "Status: open → resolved", "{payload}");
        assert_eq!(embed["color"], 3_066_993, "{payload}");
    }
    let rejected = json!({"status": "rejected", "previous_status": "pending", "star_rating": 5});
    assert_eq!(discord("submission.status_changed", &rejected)["color"], 15_158_332);
}

#[test]
fn a_text_alone_says_the_news_that_is_a_field() {
    for (event_type, payload, text) in [
        (
            "feedback.status_changed",
            json!({"id": 42, "status": "resolved"}),
            "🟢 Feedback status changed: Status: resolved",
        ),
        (
            "feedback.voted",
            json!({"id": 42, "title": "Dark mode", "votes": 12}),
            "Feedback voted: Dark mode: Votes: 12",
        ),
        (
            "issue.assigned",
            json!({"assignee": {"name": "Jane"}, "message": "m"}),
            "Issue assigned: Assignee: Jane — m",
        ),
        (
            "build.finished",
            json!({"branch": "main", "passed": true}),
            "Build finished: Branch: main · Passed: yes",
        ),
        (
            "nps.score",
            json!({"score": 10, "hostname": "a.example"}),
            "🟢 NPS score: 10/10 · Hostname: a.example",
        ),
        ("a.b", json!({}), "A b"),
    ] {
        assert_eq!(slack(event_type, &payload)["text"], text);
    }
}

#[test]
fn a_link_leads_to_the_page_for_people() {
    let page = "https://github.example.com/acme/app/issues/1";
    let api = "https://api.github.example.com/repos/acme/app/issues/1";
    for key in ["html_url", "web_url", "webUrl", "link", "permalink"] {
        let embed = discord("issue.opened", &json!({"url": api, key: page, "title": "t"}));
        assert_eq!(embed["url"], page, "{key}");
        assert!(!embed["fields"].to_string().contains(api), "{embed}");
    }
    let embed = discord("issue.opened", &json!({"link": api, "url": page, "title": "t"}));
    assert_eq!(embed["url"], page, "what programs read comes last");
    assert_eq!(discord("issue.opened", &json!({"url": api, "title": "t"}))["url"], api);
}

#[test]
fn an_object_of_any_name_is_looked_into() {
    let ticket = json!({"id": 7, "subject": "Export is broken", "name": "T-7", "body": "It fails", "html_url": "https://a.example/7"});
    for payload in [
        json!({"ticket": ticket}),
        json!({"id": "x", "type": "y", "ticket": ticket, "sender": {"id": 1, "login": "jane"}}),
        json!({"data": {"object": ticket}}),
        json!({"tickets": [ticket]}),
    ] {
        let embed = discord("ticket.created", &payload);
        assert_eq!(embed["title"], "Ticket created: Export is broken", "{payload}");
        assert_eq!(embed["description"], "It fails", "{payload}");
        assert_eq!(embed["url"], "https://a.example/7", "{payload}");
    }
}

#[test]
fn lists_are_joined_and_the_first_picture_is_shown() {
    let payload = json!({
        "message": "m", "category": ["Bug", "UI"], "labels": [{"name": "urgent"}, {"name": "web"}],
        "images": ["https://a.example/1.png", "https://a.example/2.png"], "empty": [], "ids": [[1]]
    });
    let embed = discord("a.b", &payload);
    let told = fields(&embed);
    assert!(told.contains(&("Category", "Bug, UI")), "{told:?}");
    assert!(told.contains(&("Labels", "urgent, web")), "{told:?}");
    assert_eq!(embed["image"]["url"], "https://a.example/1.png");
    let attached = json!({"message": "m", "attachments": [{"id": 1, "url": "http://localhost/0.png"}, {"url": "https://a.example/3.jpg"}]});
    assert_eq!(discord("a.b", &attached)["image"]["url"], "https://a.example/3.jpg");
    let many: Vec<u32> = (0..100).collect();
    let embed = discord("a.b", &json!({"message": "m", "numbers": many}));
    assert_eq!(fields(&embed), [("Numbers", "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …")]);
}

#[test]
fn long_texts_are_cut_and_never_refused() {
    for text in [
        "x".repeat(10_000),
        "😀".repeat(5_000),
        "&<>".repeat(3_000),
        "*_\\".repeat(3_000),
    ] {
        let mut payload = json!({"message": text, "name": text, "email": text, "title": text, "rating": 3});
        for i in 0..300 {
            payload[format!("{i} {text}")] = json!(text);
        }
        let message = slack("a.b", &payload);
        assert!(message["blocks"][0]["text"]["text"].as_str().unwrap().ends_with('…'));
        let embed = discord("a.b", &payload);
        assert!(embed["description"].as_str().unwrap().ends_with('…'));
        assert_eq!(embed["fields"].as_array().unwrap().len(), 11);
    }
}

#[test]
fn answers_are_judged_as_the_services_mean_them() {
    let dialects = Case::builtin().dialects;
    let outcome = |dialect: &str, status: u16| dialects.get(dialect).unwrap().status_rule().classify(status).name();
    assert_eq!(outcome("slack", 200), "succeeded");
    assert_eq!(outcome("discord", 204), "succeeded");
    for status in [400, 403, 404, 410] {
        assert_eq!(outcome("slack", status), "failed_final");
    }
    for status in [400, 401, 403, 404] {
        assert_eq!(outcome("discord", status), "failed_final");
    }
    for status in [408, 429, 500, 503] {
        assert_eq!(outcome("slack", status), "failed_retryable");
        assert_eq!(outcome("discord", status), "failed_retryable");
    }
}
