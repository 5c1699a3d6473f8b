//! Reading credentials from a request; judging them is the roles' business.

use std::sync::LazyLock;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use prometheus::IntCounterVec;

use crate::metrics;
use crate::problem::{Kind, Problem};

static FAILED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Requests by nobody that is known, by the code of the refusal.";
    metrics::counters("tidings_authentications_failed_total", help, &["code"])
});

/// Every code of [`FAILED`].
const CODES: [&str; 3] = ["key_missing", "key_unknown", "key_expired"];

/// Header by which a process of this system relays a call for its caller; it carries the token that roles share.
/// Without that token, the headers about the caller count for nothing.
pub const RELAYED_BY: &str = "tidings-relayed-by";
/// Header with the address that the caller comes from.
pub const CALLER_ADDRESS: &str = "tidings-caller-address";
/// Header with the caller's `User-Agent`.
pub const CALLER_AGENT: &str = "tidings-caller-agent";

/// Makes the metrics of this part.
pub(crate) fn register() {
    for code in CODES {
        FAILED.with_label_values(&[code]);
    }
}

/// The token of `Authorization: Bearer <token>` (RFC 6750, section 2.1); the scheme's case does not matter (RFC 9110,
/// section 11.1). `None` without the header, with another scheme, with an empty token, and when the header comes
/// twice, because then it is unclear who is asking.
///
/// gRPC metadata are headers as well: `bearer(request.metadata().as_ref())`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Counts a refusal, if the reason is that nobody is known by what was sent.
pub fn count_failure(refusal: &Problem) {
    if refusal.kind == Kind::Unauthenticated {
        FAILED.with_label_values(&[refusal.code]).inc();
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        values
            .iter()
            .map(|value| (AUTHORIZATION, HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        for value in ["Bearer tk_1", "bearer tk_1", "BEARER  tk_1 "] {
            assert_eq!(bearer(&headers(&[value])), Some("tk_1"), "{value}");
        }
    }

    #[test]
    fn anything_else_is_no_token() {
        for values in [
            &[][..],
            &["Basic dXNlcg=="],
            &["Bearer"],
            &["Bearer "],
            &["tk_1"],
            &["Bearer a", "Bearer b"],
        ] {
            assert_eq!(bearer(&headers(values)), None, "{values:?}");
        }
    }

    #[test]
    fn grpc_metadata_are_read_the_same_way() {
        let mut request = tonic::Request::new(());
        request
            .metadata_mut()
            .insert("authorization", "Bearer tk_2".parse().unwrap());
        assert_eq!(bearer(request.metadata().as_ref()), Some("tk_2"));
    }
}
