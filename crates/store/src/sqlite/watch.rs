//! The embedded store belongs to one process, so there is nobody to notify.

use async_trait::async_trait;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::Sqlite;
use crate::error::StoreError;
use crate::watch::{Notification, Watch};

#[async_trait]
impl Watch for Sqlite {
    async fn subscribe(&self, _process: Uuid) -> Result<Option<mpsc::Receiver<Notification>>, StoreError> {
        Ok(None)
    }

    async fn notify(&self, _process: Uuid, _notification: Notification) -> Result<(), StoreError> {
        Ok(())
    }
}
