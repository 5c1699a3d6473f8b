//! Failures of operations.

use tidings_service::problem::Problem;
use tonic::{Code, Status};

/// Failure of an operation: a problem of control's own, or one of a role that it asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Own(#[from] Problem),
    /// As the log service or a dispatcher put it, for callers over gRPC to get it unchanged.
    #[error(transparent)]
    Relayed(#[from] Status),
}

impl Error {
    /// `true` if there is no such thing, or the caller may not know of it.
    pub(crate) fn is_not_found(&self) -> bool {
        self.code() == Code::NotFound
    }

    /// `true` if it says nothing about the request and may pass in a moment.
    pub(crate) fn can_pass(&self) -> bool {
        matches!(
            self.code(),
            Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Cancelled
        )
    }

    /// The sentence for people.
    pub(crate) fn detail(&self) -> &str {
        match self {
            Self::Own(problem) => &problem.detail,
            Self::Relayed(status) => status.message(),
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Own(problem) => problem.kind.grpc(),
            Self::Relayed(status) => status.code(),
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Own(problem) => problem.into(),
            Error::Relayed(status) => status,
        }
    }
}
