//! The secret that a receiver has, beside those that the endpoint has.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use tidings_domain::Secret;

use super::Held;
use super::finding::Finding;

const PREFIX: &str = "whsec_";

/// The difference between the receiver's secret and the endpoint's. The answer contains nothing of either.
pub(super) fn compare(held: &[(Held, Secret)], given: &str, decodes: bool) -> Finding {
    for (which, secret) in held {
        if let Some(finding) = compare_one(*which, secret.reveal(), given, decodes) {
            return finding;
        }
    }
    let detail = "the secret is not the endpoint's: it is older than its last replacement, or another endpoint's";
    Finding::fault("secret_other", detail)
}

fn compare_one(which: Held, secret: &str, given: &str, decodes: bool) -> Option<Finding> {
    let fault = |code, detail: &str| Some(Finding::fault(code, detail));
    if given == secret {
        return Some(match which {
            Held::Current => Finding::fine("secret_current", "the secret is the endpoint's"),
            Held::Previous => {
                let detail =
                    "the secret is the one before the last replacement: take over the new one before the old one ends";
                Finding::fault("secret_previous", detail)
            }
        });
    }
    let trimmed = given.trim();
    if trimmed == secret {
        return fault(
            "secret_blanks",
            "the secret has blanks or a line end around it: take them away",
        );
    }
    if trimmed.trim_matches(['"', '\'', '`']) == secret {
        return fault("secret_quotes", "the secret stands in quotes: take them away");
    }
    if secret.strip_prefix(PREFIX) == Some(trimmed) {
        return if decodes {
            let detail =
                "the secret is the endpoint's without `whsec_`: right if the receiver decodes it from base64 itself";
            Some(Finding::fine("secret_bare", detail))
        } else {
            fault(
                "secret_cut",
                "`whsec_` belongs to the secret here and is missing: the whole text is the key",
            )
        };
    }
    if trimmed.strip_prefix(PREFIX) == Some(secret) {
        return fault(
            "secret_prefixed",
            "`whsec_` was put in front of the secret: take it away",
        );
    }
    if trimmed.eq_ignore_ascii_case(secret) {
        return fault(
            "secret_case",
            "the secret differs in upper and lower case only: copy it again",
        );
    }
    let bare = secret.strip_prefix(PREFIX).unwrap_or(secret);
    let key = BASE64_STANDARD.decode(bare).unwrap_or_default();
    let is_hex = !key.is_empty() && trimmed.eq_ignore_ascii_case(&hex(&key));
    if is_hex || BASE64_STANDARD.encode(secret) == trimmed || BASE64_STANDARD.encode(bare) == trimmed {
        let detail = "the secret was encoded or decoded once more: give it to the receiver as it is shown here";
        return fault("secret_encoded", detail);
    }
    if trimmed.len() >= 8 && secret.starts_with(trimmed) {
        return fault("secret_short", "the end of the secret is missing: copy it again");
    }
    None
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn what_is_wrong_with_a_secret_is_named() {
        let secret = |text: &str| Secret::new(text).unwrap();
        let held = [(Held::Current, secret(SHARED)), (Held::Previous, secret("old-secret"))];
        let code = |given: &str, decodes| compare(&held, given, decodes).code;
        let bare = SHARED.trim_start_matches(PREFIX);
        for (given, expected) in [
            (SHARED, "secret_current"),
            ("old-secret", "secret_previous"),
            (&format!(" {SHARED}\n"), "secret_blanks"),
            (&format!("'{SHARED}'"), "secret_quotes"),
            (bare, "secret_bare"),
            ("whsec_old-secret", "secret_prefixed"),
            (&SHARED.to_uppercase(), "secret_case"),
            (&SHARED[..20], "secret_short"),
            (&BASE64_STANDARD.encode(SHARED), "secret_encoded"),
            (&hex(&BASE64_STANDARD.decode(bare).unwrap()), "secret_encoded"),
            ("something else", "secret_other"),
        ] {
            assert_eq!(code(given, true), expected, "{given}");
        }
        assert_eq!(code(bare, false), "secret_cut");
        assert!(!compare(&held, "something else", true).detail.contains("something"));
    }
}
