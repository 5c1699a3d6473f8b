//! What an endpoint may choose in a dialect: properties, settings, and which secrets it can have.
//!
//! Checked when the endpoint is configured, so that a choice which can't be sent is not found out by a delivery.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use tidings_domain::Secret;
use tidings_domain::secret::SecretError;

use crate::dialect::Dialect;
use crate::error::did_you_mean;
use crate::file::Key;
use crate::render::header_value;

/// The parts of a payload that are sent only if an endpoint chooses them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Properties {
    max: usize,
    always: BTreeMap<String, Vec<String>>,
}

/// A value that an endpoint can give for the dialect's templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// What it is, in a sentence.
    pub description: String,
    /// What it is for an endpoint that gives none.
    pub default: Option<String>,
    /// What its values must be.
    pub form: Form,
}

/// What a setting's values must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// Visible ASCII characters and spaces, at most [`Setting::MAX`].
    #[default]
    Text,
    /// A URI, or the part of one that a URI-reference may leave out (RFC 3986, section 4.1).
    UriReference,
}

/// Why an endpoint can't have what it chose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// The dialect sends payloads whole.
    #[error("dialect `{dialect}` sends payloads whole: choose no properties")]
    NoProperties {
        /// Which dialect.
        dialect: String,
    },
    /// It is not of an object that the dialect knows.
    #[error("`{property}` is no property: write an object and a key, as in `{object}.plan`; the objects are {objects}")]
    UnknownProperty {
        /// What was chosen.
        property: String,
        /// An object of the dialect, as an example.
        object: String,
        /// All objects of the dialect.
        objects: String,
    },
    /// It needs no choosing.
    #[error("`{property}` is always sent: leave it out of the properties")]
    AlwaysSent {
        /// What was chosen.
        property: String,
    },
    /// It is there twice.
    #[error("`{property}` is chosen twice: name it once")]
    Repeated {
        /// What was chosen.
        property: String,
    },
    /// More than the dialect sends.
    #[error("{chosen} properties are chosen and dialect `{dialect}` sends at most {max}: leave some out")]
    TooMany {
        /// Which dialect.
        dialect: String,
        /// How many were chosen.
        chosen: usize,
        /// How many may be.
        max: usize,
    },
    /// The dialect's templates ask for no such value.
    #[error("dialect `{dialect}` has no setting `{setting}`{hint}")]
    UnknownSetting {
        /// Which dialect.
        dialect: String,
        /// What was set.
        setting: String,
        /// Which settings it has.
        hint: String,
    },
    /// The value is none that the setting can have.
    #[error("the setting `{setting}` must be {expected}")]
    SettingValue {
        /// What was set.
        setting: String,
        /// What it must be.
        expected: &'static str,
    },
    /// The dialect shows the secret in a header, which can't carry this one.
    #[error("dialect `{dialect}` sends the secret in the header `{header}`: it must be visible ASCII characters")]
    SecretInHeader {
        /// Which dialect.
        dialect: String,
        /// The header.
        header: String,
    },
    /// The dialect decodes secrets, and this one does not say a key.
    #[error("{source} (dialect `{dialect}` decodes it in the header `{header}`)")]
    NotAKey {
        /// Which dialect.
        dialect: String,
        /// The header with the signature.
        header: String,
        /// What is wrong with it.
        source: SecretError,
    },
    /// The secret is a private key, and the dialect has no use for one.
    #[error("dialect `{dialect}` has no ed25519 signature in `{header}`: give a shared secret, not a `whsk_` key")]
    AsymmetricSecret {
        /// Which dialect.
        dialect: String,
        /// The header that a shared secret is needed for.
        header: String,
    },
}

impl Properties {
    pub(crate) fn new(max: usize, always: BTreeMap<String, Vec<String>>) -> Self {
        Self { max, always }
    }

    /// How many an endpoint may choose.
    #[must_use]
    pub fn max(&self) -> usize {
        self.max
    }

    /// The objects that properties are chosen from.
    pub fn objects(&self) -> impl Iterator<Item = &str> {
        self.always.keys().map(String::as_str)
    }

    /// The keys of an object that are sent without being chosen; none of an object that is sent whole.
    #[must_use]
    pub fn always(&self, object: &str) -> Option<&[String]> {
        self.always.get(object).map(Vec::as_slice)
    }
}

impl Setting {
    /// The longest value, in bytes.
    pub const MAX: usize = 1024;

    pub(crate) fn check(&self, value: &str) -> Result<(), &'static str> {
        let (valid, expected): (fn(&u8) -> bool, _) = match self.form {
            Form::Text => (
                |byte| matches!(byte, b' '..=b'~'),
                "1 to 1024 visible ASCII characters and spaces",
            ),
            Form::UriReference => (
                is_of_a_uri,
                "a URI-reference of 1 to 1024 characters, such as `/feedback` or `https://example.com/feedback`",
            ),
        };
        let escapes = self.form == Form::Text || percent_signs_escape(value);
        let fits = (1..=Self::MAX).contains(&value.len());
        if fits && escapes && value.as_bytes().iter().all(valid) {
            Ok(())
        } else {
            Err(expected)
        }
    }
}

