//! Conversion of explanations to messages.

use tidings_proto::pb;

use super::records::{show_attempt, show_delivery, show_event};
use crate::explain::fact::{self, Fact};
use crate::explain::{DeliveryExplanation, EventExplanation};

pub(crate) fn delivery(explained: DeliveryExplanation) -> pb::DeliveryExplanation {
    pb::DeliveryExplanation {
        delivery: explained.delivery.map(show_delivery),
        endpoint_id: explained.endpoint.to_string(),
        endpoint_name: explained.endpoint_name.unwrap_or_default(),
        verdict: explained.verdict.as_str().to_owned(),
        sentences: fact::sentences(&explained.facts),
        next: fact::text(&explained.next),
        attempts: explained.attempts.into_iter().map(show_attempt).collect(),
        facts: facts(explained.facts),
        next_facts: facts(explained.next),
    }
}

pub(crate) fn event(explained: EventExplanation) -> pb::EventExplanation {
    pb::EventExplanation {
        event: Some(show_event(explained.event)),
        sentences: fact::sentences(&explained.facts),
        deliveries: explained.deliveries.into_iter().map(delivery).collect(),
        facts: facts(explained.facts),
    }
}

fn facts(facts: Vec<Fact>) -> Vec<pb::Fact> {
    let show = |fact: Fact| pb::Fact {
        code: fact.code.to_owned(),
        arguments: fact
            .arguments
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        sentence: fact.sentence,
    };
    facts.into_iter().map(show).collect()
}
