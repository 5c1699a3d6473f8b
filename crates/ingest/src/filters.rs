//! The content filters of subscriptions, ready to be asked.
//!
//! Need: the registry has filters as texts, and to compile one takes a thousand times as long as to ask it. Mechanism: what was
//! compiled is kept by its text, so endpoints with the same filter share it. Limit: when [`MAX_MEMORY`] is reached everything is let
//! go, and what is still in use is compiled again.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use tidings_payload::{EventView, Filter};

/// How much memory compiled filters may take, bytes: some 60,000 usual ones.
const MAX_MEMORY: usize = 128 * 1024 * 1024;
/// What an entry takes beside its text and filter, bytes.
const ENTRY: usize = 128;

/// The content filters that were asked before.
#[derive(Default)]
pub(crate) struct Filters(RwLock<Compiled>);

#[derive(Default)]
struct Compiled {
    /// None for a text that is no filter.
    by_text: HashMap<Box<str>, Option<Arc<Filter>>>,
    memory: usize,
}

impl Filters {
    /// Whether a subscription with this filter, or without one, wants the event.
    pub(crate) fn let_through(&self, filter: Option<&str>, event: &EventView<'_>) -> bool {
        match filter {
            None => true,
            Some(text) => self.compiled(text).is_some_and(|filter| filter.matches(event)),
        }
    }

    fn compiled(&self, text: &str) -> Option<Arc<Filter>> {
        let known = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .by_text
            .get(text)
            .cloned();
        known.unwrap_or_else(|| self.compile(text))
    }

    fn compile(&self, text: &str) -> Option<Arc<Filter>> {
        let filter = match Filter::compile(text) {
            Ok(filter) => Some(Arc::new(filter)),
            Err(error) => {
                // It was checked when it was configured, by another version then.
                tracing::warn!(filter = text, %error, "a stored content filter is not one any more and matches nothing");
                None
            }
        };
        let memory = ENTRY + text.len() + filter.as_ref().map_or(0, |filter| filter.memory());
        let mut compiled = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if compiled.memory + memory > MAX_MEMORY {
            *compiled = Compiled::default();
        }
        if compiled.by_text.insert(text.into(), filter.clone()).is_none() {
            compiled.memory += memory;
        }
        filter
    }
}

#[cfg(test)]
mod tests {
    use tidings_domain::Timestamp;

    use super::*;

    fn let_through(filters: &Filters, filter: Option<&str>, payload: &str) -> bool {
        let event_type = "feedback.created".parse().unwrap();
        filters.let_through(
            filter,
            &EventView::new(&event_type, Timestamp::UNIX_EPOCH, payload.as_bytes()),
        )
    }

    #[test]
    fn a_filter_is_compiled_once_and_asked_for_each_event() {
        let filters = Filters::default();
        let low = Some("payload.rating <= 2");
        assert!(let_through(&filters, low, r#"{"rating": 1}"#));
        assert!(!let_through(&filters, low, r#"{"rating": 3}"#));
        assert!(let_through(&filters, None, "not even JSON"));
        let first = filters.compiled("payload.rating <= 2").unwrap();
        assert!(Arc::ptr_eq(&first, &filters.compiled("payload.rating <= 2").unwrap()));
    }

    #[test]
    fn what_is_no_filter_matches_nothing() {
        let filters = Filters::default();
        for _ in 0..2 {
            assert!(!let_through(&filters, Some("rating <= "), r#"{"rating": 1}"#));
        }
    }

    #[test]
    fn memory_is_bounded() {
        let filters = Filters::default();
        for number in 0..40 {
            let parts = (0..70)
                .map(|part| format!("payload.a.matches('{part}x')"))
                .collect::<Vec<_>>();
            let text = format!("payload.n == {number} || {}", parts[..60].join(" || "));
            assert!(let_through(&filters, Some(&text), &format!(r#"{{"n": {number}}}"#)));
            let compiled = filters.0.read().unwrap();
            assert!(compiled.memory <= MAX_MEMORY);
            assert!((1..40).contains(&compiled.by_text.len()));
        }
    }
}
