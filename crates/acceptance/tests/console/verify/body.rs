// What the console shows for Rust and a signature of the body in hexadecimal; a test of the console holds it to that.
// Rust with the crates hmac 0.13, sha2 0.11, hex 0.4. The body is the bytes as they came,
// before anything parses them; `header` gives the value of a header.
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

pub fn verify<'a>(body: &[u8], header: impl Fn(&str) -> Option<&'a str>, secret: &str) -> bool {
    let Some(sent) = header("x-userhero-signature") else { return false };
    let key = secret.as_bytes();
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return false };
    mac.update(body);
    [sent].into_iter().any(|one| {
        let Some(text) = one.strip_prefix("sha256=") else { return false };
        let given = hex::decode(text).unwrap_or_default();
        // Compares in a time that does not tell how much of it is right.
        mac.clone().verify_slice(&given).is_ok()
    })
}
