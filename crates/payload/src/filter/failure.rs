//! Errors of evaluating a filter on an event.

/// Reason why a filter has no result for an event. It borrows its details, because most failures are never shown,
/// such as those of a filter on a member that many events lack.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub(super) enum Failure<'a> {
    #[error("the payload can't be read: {0}")]
    Unreadable(&'a str),
    #[error("there is no `{0}`; ask with has() first if it may be missing")]
    Missing(&'a str),
    #[error("there is no member or element at the given index")]
    NoSuchElement,
    #[error("{what} needs {wanted}, not {found}")]
    Unfit {
        what: &'static str,
        wanted: &'static str,
        found: &'static str,
    },
    #[error("{one} and {other} have no order")]
    NoOrder { one: &'static str, other: &'static str },
    #[error("{0} divides by zero or goes beyond 64 bits")]
    Arithmetic(&'static str),
    #[error("a number of more than 64 bits is not exact: compare it as text, if it can be published as one")]
    Inexact,
    #[error("{0} can't read this text")]
    NotReadableAs(&'static str),
    #[error(
        "the filter was stopped after {} steps: this payload is too large for it",
        super::Filter::MAX_STEPS
    )]
    TooManySteps,
}
