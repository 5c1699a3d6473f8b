//! What is a secret, and which key it says.

use super::*;

#[test]
fn a_standard_secret_is_keyed_by_what_its_base64_says() {
    let secret = Secret::generate();
    assert!(secret.reveal().starts_with("whsec_"));
    assert_eq!(secret.key().unwrap().len(), 32);
    let read = Secret::new(secret.reveal()).unwrap();
    assert_eq!(read, secret);
    assert_eq!(read.key(), secret.key());
    assert!(!secret.is_asymmetric());
    assert_eq!(secret.public_key(), None);
}

#[test]
fn a_legacy_secret_is_keyed_by_its_own_bytes() {
    let key = |text: &str| Secret::new(text).unwrap().key().map(<[u8]>::to_vec);
    assert_eq!(key("your_shared_secret").unwrap(), b"your_shared_secret");
    assert_eq!(key("Schlüssel").unwrap(), "Schlüssel".as_bytes());
}

/// RFC 8032, section 7.1, test 1.
#[test]
fn an_ed25519_key_is_its_seed_with_or_without_the_public_half() {
    let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
    let public = hex::decode("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").unwrap();
    let whsk = |bytes: &[u8]| {
        let secret = Secret::read(&format!("whsk_{}", BASE64_STANDARD.encode(bytes)))?;
        secret.check_key().map(|()| secret)
    };
    for text in [seed.clone(), [seed.clone(), public.clone()].concat()] {
        let secret = whsk(&text).unwrap();
        assert!(secret.is_asymmetric());
        assert_eq!(secret.key(), None);
        assert_eq!(
            secret.public_key(),
            Some(format!("whpk_{}", BASE64_STANDARD.encode(&public)))
        );
    }
    assert_eq!(whsk(&[seed.clone(), seed.clone()].concat()), Err(SecretError::Mismatch));
    assert_eq!(whsk(&seed[1..]), Err(SecretError::NotEd25519));
    assert_eq!(whsk(&[&seed[..], &[0]].concat()), Err(SecretError::NotEd25519));
    assert!(!Secret::new("whsk_!").unwrap().is_asymmetric());
}

#[test]
fn a_new_ed25519_key_reads_back() {
    let secret = Secret::generate_ed25519();
    let read = Secret::new(secret.reveal()).unwrap();
    assert_eq!(read.public_key(), secret.public_key());
    assert_ne!(secret, Secret::generate_ed25519());
}

#[test]
fn what_can_not_be_a_secret_is_refused() {
    assert_eq!(Secret::new(""), Err(SecretError::Length(0)));
    assert_eq!(Secret::new("x".repeat(513)), Err(SecretError::Length(513)));
}

#[test]
fn only_who_decodes_a_key_asks_for_its_form() {
    let check = |text: &str| Secret::read(text).unwrap().check_key();
    let key = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    assert_eq!(check(&format!("whsec_{key}")), Ok(()));
    assert_eq!(check("shared with the CRM"), Ok(()));
    for (text, error) in [
        ("whsec_my-own_secret.2024", SecretError::NotBase64),
        ("whsec_c2hvcnQ=", SecretError::KeyLength(5)),
        ("whsk_my-own", SecretError::NotEd25519),
        ("whsk_c2hvcnQ=", SecretError::NotEd25519),
        ("whpk_my-own", SecretError::PublicHalf),
        ("WHSEC_my-own", SecretError::PrefixCase("whsec_")),
    ] {
        assert_eq!(check(text), Err(error), "{text}");
        let as_it_stands = Secret::read(text).unwrap();
        assert_eq!(as_it_stands.key(), Some(text.as_bytes()), "{text}");
    }
    let dressed = check("v1,whsec_my-own").unwrap_err();
    assert!(dressed.to_string().contains("`v1,` before it"), "{dressed}");
    assert!(check("v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN").is_err());
}

#[test]
fn the_padding_of_a_key_may_be_missing() {
    for bytes in [vec![7; 32], vec![7; 25]] {
        let padded = BASE64_STANDARD.encode(&bytes);
        let bare = Secret::read(&format!("whsec_{}", padded.trim_end_matches('='))).unwrap();
        assert_eq!((bare.key(), bare.check_key()), (Some(&bytes[..]), Ok(())));
    }
}

#[test]
fn what_is_around_a_secret_is_named() {
    let key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let refusal = |text: &str| Secret::read(text).map(|secret| secret.reveal().to_owned()).unwrap_err();
    for (text, named) in [
        (format!("v1,{key}"), "`v1,` before it"),
        (format!("v1a,{key}"), "`v1a,` before it"),
        (format!("secret={key}"), "`secret=` before it"),
        (format!("{key},"), "`,` behind it"),
        (format!("{key}, {key}"), "behind it"),
        (key.replace("whsec", "WhSec"), "in small ones"),
        (key.replace("whsec_", "whpk_").replace("Sw", "SwMfKQ9r8GKYo="), "whsk_"),
        (format!("\"{key}\""), "in quotes"),
        ("'shared'".into(), "in quotes"),
        ("“shared”".into(), "in quotes"),
        ("Bearer abc".into(), "`Bearer` before it"),
        ("bearer abc".into(), "`bearer` before it"),
        ("export A_SECRET_1=abc".into(), "`export A_SECRET_1=` before it"),
        ("secret: abc".into(), "`secret:` before it"),
        ("WEBHOOK_SECRET=abc".into(), "`WEBHOOK_SECRET=` before it"),
        ("shared\n".into(), "a line end at its end"),
        (" shared".into(), "a blank at its beginning"),
        ("\u{feff}shared".into(), "a byte order mark"),
        ("sha\u{1}red".into(), "the control character U+0001 in it"),
    ] {
        let refusal = refusal(&text).to_string();
        assert!(refusal.contains(named), "{text:?}: {refusal}");
    }
    for text in [
        "shared with the CRM",
        "whsec_my-own_secret.2024",
        "whsk_my-own",
        "it's \"mine\"",
        "a",
        "\"",
        "my-secret:2024",
        "key of mine",
        "token abc",
        "a=b",
        "Schlüssel",
    ] {
        assert_eq!(Secret::read(text).unwrap().reveal(), text);
    }
}

#[test]
fn a_secret_does_not_print_itself() {
    assert_eq!(format!("{:?}", Secret::new("hunter2").unwrap()), "Secret(…)");
    assert_eq!(format!("{:?}", Secret::generate_ed25519()), "Secret(…)");
}
