//! Attempts over time as bars, stacked by outcome.

use tidings_domain::Timestamp;

use crate::shapes::{Counts, Span};

/// The width of a span with its gap and that of its bar, in units of the picture.
const STEP: usize = 20;
const WIDTH: usize = 16;
/// The height of the picture, which the highest bar has room in however its parts are rounded up.
pub(crate) const HEIGHT: u64 = 100;
/// The least height of a part, so that what is rare is seen.
const LEAST: u64 = 3;

/// The outcomes from the bottom of a bar to its top.
pub(crate) const OUTCOMES: [&str; 3] = ["succeeded", "failed_retryable", "failed_final"];

/// Attempts over time.
pub(crate) struct Chart {
    pub(crate) spans: Vec<Span>,
    pub(crate) counted_since: Option<Timestamp>,
    /// The log page's filters that all of these attempts pass, as a query, without outcomes and times.
    filters: String,
    /// The outcomes that are looked at, as the filter names them; all if it is empty.
    outcome: String,
}

/// The bar of one span.
pub(crate) struct Bar<'a> {
    pub(crate) span: &'a Span,
    /// From its bottom to its top.
    pub(crate) parts: Vec<Part>,
    x: usize,
}

/// The attempts of one outcome.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) outcome: &'static str,
    pub(crate) y: u64,
    pub(crate) height: u64,
}

impl Chart {
    /// A chart of these counts; nothing if there is no attempt.
    pub(crate) fn new(counts: Counts, filters: String, outcome: &str) -> Option<Self> {
        let is_empty = counts.data.iter().all(|span| span.total() == 0);
        (!is_empty).then(|| Self {
            spans: counts.data,
            counted_since: counts.counted_since,
            filters,
            outcome: outcome.to_owned(),
        })
    }

    /// The bars of spans with attempts, oldest first.
    pub(crate) fn bars(&self) -> impl Iterator<Item = Bar<'_>> {
        let highest = self.spans.iter().map(Span::total).max().unwrap_or_default().max(1);
        let spans = self.spans.iter().enumerate().filter(|(_, span)| span.total() > 0);
        spans.map(move |(n, span)| Bar {
            span,
            parts: parts(span, highest),
            x: n * STEP,
        })
    }

    /// The spans with attempts, newest first.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Span> {
        self.spans.iter().rev().filter(|span| span.total() > 0)
    }

    /// The number of attempts with this outcome.
    pub(crate) fn sum(&self, outcome: &str) -> u64 {
        self.spans.iter().map(|span| span.count(outcome)).sum()
    }

    pub(crate) fn width(&self) -> usize {
        self.spans.len() * STEP
    }

    /// The beginning of the first span.
    pub(crate) fn since(&self) -> &Timestamp {
        self.spans.first().map_or(&Timestamp::UNIX_EPOCH, |span| &span.since)
    }

    /// The end of the last span.
    pub(crate) fn until(&self) -> &Timestamp {
        self.spans.last().map_or(&Timestamp::UNIX_EPOCH, |span| &span.until)
    }

    /// The log page's query for the attempts between these times with this outcome; for all that are looked at if it is empty.
    pub(crate) fn query(&self, since: &Timestamp, until: &Timestamp, outcome: &str) -> String {
        let outcome = if outcome.is_empty() { &self.outcome } else { outcome };
        let mut query = url::form_urlencoded::Serializer::new(self.filters.clone());
        if !outcome.is_empty() {
            query.append_pair("outcome", outcome);
        }
        format!("{}&since={since}&until={until}", query.finish())
            .trim_start_matches('&')
            .to_owned()
    }
}

impl Bar<'_> {
    pub(crate) fn x(&self) -> usize {
        self.x + (STEP - WIDTH) / 2
    }

    pub(crate) fn width(&self) -> usize {
        WIDTH
    }
}

/// The parts of a span's bar, where the highest stands for so many attempts.
fn parts(span: &Span, highest: u64) -> Vec<Part> {
    let scale = HEIGHT - LEAST * OUTCOMES.len() as u64;
    let mut top = HEIGHT;
    let mut parts = Vec::new();
    for outcome in OUTCOMES {
        let count = span.count(outcome);
        if count > 0 {
            let height = (scale * count / highest).max(LEAST);
            top = top.saturating_sub(height);
            parts.push(Part {
                outcome,
                y: top,
                height,
            });
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(n: i64, succeeded: u64, failed_retryable: u64, failed_final: u64) -> Span {
        let at = |hour: i64| Timestamp::from_second(hour * 3_600).unwrap();
        Span {
            since: at(n),
            until: at(n + 1),
            succeeded,
            failed_retryable,
            failed_final,
        }
    }

    fn chart(spans: Vec<Span>, outcome: &str) -> Option<Chart> {
        let counts = Counts {
            data: spans,
            counted_since: None,
        };
        Chart::new(counts, "endpoint_id=ep_1".into(), outcome)
    }

    #[test]
    fn bars_are_stacked_and_what_is_rare_is_seen() {
        let chart = chart(vec![span(0, 199, 0, 1), span(1, 0, 0, 0), span(2, 50, 50, 0)], "").unwrap();
        let bars: Vec<_> = chart.bars().collect();
        let part = |outcome, y, height| Part { outcome, y, height };
        assert_eq!(bars[0].parts, [part("succeeded", 10, 90), part("failed_final", 7, 3)]);
        assert_eq!(
            bars[1].parts,
            [part("succeeded", 78, 22), part("failed_retryable", 56, 22)]
        );
        assert_eq!((bars[0].x(), bars[1].x(), chart.width()), (2, 42, 60));
        assert_eq!((chart.sum("succeeded"), chart.sum("failed_final")), (249, 1));
    }

    #[test]
    fn bars_lead_to_the_attempts_that_they_stand_for() {
        let failed = chart(vec![span(0, 0, 1, 0)], "failed_retryable").unwrap();
        let (since, until) = (failed.since(), failed.until());
        let times = "since=1970-01-01T00:00:00Z&until=1970-01-01T01:00:00Z";
        assert_eq!(
            failed.query(since, until, ""),
            format!("endpoint_id=ep_1&outcome=failed_retryable&{times}")
        );
        assert_eq!(
            failed.query(since, until, "succeeded"),
            format!("endpoint_id=ep_1&outcome=succeeded&{times}")
        );
        assert!(chart(vec![span(0, 0, 0, 0)], "").is_none());
    }
}
