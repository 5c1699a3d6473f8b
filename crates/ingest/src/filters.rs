//! Cache of compiled content filters.
//!
//! The registry stores filters as text, and compiling one takes a thousand times as long as evaluating it. Compiled
//! filters are cached by tenant and text, so endpoints with the same filter share one; a tenant keeps its most
//! recently used ones, up to [`OF_TENANT`] bytes. When all tenants together reach [`OF_ALL`], the largest one's
//! filters are dropped, and those in use are compiled again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tidings_domain::TenantId;
use tidings_payload::{Decision, EventView, Filter};
use tokio::sync::Semaphore;

/// Maximum memory of a tenant's compiled filters, bytes: about 10,000 typical ones.
const OF_TENANT: usize = 32 * 1024 * 1024;
/// Maximum memory of all compiled filters, bytes.
const OF_ALL: usize = 256 * 1024 * 1024;
/// Overhead of a cache entry besides text and filter, bytes.
const ENTRY: usize = 128;

/// Compiled filters of all tenants.
#[derive(Default)]
pub(crate) struct Filters(RwLock<HashMap<TenantId, Arc<TenantFilters>>>);

pub(crate) struct TenantFilters {
    compiled: Mutex<Compiled>,
    /// Serialises the tenant's events whose filters take long.
    pub(crate) turn: Arc<Semaphore>,
    /// Payload bytes that wait for `turn`.
    pub(crate) waiting: Mutex<usize>,
}

#[derive(Default)]
struct Compiled {
    by_text: HashMap<Box<str>, Entry>,
    memory: usize,
    /// Counter of uses, for least-recently-used eviction.
    asked: u64,
}

struct Entry {
    /// None for a text that is no filter.
    filter: Option<Arc<Filter>>,
    memory: usize,
    asked: u64,
}

/// Evaluation of filters for one event, within a budget of steps, with or without compiling.
pub(crate) struct Asking<'a> {
    filters: &'a TenantFilters,
    pub(crate) steps: u32,
    may_compile: bool,
}

/// A filter must be compiled first, where that may not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotCompiled;

impl Filters {
    /// Filters of a tenant, created empty on first use.
    pub(crate) fn of(&self, tenant: TenantId) -> Arc<TenantFilters> {
        let known = self.read(tenant);
        known.unwrap_or_else(|| {
            let mut tenants = self.0.write().unwrap_or_else(PoisonError::into_inner);
            tenants.entry(tenant).or_insert_with(TenantFilters::none).clone()
        })
    }

    /// Lets go of what there is too much of; to be called when something was compiled.
    pub(crate) fn keep_within_bounds(&self) {
        let mut tenants = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let memory = |filters: &Arc<TenantFilters>| filters.compiled().memory;
        let mut all: usize = tenants.values().map(memory).sum();
        while all > OF_ALL
            && let Some((tenant, most)) = tenants.iter().map(|(id, of)| (*id, memory(of))).max_by_key(|(_, m)| *m)
        {
            tenants.remove(&tenant);
            all -= most;
        }
    }

    fn read(&self, tenant: TenantId) -> Option<Arc<TenantFilters>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&tenant)
            .cloned()
    }
}

impl TenantFilters {
    fn none() -> Arc<Self> {
        Arc::new(Self {
            compiled: Mutex::default(),
            turn: Arc::new(Semaphore::new(1)),
            waiting: Mutex::new(0),
        })
    }

    /// Asks filters that are compiled already.
    pub(crate) fn asking(&self, steps: u32) -> Asking<'_> {
        Asking {
            filters: self,
            steps,
            may_compile: false,
        }
    }

    /// Asks filters, and compiles those that are not.
    pub(crate) fn asking_at_leisure(&self, steps: u32) -> Asking<'_> {
        Asking {
            may_compile: true,
            ..self.asking(steps)
        }
    }

    fn known(&self, text: &str) -> Option<Option<Arc<Filter>>> {
        let mut compiled = self.compiled();
        compiled.asked += 1;
        let now = compiled.asked;
        let entry = compiled.by_text.get_mut(text)?;
        entry.asked = now;
        Some(entry.filter.clone())
    }

    fn compile(&self, text: &str) -> Option<Arc<Filter>> {
        let filter = match Filter::compile(text) {
            Ok(filter) => Some(Arc::new(filter)),
            Err(error) => {
                // It was checked when it was configured, by another version then.
                tracing::warn!(filter = text, %error, "a stored content filter no longer compiles and matches nothing; set it again");
                None
            }
        };
        self.compiled().keep(text, filter.clone());
        filter
    }

    fn compiled(&self) -> MutexGuard<'_, Compiled> {
        self.compiled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Compiled {
    fn keep(&mut self, text: &str, filter: Option<Arc<Filter>>) {
        let memory = ENTRY + text.len() + filter.as_ref().map_or(0, |filter| filter.memory());
        while self.memory + memory > OF_TENANT
            && let Some(oldest) = self.by_text.iter().min_by_key(|(_, entry)| entry.asked)
        {
            let oldest = oldest.0.clone();
            self.forget(&oldest);
        }
        self.forget(text);
        self.memory += memory;
        let entry = Entry {
            filter,
            memory,
            asked: self.asked,
        };
        self.by_text.insert(text.into(), entry);
    }

    fn forget(&mut self, text: &str) {
        if let Some(entry) = self.by_text.remove(text) {
            self.memory -= entry.memory;
        }
    }
}

