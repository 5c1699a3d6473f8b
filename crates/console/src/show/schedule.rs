//! The attempts that are still planned for a delivery.

use std::time::Duration;

use tidings_domain::Timestamp;

/// An attempt that is to come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    /// Its number; the first attempt is 1.
    pub(crate) number: u32,
    pub(crate) at: Timestamp,
}

/// The attempts after so many, the next of which is due at this time, if all of them fail. `schedule` has the waits after
/// the first, the second … attempt.
pub(crate) fn planned(schedule: &[String], attempts: u32, due_at: Timestamp) -> Vec<Planned> {
    let waits = schedule.iter().skip(attempts as usize);
    let mut planned = vec![Planned {
        number: attempts + 1,
        at: due_at,
    }];
    for wait in waits {
        let wait = humantime::parse_duration(wait).unwrap_or(Duration::ZERO);
        let last = &planned[planned.len() - 1];
        let Ok(at) = last.at.checked_add(wait) else { break };
        planned.push(Planned {
            number: last.number + 1,
            at,
        });
    }
    planned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_schedule_follows_the_next_attempt() {
        let schedule: Vec<String> = ["1m", "5m", "30m"].map(str::to_owned).into();
        let due: Timestamp = "2026-01-07T15:30:00Z".parse().unwrap();
        let times = |attempts| -> Vec<_> {
            let planned = planned(&schedule, attempts, due);
            planned
                .iter()
                .map(|planned| (planned.number, planned.at.to_string()))
                .collect()
        };
        assert_eq!(
            times(2),
            [(3, "2026-01-07T15:30:00Z".into()), (4, "2026-01-07T16:00:00Z".into())]
        );
        assert_eq!(times(3), [(4, "2026-01-07T15:30:00Z".into())]);
    }
}
