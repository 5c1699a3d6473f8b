//! What is secret of an endpoint, as it is stored: sealed, each part bound to its endpoint and its column.

use tidings_domain::{Authentication, Endpoint, EndpointId, PreviousSecret, Secret, Timestamp};

use crate::error::StoreError;
use crate::seal::Sealer;

/// The sealed columns of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub(crate) secret: Option<Vec<u8>>,
    pub(crate) previous_secret: Option<Vec<u8>>,
    pub(crate) authentication: Option<Vec<u8>>,
}

/// What follows the endpoint's id in the context of its authentication, so that it can't be put in a secret's place.
const AUTHENTICATION: &[u8] = b"authentication";

impl Sealed {
    /// Seals what is secret of an endpoint.
    pub(crate) fn of(endpoint: &Endpoint, sealer: &Sealer) -> Result<Self, StoreError> {
        let context = secret_context(endpoint.id);
        let seal = |secret: &Secret| sealer.seal(secret.reveal().as_bytes(), &context);
        let authentication = match &endpoint.authentication {
            none if none.is_empty() => None,
            some => Some(serde_json::to_vec(some).map_err(|error| StoreError::Refused(error.to_string()))?),
        };
        Ok(Self {
            secret: endpoint.secret.as_ref().map(seal),
            previous_secret: endpoint.previous_secret.as_ref().map(|previous| seal(&previous.secret)),
            authentication: authentication.map(|plain| sealer.seal(&plain, &authentication_context(endpoint.id))),
        })
    }

    /// Opens everything into the endpoint, whose previous secret signs until that time.
    pub(crate) fn open_into(
        &self,
        endpoint: &mut Endpoint,
        previous_until: Option<Timestamp>,
        sealer: &Sealer,
    ) -> Result<(), StoreError> {
        let context = secret_context(endpoint.id);
        let open = |sealed: &Vec<u8>| {
            let text = String::from_utf8(sealer.open(sealed, &context)?).map_err(corrupt)?;
            Secret::new(text).map_err(corrupt)
        };
        endpoint.secret = self.secret.as_ref().map(open).transpose()?;
        endpoint.previous_secret = match self.previous_secret.as_ref().zip(previous_until) {
            Some((sealed, until)) => Some(PreviousSecret {
                secret: open(sealed)?,
                until,
            }),
            None => None,
        };
        endpoint.authentication = match &self.authentication {
            Some(sealed) => {
                let plain = sealer.open(sealed, &authentication_context(endpoint.id))?;
                // What serde says could quote a value.
                serde_json::from_slice(&plain).map_err(|_| corrupt("an authentication has an unknown form"))?
            }
            None => Authentication::default(),
        };
        Ok(())
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

fn secret_context(id: EndpointId) -> Vec<u8> {
    id.uuid().as_bytes().to_vec()
}

fn authentication_context(id: EndpointId) -> Vec<u8> {
    [id.uuid().as_bytes(), AUTHENTICATION].concat()
}

fn corrupt(what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(what.to_string())
}
