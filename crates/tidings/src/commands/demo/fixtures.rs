//! One event of every kind that the products' documents name.

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::value::RawValue;
use tidings_domain::EventType;

/// An event to publish, as its product's document has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fixture {
    pub(super) event_type: EventType,
    /// The bytes as they stand in the file.
    pub(super) payload: Box<RawValue>,
    /// The product whose document names it.
    #[serde(skip)]
    pub(super) product: &'static str,
}

const FILES: [(&str, &str); 5] = [
    ("Userback", include_str!("../../../fixtures/events/userback.json")),
    ("Userpilot", include_str!("../../../fixtures/events/userpilot.json")),
    ("UserHero", include_str!("../../../fixtures/events/userhero.json")),
    (
        "ABC User Feedback",
        include_str!("../../../fixtures/events/abc-user-feedback.json"),
    ),
    (
        "FeedbackPulse",
        include_str!("../../../fixtures/events/feedbackpulse.json"),
    ),
];

/// The products, by the names of their documents.
pub(super) const PRODUCTS: [&str; 5] = [
    "Userback",
    "Userpilot",
    "UserHero",
    "ABC User Feedback",
    "FeedbackPulse",
];

/// Every fixture, product by product.
pub(super) fn all() -> anyhow::Result<Vec<Fixture>> {
    let mut all = Vec::new();
    for (product, text) in FILES {
        let fixtures: Vec<Fixture> = serde_json::from_str(text).with_context(|| format!("the events of {product}"))?;
        all.extend(fixtures.into_iter().map(|fixture| Fixture { product, ..fixture }));
    }
    Ok(all)
}

impl Fixture {
    /// An event for a tenant that has no endpoints.
    pub(super) fn unmatched() -> anyhow::Result<Self> {
        Ok(serde_json::from_str(
            r#"{"event_type": "demo.unheard", "payload": {"heard": false}}"#,
        )?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_has_its_events() {
        let fixtures = all().unwrap();
        let of = |product: &str| fixtures.iter().filter(|fixture| fixture.product == product).count();
        assert_eq!(
            [
                of("Userback"),
                of("Userpilot"),
                of("UserHero"),
                of("ABC User Feedback"),
                of("FeedbackPulse")
            ],
            [10, 15, 2, 4, 2]
        );
    }
}
