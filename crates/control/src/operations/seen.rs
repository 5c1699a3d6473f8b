//! Which state of a thing a caller decided upon: between looking and changing somebody else may have changed it.

use tidings_domain::Timestamp;
use tidings_service::problem::Problem;

/// Which state of a thing a caller decided upon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Seen {
    /// Whatever it is.
    #[default]
    Any,
    /// One in which it was last changed at one of these times.
    Changed(Vec<Timestamp>),
}

impl Seen {
    /// Refuses an endpoint or a tenant (`what`) that was last changed at another time, by the code `endpoint_changed`
    /// or `tenant_changed`.
    pub(crate) fn check(&self, what: &str, updated_at: Timestamp, code: &'static str) -> Result<(), Problem> {
        match self {
            Self::Changed(times) if !times.contains(&updated_at) => {
                let detail = format!("the {what} is no longer as you have seen it: look at it again, then decide");
                Err(Problem::precondition_failed(code, detail))
            }
            _ => Ok(()),
        }
    }
}
