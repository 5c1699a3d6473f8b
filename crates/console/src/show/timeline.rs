//! Attempts on a line, from the first to the last that is planned.
//!
//! Waits grow from a minute to a day, so the line is logarithmic: every attempt has room, and later is further right.

use tidings_domain::Timestamp;

/// The ends of the line, in units of the picture.
const LEFT: f64 = 10.0;
const RIGHT: f64 = 990.0;
/// Below so many seconds the line is nearly even.
const EVEN: f64 = 30.0;

/// The attempts in order, and the present time if it lies among them.
#[derive(Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) marks: Vec<Mark>,
    pub(crate) now: Option<i32>,
}

/// One attempt.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) x: i32,
    /// The outcome, or `planned`.
    pub(crate) look: String,
    pub(crate) number: u32,
    pub(crate) at: Timestamp,
}

/// The line of attempts, each with its look, number and time.
pub(crate) fn line<'a>(attempts: impl Iterator<Item = (&'a str, u32, Timestamp)>, now: Timestamp) -> Line {
    let attempts: Vec<_> = attempts.collect();
    let (first, last) = (
        attempts.iter().map(|(_, _, at)| *at).min(),
        attempts.iter().map(|(_, _, at)| *at).max(),
    );
    let (Some(first), Some(last)) = (first, last) else {
        return Line {
            marks: Vec::new(),
            now: None,
        };
    };
    let seconds = |at: Timestamp| at.duration_since(first).as_secs_f64().max(0.0);
    let whole = (seconds(last) / EVEN).ln_1p();
    let x = |at: Timestamp| {
        let part = if whole > 0.0 {
            (seconds(at) / EVEN).ln_1p() / whole
        } else {
            0.0
        };
        #[allow(clippy::cast_possible_truncation, reason = "a place on a line of a thousand units")]
        let x = (LEFT + part.min(1.0) * (RIGHT - LEFT)).round() as i32;
        x
    };
    let marks = attempts.iter().map(|(look, number, at)| Mark {
        x: x(*at),
        look: (*look).to_owned(),
        number: *number,
        at: *at,
    });
    Line {
        marks: marks.collect(),
        now: (first..=last).contains(&now).then(|| x(now)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn every_attempt_has_room_and_now_lies_between() {
        let times = [0, 60, 360, 2_160, 9_360, 95_760];
        let attempts = times
            .iter()
            .zip(1..)
            .map(|(time, number)| ("planned", number, at(*time)));
        let line = line(attempts, at(1_000));
        let places: Vec<_> = line.marks.iter().map(|mark| mark.x).collect();
        assert_eq!((places[0], places[5]), (10, 990));
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] > 80), "{places:?}");
        assert!(
            line.now.is_some_and(|now| places[2] < now && now < places[3]),
            "{line:?}"
        );
    }

    #[test]
    fn one_attempt_and_none_are_no_line_to_divide() {
        assert_eq!(line(std::iter::empty(), at(0)).marks, []);
        let single = line([("succeeded", 1, at(5))].into_iter(), at(9));
        assert_eq!((single.marks[0].x, single.now), (10, None));
    }
}
