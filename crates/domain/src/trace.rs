//! Trace context of an event (W3C Trace Context).

use std::fmt;

/// A valid `traceparent` header value, version 00: 55 characters, carried unchanged from the publisher to the
/// request that an endpoint gets, so that both ends see one trace.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TraceParent(String);

impl TraceParent {
    /// Takes a header's value; `None` when it is not a valid one, as the specification asks ("if parsing
    /// fails, … the header is ignored", section 3.2).
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let mut fields = value.split('-');
        let lower_hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let field = |text: Option<&str>, length: usize| text.is_some_and(|t| t.len() == length && lower_hex(t));
        let non_zero = |range: std::ops::Range<usize>| value[range].bytes().any(|b| b != b'0');
        let valid = value.len() == 55
            && fields.next() == Some("00")
            && field(fields.next(), 32)
            && field(fields.next(), 16)
            && field(fields.next(), 2)
            // An id of zeros is invalid (sections 3.2.2.3 and 3.2.2.4). The fields above are ASCII, so these ranges
            // can't split a character.
            && non_zero(3..35)
            && non_zero(36..52);
        valid.then(|| Self(value.to_owned()))
    }

    /// The value of the `traceparent` header.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_valid_values_are_carried() {
        let valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(TraceParent::parse(valid).unwrap().as_str(), valid);
        for value in [
            "",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-extra",
            "00-0af7651916cd43dd8448eb211c80319cé-b7ad6b71692033-01",
        ] {
            assert!(TraceParent::parse(value).is_none(), "{value:?}");
        }
    }
}