impl Asking<'_> {
    /// Evaluates a subscription's filter; a subscription without one wants every event.
    pub(crate) fn ask(&mut self, filter: Option<&str>, event: &EventView<'_>) -> Result<Decision, NotCompiled> {
        let Some(text) = filter else {
            return Ok(Decision::Wanted);
        };
        let filter = match self.filters.known(text) {
            Some(known) => known,
            None if self.may_compile => self.filters.compile(text),
            None => return Err(NotCompiled),
        };
        Ok(filter.map_or(Decision::Unwanted, |filter| filter.decide(event, &mut self.steps)))
    }
}

#[cfg(test)]
mod tests {
    use tidings_domain::Timestamp;

    use super::*;

    fn ask(asking: &mut Asking<'_>, filter: Option<&str>, payload: &str) -> Result<Decision, NotCompiled> {
        let event_type = "feedback.created".parse().unwrap();
        let event = EventView::new(&event_type, Timestamp::UNIX_EPOCH, payload.as_bytes());
        asking.ask(filter, &event)
    }

    /// A filter that is taken to need much memory, because it seems to have many regular expressions.
    fn large(number: usize) -> String {
        format!("payload.n == {number} || type == '{}'", "matches ".repeat(60))
    }

    #[test]
    fn a_filter_is_compiled_once_and_asked_for_each_event() {
        let filters = TenantFilters::none();
        let low = Some("payload.rating <= 2");
        assert_eq!(ask(&mut filters.asking(100), low, r#"{"rating": 1}"#), Err(NotCompiled));
        let mut leisure = filters.asking_at_leisure(100);
        assert_eq!(ask(&mut leisure, low, r#"{"rating": 1}"#), Ok(Decision::Wanted));
        assert_eq!(
            ask(&mut filters.asking(100), low, r#"{"rating": 3}"#),
            Ok(Decision::Unwanted)
        );
        assert_eq!(ask(&mut filters.asking(0), None, "not even JSON"), Ok(Decision::Wanted));
        assert_eq!(
            ask(&mut filters.asking(2), low, r#"{"rating": 1}"#),
            Ok(Decision::Undecided)
        );
    }

    #[test]
    fn what_is_no_filter_matches_nothing() {
        let filters = TenantFilters::none();
        for _ in 0..2 {
            let answer = ask(
                &mut filters.asking_at_leisure(100),
                Some("rating <= "),
                r#"{"rating": 1}"#,
            );
            assert_eq!(answer, Ok(Decision::Unwanted));
        }
    }

    #[test]
    fn of_a_tenant_s_filters_those_are_kept_that_were_asked_last() {
        let filters = TenantFilters::none();
        let used = Some("payload.n >= 0");
        for number in 0..20 {
            let text = large(number);
            for filter in [Some(text.as_str()), used] {
                let answer = ask(
                    &mut filters.asking_at_leisure(1_000),
                    filter,
                    &format!(r#"{{"n": {number}}}"#),
                );
                assert_eq!(answer, Ok(Decision::Wanted));
            }
            assert!(filters.compiled().memory <= OF_TENANT);
        }
        let kept = filters.compiled().by_text.len();
        assert!((3..20).contains(&kept), "{kept}");
        assert_eq!(ask(&mut filters.asking(100), used, r#"{"n": 1}"#), Ok(Decision::Wanted));
        assert_eq!(ask(&mut filters.asking(100), Some(&large(0)), "{}"), Err(NotCompiled));
    }

    #[test]
    fn a_tenant_with_many_filters_does_not_make_others_compile_theirs_again() {
        let filters = Filters::default();
        let (quiet, used) = (TenantId::new(), Some("payload.n >= 0"));
        let compile = |tenant, filter: &str| {
            let of = filters.of(tenant);
            let mut asking = of.asking_at_leisure(1_000);
            ask(&mut asking, Some(filter), r#"{"n": 1}"#).unwrap();
            filters.keep_within_bounds();
        };
        compile(quiet, used.unwrap());
        for _ in 0..OF_ALL / OF_TENANT + 2 {
            let tenant = TenantId::new();
            (0..8).for_each(|number| compile(tenant, &large(number)));
        }
        let all = filters.0.read().unwrap();
        let memory: usize = all.values().map(|of| of.compiled().memory).sum();
        assert!(memory <= OF_ALL && memory > OF_ALL / 2);
        drop(all);
        let of_quiet = filters.of(quiet);
        assert_eq!(
            ask(&mut of_quiet.asking(100), used, r#"{"n": 1}"#),
            Ok(Decision::Wanted)
        );
    }
}
