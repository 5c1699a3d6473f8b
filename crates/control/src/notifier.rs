//! The notifier: tells tenants what became of their endpoints.
//!
//! Need: people hear of an endpoint that fails before its receiver's owner asks why nothing comes. Mechanism: the ledger
//! leaves notices; each becomes an operational event for the tenant's operational endpoints and, where it matters, a
//! mail to the endpoint's contact, and is removed then. Endpoints that fail for days are turned off. Limit: any number
//! of replicas may run; one that dies between telling and removing tells twice, under the same ids.

mod mail;
mod metrics;
mod operational;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use tidings_domain::{DisabledReason, Endpoint, Notice, Timestamp};
use tidings_service::SecretText;
use tidings_store::{RegistryCache, Store, StoreError};
use tokio_util::sync::CancellationToken;

use self::mail::{Mailer, Sent};

pub use self::mail::MailError;

/// How often notices are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many notices are taken at once, and how many mails are under way.
const BATCH: u32 = 100;
const MAILS_AT_ONCE: usize = 8;
/// After so long a mail that can't be sent tells nothing new.
const GIVE_UP_AFTER: Duration = Duration::from_secs(3 * 24 * 3600);

/// How tenants are told of their endpoints (`[notifier]`).
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
    /// Where readers ask for no more of these mails: an `https://` or `mailto:` URL, in which `{endpoint}` stands for
    /// the endpoint's id. A mail to `from` if empty.
    pub unsubscribe: String,
    /// How long an endpoint may fail, without a success in between, before it is turned off; 0 for ever.
    #[serde(with = "humantime_serde")]
    pub disable_after: Duration,
    /// How often endpoints are looked for that fail too long.
    #[serde(with = "humantime_serde")]
    pub check_every: Duration,
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

/// Tells tenants, until it is stopped.
pub struct Notifier {
    store: Arc<dyn Store>,
    cache: Arc<RegistryCache>,
    mailer: Option<Mailer>,
    disable_after: Duration,
    check_every: Duration,
}

impl Notifier {
    pub(crate) fn new(config: &Config, store: Arc<dyn Store>, cache: Arc<RegistryCache>) -> Result<Self, MailError> {
        metrics::register();
        Ok(Self {
            store,
            cache,
            mailer: Mailer::new(config)?,
            disable_after: config.disable_after,
            check_every: config.check_every.max(Duration::from_millis(100)),
        })
    }

    /// Runs until the token is cancelled.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        let mut check = tokio::time::interval(self.check_every);
        for timer in [&mut look, &mut check] {
            timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        }
        let work = async {
            self.cache.loaded().await;
            loop {
                let done = tokio::select! {
                    _ = look.tick() => self.tell_all().await,
                    _ = check.tick() => self.turn_off_what_fails_too_long().await,
                };
                if let Err(error) = done {
                    tracing::debug!(%error, "notices can't be read right now");
                }
            }
        };
        shutdown.run_until_cancelled(work).await;
    }

    async fn tell_all(&self) -> Result<(), StoreError> {
        loop {
            let notices = self.store.take_notices(Timestamp::now(), BATCH).await?;
            let full = notices.len() == BATCH as usize;
            // Events first: a slow mail server must not hold them up.
            operational::record(&*self.store, &self.cache, &notices).await?;
            futures::stream::iter(&notices)
                .for_each_concurrent(MAILS_AT_ONCE, |notice| self.finish(notice))
                .await;
            if !full {
                return Ok(());
            }
        }
    }

    /// Sends the mail, if there is one to send, and removes the notice unless the mail is to be tried again.
    async fn finish(&self, notice: &Notice) {
        let done = match self.mail(notice).await {
            Ok(Some(sent)) => self.is_settled(notice, sent),
            Ok(None) => true,
            Err(error) => {
                tracing::debug!(endpoint = %notice.endpoint, %error, "a notice waits");
                false
            }
        };
        if done && let Err(error) = self.store.remove_notice(notice.id).await {
            tracing::warn!(endpoint = %notice.endpoint, %error, "a notice could not be removed and is told again");
        }
    }

    /// What came of the mail; `None` if nobody is to get one.
    async fn mail(&self, notice: &Notice) -> Result<Option<Sent>, StoreError> {
        let Some(mailer) = &self.mailer else { return Ok(None) };
        if !mail::is_mailed(notice.kind) {
            return Ok(None);
        }
        // From the registry itself: the cache may still show what the endpoint was before.
        let endpoint = self.store.endpoint(notice.endpoint).await?;
        let Some((endpoint, contact)) = endpoint.as_ref().and_then(with_contact) else {
            return Ok(None);
        };
        Ok(Some(mailer.send(notice, endpoint, contact, self.disable_after).await))
    }

    fn is_settled(&self, notice: &Notice, sent: Sent) -> bool {
        let endpoint = notice.endpoint;
        let age = Duration::try_from(Timestamp::now().duration_since(notice.at)).unwrap_or_default();
        match sent {
            Sent::Accepted => {
                metrics::MAILS.with_label_values(&["sent"]).inc();
                tracing::info!(%endpoint, kind = notice.kind.as_str(), "told the endpoint's contact by mail");
                true
            }
            Sent::Refused(error) => {
                metrics::MAILS.with_label_values(&["refused"]).inc();
                tracing::error!(%endpoint, error, "a mail to an endpoint's contact is refused for good: check the address");
                true
            }
            Sent::NotNow(error) if age > GIVE_UP_AFTER => {
                metrics::MAILS.with_label_values(&["given_up"]).inc();
                tracing::error!(%endpoint, error, "a mail to an endpoint's contact is given up after three days");
                true
            }
            Sent::NotNow(error) => {
                metrics::MAILS.with_label_values(&["failed"]).inc();
                tracing::warn!(%endpoint, error, tries = notice.tries + 1, "a mail could not be sent; it is tried again");
                false
            }
        }
    }

    async fn turn_off_what_fails_too_long(&self) -> Result<(), StoreError> {
        if self.disable_after.is_zero() {
            return Ok(());
        }
        let now = Timestamp::now();
        let before = now.checked_sub(self.disable_after).unwrap_or(Timestamp::UNIX_EPOCH);
        for endpoint in self.store.endpoints_failing_since(before, BATCH).await? {
            let detail = format!("it failed for {}", humantime::format_duration(self.disable_after));
            if self
                .store
                .disable_endpoint(endpoint, DisabledReason::Failing, &detail, now)
                .await?
            {
                metrics::DISABLED_AS_FAILING.inc();
                tracing::warn!(%endpoint, detail, "an endpoint is disabled; its deliveries are held");
            }
        }
        Ok(())
    }
}

fn with_contact(endpoint: &Endpoint) -> Option<(&Endpoint, &str)> {
    endpoint.contact.as_deref().map(|contact| (endpoint, contact))
}
