//! Proofs of a request's origin: described for people, and recomputed for a sent request.

use std::sync::Arc;

use tidings_domain::Secret;

use crate::dialect::{Dialect, Signature};
use crate::file::{Encoding, Key};
use crate::header_name::CasedHeaderName;
use crate::json;
use crate::render::{Message, RenderError};

/// Construction of a header with a signature.
#[derive(Clone, Copy)]
pub struct Scheme<'a>(&'a Signature);

impl Dialect {
    /// All headers with signatures.
    pub fn schemes(&self) -> impl Iterator<Item = Scheme<'_>> {
        self.signatures.iter().map(Scheme)
    }

    /// The headers whose values are templates, with those templates.
    pub fn header_templates(&self) -> impl Iterator<Item = (&CasedHeaderName, &str)> {
        self.headers.iter().map(|header| (&header.name, header.source.as_str()))
    }

    /// The headers that show the secret itself.
    pub fn secret_headers(&self) -> impl Iterator<Item = &CasedHeaderName> {
        let showing = self.headers.iter().filter(|header| header.secret);
        showing.map(|header| &header.name)
    }

    /// The text that each signature of a request covers, given the request's body byte for byte. In the order of
    /// [`Self::schemes`].
    pub fn signed_texts(&self, message: &Message<'_>, body: &str) -> Result<Vec<String>, RenderError> {
        let payload = json::checked(message.payload).map_err(RenderError::Payload)?;
        let variables = Arc::new(self.variables(message, payload));
        let signed = |signature| self.signed(signature, &variables, body);
        self.signatures.iter().map(signed).collect()
    }
}

impl<'a> Scheme<'a> {
    #[must_use]
    pub fn header(&self) -> &'a CasedHeaderName {
        &self.0.header
    }

    /// Text before each signature with a shared secret.
    #[must_use]
    pub fn prefix(&self) -> &'a str {
        &self.0.prefix
    }

    /// Text before each signature with an ed25519 key; `None` if the scheme has no such signatures.
    #[must_use]
    pub fn ed25519_prefix(&self) -> Option<&'a str> {
        self.0.ed25519_prefix.as_deref()
    }

    /// Tells if the key is the decoded base64 after `whsec_` instead of the secret's text.
    #[must_use]
    pub fn decodes_key(&self) -> bool {
        self.0.key == Key::Decoded
    }

    /// Text encoding of signatures: `hex` or `base64`.
    #[must_use]
    pub fn encoding(&self) -> &'static str {
        match self.0.encoding {
            Encoding::Hex => "hex",
            Encoding::Base64 => "base64",
        }
    }

    /// The template of what is signed.
    #[must_use]
    pub fn signed(&self) -> &'a str {
        &self.0.source
    }

    /// Separator of signatures with several secrets; without one there is a single signature.
    #[must_use]
    pub fn separator(&self) -> Option<&'a str> {
        self.0.separator.as_deref()
    }

    /// Tells if this secret can sign here.
    #[must_use]
    pub fn takes(&self, secret: &Secret) -> bool {
        self.0.takes(secret)
    }

    /// The bytes that HMAC is keyed with; none of an ed25519 key.
    #[must_use]
    pub fn key<'s>(&self, secret: &'s Secret) -> Option<&'s [u8]> {
        match self.0.key {
            Key::Text if !secret.is_asymmetric() => Some(secret.reveal().as_bytes()),
            Key::Text | Key::Decoded => secret.key(),
        }
    }

    /// One signature as the header has it, prefix included.
    #[must_use]
    pub fn sign(&self, secret: &Secret, signed: &[u8]) -> String {
        let mut text = String::new();
        self.0.write(secret, signed, &mut text);
        text
    }

    /// The signatures in a header's value.
    pub fn split<'v>(&self, value: &'v str) -> impl Iterator<Item = &'v str> + use<'v, 'a> {
        let separator = self.separator();
        let mut rest = Some(value);
        std::iter::from_fn(move || {
            let text = rest.take()?;
            let cut = separator.and_then(|separator| text.split_once(separator));
            let (first, behind) = cut.map_or((text, None), |(first, behind)| (first, Some(behind)));
            rest = behind;
            Some(first)
        })
    }
}
