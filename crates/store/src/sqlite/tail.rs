//! The embedded store belongs to one process, so there is nobody to notify.

use async_trait::async_trait;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::Sqlite;
use crate::error::StoreError;
use crate::tail::{Tail, Told};

#[async_trait]
impl Tail for Sqlite {
    async fn others(&self, _process: Uuid) -> Result<Option<mpsc::Receiver<Told>>, StoreError> {
        Ok(None)
    }

    async fn tell(&self, _process: Uuid, _told: Told) -> Result<(), StoreError> {
        Ok(())
    }
}
