//! Sealed secrets of an endpoint, as stored.
//!
//! Only code that makes requests, or shows or changes secrets, unseals them; everything else works without the key.

use std::fmt;

use jiff::Timestamp;

/// The sealed parts of an endpoint. Empty for an endpoint without any, and for one that was opened.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Sealed {
    /// The secret that requests are signed with.
    pub secret: Option<Vec<u8>>,
    /// The secret before the last rotation, and until when it signs.
    pub previous_secret: Option<(Vec<u8>, Timestamp)>,
    /// Credentials sent to the receiver.
    pub authentication: Option<Vec<u8>>,
}

impl Sealed {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts().next().is_none()
    }

    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let previous = self.previous_secret.as_ref().map(|(sealed, _)| sealed.as_slice());
        let parts = [self.secret.as_deref(), previous, self.authentication.as_deref()];
        parts.into_iter().flatten()
    }

    /// The names of the parts that are sealed.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let names = [
            self.secret.as_ref().map(|_| "secret"),
            self.previous_secret.as_ref().map(|_| "previous_secret"),
            self.authentication.as_ref().map(|_| "authentication"),
        ];
        names.into_iter().flatten()
    }

    /// Size of the sealed values, bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.parts().map(<[u8]>::len).sum()
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sealed")
            .field(&self.names().collect::<Vec<_>>())
            .finish()
    }
}
