//! Preconditions of changes: between reading and changing, somebody else may have changed the object.

use tidings_domain::Timestamp;
use tidings_service::problem::Problem;

/// The state in which an object must be to be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    /// Any state: changed unconditionally.
    #[default]
    Any,
    /// One in which it was last changed at one of these times.
    Changed(Vec<Timestamp>),
}

impl Precondition {
    /// Refuses an endpoint or a tenant (`what`) that was last changed at another time, by the code `endpoint_changed`
    /// or `tenant_changed`.
    pub(crate) fn check(&self, what: &str, updated_at: Timestamp, code: &'static str) -> Result<(), Problem> {
        match self {
            Self::Changed(times) if !times.contains(&updated_at) => {
                let detail = format!("the {what} was modified since you fetched it: fetch it again and retry");
                Err(Problem::precondition_failed(code, detail))
            }
            _ => Ok(()),
        }
    }
}
