//! Who signs: shared secrets and private keys, one of them or two while one replaces the other.

use crate::case::{Case, body, header, hmac};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use ed25519_dalek::{Signature, VerifyingKey};
use tidings_dialect::RenderError;
use tidings_domain::Secret;

const SHARED: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn verify(public_key: &str, message: &str, signature: &str) -> bool {
    let bytes = |text: &str| BASE64_STANDARD.decode(text).unwrap();
    let key = bytes(public_key.strip_prefix("whpk_").unwrap()).try_into().unwrap();
    let signature = Signature::from_slice(&bytes(signature.strip_prefix("v1a,").unwrap())).unwrap();
    let key = VerifyingKey::from_bytes(&key).unwrap();
    key.verify_strict(message.as_bytes(), &signature).is_ok()
}

#[test]
fn every_secret_signs_and_none_leaves_the_signature_out() {
    let case = Case::builtin();
    let both = case.render("standard", "a.b", "1", &[SHARED, "legacy"]);
    let signed = format!("{}.1767800001.{}", case.event_id, body(&both));
    let signatures: Vec<&str> = header(&both, "webhook-signature").unwrap().split(' ').collect();
    let key = BASE64_STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let expected = [&key[..], b"legacy"].map(|key| format!("v1,{}", BASE64_STANDARD.encode(hmac(key, &signed))));
    assert_eq!(signatures, expected, "the current one first");

    let none = case.render("standard", "a.b", "1", &[]);
    assert_eq!(header(&none, "webhook-signature"), None);
    assert!(header(&none, "webhook-id").is_some() && header(&none, "webhook-timestamp").is_some());
}

#[test]
fn an_ed25519_key_signs_as_v1a() {
    for dialect in ["standard", "cloudevents"] {
        let (case, private) = (Case::builtin(), Secret::generate_ed25519());
        let request = case.render(dialect, "a.b", r#"{"é":1}"#, &[private.reveal()]);
        let signed = format!("{}.1767800001.{}", case.event_id, body(&request));
        let signature = header(&request, "webhook-signature").unwrap();
        assert!(
            verify(&private.public_key().unwrap(), &signed, signature),
            "{signature}"
        );
        assert!(!verify(&private.public_key().unwrap(), "other", signature));
    }
}

#[test]
fn a_private_key_may_replace_a_shared_secret() {
    let (case, private) = (Case::builtin(), Secret::generate_ed25519());
    let request = case.render("standard", "a.b", "{}", &[private.reveal(), SHARED]);
    let signatures: Vec<&str> = header(&request, "webhook-signature").unwrap().split(' ').collect();
    assert!(
        signatures[0].starts_with("v1a,") && signatures[1].starts_with("v1,"),
        "{signatures:?}"
    );
}

#[test]
fn where_one_signature_has_room_the_secret_that_ends_signs_until_then() {
    let case = Case::builtin();
    for (dialect, name) in [
        ("userhero", "x-userhero-signature"),
        ("feedbackpulse", "x-feedbackpulse-signature"),
    ] {
        let request = case.render(dialect, "a.b", "{}", &["new", "old"]);
        let expected = format!("sha256={}", hex::encode(hmac(b"old", body(&request))));
        assert_eq!(header(&request, name), Some(expected.as_str()));
    }
    for (dialect, name) in [
        ("abc-user-feedback", "x-webhook-token"),
        ("userpilot", "x-userpilot-token"),
    ] {
        assert_eq!(
            header(&case.render(dialect, "a.b", "{}", &["new", "old"]), name),
            Some("old")
        );
    }
}

#[test]
fn what_can_not_be_signed_is_not_sent_unsigned() {
    let (case, private) = (Case::builtin(), Secret::generate_ed25519());
    for dialect in ["userhero", "feedbackpulse", "abc-user-feedback", "userpilot"] {
        let error = case.try_render(dialect, "a.b", b"{}", &[private.reveal()]).unwrap_err();
        assert!(matches!(error, RenderError::Secret { .. }), "{dialect}: {error}");
        assert!(!format!("{error:?}").contains(private.reveal()));
    }
    for dialect in ["userback", "slack", "discord"] {
        case.try_render(dialect, "a.b", b"{}", &[private.reveal()]).unwrap();
    }
}

#[test]
fn a_secret_of_any_characters_keys_a_signature() {
    let case = Case::builtin();
    let request = case.render("feedbackpulse", "a.b", "{}", &["Schlüssel\n"]);
    let expected = format!("sha256={}", hex::encode(hmac("Schlüssel\n".as_bytes(), body(&request))));
    assert_eq!(header(&request, "x-feedbackpulse-signature"), Some(expected.as_str()));
}

/// UserHero's and FeedbackPulse's documents key their HMAC with the secret's text; only Standard Webhooks decodes it.
#[test]
fn a_generated_secret_is_taken_as_its_text_where_receivers_do() {
    let case = Case::builtin();
    for (dialect, name) in [
        ("userhero", "x-userhero-signature"),
        ("feedbackpulse", "x-feedbackpulse-signature"),
    ] {
        let request = case.render(dialect, "feedback.created", "{}", &[SHARED]);
        let expected = format!("sha256={}", hex::encode(hmac(SHARED.as_bytes(), body(&request))));
        assert_eq!(header(&request, name), Some(expected.as_str()), "{dialect}");
    }
}

#[test]
fn a_signature_is_computed_again_from_the_body_that_was_sent() {
    let (case, secrets) = (Case::builtin(), [SHARED, "legacy"]);
    for dialect in ["standard", "cloudevents", "userhero", "feedbackpulse"] {
        let request = case.render(dialect, "feedback.created", r#"{"é":1}"#, &secrets);
        let found = case.dialects.get(dialect).unwrap();
        let signed = case.signed_texts(dialect, "feedback.created", "null", body(&request));
        assert_eq!(found.schemes().count(), signed.len());
        for (scheme, signed) in found.schemes().zip(signed) {
            let sent = header(&request, scheme.header().as_str()).unwrap();
            let last = Secret::new(secrets[1]).unwrap();
            let computed = scheme.sign(&last, signed.as_bytes());
            assert_eq!(scheme.split(sent).last(), Some(computed.as_str()), "{dialect}");
            assert!(signed.ends_with(body(&request)));
        }
    }
}

#[test]
fn a_scheme_says_what_its_file_says() {
    let case = Case::builtin();
    let standard = case.dialects.get("standard").unwrap();
    let scheme = standard.schemes().next().unwrap();
    assert_eq!(scheme.signed(), "{{ id }}.{{ sent_at.unix }}.{{ body }}");
    assert_eq!(
        (
            scheme.prefix(),
            scheme.encoding(),
            scheme.separator(),
            scheme.decodes_key()
        ),
        ("v1,", "base64", Some(" "), true)
    );
    let key = Secret::new(SHARED).unwrap();
    assert_eq!(scheme.key(&key).unwrap().len(), 24);
    assert!(scheme.takes(&Secret::generate_ed25519()));
    let sent_in: Vec<_> = standard.header_templates().collect();
    assert!(
        sent_in
            .iter()
            .any(|(name, source)| *name == "webhook-id" && *source == "{{ id }}"),
        "{sent_in:?}"
    );
    let userpilot = case.dialects.get("userpilot").unwrap();
    let shown: Vec<_> = userpilot.secret_headers().map(|name| name.as_str()).collect();
    assert_eq!(shown, ["X-Userpilot-Token"]);
}