/// The characters of RFC 3986, appendix A.
fn is_of_a_uri(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(byte)
}

fn percent_signs_escape(value: &str) -> bool {
    value.split('%').skip(1).all(|after| {
        let digits = after.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

impl Dialect {
    /// Whether an endpoint may choose these properties.
    pub fn check_properties(&self, chosen: &[String]) -> Result<(), OptionError> {
        let Some(properties) = &self.properties else {
            return if chosen.is_empty() {
                Ok(())
            } else {
                Err(OptionError::NoProperties {
                    dialect: self.name.clone(),
                })
            };
        };
        let mut seen = HashSet::new();
        for property in chosen {
            let named = property
                .split_once('.')
                .and_then(|(object, key)| Some((properties.always(object)?, key)))
                .filter(|(_, key)| !key.is_empty());
            let property = property.clone();
            match named {
                None => return Err(unknown_property(property, properties)),
                Some((always, key)) if always.iter().any(|sent| sent == key) => {
                    return Err(OptionError::AlwaysSent { property });
                }
                Some(_) if !seen.insert(property.clone()) => return Err(OptionError::Repeated { property }),
                Some(_) => {}
            }
        }
        if chosen.len() > properties.max {
            return Err(OptionError::TooMany {
                dialect: self.name.clone(),
                chosen: chosen.len(),
                max: properties.max,
            });
        }
        Ok(())
    }

    /// Whether an endpoint may have these settings.
    pub fn check_settings(&self, given: &BTreeMap<String, String>) -> Result<(), OptionError> {
        for (name, value) in given {
            let setting = self
                .settings
                .get(name)
                .ok_or_else(|| self.unknown_setting(name.clone()))?;
            setting.check(value).map_err(|expected| OptionError::SettingValue {
                setting: name.clone(),
                expected,
            })?;
        }
        Ok(())
    }

    /// Whether an endpoint may have this secret. A dialect that uses none takes any, and leaves it unused: see
    /// [`Dialect::uses_secret`].
    pub fn check_secret(&self, secret: Option<&Secret>) -> Result<(), OptionError> {
        let Some(secret) = secret else {
            return Ok(());
        };
        let (dialect, showing) = (self.name.clone(), self.headers.iter().find(|header| header.secret));
        let shared = showing.map(|header| &header.name).or_else(|| {
            let hmac_only = self.signatures.iter().find(|it| it.ed25519_prefix.is_none());
            hmac_only.map(|signature| &signature.header)
        });
        if let (true, Some(header)) = (secret.is_asymmetric(), shared) {
            let header = header.to_string();
            return Err(OptionError::AsymmetricSecret { dialect, header });
        }
        match showing {
            Some(header) if header_value(secret.reveal()).is_none() => Err(OptionError::SecretInHeader {
                dialect,
                header: header.name.to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// Whether this secret is the key that it looks like, where the dialect decodes secrets. A dialect that takes them as
    /// they stand takes any.
    pub fn check_key(&self, secret: &Secret) -> Result<(), OptionError> {
        let Some(signature) = self.signatures.iter().find(|it| it.key == Key::Decoded) else {
            return Ok(());
        };
        secret.check_key().map_err(|source| OptionError::NotAKey {
            dialect: self.name.clone(),
            header: signature.header.to_string(),
            source,
        })
    }

    /// Whether every secret that is valid during a rotation signs; otherwise the one before the last rotation does alone, as
    /// long as it is valid.
    #[must_use]
    pub fn signs_with_all(&self) -> bool {
        let shown = self.headers.iter().any(|header| header.secret);
        !shown && self.signatures.iter().all(|signature| signature.separator.is_some())
    }

    /// Whether requests show that their sender knows the endpoint's secret.
    #[must_use]
    pub fn uses_secret(&self) -> bool {
        !self.signatures.is_empty() || self.headers.iter().any(|header| header.secret)
    }

    fn unknown_setting(&self, setting: String) -> OptionError {
        let names: Vec<&str> = self.settings.keys().map(String::as_str).collect();
        let hint = match (did_you_mean(&setting, names.iter().copied()), names.as_slice()) {
            (Some(nearest), _) => format!(": did you mean `{nearest}`?"),
            (None, []) => ": it has none".to_owned(),
            (None, names) => format!(": it has `{}`", names.join("`, `")),
        };
        OptionError::UnknownSetting {
            dialect: self.name.clone(),
            setting,
            hint,
        }
    }
}

fn unknown_property(property: String, properties: &Properties) -> OptionError {
    let objects: Vec<&str> = properties.objects().collect();
    OptionError::UnknownProperty {
        property,
        object: objects.first().copied().unwrap_or_default().to_owned(),
        objects: format!("`{}`", objects.join("`, `")),
    }
}
