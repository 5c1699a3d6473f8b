//! Retry schedules: the waits between attempts.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The waits between the attempts of a delivery; one attempt more than there are waits.
///
/// Written as durations: `["1m", "5m", "30m", "2h", "24h"]`. At most 20 waits, each 1 ms to 7 days; an empty
/// schedule means a single attempt.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Schedule(Vec<Duration>);

/// Reason why waits are not a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// A wait is not a duration.
    #[error("`{0}` is not a duration: write it like `90s`, `5m` or `2h`")]
    NotADuration(String),
    /// A wait is too short or too long.
    #[error("a wait of {0:?} is out of range: use 1ms to 7d")]
    OutOfRange(Duration),
    /// Carries the number of waits.
    #[error("{0} waits are too many: use at most 20")]
    TooMany(usize),
}

impl Schedule {
    const MAX_WAITS: usize = 20;
    const MAX_WAIT: Duration = Duration::from_secs(7 * 24 * 3600);

    /// Checks the number and length of the waits.
    pub fn new(waits: Vec<Duration>) -> Result<Self, ScheduleError> {
        if waits.len() > Self::MAX_WAITS {
            return Err(ScheduleError::TooMany(waits.len()));
        }
        match waits.iter().find(|w| w.as_millis() == 0 || **w > Self::MAX_WAIT) {
            Some(&wait) => Err(ScheduleError::OutOfRange(wait)),
            None => Ok(Self(waits)),
        }
    }

    /// The wait after attempt `attempt` (the first is 1); none when that was the last.
    #[must_use]
    pub fn wait_after(&self, attempt: u32) -> Option<Duration> {
        self.0.get(attempt.checked_sub(1)? as usize).copied()
    }

    #[must_use]
    pub fn waits(&self) -> &[Duration] {
        &self.0
    }

    /// Longest total of all waits, including what is added to spread retries ([`variants`]).
    #[must_use]
    pub fn longest(&self) -> Duration {
        let longest = |wait: &Duration| variants(*wait).into_iter().max().unwrap_or(*wait);
        self.0.iter().map(longest).sum()
    }

    /// Maximum number of attempts of a delivery.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.len() as u32 + 1
    }
}

/// The lengths that a wait can have, so that the retries of one outage do not come back as one wave: waits of a minute
/// or more last 1.00, 1.05 or 1.10 times as long, shorter ones exactly as long. Whole milliseconds.
#[must_use]
pub fn variants(wait: Duration) -> Vec<Duration> {
    const LONG: Duration = Duration::from_secs(60);
    let percent = |percent: u32| Duration::from_millis((wait * percent / 100).as_millis() as u64);
    if wait < LONG {
        vec![wait]
    } else {
        vec![wait, percent(105), percent(110)]
    }
}

/// One of the [`variants`] of a wait; the same `pick` gives the same one.
#[must_use]
pub fn variant(wait: Duration, pick: u64) -> Duration {
    let variants = variants(wait);
    variants[(pick % variants.len() as u64) as usize]
}

impl Default for Schedule {
    /// 1 m, 5 m, 30 m, 2 h, 24 h: the table in UserHero's document ("Retry Policy").
    fn default() -> Self {
        Self([60, 300, 1_800, 7_200, 86_400].map(Duration::from_secs).to_vec())
    }
}

/// The duration in its shortest exact spelling (`90s` is `1m30s`).
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, wait) in self.0.iter().enumerate() {
            let space = if i == 0 { "" } else { " " };
            write!(f, "{space}{}", spelled(*wait))?;
        }
        Ok(())
    }
}

/// Waits separated by white space or commas.
impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let waits = text
            .split(|c: char| c == ',' || c.is_whitespace())
            .filter(|word| !word.is_empty())
            .map(|word| humantime::parse_duration(word).map_err(|_| ScheduleError::NotADuration(word.into())))
            .collect::<Result<_, _>>()?;
        Self::new(waits)
    }
}

fn spelled(wait: Duration) -> String {
    humantime::format_duration(wait).to_string().replace(' ', "")
}

impl Serialize for Schedule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|wait| spelled(*wait)))
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<String>::deserialize(deserializer)?
            .join(",")
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_lasts_as_long_as_its_longest_waits() {
        let schedule = Schedule::new([1, 60, 600].map(Duration::from_secs).to_vec()).unwrap();
        assert_eq!(schedule.longest(), Duration::from_secs(1 + 66 + 660));
        assert_eq!(Schedule::new(Vec::new()).unwrap().longest(), Duration::ZERO);
    }

    #[test]
    fn the_default_is_the_table_in_userheros_document() {
        let schedule = Schedule::default();
        assert_eq!(schedule.to_string(), "1m 5m 30m 2h 1day");
        assert_eq!(schedule.attempts(), 6);
        assert_eq!(schedule.wait_after(1), Some(Duration::from_secs(60)));
        assert_eq!(schedule.wait_after(5), Some(Duration::from_secs(86_400)));
        assert_eq!(schedule.wait_after(6), None);
        assert_eq!(schedule.wait_after(0), None);
    }

    #[test]
    fn long_waits_have_three_lengths_and_none_is_shorter() {
        let secs = Duration::from_secs;
        assert_eq!(variants(secs(59)), [secs(59)]);
        assert_eq!(variants(secs(60)), [secs(60), secs(63), secs(66)]);
        assert_eq!(variants(secs(86_400)), [secs(86_400), secs(90_720), secs(95_040)]);
        assert_eq!(variant(secs(60), 4), secs(63));
        assert_eq!(variant(secs(3), u64::MAX), secs(3));
    }

    #[test]
    fn a_schedule_reads_back_as_written() {
        let schedule: Schedule = "3s, 3s 3s".parse().unwrap();
        assert_eq!(schedule.waits(), [Duration::from_secs(3); 3]);
        assert_eq!(schedule.to_string().parse::<Schedule>().unwrap(), schedule);
        assert_eq!("".parse::<Schedule>().unwrap().attempts(), 1);
    }

    #[test]
    fn what_is_no_schedule_says_why() {
        assert_eq!(
            "soon".parse::<Schedule>(),
            Err(ScheduleError::NotADuration("soon".into()))
        );
        assert_eq!("0s".parse::<Schedule>(), Err(ScheduleError::OutOfRange(Duration::ZERO)));
        assert!(matches!("8d".parse::<Schedule>(), Err(ScheduleError::OutOfRange(_))));
        assert_eq!("1s ".repeat(21).parse::<Schedule>(), Err(ScheduleError::TooMany(21)));
    }
}
