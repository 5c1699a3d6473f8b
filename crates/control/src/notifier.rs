//! The notifier: informs tenants about the state of their endpoints.
//!
//! The ledger leaves notices. Each becomes an operational event for the tenant's operational endpoints and, where it
//! matters, a mail to the endpoint's contact, and is removed then. Endpoints that fail for days are disabled. Any
//! number of replicas may run; one that dies between sending and removing sends twice, under the same ids.

mod mail;
pub(crate) mod metrics;
mod operational;
mod outbox;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use serde::{Deserialize, Serialize};
use tidings_domain::{DisabledReason, Notice, Timestamp};
use tidings_service::{Health, SecretText, Supervisor};
use tidings_store::{RegistryCache, Store, StoreError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::mail::Mailer;
use self::outbox::{Outbox, Taken};

pub use self::mail::{MailCheck, MailError, check as check_mail};

/// Interval between two looks for notices.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Notices taken at once.
const BATCH: u32 = 100;
/// Notices removed at the same time.
const REMOVED_AT_ONCE: usize = 8;

/// Configuration of notices to tenants (`[notifier]`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The mail server: `smtp://host:25` without encryption, `smtp://host:587?tls=required` (STARTTLS), `smtps://host`;
    /// with `user:password@` before the host if it asks for them. No mails if empty.
    pub smtp_url: SecretText,
    /// A PEM file of certificates that the mail server's is trusted by, besides the usual ones.
    pub smtp_ca_file: Option<PathBuf>,
    /// Whom mails are from: `Webhooks <webhooks@example.com>`.
    pub from: String,
    /// Address for readers who want no more of these mails: an `https://` or `mailto:` URL, in which `{endpoint}`
    /// stands for the endpoint's id. A mail to `from` if empty.
    pub unsubscribe: String,
    /// Time for which an endpoint may fail, without a success in between and with failures until near its end, before
    /// it is disabled; unlimited if 0.
    #[serde(with = "humantime_serde")]
    pub disable_after: Duration,
    /// Interval between two looks for endpoints that fail for too long.
    #[serde(with = "humantime_serde")]
    pub check_every: Duration,
}

impl Config {
    /// Fails if mails are configured and can't be sent with it.
    pub fn check(&self) -> Result<(), MailError> {
        Mailer::new(self).map(|_| ())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            smtp_url: SecretText::default(),
            smtp_ca_file: None,
            from: String::new(),
            unsubscribe: String::new(),
            disable_after: Duration::from_secs(5 * 24 * 3600),
            check_every: Duration::from_secs(60),
        }
    }
}

/// Informs tenants about their endpoints until it is stopped.
pub struct Notifier {
    store: Arc<dyn Store>,
    cache: Arc<RegistryCache>,
    outbox: Option<Outbox>,
    disable_after: Duration,
    check_every: Duration,
}

/// One of the notifier's works, for ever.
type Work = fn(Arc<Notifier>) -> BoxFuture<'static, ()>;

impl Notifier {
    pub(crate) fn new(config: &Config, store: Arc<dyn Store>, cache: Arc<RegistryCache>) -> Result<Self, MailError> {
        metrics::register();
        let outbox = Mailer::new(config)?.map(|mailer| Outbox::new(mailer, store.clone()));
        Ok(Self {
            store,
            cache,
            outbox,
            disable_after: config.disable_after,
            // A tiny interval in the configuration must not become a busy loop.
            check_every: config.check_every.max(Duration::from_millis(100)),
        })
    }

