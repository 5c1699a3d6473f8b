//! Attempts by outcome over time, as charts show them.

use jiff::tz::TimeZone;
use jiff::{RoundMode, SignedDuration, Span, Unit, Zoned, ZonedRound};
use serde::{Deserialize, Serialize};
use tidings_domain::Timestamp;
use tidings_proto::{pb, timestamp, timestamp_from};
use tidings_service::problem::Problem;
use utoipa::{IntoParams, ToSchema};

use super::filter::With;
use crate::http::answer::time;
use crate::http::search;

/// Maximum number of spans of one request.
const MAX_SPANS: i64 = 200;
const FITTING: i64 = 50;
/// Default length of the time range.
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Lengths of spans to choose from, in minutes: those that divide a day evenly.
const LENGTHS: [i64; 8] = [1, 5, 15, 30, 60, 3 * 60, 6 * 60, 12 * 60];

/// Time range, and its division into at most 200 spans.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Spans {
    /// Attempts begun at or after this time (RFC 3339), or on or after this day (UTC); a day before the end if left out.
    #[param(example = "2024-03-15T10:30:00Z")]
    since: Option<String>,
    /// Attempts begun before this time (RFC 3339), or on or before this day (UTC); now if left out.
    #[param(example = "2024-03-15")]
    until: Option<String>,
    /// Length of a span, such as `15m`, `1h` or `1d`; the first one begins at `since`. If left out, it is chosen so
    /// that there are about 50, and spans begin when hours or days do.
    #[param(example = "1h")]
    interval: Option<String>,
    /// Time zone (IANA) of the hours and days at which spans begin.
    #[param(default = "UTC", example = "Europe/Berlin")]
    time_zone: Option<String>,
}

/// Attempts by outcome in consecutive spans of time.
#[derive(Serialize, ToSchema)]
pub(super) struct Counts {
    /// Counts of the spans, oldest first.
    data: Vec<Count>,
    /// Time before which attempts are missing from the counts (RFC 3339), because there were too many to be counted in
    /// time; null if none are missing.
    #[schema(value_type = Option<String>, format = DateTime)]
    counted_since: Option<Timestamp>,
}

/// Attempts by outcome in one span of time.
#[derive(Serialize, ToSchema)]
struct Count {
    /// Beginning of the span (RFC 3339); attempts begun then belong to it.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// End of the span (RFC 3339); attempts begun then belong to the next one.
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
    /// Number of the span's attempts that succeeded.
    succeeded: u64,
    /// Number of the span's attempts that failed and are tried again.
    failed_retryable: u64,
    /// Number of the span's attempts that failed for good.
    failed_final: u64,
}

impl With<Spans> {
    /// Converts the query to the log service's request, with the times between which its spans lie.
    pub(super) fn into_question(self, now: Timestamp) -> Result<(pb::CountAttemptsRequest, Vec<Timestamp>), Problem> {
        let Spans {
            since,
            until,
            interval,
            time_zone,
        } = self.rest;
        let read = |at: Option<prost_types::Timestamp>| at.and_then(|at| timestamp_from(&at));
        let until = read(search::until(until.as_deref())?).unwrap_or(now);
        let since = match read(search::since(since.as_deref())?) {
            Some(since) => since,
            None => until.saturating_sub(DAY).map_err(|_| no_span())?,
        };
        let interval = interval.map(|text| length(&text)).transpose()?;
        let bounds = bounds([since, until], interval, zone(time_zone.as_deref())?)?;
        let filter = self.filter.into_message()?;
        let message = pb::CountAttemptsRequest {
            filter: Some(filter),
            bounds: bounds.iter().copied().map(timestamp).collect(),
        };
        Ok((message, bounds))
    }
}

impl Counts {
    /// The counts of the spans between these times.
    pub(super) fn new(asked: &[Timestamp], counted: pb::CountAttemptsResponse) -> Self {
        let spans = asked.windows(2).zip(counted.spans);
        let data = spans.map(|(ends, counts)| Count {
            since: ends[0],
            until: ends[1],
            succeeded: counts.succeeded,
            failed_retryable: counts.failed_retryable,
            failed_final: counts.failed_final,
        });
        Self {
            data: data.collect(),
            counted_since: time(counted.counted_since),
        }
    }
}

/// The times between which spans of this length lie, or of one that fits.
fn bounds([since, until]: [Timestamp; 2], interval: Option<Span>, zone: TimeZone) -> Result<Vec<Timestamp>, Problem> {
    if since >= until {
        let detail = "`since` is not before `until`: nothing can lie between them";
        return Err(Problem::invalid("range_contradictory", detail).at("since"));
    }
    let begin = since.to_zoned(zone);
    let (first, step) = match interval {
        Some(step) => (begin, step),
        None => fitting(&begin, until).ok_or_else(no_span)?,
    };
    let mut bounds = vec![since];
    for n in 1.. {
        let next = step.checked_mul(n).and_then(|whole| first.checked_add(whole));
        let next = next.map_or(until, |next| next.timestamp());
        if next >= until {
            bounds.push(until);
            return Ok(bounds);
        }
        if n >= MAX_SPANS {
            break;
        }
        bounds.push(next);
    }
    let detail = format!("this makes more than {MAX_SPANS} spans: choose a longer `interval` or less time");
    Err(Problem::invalid("interval_too_short", detail).at("interval"))
}

