//! Forms and queries as browsers send them: names may repeat, as those of checkboxes do.

use axum::extract::{FromRequest, FromRequestParts, Request};
use http::StatusCode;
use http::request::Parts;
use sha2::{Digest as _, Sha256};
use tidings_domain::{EventId, Timestamp};
use url::form_urlencoded;

/// The largest form, bytes: the payload of a test and room for the rest.
const MAX_FORM: usize = 1024 * 1024;

/// The fields of a form or a query, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The fields of a query.
    pub(crate) fn of(query: &str) -> Self {
        Self::parse(query.as_bytes())
    }

    fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// The first value of this name, without the blanks around it; empty if there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// The first value of this name as it was typed, with line ends as in texts; empty if there is none.
    pub(crate) fn raw(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }

    /// The first value of this name unless it is blank.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// True if a checkbox is ticked or a button was pressed.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// All values of this name that are not blank.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let values = self.0.iter().filter(move |(key, _)| key == name);
        values.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// An idempotency key of the form with what is in it: its field `once`, which every page that shows the form has anew, and a
    /// digest of all fields. Submitted twice it is the same; filled in otherwise, after going back, it is another. None if the
    /// form has no such field.
    pub(crate) fn once(&self) -> Option<String> {
        let once = self.given("once")?;
        let mut digest = Sha256::new();
        for text in self.0.iter().flat_map(|(name, value)| [name, value]) {
            digest.update(text.len().to_be_bytes());
            digest.update(text);
        }
        Some(format!("{once}-{}", hex::encode(&digest.finalize()[..8])))
    }

    /// The time at which the form was shown, by its field `once`, so that times counted from it are the same when the form is
    /// submitted again; the present if it has no such field.
    pub(crate) fn shown_at(&self) -> Timestamp {
        let now = Timestamp::now();
        let once = self.given("once").and_then(|once| once.parse::<EventId>().ok());
        let millis = once.and_then(|once| i64::try_from(once.unix_millis()).ok());
        let shown = millis.and_then(|millis| Timestamp::from_millisecond(millis).ok());
        shown.map_or(now, |shown| shown.min(now))
    }

    /// The fields of these names that are not blank, as a query; what it is asked for once more beside them.
    pub(crate) fn query(&self, names: &[&str], more: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for name in names {
            for value in self.all(name) {
                query.append_pair(name, value);
            }
        }
        query.extend_pairs(more);
        query.finish()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Fields {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default().as_bytes()))
    }
}

/// The fields of a submitted form.
pub(crate) struct Form(pub(crate) Fields);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = StatusCode;

    async fn from_request(request: Request, _: &S) -> Result<Self, StatusCode> {
        let body = axum::body::to_bytes(request.into_body(), MAX_FORM)
            .await
            .map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
        Ok(Self(Fields::parse(&body)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_repeat_and_blanks_are_nothing() {
        let fields = Fields::parse(b"event=a.b&event=c.*&event=&name=+CRM+&on=");
        assert_eq!(fields.all("event").collect::<Vec<_>>(), ["a.b", "c.*"]);
        assert_eq!((fields.text("name"), fields.given("on")), ("CRM", None));
        assert!(fields.has("on") && !fields.has("off"));
        assert_eq!(
            fields.query(&["event", "on"], &[("after", "x y")]),
            "event=a.b&event=c.*&after=x+y"
        );
    }

    #[test]
    fn a_form_was_shown_when_its_nonce_was_made() {
        let once = EventId::new();
        let fields = Fields::of(&format!("once={once}&days=3"));
        assert_eq!(fields.shown_at().as_millisecond(), once.unix_millis() as i64);
        assert_eq!(fields.shown_at(), fields.shown_at());
        assert!(Fields::of("once=evt_1").shown_at() >= fields.shown_at());
    }

    #[test]
    fn a_form_is_the_same_until_it_is_filled_in_otherwise() {
        let once = |text: &str| Fields::of(text).once();
        let first = once("once=evt_1&payload=%7B%7D").unwrap();
        assert!(first.starts_with("evt_1-"), "{first}");
        assert_eq!(once("once=evt_1&payload=%7B%7D").as_ref(), Some(&first));
        for other in [
            "once=evt_2&payload=%7B%7D",
            "once=evt_1&payload=%7B+%7D",
            "once=evt_1&payload=%7B%7D&anyway=1",
            "once=evt_1&payloa=d%7B%7D",
        ] {
            assert_ne!(once(other).as_ref(), Some(&first), "{other}");
        }
        assert_eq!(once("payload=%7B%7D"), None);
    }
}
