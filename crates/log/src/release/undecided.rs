//! Decides deliveries that were held because an endpoint's subscriptions could not be read, once they can.

use std::collections::HashMap;

use tidings_domain::{CancelReason, DeliveryId, DeliveryState, Endpoint, Timestamp};
use tidings_payload::{EventView, Filter};
use tidings_store::ledger::{DeliveryMove, EventContent, OpenDelivery, Record};
use tidings_store::{Ledger, StoreError};

/// Gives those of released deliveries that their endpoint wants; the others are recorded as filtered.
pub(super) async fn decide(
    ledger: &dyn Ledger,
    endpoint: &Endpoint,
    released: Vec<OpenDelivery>,
) -> Result<Vec<OpenDelivery>, StoreError> {
    let undecided: Vec<DeliveryId> = released
        .iter()
        .filter(|open| open.undecided)
        .map(|open| open.id)
        .collect();
    if undecided.is_empty() {
        return Ok(released);
    }
    let fetched = ledger.fetch(&undecided).await?.into_iter();
    let contents: HashMap<DeliveryId, EventContent> =
        fetched.filter_map(|known| Some((known.id, known.content?))).collect();
    let is_wanted = |open: &OpenDelivery| contents.get(&open.id).is_none_or(|content| wants(endpoint, content));
    let (wanted, unwanted): (Vec<_>, Vec<_>) = released.into_iter().partition(is_wanted);
    if !unwanted.is_empty() {
        ledger.record(unwanted.iter().map(filtered).collect()).await?;
    }
    Ok(wanted)
}

fn wants(endpoint: &Endpoint, content: &EventContent) -> bool {
    let event = EventView::new(&content.event_type, content.occurred_at, &content.payload);
    let passes = |filter: &str| Filter::compile(filter).is_ok_and(|filter| filter.matches(&event));
    let mut subscriptions = endpoint.subscriptions.iter().filter(|s| s.matches(&content.event_type));
    subscriptions.any(|subscription| subscription.filter.as_deref().is_none_or(passes))
}

fn filtered(open: &OpenDelivery) -> Record {
    Record::Move(DeliveryMove {
        id: open.id,
        event: open.event,
        tenant: open.tenant,
        endpoint: open.endpoint,
        step: open.step.moved(),
        state: DeliveryState::Cancelled(CancelReason::Filtered),
        sweep_at: None,
        at: Timestamp::now(),
    })
}