/// A length that makes a fitting number of spans, and where on the clock the first of them begins.
fn fitting(begin: &Zoned, until: Timestamp) -> Option<(Zoned, Span)> {
    let minutes = until.duration_since(begin.timestamp()).as_mins();
    if let Some(length) = LENGTHS.into_iter().find(|length| minutes / length < FITTING) {
        let (unit, increment) = match length {
            ..60 => (Unit::Minute, length),
            _ => (Unit::Hour, length / 60),
        };
        let round = ZonedRound::new()
            .smallest(unit)
            .increment(increment)
            .mode(RoundMode::Trunc);
        return Some((begin.round(round).ok()?, Span::new().try_minutes(length).ok()?));
    }
    let days = minutes / (24 * 60) / FITTING + 1;
    Some((begin.start_of_day().ok()?, Span::new().try_days(days).ok()?))
}

fn length(text: &str) -> Result<Span, Problem> {
    let span: Option<Span> = text.parse().ok();
    span.filter(|span| span.is_positive()).ok_or_else(|| {
        let detail = format!("`{text}` is not a length of time: write it like `15m`, `1h` or `1d`");
        Problem::invalid("duration_invalid", detail).at("interval")
    })
}

fn zone(name: Option<&str>) -> Result<TimeZone, Problem> {
    let Some(name) = name else {
        return Ok(TimeZone::UTC);
    };
    TimeZone::get(name).map_err(|_| {
        let detail = format!("`{name}` is not a time zone: write it like `Europe/Berlin`");
        Problem::invalid("time_zone_unknown", detail).at("time_zone")
    })
}

fn no_span() -> Problem {
    Problem::invalid("time_invalid", "this time is too far away to be divided").at("since")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(since: &str, until: &str, interval: Option<&str>, zone: &str) -> Result<Vec<String>, Problem> {
        let ends = [since, until].map(|text| text.parse().unwrap());
        let interval = interval.map(length).transpose()?;
        let bounds = bounds(ends, interval, super::zone(Some(zone))?)?;
        Ok(bounds.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn spans_begin_on_the_clock() {
        let day = between("2026-03-01T10:10:00Z", "2026-03-02T10:10:00Z", None, "UTC").unwrap();
        assert_eq!(
            day[..3],
            ["2026-03-01T10:10:00Z", "2026-03-01T10:30:00Z", "2026-03-01T11:00:00Z"]
        );
        assert_eq!((day.len(), day[49].as_str()), (50, "2026-03-02T10:10:00Z"));
        let hour = between("2026-03-01T10:00:00Z", "2026-03-01T10:30:00Z", None, "UTC").unwrap();
        assert_eq!((hour.len(), hour[1].as_str()), (31, "2026-03-01T10:01:00Z"));
        let years = between("1970-01-01T00:00:00Z", "2026-03-02T10:10:00Z", None, "UTC").unwrap();
        assert!((25..=51).contains(&years.len()), "{}", years.len());
    }

    #[test]
    fn a_day_is_as_long_as_it_is_in_its_zone() {
        let days = between(
            "2026-03-27T23:00:00Z",
            "2026-03-30T22:00:00Z",
            Some("1d"),
            "Europe/Berlin",
        )
        .unwrap();
        let midnights = [
            "2026-03-27T23:00:00Z",
            "2026-03-28T23:00:00Z",
            "2026-03-29T22:00:00Z",
            "2026-03-30T22:00:00Z",
        ];
        assert_eq!(days, midnights);
    }

    #[test]
    fn what_can_not_be_divided_is_refused() {
        let (since, until) = ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z");
        for (since, until, interval, zone, code, field) in [
            (until, since, None, "UTC", "range_contradictory", "since"),
            (since, since, None, "UTC", "range_contradictory", "since"),
            (since, until, Some("1m"), "UTC", "interval_too_short", "interval"),
            (since, until, Some("0s"), "UTC", "duration_invalid", "interval"),
            (since, until, Some("-1h"), "UTC", "duration_invalid", "interval"),
            (since, until, Some("often"), "UTC", "duration_invalid", "interval"),
            (since, until, None, "Mars/Olympus", "time_zone_unknown", "time_zone"),
        ] {
            let problem = between(since, until, interval, zone).unwrap_err();
            assert_eq!((problem.code, problem.field.as_deref()), (code, Some(field)));
        }
    }
}
