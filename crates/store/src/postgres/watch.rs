//! Notifications between log processes (`NOTIFY tidings_tail`).
//!
//! A notification is the process, a space, and either `watched` or the ids of attempts, 32 hexadecimal digits each.

use async_trait::async_trait;
use tidings_domain::AttemptId;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::Postgres;
use crate::error::StoreError;
use crate::watch::{Notification, Watch};

const CHANNEL: &str = "tidings_tail";
const WATCHED: &str = "watched";
/// Hexadecimal digits of an id.
const ID: usize = 32;

#[async_trait]
impl Watch for Postgres {
    async fn subscribe(&self, process: Uuid) -> Result<Option<mpsc::Receiver<Notification>>, StoreError> {
        let others = self.listen(CHANNEL, move |payload| {
            let (sender, notification) = read(payload)?;
            // The database notifies the sender as well, who knows already.
            (sender != process).then_some(notification)
        });
        others.await.map(Some)
    }

    async fn notify(&self, process: Uuid, notification: Notification) -> Result<(), StoreError> {
        let payload = write(process, &notification);
        self.execute(
            "/* name: notify_others */ SELECT pg_notify($1, $2)",
            &[&CHANNEL, &payload],
        )
        .await?;
        Ok(())
    }
}

fn write(process: Uuid, notification: &Notification) -> String {
    let mut payload = format!("{} ", process.simple());
    match notification {
        Notification::Watched => payload.push_str(WATCHED),
        Notification::Recorded(attempts) => {
            payload.extend(attempts.iter().map(|id| id.uuid().simple().to_string()));
        }
    }
    payload
}

fn read(payload: &str) -> Option<(Uuid, Notification)> {
    let (process, notification) = payload.split_once(' ')?;
    let notification = match notification {
        WATCHED => Notification::Watched,
        ids => Notification::Recorded(
            ids.as_bytes()
                .chunks(ID)
                .map(|id| Uuid::try_parse_ascii(id).ok().map(AttemptId::from_uuid))
                .collect::<Option<_>>()?,
        ),
    };
    Some((Uuid::try_parse(process).ok()?, notification))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::MAX_ATTEMPTS;

    #[test]
    fn what_is_written_is_read_and_fits_a_notification() {
        let process = Uuid::now_v7();
        let attempts = std::iter::repeat_with(AttemptId::new).take(MAX_ATTEMPTS).collect();
        for notification in [
            Notification::Watched,
            Notification::Recorded(attempts),
            Notification::Recorded(Vec::new()),
        ] {
            let payload = write(process, &notification);
            assert!(payload.len() < 8_000, "{}", payload.len());
            assert_eq!(read(&payload), Some((process, notification)));
        }
    }

    #[test]
    fn what_another_version_says_is_left_out() {
        for payload in ["", "watched", "x watched", "00000000000000000000000000000000 nothing"] {
            assert_eq!(read(payload), None, "{payload:?}");
        }
    }
}
