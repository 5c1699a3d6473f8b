// What the console shows for Rust and a public key; a test of the console holds it to that.
// Rust with the crates ed25519-dalek 3 and base64 0.23. The body is the bytes as they came, before anything parses
// them; `header` gives the value of a header.
use base64::prelude::{BASE64_STANDARD, Engine as _};
use ed25519_dalek::{Signature, VerifyingKey};

pub fn verify<'a>(body: &[u8], header: impl Fn(&str) -> Option<&'a str>, public_key: &str) -> bool {
    let Some(sent) = header("webhook-signature") else { return false };
    let Some(id) = header("webhook-id") else { return false };
    let Some(timestamp) = header("webhook-timestamp") else { return false };
    // What is older than five minutes is sent again by somebody else.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_secs());
    if timestamp.parse::<u64>().map_or(true, |seconds| now.abs_diff(seconds) > 300) {
        return false;
    }
    let raw = BASE64_STANDARD.decode(public_key.trim_start_matches("whpk_")).unwrap_or_default();
    let Ok(raw) = raw.try_into() else { return false };
    let Ok(key) = VerifyingKey::from_bytes(&raw) else { return false };
    let signed = [id.as_bytes(), ".".as_bytes(), timestamp.as_bytes(), ".".as_bytes(), body].concat();
    sent.split(" ").any(|one| {
        let Some(text) = one.strip_prefix("v1a,") else { return false };
        let given = BASE64_STANDARD.decode(text).unwrap_or_default();
        Signature::from_slice(&given).is_ok_and(|given| key.verify_strict(&signed, &given).is_ok())
    })
}
