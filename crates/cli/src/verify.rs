//! Verifying requests as a receiver does, by the words of the documents alone: no code is shared with what signs.

use axum::http::HeaderMap;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, Engine as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tidings_domain::Timestamp;

/// Largest difference between a request's timestamp and now, in seconds.
const TOLERANCE: i64 = 300;

/// Standard Webhooks, "Verifying webhook authenticity": base64 of HMAC-SHA-256 over `id.timestamp.body`, and a
/// timestamp that is no more than five minutes away.
pub fn standard(headers: &HeaderMap, body: &[u8], secret: &str) -> Result<(), String> {
    let id = header(headers, "webhook-id").ok_or("no webhook-id")?;
    let timestamp = header(headers, "webhook-timestamp").ok_or("no webhook-timestamp")?;
    let signatures = header(headers, "webhook-signature").ok_or("no webhook-signature")?;
    let seconds: i64 = timestamp.parse().map_err(|_| "webhook-timestamp is no number")?;
    if (Timestamp::now().as_second() - seconds).abs() > TOLERANCE {
        return Err("webhook-timestamp is more than five minutes away".into());
    }
    let mac = keyed(secret)?
        .chain_update(id)
        .chain_update(".")
        .chain_update(timestamp)
        .chain_update(".")
        .chain_update(body);
    let expected = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
    match signatures.split(' ').any(|signature| signature == expected) {
        true => Ok(()),
        false => Err("wrong signature".into()),
    }
}

/// UserHero's document, "Verification Code", and FeedbackPulse's, "Signature Verification": `sha256=` and the
/// hexadecimal HMAC-SHA-256 over the body, in a header of the product's own. The key is the secret's text.
pub fn over_body(headers: &HeaderMap, name: &str, body: &[u8], secret: &str) -> Result<(), String> {
    let given = header(headers, name).ok_or_else(|| format!("no {name}"))?;
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .map_err(|error| error.to_string())?
        .chain_update(body);
    match given == format!("sha256={}", hex::encode(mac.finalize().into_bytes())) {
        true => Ok(()),
        false => Err("wrong signature".into()),
    }
}

/// A header's value, if it is text.
pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The key is what the base64 behind `whsec_` says; any other secret is taken as it stands.
fn keyed(secret: &str) -> Result<Hmac<Sha256>, String> {
    let key = match secret.strip_prefix("whsec_") {
        Some(encoded) => BASE64_STANDARD_NO_PAD
            .decode(encoded.trim_end_matches('='))
            .map_err(|_| "the secret is no base64")?,
        None => secret.as_bytes().to_vec(),
    };
    Hmac::new_from_slice(&key).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    /// The published vector: RFC 4231, test case 2.
    #[test]
    fn a_signature_over_the_body_is_the_published_one() {
        let good = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let body = b"what do ya want for nothing?";
        let check = |value: &str, body: &[u8]| {
            over_body(
                &headers(&[("x-userhero-signature", value)]),
                "x-userhero-signature",
                body,
                "Jefe",
            )
        };
        assert_eq!(check(good, body), Ok(()));
        assert_eq!(check(good, b"what do ya want"), Err("wrong signature".into()));
        assert_eq!(check(&good[7..], body), Err("wrong signature".into()));
        let nothing = over_body(&HeaderMap::new(), "x-userhero-signature", body, "Jefe");
        assert_eq!(nothing, Err("no x-userhero-signature".into()));
    }

    #[test]
    fn a_standard_signature_covers_id_time_and_body() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let check = |at: i64, signed_id: &str, body: &[u8]| {
            let key = BASE64_STANDARD.decode(&secret[6..]).unwrap();
            let signed = format!("{signed_id}.{at}.{{}}");
            let mac = Hmac::<Sha256>::new_from_slice(&key)
                .unwrap()
                .chain_update(signed)
                .finalize();
            let signature = format!("v1,AAAA v1,{}", BASE64_STANDARD.encode(mac.into_bytes()));
            let at = at.to_string();
            let pairs = [
                ("webhook-id", "evt_1"),
                ("webhook-timestamp", &at),
                ("webhook-signature", &signature),
            ];
            standard(&headers(&pairs), body, secret)
        };
        let now = Timestamp::now().as_second();
        assert_eq!(check(now, "evt_1", b"{}"), Ok(()));
        assert_eq!(check(now, "evt_2", b"{}"), Err("wrong signature".into()));
        assert_eq!(check(now, "evt_1", b"[]"), Err("wrong signature".into()));
        assert!(check(now - 301, "evt_1", b"{}").unwrap_err().contains("five minutes"));
    }
}
