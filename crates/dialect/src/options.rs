//! An endpoint's options in a dialect: properties, settings and its secret.
//!
//! They are checked when the endpoint is configured, so that an option that can't be sent does not fail a delivery.

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
    /// One sentence for people.
    pub description: String,
    /// Value for endpoints that set none; required if missing.
    pub default: Option<String>,
    pub form: Form,
}

/// Syntax of a setting's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// Visible ASCII characters and spaces, at most [`Setting::MAX`].
    #[default]
    Text,
    /// A URI, or the part of one that a URI-reference may leave out (RFC 3986, section 4.1).
    UriReference,
}

/// Reason why an endpoint can't have an option.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// The dialect sends payloads whole.
    #[error("dialect `{dialect}` sends payloads whole: choose no properties")]
    NoProperties { dialect: String },
    /// It is not of an object that the dialect knows.
    #[error("`{property}` is no property: write an object and a key, as in `{object}.plan`; the objects are {objects}")]
    UnknownProperty {
        property: String,
        /// An object of the dialect, as an example.
        object: String,
        /// The dialect's objects, for the message.
        objects: String,
    },
    /// The property is sent anyway.
    #[error("`{property}` is always sent: leave it out of the properties")]
    AlwaysSent { property: String },
    /// The property is listed twice.
    #[error("`{property}` is chosen twice: name it once")]
    Repeated { property: String },
    /// More properties than the dialect sends.
    #[error("{chosen} properties are chosen and dialect `{dialect}` sends at most {max}: leave some out")]
    TooMany {
        dialect: String,
        /// Number of properties listed.
        chosen: usize,
        max: usize,
    },
    /// No template of the dialect uses the setting.
    #[error("dialect `{dialect}` has no setting `{setting}`{hint}")]
    UnknownSetting {
        dialect: String,
        setting: String,
        /// The nearest setting, or all settings.
        hint: String,
    },
    /// The value is none that the setting can have.
    #[error("the setting `{setting}` must be {expected}")]
    SettingValue {
        setting: String,
        /// Description of valid values.
        expected: &'static str,
    },
    /// The dialect shows the secret in a header, which can't carry this one.
    #[error("dialect `{dialect}` sends the secret in the header `{header}`: it must be visible ASCII characters")]
    SecretInHeader { dialect: String, header: String },
    /// The dialect decodes secrets, and this one does not say a key.
    #[error("{source} (dialect `{dialect}` decodes it in the header `{header}`)")]
    NotAKey {
        dialect: String,
        /// The header with the signature.
        header: String,
        source: SecretError,
    },
    /// The secret is a private key, and the dialect has no use for one.
    #[error("dialect `{dialect}` has no ed25519 signature in `{header}`: give a shared secret, not a `whsk_` key")]
    AsymmetricSecret {
        dialect: String,
        /// The header that a shared secret is needed for.
        header: String,
    },
}

impl Properties {
    pub(crate) fn new(max: usize, always: BTreeMap<String, Vec<String>>) -> Self {
        Self { max, always }
    }

    /// Maximum number of properties per endpoint.
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
    /// Maximum length of a value, in bytes.
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
    /// Checks the properties of an endpoint.
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

    /// Checks the settings of an endpoint.
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

    /// Checks the secret of an endpoint. A dialect without signatures accepts any and does not use it: see
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

    /// Checks that a secret is the key it looks like, if the dialect decodes secrets. A dialect that uses them as
    /// they are accepts any.
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

    /// Tells if all valid secrets sign during a rotation. Otherwise only the previous secret signs, as long as it is
    /// valid.
    #[must_use]
    pub fn signs_with_all(&self) -> bool {
        let shown = self.headers.iter().any(|header| header.secret);
        !shown && self.signatures.iter().all(|signature| signature.separator.is_some())
    }

    /// Tells if requests prove that their sender knows the endpoint's secret.
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
