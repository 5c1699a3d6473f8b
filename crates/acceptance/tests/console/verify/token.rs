// What the console shows for Rust and a token; a test of the console holds it to that.
// Rust with the crate subtle 2. `header` gives the value of a header.
use subtle::ConstantTimeEq as _;

pub fn verify<'a>(header: impl Fn(&str) -> Option<&'a str>, secret: &str) -> bool {
    let given = header("x-webhook-token").unwrap_or_default();
    given.as_bytes().ct_eq(secret.as_bytes()).into()
}
