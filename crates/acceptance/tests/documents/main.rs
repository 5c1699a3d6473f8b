//! Documents whose commands are run as they are written.

mod api;
mod readme;
mod session;
