//! Mails waiting for the mail server.
//!
//! A slow mail server delays nothing but mails, and no mail is sent twice because others were slow. A few mails are
//! sent at the same time and a few notices wait in memory. A notice that has waited too long is dropped here, because
//! it is about to be taken again; so is one that finds no place.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tidings_domain::{Endpoint, Notice, Timestamp};
use tidings_store::{Store, StoreError};
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;

use super::mail::{Mailer, Sent};
use super::{metrics, remove};

/// Mails sent at the same time.
const AT_ONCE: usize = 8;
/// Notices that wait for a free place.
const WAITING: usize = 64;
/// Latest start of a mail, counted from when its notice was taken. With the time that one mail may take, this stays
/// below the 30 seconds for which a notice is hidden at least; beyond them another notifier may send it.
const BEGIN_WITHIN: Duration = Duration::from_secs(10);
/// Age of a notice at which its mail is dropped, since it would tell nothing new.
const GIVE_UP_AFTER: Duration = Duration::from_secs(3 * 24 * 3600);

/// Sends the mails of notices, several at a time.
pub(super) struct Outbox {
    mailer: Mailer,
    store: Arc<dyn Store>,
    entrance: mpsc::Sender<Taken>,
    waiting: Mutex<mpsc::Receiver<Taken>>,
}

/// A notice in the hands of this notifier.
pub(super) struct Taken {
    pub(super) notice: Notice,
    /// The time at which it was taken, or a little before.
    pub(super) at: Instant,
}

impl Outbox {
    pub(super) fn new(mailer: Mailer, store: Arc<dyn Store>) -> Self {
        let (entrance, waiting) = mpsc::channel(WAITING);
        Self {
            mailer,
            store,
            entrance,
            waiting: Mutex::new(waiting),
        }
    }

    /// Queues a notice for mailing. If there is no place, it is taken again later.
    pub(super) fn put(&self, taken: Taken) {
        if let Err(error) = self.entrance.try_send(taken) {
            let (mpsc::error::TrySendError::Full(taken) | mpsc::error::TrySendError::Closed(taken)) = error;
            tracing::debug!(endpoint = %taken.notice.endpoint, "a mail is delayed: too many are being sent");
        }
    }

    /// Sends queued notices until it is dropped.
    pub(super) async fn send(&self, disable_after: Duration) {
        let mut waiting = self.waiting.lock().await;
        futures::stream::poll_fn(|context| waiting.poll_recv(context))
            .for_each_concurrent(AT_ONCE, |taken| self.finish(taken, disable_after))
            .await;
    }

    /// Sends a mail, if there is still one to send, and removes its notice unless it is to be tried again.
    async fn finish(&self, taken: Taken, disable_after: Duration) {
        let notice = &taken.notice;
        if taken.at.elapsed() > BEGIN_WITHIN {
            tracing::debug!(endpoint = %notice.endpoint, "a mail is delayed: those before it were slow");
            return;
        }
        let done = match self.mail(notice, disable_after).await {
            Ok(Some(sent)) => is_settled(notice, sent),
            Ok(None) => true,
            Err(error) => {
                tracing::debug!(endpoint = %notice.endpoint, %error, "a mail is delayed: its endpoint can't be read");
                false
            }
        };
        if done {
            remove(&*self.store, notice).await;
        }
    }

    /// Sends the mail of a notice; `None` if it has no recipient.
    async fn mail(&self, notice: &Notice, disable_after: Duration) -> Result<Option<Sent>, StoreError> {
        // From the registry itself: the cache may still show what the endpoint was before.
        let endpoint = self.store.endpoint(notice.endpoint).await?;
        let Some((endpoint, contact)) = endpoint.as_ref().and_then(with_contact) else {
            return Ok(None);
        };
        Ok(Some(self.mailer.send(notice, endpoint, contact, disable_after).await))
    }
}

fn with_contact(endpoint: &Endpoint) -> Option<(&Endpoint, &str)> {
    endpoint.contact.as_deref().map(|contact| (endpoint, contact))
}

/// Counts and logs the result of a mail. Returns `false` if it is to be retried.
fn is_settled(notice: &Notice, sent: Sent) -> bool {
    let endpoint = notice.endpoint;
    let age = Duration::try_from(Timestamp::now().duration_since(notice.at)).unwrap_or_default();
    match sent {
        Sent::Accepted => {
            metrics::MAILS.with_label_values(&["sent"]).inc();
            tracing::info!(%endpoint, kind = notice.kind.as_str(), "notified the endpoint's contact by mail");
            true
        }
        Sent::Refused(error) => {
            metrics::MAILS.with_label_values(&["refused"]).inc();
            tracing::error!(%endpoint, error, "a mail to an endpoint's contact was rejected for good: check the address");
            true
        }
        Sent::NotNow(error) if age > GIVE_UP_AFTER => {
            metrics::MAILS.with_label_values(&["given_up"]).inc();
            tracing::error!(%endpoint, error, "a mail to an endpoint's contact was dropped after three days of tries");
            true
        }
        Sent::NotNow(error) => {
            metrics::MAILS.with_label_values(&["failed"]).inc();
            tracing::warn!(%endpoint, error, tries = notice.tries + 1, "a mail could not be sent; retrying");
            false
        }
    }
}
