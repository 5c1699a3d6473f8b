//! What endpoints may choose, and what they are told of what they may not.

use std::collections::BTreeMap;

use tidings_dialect::{Dialect, Dialects, Form, OptionError};
use tidings_domain::Secret;

use crate::case::Case;

fn properties(dialect: &Dialect, chosen: &[&str]) -> Result<(), OptionError> {
    let chosen: Vec<String> = chosen.iter().map(|text| (*text).to_owned()).collect();
    dialect.check_properties(&chosen)
}

fn setting(dialect: &Dialect, name: &str, value: &str) -> Result<(), OptionError> {
    dialect.check_settings(&BTreeMap::from([(name.to_owned(), value.to_owned())]))
}

fn said(result: Result<(), OptionError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn properties_are_parts_of_the_dialects_objects() {
    let dialects = Dialects::builtin().unwrap();
    let userpilot = dialects.get("userpilot").unwrap();
    assert_eq!(properties(userpilot, &[]), Ok(()));
    assert_eq!(
        properties(userpilot, &["user.plan", "company.size", "user.a.b"]),
        Ok(())
    );
    for unknown in ["plan", "account.plan", "user.", ".plan", "user"] {
        let said = said(properties(userpilot, &[unknown]));
        assert!(said.contains("`company`, `user`"), "{said}");
    }
    assert_eq!(
        said(properties(userpilot, &["user.email"])),
        "`user.email` is always sent: leave it out of the properties"
    );
    assert!(said(properties(userpilot, &["user.plan", "user.plan"])).contains("twice"));

    let many: Vec<String> = (0..11).map(|i| format!("user.p{i}")).collect();
    assert_eq!(userpilot.check_properties(&many[..10]), Ok(()));
    assert!(matches!(
        userpilot.check_properties(&many),
        Err(OptionError::TooMany {
            chosen: 11,
            max: 10,
            ..
        })
    ));

    let offered = userpilot.properties().unwrap();
    assert_eq!(offered.max(), 10);
    assert_eq!(offered.objects().collect::<Vec<_>>(), ["company", "user"]);
    assert_eq!(offered.always("company").unwrap(), ["id", "name"]);
    assert_eq!(offered.always("account"), None);
}

#[test]
fn a_dialect_that_sends_payloads_whole_offers_no_properties() {
    let dialects = Dialects::builtin().unwrap();
    let userhero = dialects.get("userhero").unwrap();
    assert_eq!(properties(userhero, &[]), Ok(()));
    assert!(said(properties(userhero, &["user.plan"])).contains("choose no properties"));
    assert_eq!(userhero.properties(), None);
}

#[test]
fn settings_are_those_that_the_dialect_names() {
    let dialects = Dialects::builtin().unwrap();
    let userpilot = dialects.get("userpilot").unwrap();
    assert_eq!(setting(userpilot, "app_token", "NX-bd46697c"), Ok(()));
    assert!(said(setting(userpilot, "app_tokn", "x")).contains("did you mean `app_token`?"));
    assert!(said(setting(userpilot, "region", "x")).ends_with("it has `app_token`"));
    assert!(said(setting(dialects.get("slack").unwrap(), "app_token", "x")).ends_with("it has none"));
    for value in ["", "a\nb", "é", &"x".repeat(1025)] {
        assert!(
            said(setting(userpilot, "app_token", value)).contains("visible ASCII"),
            "{value:?}"
        );
    }
}

#[test]
fn the_source_of_cloudevents_is_a_uri_reference() {
    let dialects = Dialects::builtin().unwrap();
    let cloudevents = dialects.get("cloudevents").unwrap();
    for value in [
        "/feedback",
        "https://a.example/x?y#z",
        "urn:uuid:6e8bc430",
        "mailto:a@b.example",
        "a%20b",
    ] {
        assert_eq!(setting(cloudevents, "source", value), Ok(()), "{value}");
    }
    for value in ["", "a b", "é", "a%2", "a%zz", "\"", "<x>", "{x}"] {
        assert!(
            said(setting(cloudevents, "source", value)).contains("URI-reference"),
            "{value}"
        );
    }
    let source = &cloudevents.settings()["source"];
    assert_eq!(
        (source.default.as_deref(), source.form),
        (Some("/tidings"), Form::UriReference)
    );
    assert!(!source.description.is_empty());
}

#[test]
fn a_secret_must_be_one_that_the_dialect_can_show() {
    let dialects = Dialects::builtin().unwrap();
    let check = |dialect: &str, secret: &Secret| dialects.get(dialect).unwrap().check_secret(Some(secret));
    let (private, unprintable) = (Secret::generate_ed25519(), Secret::new("Schlüssel").unwrap());
    for dialect in dialects.names() {
        assert_eq!(dialects.get(dialect).unwrap().check_secret(None), Ok(()));
        assert_eq!(check(dialect, &Secret::generate()), Ok(()), "{dialect}");
    }
    for dialect in ["standard", "cloudevents", "userback", "slack", "discord"] {
        assert_eq!(check(dialect, &private), Ok(()), "{dialect}");
    }
    for dialect in ["userhero", "feedbackpulse", "userpilot", "abc-user-feedback"] {
        assert!(
            matches!(check(dialect, &private), Err(OptionError::AsymmetricSecret { .. })),
            "{dialect}"
        );
    }
    for dialect in ["userpilot", "abc-user-feedback"] {
        assert!(
            matches!(check(dialect, &unprintable), Err(OptionError::SecretInHeader { .. })),
            "{dialect}"
        );
    }
    assert_eq!(check("feedbackpulse", &unprintable), Ok(()));
}

#[test]
fn dialects_say_whether_they_use_a_secret() {
    let dialects = Dialects::builtin().unwrap();
    let using: Vec<&str> = dialects
        .names()
        .filter(|name| dialects.get(name).unwrap().uses_secret())
        .collect();
    let expected = [
        "abc-user-feedback",
        "cloudevents",
        "feedbackpulse",
        "standard",
        "userhero",
        "userpilot",
    ];
    assert_eq!(using, expected);
}

#[test]
fn what_was_checked_can_be_sent() {
    let case = Case::builtin();
    let userpilot = case.dialects.get("userpilot").unwrap().clone();
    let long = "~".repeat(1024);
    assert_eq!(setting(&userpilot, "app_token", &long), Ok(()));
    case.setting("app_token", &long)
        .render("userpilot", "flows.seen", "{}", &[]);
}

#[test]
fn the_catalogue_of_events_is_listed() {
    let dialects = Dialects::builtin().unwrap();
    let events: Vec<(String, String)> = dialects
        .get("abc-user-feedback")
        .unwrap()
        .events()
        .map(|(pattern, names)| (pattern.to_string(), names["name"].clone()))
        .collect();
    assert!(
        events.contains(&("issue.added".to_owned(), "ISSUE_ADDITION".to_owned())),
        "{events:?}"
    );
    assert_eq!(events.len(), 4);
}
