//! Sealing and opening what is secret of an endpoint, each part bound to its endpoint and its column.

use tidings_domain::{Endpoint, EndpointId, PreviousSecret, Sealed, Secret, Timestamp};

use crate::error::StoreError;
use crate::seal::Sealer;

/// The sealed columns of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) secret: Option<Vec<u8>>,
    pub(crate) previous_secret: Option<Vec<u8>>,
    pub(crate) authentication: Option<Vec<u8>>,
}

/// Follows the endpoint's id in the context of its credentials, so that they can't be stored in a secret's place.
const AUTHENTICATION: &[u8] = b"authentication";

impl Columns {
    /// Seals what is open of an endpoint; what is sealed stays as it is.
    pub(crate) fn of(endpoint: &Endpoint, sealer: &Sealer) -> Result<Self, StoreError> {
        let context = secret_context(endpoint.id);
        let seal = |secret: &Secret| sealer.seal(secret.reveal().as_bytes(), &context);
        let authentication = match &endpoint.authentication {
            none if none.is_empty() => None,
            some => Some(serde_json::to_vec(some).map_err(|error| StoreError::Refused(error.to_string()))?),
        };
        let sealed = endpoint.sealed.clone();
        let previous = endpoint.previous_secret.as_ref().map(|previous| seal(&previous.secret));
        Ok(Self {
            secret: endpoint.secret.as_ref().map(seal).or(sealed.secret),
            previous_secret: previous.or(sealed.previous_secret.map(|(sealed, _)| sealed)),
            authentication: authentication
                .map(|plain| sealer.seal(&plain, &authentication_context(endpoint.id)))
                .or(sealed.authentication),
        })
    }

    /// The columns as an endpoint has them, whose previous secret signs until that time.
    pub(crate) fn closed(self, previous_until: Option<Timestamp>) -> Sealed {
        Sealed {
            secret: self.secret,
            previous_secret: self.previous_secret.zip(previous_until),
            authentication: self.authentication,
        }
    }

    /// The same, what is sealed with another key than the first sealed with the first; none if nothing is.
    pub(crate) fn resealed(&self, id: EndpointId, sealer: &Sealer) -> Result<Option<Self>, StoreError> {
        let again = |sealed: &Option<Vec<u8>>, context: &[u8]| match sealed {
            Some(old) if !sealer.is_current(old) => Ok(Some(sealer.seal(&sealer.open(old, context)?, context))),
            other => Ok::<_, StoreError>(other.clone()),
        };
        let new = Self {
            secret: again(&self.secret, &secret_context(id))?,
            previous_secret: again(&self.previous_secret, &secret_context(id))?,
            authentication: again(&self.authentication, &authentication_context(id))?,
        };
        Ok((new != *self).then_some(new))
    }
}

/// The time at which the previous secret of an endpoint stops signing, open or sealed.
pub(crate) fn previous_until(endpoint: &Endpoint) -> Option<Timestamp> {
    let sealed = endpoint.sealed.previous_secret.as_ref().map(|(_, until)| *until);
    endpoint
        .previous_secret
        .as_ref()
        .map(|previous| previous.until)
        .or(sealed)
}

/// Opens what is sealed of an endpoint. A part that does not open stays sealed, and the error says why the first did not.
pub(crate) fn open(endpoint: &mut Endpoint, sealer: &Sealer) -> Result<(), StoreError> {
    let context = secret_context(endpoint.id);
    let secret = |sealed: &[u8]| {
        let text = String::from_utf8(sealer.open(sealed, &context)?).map_err(corrupt)?;
        Secret::new(text).map_err(corrupt)
    };
    let sealed = std::mem::take(&mut endpoint.sealed);
    let mut opened = Ok(());
    if let Some(closed) = sealed.secret {
        match secret(&closed) {
            Ok(open) => endpoint.secret = Some(open),
            Err(error) => {
                opened = opened.and(Err(error));
                endpoint.sealed.secret = Some(closed);
            }
        }
    }
    if let Some((closed, until)) = sealed.previous_secret {
        match secret(&closed) {
            Ok(secret) => endpoint.previous_secret = Some(PreviousSecret { secret, until }),
            Err(error) => {
                opened = opened.and(Err(error));
                endpoint.sealed.previous_secret = Some((closed, until));
            }
        }
    }
    if let Some(closed) = sealed.authentication {
        let open = sealer.open(&closed, &authentication_context(endpoint.id));
        // What serde says could quote a value.
        let unknown = |_| corrupt("an authentication has an unknown form");
        match open.and_then(|plain| serde_json::from_slice(&plain).map_err(unknown)) {
            Ok(open) => endpoint.authentication = open,
            Err(error) => {
                opened = opened.and(Err(error));
                endpoint.sealed.authentication = Some(closed);
            }
        }
    }
    opened
}

/// Opens every secret of an endpoint that a configured key opens. The rest stays sealed and is reported as such to its
/// reader.
pub(crate) fn open_what_opens(mut endpoint: Endpoint, sealer: &Sealer) -> Endpoint {
    if let Err(error) = open(&mut endpoint, sealer) {
        tracing::debug!(endpoint = %endpoint.id, %error, "a part of an endpoint can't be opened and stays sealed");
    }
    endpoint
}

fn secret_context(id: EndpointId) -> Vec<u8> {
    id.uuid().as_bytes().to_vec()
}

fn authentication_context(id: EndpointId) -> Vec<u8> {
    [id.uuid().as_bytes(), AUTHENTICATION].concat()
}

fn corrupt(what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(what.to_string())
}
