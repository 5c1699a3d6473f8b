//! Notifications between log processes (`NOTIFY tidings_tail`).
//!
//! A notification is the process, a space, and either `watched` or the ids of attempts, 32 hexadecimal digits each.

use async_trait::async_trait;
use tidings_domain::AttemptId;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::Postgres;
use crate::error::StoreError;
use crate::tail::{Tail, Told};

const CHANNEL: &str = "tidings_tail";
const WATCHED: &str = "watched";
/// Hexadecimal digits of an id.
const ID: usize = 32;

#[async_trait]
impl Tail for Postgres {
    async fn others(&self, process: Uuid) -> Result<Option<mpsc::Receiver<Told>>, StoreError> {
        let others = self.listen(CHANNEL, move |payload| {
            let (teller, told) = read(payload)?;
            (teller != process).then_some(told)
        });
        others.await.map(Some)
    }

    async fn tell(&self, process: Uuid, told: Told) -> Result<(), StoreError> {
        let payload = write(process, &told);
        self.execute(
            "/* name: notify_others */ SELECT pg_notify($1, $2)",
            &[&CHANNEL, &payload],
        )
        .await?;
        Ok(())
    }
}

fn write(process: Uuid, told: &Told) -> String {
    let mut payload = format!("{} ", process.simple());
    match told {
        Told::Watched => payload.push_str(WATCHED),
        Told::Recorded(attempts) => {
            payload.extend(attempts.iter().map(|id| id.uuid().simple().to_string()));
        }
    }
    payload
}

fn read(payload: &str) -> Option<(Uuid, Told)> {
    let (process, told) = payload.split_once(' ')?;
    let told = match told {
        WATCHED => Told::Watched,
        ids => Told::Recorded(
            ids.as_bytes()
                .chunks(ID)
                .map(|id| Uuid::try_parse_ascii(id).ok().map(AttemptId::from_uuid))
                .collect::<Option<_>>()?,
        ),
    };
    Some((Uuid::try_parse(process).ok()?, told))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tail::MAX_TOLD;

    #[test]
    fn what_is_written_is_read_and_fits_a_notification() {
        let process = Uuid::new_v4();
        let attempts = std::iter::repeat_with(AttemptId::new).take(MAX_TOLD).collect();
        for told in [Told::Watched, Told::Recorded(attempts), Told::Recorded(Vec::new())] {
            let payload = write(process, &told);
            assert!(payload.len() < 8_000, "{}", payload.len());
            assert_eq!(read(&payload), Some((process, told)));
        }
    }

    #[test]
    fn what_another_version_says_is_left_out() {
        for payload in ["", "watched", "x watched", "00000000000000000000000000000000 nothing"] {
            assert_eq!(read(payload), None, "{payload:?}");
        }
    }
}