    /// Runs until the token is cancelled.
    pub async fn run(self, health: Health, shutdown: CancellationToken) {
        let (notifier, supervisor) = (Arc::new(self), Supervisor::new(health, shutdown.clone()));
        // Side by side: neither mails nor many failing endpoints hold up the events.
        let works: [(&'static str, Work); 3] = [
            ("notifier", |this| async move { this.tell().await }.boxed()),
            ("notifier_mails", |this| async move { this.send_mails().await }.boxed()),
            ("notifier_disabling", |this| {
                async move { this.turn_off().await }.boxed()
            }),
        ];
        for (task, work) in works {
            let (notifier, shutdown) = (notifier.clone(), shutdown.clone());
            supervisor.spawn(task, move || {
                let (notifier, shutdown) = (notifier.clone(), shutdown.clone());
                async move {
                    let work = async {
                        notifier.cache.loaded().await;
                        work(notifier.clone()).await;
                    };
                    shutdown.run_until_cancelled(work).await;
                }
            });
        }
        supervisor.ended().await;
    }

    async fn tell(&self) {
        let mut timer = timer(LOOK_EVERY);
        loop {
            timer.tick().await;
            match self.tell_all().await {
                Ok(()) => tidings_service::metrics::succeeded("notifier"),
                Err(error) => report(&error, "notices can't be processed right now; retrying"),
            }
        }
    }

    async fn tell_all(&self) -> Result<(), StoreError> {
        loop {
            let at = Instant::now();
            let notices = self.store.take_notices(Timestamp::now(), BATCH).await?;
            let full = notices.len() == BATCH as usize;
            // Before the notices are removed: a crash in between repeats the events under the same ids, and loses none.
            operational::record(&*self.store, &self.cache, &notices).await?;
            let (mailed, told): (Vec<_>, Vec<_>) = notices.into_iter().partition(|notice| self.is_mailed(notice));
            if let Some(outbox) = &self.outbox {
                mailed.into_iter().for_each(|notice| outbox.put(Taken { notice, at }));
            }
            futures::stream::iter(&told)
                .for_each_concurrent(REMOVED_AT_ONCE, |notice| remove(&*self.store, notice))
                .await;
            if !full {
                return Ok(());
            }
        }
    }

    fn is_mailed(&self, notice: &Notice) -> bool {
        self.outbox.is_some() && mail::is_mailed(notice.kind)
    }

    async fn send_mails(&self) {
        if let Some(outbox) = &self.outbox {
            outbox.send(self.disable_after).await;
        }
    }

    async fn turn_off(&self) {
        if self.disable_after.is_zero() {
            return;
        }
        let mut timer = timer(self.check_every);
        loop {
            timer.tick().await;
            match self.turn_off_what_fails_too_long().await {
                Ok(()) => tidings_service::metrics::succeeded("notifier_disabling"),
                Err(error) => report(
                    &error,
                    "endpoints that failed for too long can't be disabled right now; retrying",
                ),
            }
        }
    }

    async fn turn_off_what_fails_too_long(&self) -> Result<(), StoreError> {
        let now = Timestamp::now();
        let detail = format!("it failed for {}", humantime::format_duration(self.disable_after));
        for endpoint in self.store.endpoints_failing_for(self.disable_after, now, BATCH).await? {
            if self
                .store
                .disable_endpoint(endpoint, DisabledReason::Failing, &detail, None, now)
                .await?
            {
                metrics::DISABLED_AS_FAILING.inc();
                tracing::warn!(%endpoint, detail, "an endpoint is disabled; its deliveries are held");
            }
        }
        Ok(())
    }
}

/// Removes a notice that was sent, or that has no recipient.
async fn remove(store: &dyn Store, notice: &Notice) {
    if let Err(error) = store.remove_notice(notice.id).await {
        tracing::warn!(endpoint = %notice.endpoint, %error, "a notice could not be removed and will be sent again");
    }
}

fn timer(every: Duration) -> tokio::time::Interval {
    let mut timer = tokio::time::interval(every);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    timer
}

/// Logs an error quietly if the database is unavailable, because the health component reports that already.
fn report(error: &StoreError, what: &str) {
    if error.is_transient() {
        tracing::debug!(%error, "{what}");
    } else {
        tracing::error!(%error, "{what}");
    }
}
