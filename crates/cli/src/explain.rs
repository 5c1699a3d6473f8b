//! `tidings explain`: the history of a delivery in sentences.

use serde::Serialize;
use tidings_domain::{DeliveryId, EventId, Timestamp};
use tidings_proto::pb;

use crate::client::{ClientArgs, explain};
use crate::output::{self, Format, OutputArgs, heading, instant, line};

/// Explains what happened to an event or a delivery, why, and what happens next. Connects to control, or to standalone;
/// requires a key with the scope read.
///
/// Examples:
///   tidings explain evt_0193…
///   tidings explain dlv_0193…
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The event (evt_…) or the delivery (dlv_…).
    what: String,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let format = args.output.output;
    if args.what.starts_with(DeliveryId::PREFIX) {
        let delivery_id = args.what.parse::<DeliveryId>()?.to_string();
        let client = args.client.connect().await?;
        let request = pb::ExplainDeliveryRequest { delivery_id };
        let explained = client.explanations().explain_delivery(request).await.map_err(explain)?;
        return show_delivery(format, &explained.into_inner());
    }
    let event_id = args.what.parse::<EventId>()?.to_string();
    let client = args.client.connect().await?;
    let request = pb::ExplainEventRequest { event_id };
    let explained = client.explanations().explain_event(request).await.map_err(explain)?;
    show_event(format, &explained.into_inner())
}

fn show_delivery(format: Format, explained: &pb::DeliveryExplanation) -> anyhow::Result<()> {
    match format {
        Format::Json => output::json(&DeliveryDocument::of(explained)),
        Format::Text => tell(explained, ""),
    }
}

fn show_event(format: Format, explained: &pb::EventExplanation) -> anyhow::Result<()> {
    if format == Format::Json {
        return output::json(&EventDocument {
            event_id: explained
                .event
                .as_ref()
                .map(|event| event.id.as_str())
                .unwrap_or_default(),
            sentences: &explained.sentences,
            deliveries: explained.deliveries.iter().map(DeliveryDocument::of).collect(),
        });
    }
    for sentence in &explained.sentences {
        line(sentence)?;
    }
    explained.deliveries.iter().try_for_each(|delivery| {
        line("")?;
        tell(delivery, "  ")
    })
}

/// Prints the explanation of one delivery.
fn tell(explained: &pb::DeliveryExplanation, indent: &str) -> anyhow::Result<()> {
    let name = match explained.endpoint_name.as_str() {
        "" => explained.endpoint_id.clone(),
        name => format!("{name} ({})", explained.endpoint_id),
    };
    let delivery = explained.delivery.as_ref().map(|delivery| format!(", {}", delivery.id));
    heading(&format!(
        "{name}{}: {}",
        delivery.unwrap_or_default(),
        explained.verdict.replace('_', " ")
    ))?;
    for sentence in &explained.sentences {
        line(&format!("{indent}{sentence}"))?;
    }
    if explained.next.is_empty() {
        return Ok(());
    }
    line(&format!("{indent}Next: {}", explained.next))
}

#[derive(Serialize)]
struct EventDocument<'a> {
    event_id: &'a str,
    sentences: &'a [String],
    deliveries: Vec<DeliveryDocument<'a>>,
}

#[derive(Serialize)]
struct DeliveryDocument<'a> {
    delivery_id: Option<&'a str>,
    endpoint_id: &'a str,
    endpoint_name: &'a str,
    verdict: &'a str,
    sentences: &'a [String],
    next: Option<&'a str>,
    due_at: Option<Timestamp>,
}

impl<'a> DeliveryDocument<'a> {
    fn of(explained: &'a pb::DeliveryExplanation) -> Self {
        let delivery = explained.delivery.as_ref();
        Self {
            delivery_id: delivery.map(|delivery| delivery.id.as_str()),
            endpoint_id: &explained.endpoint_id,
            endpoint_name: &explained.endpoint_name,
            verdict: &explained.verdict,
            sentences: &explained.sentences,
            next: Some(explained.next.as_str()).filter(|next| !next.is_empty()),
            due_at: instant(delivery.and_then(|delivery| delivery.due_at.as_ref())),
        }
    }
}
