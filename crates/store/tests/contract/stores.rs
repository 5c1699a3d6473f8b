//! The stores that the suite runs on, each empty and for one test only.

use std::any::Any;
use std::sync::Arc;

use tempfile::TempDir;
use tidings_store::postgres::{self, Config};
use tidings_store::seal::{SealKey, Sealer};
use tidings_store::{Store, sqlite};
use tidings_testkit::TestDatabase;

/// A store, and what must outlive it.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    _place: Box<dyn Any + Send>,
}

pub(crate) async fn postgres() -> Opened {
    let place = Postgres::create().await;
    Opened {
        store: place.open(sealer()).await,
        _place: Box::new(place),
    }
}

pub(crate) async fn sqlite() -> Opened {
    let place = Sqlite::create();
    Opened {
        store: place.open(sealer()),
        _place: Box::new(place),
    }
}

/// A PostgreSQL database.
pub(crate) struct Postgres {
    config: Config,
    database: TestDatabase,
}

impl Postgres {
    pub(crate) async fn create() -> Self {
        let database = TestDatabase::create().await;
        let config = Config {
            url: database.url().into(),
            ..Config::default()
        };
        postgres::migrate(&config, std::time::Duration::ZERO).await.unwrap();
        Self { config, database }
    }

    /// Changes something by hand.
    pub(crate) async fn execute(&self, sql: &str) {
        self.database.execute(sql).await;
    }

    pub(crate) async fn open(&self, sealer: Sealer) -> Arc<dyn Store> {
        Arc::new(postgres::Postgres::connect(&self.config, sealer).await.unwrap())
    }
}

/// A place for an SQLite file, which can be open once at a time.
pub(crate) struct Sqlite(TempDir);

impl Sqlite {
    pub(crate) fn create() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Changes something by hand.
    pub(crate) fn execute(&self, sql: &str) {
        let file = rusqlite::Connection::open(self.0.path().join("tidings.db")).unwrap();
        file.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        file.execute_batch(sql).unwrap();
    }

    pub(crate) fn open(&self, sealer: Sealer) -> Arc<dyn Store> {
        Arc::new(sqlite::Sqlite::open(&self.0.path().join("tidings.db"), sealer).unwrap())
    }
}

pub(crate) fn sealer() -> Sealer {
    Sealer::new(vec![SealKey::new("test", [7; 32]).unwrap()]).unwrap()
}
