//! States of a delivery.
//!
//! ```text
//! pending ──▶ scheduled(due) ──▶ … ──▶ succeeded | exhausted | cancelled(reason)
//!    └──▶ held(reason) ──▶ pending
//! ```
//!
//! Records may reach the ledger in any order. Two rules merge them: a terminal state is final, and among the others
//! the higher [`Step`] wins.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

/// State of a delivery, with its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryState {
    /// Accepted; its first attempt is to be made as soon as possible.
    Pending,
    /// An attempt failed; the next is due at this time.
    Scheduled {
        /// Due time of the next attempt, which is never made earlier.
        due: Timestamp,
    },
    /// Waiting in the ledger until the reason passes.
    Held(HoldReason),
    /// The response to an attempt met the endpoint's success rule.
    Succeeded,
    /// Every attempt of the schedule failed, or one failed finally.
    Exhausted,
    /// Ended without success for a reason that is not the receiver's answer.
    Cancelled(CancelReason),
}

impl DeliveryState {
    /// The state's name in columns, filters, metrics and JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Scheduled { .. } => "scheduled",
            Self::Held(_) => "held",
            Self::Succeeded => "succeeded",
            Self::Exhausted => "exhausted",
            Self::Cancelled(_) => "cancelled",
        }
    }

    /// Every name that [`DeliveryState::name`] can give.
    pub const NAMES: [&'static str; 6] = ["pending", "scheduled", "held", "succeeded", "exhausted", "cancelled"];

    /// Name of the reason for holding or cancelling.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Held(reason) => Some(reason.as_str()),
            Self::Cancelled(reason) => Some(reason.as_str()),
            _ => None,
        }
    }

    /// Due time of the next attempt, if it is known.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        match self {
            Self::Scheduled { due } => Some(*due),
            _ => None,
        }
    }

    /// Tells if the delivery has ended.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Exhausted | Self::Cancelled(_))
    }

    /// Puts a state together from its columns.
    pub fn from_parts(name: &str, reason: Option<&str>, due: Option<Timestamp>) -> Result<Self, UnknownState> {
        let unknown = || UnknownState(format!("{name}/{}", reason.unwrap_or("")));
        Ok(match name {
            "pending" => Self::Pending,
            "scheduled" => Self::Scheduled {
                due: due.ok_or_else(unknown)?,
            },
            "held" => Self::Held(match reason {
                Some(reason) => reason.parse().unwrap_or(HoldReason::Unknown),
                None => return Err(unknown()),
            }),
            "succeeded" => Self::Succeeded,
            "exhausted" => Self::Exhausted,
            "cancelled" => Self::Cancelled(reason.unwrap_or_default().parse().map_err(|_| unknown())?),
            _ => return Err(unknown()),
        })
    }
}

/// A stored state that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown delivery state or reason `{0}`: was it written by a newer version?")]
pub struct UnknownState(String);

macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// The name in columns, metrics and JSON.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownState;

            fn from_str(text: &str) -> Result<Self, UnknownState> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    other => Err(UnknownState(other.into())),
                }
            }
        }
    };
}

reasons! {
    /// Reason for holding a delivery in the ledger.
    HoldReason {
        EndpointDisabled = "endpoint_disabled",
        /// Its endpoint had too many requests under way whenever its turn came.
        EndpointBusy = "endpoint_busy",
        /// Its endpoint takes fewer requests per second than there are deliveries.
        RateLimited = "rate_limited",
        /// Its endpoint fails, and only one request at a time probes it.
        CircuitOpen = "circuit_open",
        /// The endpoint's secret or authentication can't be unsealed, because a key is missing.
        SecretUnreadable = "secret_unreadable",
        /// The dispatcher whose turn it was does not have its endpoint's dialect.
        DialectUnknown = "dialect_unknown",
        /// Its endpoint is configured so that no request can be made: a part that can't be read, a setting that its
        /// dialect can't work with.
        EndpointUnusable = "endpoint_unusable",
        /// The endpoint's subscriptions can't be read, so it is unknown if it wants the event.
        SubscriptionsUnreadable = "subscriptions_unreadable",
        /// A newer version held it, for a reason that this one does not know.
        Unknown = "unknown",
    }
}

