//! Attempts over time, counted by the API.

use jiff::SignedDuration;
use tidings_domain::Timestamp;

use crate::form::Fields;
use crate::shapes::Counts;
use crate::show::chart::Chart;
use crate::visitor::Visitor;

/// The times that an endpoint's chart can go back, by the names of their texts, in hours; the first unless another is chosen.
pub(crate) const RANGES: [(&str, i64); 3] = [("day", 24), ("week", 7 * 24), ("month", 30 * 24)];

/// The attempts that the API's query finds. `filters` is the query of the log page that finds the same, without outcome and
/// times. There is no chart while the log is away, for the rest of a page is worth seeing.
pub(crate) async fn of(visitor: &Visitor, query: &str, filters: String, outcome: &str) -> Option<Chart> {
    let counts = visitor
        .try_get::<Counts>(format!("/webhooks/logs/counts?{query}"))
        .await;
    Chart::new(counts.ok()?, filters, outcome)
}

/// The attempts of the time that the field `range` names, for one endpoint or all.
pub(crate) async fn latest(visitor: &Visitor, fields: &Fields, endpoint: Option<&str>) -> Option<Chart> {
    let (_, hours) = range(fields);
    let since = Timestamp::now()
        .checked_sub(SignedDuration::from_hours(hours))
        .ok()?
        .to_string();
    let endpoint = Fields::default().query(&[], &endpoint.map_or(vec![], |id| vec![("endpoint_id", id)]));
    let zone = visitor.zone_name();
    let times = Fields::default().query(&[], &[("since", &since), ("time_zone", &zone)]);
    of(visitor, &format!("{endpoint}&{times}"), endpoint, "").await
}

/// The time that the field `range` names.
pub(crate) fn range(fields: &Fields) -> (&'static str, i64) {
    let named = RANGES.into_iter().find(|(name, _)| *name == fields.text("range"));
    named.unwrap_or(RANGES[0])
}
