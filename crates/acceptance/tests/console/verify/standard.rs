// What the console shows for Rust and Standard Webhooks; a test of the console holds it to that.
// Rust with the crates hmac 0.13, sha2 0.11, base64 0.23. The body is the bytes as they came,
// before anything parses them; `header` gives the value of a header.
use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

pub fn verify<'a>(body: &[u8], header: impl Fn(&str) -> Option<&'a str>, secret: &str) -> bool {
    let Some(sent) = header("webhook-signature") else { return false };
    let Some(id) = header("webhook-id") else { return false };
    let Some(timestamp) = header("webhook-timestamp") else { return false };
    // What is older than five minutes is sent again by somebody else.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_secs());
    if timestamp.parse::<u64>().map_or(true, |seconds| now.abs_diff(seconds) > 300) {
        return false;
    }
    let key = match secret.strip_prefix("whsec_") {
        Some(text) => BASE64_STANDARD.decode(text).unwrap_or_default(),
        None => secret.as_bytes().to_vec(),
    };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else { return false };
    mac.update(id.as_bytes());
    mac.update(".".as_bytes());
    mac.update(timestamp.as_bytes());
    mac.update(".".as_bytes());
    mac.update(body);
    sent.split(" ").any(|one| {
        let Some(text) = one.strip_prefix("v1,") else { return false };
        let given = BASE64_STANDARD.decode(text).unwrap_or_default();
        // Compares in a time that does not tell how much of it is right.
        mac.clone().verify_slice(&given).is_ok()
    })
}
