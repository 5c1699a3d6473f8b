//! The stores that the suite runs on, each empty and for one test only.

use std::any::Any;
use std::sync::Arc;

use tidings_store::Store;
use tidings_store::postgres::{Config, Postgres, migrate};
use tidings_store::seal::{SealKey, Sealer};
use tidings_store::sqlite::Sqlite;
use tidings_testkit::TestDatabase;

/// A store, and what must outlive it.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    _place: Box<dyn Any + Send>,
}

pub(crate) async fn postgres() -> Opened {
    let database = TestDatabase::create().await;
    let config = Config {
        url: database.url().into(),
        ..Config::default()
    };
    migrate(&config).await.unwrap();
    let store = Postgres::connect(&config, sealer()).await.unwrap();
    Opened {
        store: Arc::new(store),
        _place: Box::new(database),
    }
}

pub(crate) async fn sqlite() -> Opened {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&directory.path().join("tidings.db"), sealer()).unwrap();
    Opened {
        store: Arc::new(store),
        _place: Box::new(directory),
    }
}

fn sealer() -> Sealer {
    Sealer::new(vec![SealKey::new("test", [7; 32]).unwrap()]).unwrap()
}
