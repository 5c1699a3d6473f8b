//! The choice of an endpoint's secret while one replaces another.

use tidings_dialect::Dialects;
use tidings_domain::{Endpoint, Timestamp};

use crate::explain::fact::Fact;
use crate::now;

/// The secret that receivers have to verify with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signing {
    /// None: requests are not signed, or the dialect has no use for a secret.
    None,
    /// The present secret, and no other.
    Current,
    /// The one before the last rotation: the dialect has room for one signature, and receivers change over at its end.
    Previous,
    /// That and the current one, each with a signature.
    Both,
}

impl Signing {
    /// The secret that signs requests to this endpoint now.
    pub(crate) fn of(endpoint: &Endpoint, dialects: &Dialects) -> Self {
        let dialect = dialects.get(&endpoint.dialect);
        let secrets = endpoint.secrets(now()).len();
        match dialect {
            Some(dialect) if !dialect.uses_secret() => Self::None,
            _ if secrets == 0 => Self::None,
            Some(dialect) if secrets > 1 && dialect.signs_with_all() => Self::Both,
            Some(_) if secrets > 1 => Self::Previous,
            _ => Self::Current,
        }
    }

    /// Its name in answers; empty for none.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Current => "current",
            Self::Previous => "previous",
            Self::Both => "both",
        }
    }

    /// A fact about a rotation in progress.
    pub(crate) fn note(self, endpoint: &Endpoint) -> Option<Fact> {
        let ends = endpoint.previous_secret.as_ref()?.until;
        let until = ends.strftime("%Y-%m-%d %H:%M:%S UTC");
        let (code, sentence) = match self {
            Self::None | Self::Current => return None,
            Self::Previous => (
                "previous_secret_signs",
                format!(
                    "Until {until} the secret before the last rotation signs alone, because the dialect `{}` has room for one \
                 signature; from then on the new one does.",
                    endpoint.dialect
                ),
            ),
            Self::Both => (
                "both_secrets_sign",
                format!("Until {until} the secret before the last rotation and the new one both sign."),
            ),
        };
        let fact = Fact::new(code, sentence).at("until", Some(ends));
        Some(fact.with("dialect", &endpoint.dialect))
    }
}

/// The time at which the secret before the last rotation stops signing; `None` if it has stopped.
pub(crate) fn previous_secret_until(endpoint: &Endpoint) -> Option<Timestamp> {
    let sealed = endpoint.sealed.previous_secret.as_ref().map(|(_, until)| *until);
    let opened = endpoint.previous_secret.as_ref().map(|previous| previous.until);
    opened.or(sealed).filter(|until| now() < *until)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidings_domain::{PreviousSecret, Secret, TenantId, Timestamp};

    use super::*;

    #[test]
    fn it_depends_on_the_dialect_which_secret_signs_during_a_rotation() {
        let dialects = Dialects::builtin().unwrap();
        let url = "https://a.example/".parse().unwrap();
        let mut endpoint = Endpoint::new(TenantId::new(), url, "standard", now());
        let mut signing = |dialect: &str, secret: Option<&str>, until: Option<Timestamp>| {
            endpoint.dialect = dialect.to_owned();
            endpoint.secret = secret.map(|text| Secret::new(text).unwrap());
            endpoint.previous_secret = until.map(|until| PreviousSecret {
                secret: Secret::new("old").unwrap(),
                until,
            });
            let signing = Signing::of(&endpoint, &dialects);
            (signing, signing.note(&endpoint))
        };
        let later = Some(now() + Duration::from_secs(3_600));
        let earlier = Some(now() - Duration::from_secs(1));
        for (dialect, expected) in [
            ("standard", Signing::Both),
            ("cloudevents", Signing::Both),
            ("userhero", Signing::Previous),
            ("feedbackpulse", Signing::Previous),
            ("abc-user-feedback", Signing::Previous),
            ("slack", Signing::None),
        ] {
            let (found, note) = signing(dialect, Some("new"), later);
            assert_eq!(found, expected, "{dialect}");
            assert_eq!(note.is_some(), expected != Signing::None, "{dialect}");
        }
        let (_, note) = signing("userhero", Some("new"), later);
        assert!(note.unwrap().sentence().contains("has room for one signature"));
        assert_eq!(signing("userhero", Some("new"), earlier), (Signing::Current, None));
        assert_eq!(signing("userhero", Some("new"), None), (Signing::Current, None));
        assert_eq!(signing("standard", None, None), (Signing::None, None));
    }
}
