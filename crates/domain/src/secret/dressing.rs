//! Recognises text around a secret that is not part of it.

use base64::Engine as _;

use super::{BASE64, Secret, SecretError, private, shared};

/// The quotes that a text stands in, if it does.
pub(super) fn quotes_around(text: &str) -> Option<(char, char)> {
    const PAIRS: [(char, char); 9] = [
        ('"', '"'),
        ('\'', '\''),
        ('`', '`'),
        ('“', '”'),
        ('‘', '’'),
        ('„', '“'),
        ('„', '”'),
        ('«', '»'),
        ('‹', '›'),
    ];
    let (first, last) = (text.chars().next()?, text.chars().next_back()?);
    let around = PAIRS.into_iter().find(|pair| *pair == (first, last));
    around.filter(|_| text.chars().count() > 1)
}

/// A word before the secret that describes it: `Bearer …`, `Secret: …`, `WEBHOOK_SECRET=…`.
pub(super) fn word_before(text: &str) -> Option<String> {
    const SCHEMES: [&str; 7] = ["apikey", "basic", "bearer", "hmac", "key", "secret", "token"];
    if let Some((word, rest)) = text.split_once(char::is_whitespace) {
        let name = word.strip_suffix([':', '=']).unwrap_or(word);
        let one_word = !rest.trim_start().contains(char::is_whitespace);
        let is_scheme = ["basic", "bearer"]
            .iter()
            .any(|scheme| scheme.eq_ignore_ascii_case(name));
        let named = is_scheme || name.len() < word.len() || name.chars().next().is_some_and(char::is_uppercase);
        if one_word && named && SCHEMES.iter().any(|scheme| scheme.eq_ignore_ascii_case(name)) {
            return Some(format!("`{word}`"));
        }
    }
    let (name, _) = text.split_once('=')?;
    let variable = name.strip_prefix("export ").unwrap_or(name);
    let of_a_variable = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    (variable.contains("SECRET") && variable.chars().all(of_a_variable)).then(|| format!("`{name}=`"))
}

/// The error of a text that contains a complete Standard Webhooks key and more than that.
pub(super) fn whole_key_in(text: &str) -> Option<SecretError> {
    let (at, prefix) = prefix_of(text)?;
    let behind = &text[at + prefix.len()..];
    let of_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let encoded = &behind[..behind.find(|c| !of_base64(c)).unwrap_or(behind.len())];
    let whole = match prefix {
        Secret::SHARED => shared(encoded).is_ok(),
        Secret::PRIVATE => private(encoded).is_ok(),
        _ => BASE64.decode(encoded).is_ok_and(|key| key.len() == 32),
    };
    if !whole {
        return None;
    }
    dressed(text, at, prefix)
        .or_else(|| (prefix == Secret::PUBLIC).then_some(SecretError::PublicHalf))
        .or_else(|| {
            let behind = &behind[encoded.len()..];
            // What follows may be another secret, which is for no error's text.
            let shown: String = behind.chars().take_while(|c| !c.is_alphanumeric()).collect();
            let what = match shown.as_str() {
                "" => "more text".to_owned(),
                shown => format!("`{}`", shown.escape_debug()),
            };
            (!behind.is_empty()).then_some(SecretError::Dressed { what, behind: true })
        })
}

/// The error of a key prefix that is not at the beginning, or is in the wrong case.
pub(super) fn dressed(text: &str, at: usize, prefix: &'static str) -> Option<SecretError> {
    if at > 0 {
        let what = format!("`{}`", text[..at].escape_debug());
        return Some(SecretError::Dressed { what, behind: false });
    }
    (!text.starts_with(prefix)).then_some(SecretError::PrefixCase(prefix))
}

/// The first prefix of a key in a text, in whichever letters, and where it begins.
pub(super) fn prefix_of(text: &str) -> Option<(usize, &'static str)> {
    let small = text.to_ascii_lowercase();
    let prefixes = [Secret::SHARED, Secret::PRIVATE, Secret::PUBLIC].into_iter();
    prefixes.filter_map(|prefix| Some((small.find(prefix)?, prefix))).min()
}
