//! Search criteria of the log's lists: ids, times, lists of words; and refusals with the field names of this interface.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use tidings_domain::Timestamp;
use tidings_proto::timestamp;
use tidings_service::problem::Problem;
use tonic::Status;

use super::answer::Refusal;
use super::request::given;

/// Names of fields in the log service's messages, and their names here.
const NAMES: [(&str, &str); 7] = [
    ("error_contains", "error"),
    ("event_types", "event_type"),
    ("failure_reasons", "failure_reason"),
    ("outcomes", "outcome"),
    ("states", "state"),
    ("status_classes", "status_code"),
    ("status_codes", "status_code"),
];

/// A refusal of the log service, with the field's name in this interface.
pub(super) fn as_asked(status: Status) -> Refusal {
    let mut refusal = Refusal::from(status);
    if let Refusal::Relayed(relayed) = &mut refusal {
        let name = NAMES
            .iter()
            .find(|(theirs, _)| relayed.field.as_deref() == Some(theirs));
        if let Some((_, ours)) = name {
            relayed.field = Some((*ours).to_owned());
        }
    }
    refusal
}

/// An id that may be left out.
pub(super) fn id<T: std::str::FromStr<Err: std::fmt::Display> + ToString>(
    text: Option<&str>,
    name: &str,
) -> Result<String, Problem> {
    let id: Option<T> = given(text, name)?;
    Ok(id.map(|id| id.to_string()).unwrap_or_default())
}

/// Splits a text at its commas; blanks around the words and empty words are dropped.
pub(super) fn listed(text: Option<String>) -> Vec<String> {
    let text = text.unwrap_or_default();
    text.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Reads the beginning of a range: a time, or a day from its first moment (UTC).
pub(super) fn since(text: Option<&str>) -> Result<Option<prost_types::Timestamp>, Problem> {
    let begun = |text: &str| beginning(text).ok_or_else(|| no_time(text, "since"));
    Ok(text.map(begun).transpose()?.map(timestamp))
}

/// Reads the end of a range: a time, or a day with all its hours (UTC).
pub(super) fn until(text: Option<&str>) -> Result<Option<prost_types::Timestamp>, Problem> {
    let ended = |text: &str| end(text).ok_or_else(|| no_time(text, "until"));
    Ok(text.map(ended).transpose()?.map(timestamp))
}

fn beginning(text: &str) -> Option<Timestamp> {
    match day(text) {
        Some(day) => midnight(day),
        None => text.parse().ok(),
    }
}

fn end(text: &str) -> Option<Timestamp> {
    match day(text) {
        Some(day) => midnight(day.tomorrow().ok()?),
        None => text.parse().ok(),
    }
}

/// A text that is a date and nothing else, which jiff would also read out of a time.
fn day(text: &str) -> Option<Date> {
    text.parse().ok().filter(|_| text.len() == "2024-03-15".len())
}

fn midnight(day: Date) -> Option<Timestamp> {
    Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn no_time(text: &str, name: &str) -> Problem {
    let detail = format!(
        "`{text}` is neither a time nor a day: write it like `2024-03-15T10:30:00Z` or `2024-03-15`, a `+` as `%2B`"
    );
    Problem::invalid("time_invalid", detail).at(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_meant_from_its_beginning_to_its_end() {
        let time = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        assert_eq!(beginning("2024-03-15"), time("2024-03-15T00:00:00Z"));
        assert_eq!(end("2024-03-15"), time("2024-03-16T00:00:00Z"));
        assert_eq!(end("2024-03-15T10:30:00+02:00"), time("2024-03-15T08:30:00Z"));
        for wrong in [
            "2024-03-15T10:30:00",
            "2024-03-15T10:30:00 02:00",
            "yesterday",
            "2024-02-30",
            "",
        ] {
            assert!(since(Some(wrong)).is_err() && until(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