impl HoldReason {
    /// Tells if the endpoint gets no requests before somebody repairs something.
    #[must_use]
    pub fn needs_repair(self) -> bool {
        matches!(
            self,
            Self::SecretUnreadable | Self::DialectUnknown | Self::EndpointUnusable | Self::SubscriptionsUnreadable
        )
    }
}

reasons! {
    /// Reason for ending a delivery neither succeeded nor exhausted.
    CancelReason {
        EndpointDeleted = "endpoint_deleted",
        /// Its endpoint could no longer be used. Earlier versions ended deliveries so; now they are held.
        EndpointUnusable = "endpoint_unusable",
        ByRequest = "by_request",
        /// Content filters kept its event back; nothing was sent.
        Filtered = "filtered",
        /// Its endpoint's content filters were stopped before they said whether it wants the event; nothing was sent.
        FilterUndecided = "filter_undecided",
        /// The content of its event was erased.
        Erased = "erased",
        /// It was still open when its event became older than events are kept.
        Expired = "expired",
    }
}

/// Progress of a delivery, which orders its records whatever order they arrive in.
///
/// `attempt` is the number of the next attempt, from 1. `moves` counts the state changes since the last attempt that
/// sent no request: deferred, held, released, swept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step {
    attempt: u16,
    moves: u16,
}

impl Step {
    /// The step of a delivery that was just accepted.
    pub const FIRST: Self = Self { attempt: 1, moves: 0 };

    /// The number of the next attempt; the first is 1.
    #[must_use]
    pub fn attempt(self) -> u32 {
        u32::from(self.attempt)
    }

    /// State changes since the last attempt.
    #[must_use]
    pub fn moves(self) -> u32 {
        u32::from(self.moves)
    }

    /// The step after the attempt was made.
    #[must_use]
    pub fn after_attempt(self) -> Self {
        Self {
            attempt: self.attempt.saturating_add(1),
            moves: 0,
        }
    }

    /// The step after the delivery was moved without an attempt.
    #[must_use]
    pub fn moved(self) -> Self {
        Self {
            attempt: self.attempt,
            // Saturates, so that endless moves do not run over into the attempt.
            moves: self.moves.saturating_add(1),
        }
    }

    /// One number that orders as the step does: `attempt × 65536 + moves`, as it is stored and sent.
    #[must_use]
    pub fn number(self) -> u32 {
        u32::from(self.attempt) << 16 | u32::from(self.moves)
    }

    /// Inverse of [`Step::number`].
    #[must_use]
    pub fn from_number(number: u32) -> Self {
        Self {
            attempt: (number >> 16) as u16,
            moves: number as u16,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_reads_back_from_its_columns() {
        let due = Timestamp::UNIX_EPOCH;
        for state in [
            DeliveryState::Pending,
            DeliveryState::Scheduled { due },
            DeliveryState::Held(HoldReason::EndpointDisabled),
            DeliveryState::Succeeded,
            DeliveryState::Exhausted,
            DeliveryState::Cancelled(CancelReason::EndpointDeleted),
        ] {
            let read = DeliveryState::from_parts(state.name(), state.reason(), state.due());
            assert_eq!(read.as_ref(), Ok(&state));
            assert!(DeliveryState::NAMES.contains(&state.name()));
        }
        assert!(DeliveryState::from_parts("held", None, None).is_err());
        assert!(DeliveryState::from_parts("bored", None, None).is_err());
    }

    #[test]
    fn a_reason_of_a_newer_version_is_held_all_the_same() {
        let read = DeliveryState::from_parts("held", Some("bored"), None);
        assert_eq!(read, Ok(DeliveryState::Held(HoldReason::Unknown)));
    }

    #[test]
    fn steps_order_by_attempt_and_then_by_moves() {
        let first = Step::FIRST;
        assert!(first < first.moved() && first.moved() < first.after_attempt());
        assert_eq!(Step::from_number(first.moved().number()), first.moved());
        assert!(first.moved().number() < first.after_attempt().number());
    }
}
