//! The public interfaces, held to what they promise: every refusal says what to change, every filter narrows as it
//! says, nobody sees another tenant's things.

#![allow(clippy::unwrap_used, reason = "a test panics with what it found")]

mod access;
mod attacks;
mod authentication;
mod choices;
mod commands;
mod dialects;
mod endpoints;
mod erasures;
mod event_types;
mod explain;
mod filters;
mod http;
mod log;
mod monitoring;
mod publishing;
mod rekey;
mod replays;
mod rest;
mod secrets;
mod send_test;
mod streams;
mod tenancy;
mod tenants;

use tidings_acceptance::Tenant;
use tidings_service::problem::Problem;
use tonic::{Code, Response, Status};

/// A refusal as a caller sees it.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    status: Code,
    code: String,
    field: String,
    detail: String,
}

/// How a call was refused.
#[track_caller]
fn refusal<T: std::fmt::Debug>(answer: Result<Response<T>, Status>) -> Refusal {
    let status = answer.expect_err("this is to be refused");
    let (code, field, detail) = Problem::from_status(&status);
    Refusal {
        status: status.code(),
        code,
        field: field.unwrap_or_default(),
        detail,
    }
}

/// Asserts that a call was refused with this status and code, for this field (none if empty), in words that contain
/// these.
#[track_caller]
fn refused<T: std::fmt::Debug>(
    answer: Result<Response<T>, Status>,
    status: Code,
    code: &str,
    field: &str,
    words: &str,
) {
    let refusal = refusal(answer);
    assert_eq!((refusal.status, refusal.code.as_str()), (status, code), "{refusal:?}");
    assert_eq!(refusal.field, field, "{refusal:?}");
    assert!(refusal.detail.contains(words), "{words:?} is missing in {refusal:?}");
}

/// The same, for a request that is wrong in itself.
#[track_caller]
fn invalid<T: std::fmt::Debug>(answer: Result<Response<T>, Status>, code: &str, field: &str, words: &str) {
    refused(answer, Code::InvalidArgument, code, field, words);
}

/// A tenant that nobody made.
fn nobody() -> Tenant {
    Tenant {
        id: tidings_domain::TenantId::new().to_string(),
        token: String::new(),
    }
}
