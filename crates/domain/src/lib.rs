#![doc = include_str!("../README.md")]

pub mod audit;
pub mod authentication;
pub mod catalogue;
pub mod delivery;
pub mod destination;
pub mod endpoint;
pub mod event;
pub mod id;
pub mod key;
pub mod notice;
pub mod outcome;
pub mod schedule;
pub mod sealed;
pub mod secret;
pub mod signature;
pub mod subscription;
pub mod tenant;
pub mod text;
pub mod timing;
pub mod trace;

pub use audit::{Actor, AuditEntry};
pub use authentication::{Authentication, AuthenticationError, Authorization, ClientCertificate, CredentialsIn};
pub use catalogue::EventTypeVersion;
pub use delivery::{CancelReason, DeliveryState, HoldReason, Step};
pub use endpoint::{DisabledReason, Endpoint, Overrides, PreviousSecret, RateLimit};
pub use event::EventType;
pub use id::{AttemptId, AuditId, DeliveryId, EndpointId, ErasureId, EventId, KeyId, ReplayId, TenantId};
pub use key::{ApiKey, LinkOnce, Scope};
pub use notice::{Notice, NoticeKind};
pub use outcome::{FailureReason, Outcome};
pub use schedule::Schedule;
pub use sealed::Sealed;
pub use secret::Secret;
pub use subscription::{EventPattern, Subscription};
pub use tenant::{SchemaValidation, Tenant, TenantSettings};
pub use timing::Timing;

/// A point in time with nanosecond resolution, always UTC.
pub use jiff::Timestamp;

/// A length of time that may be negative.
pub use jiff::SignedDuration;
