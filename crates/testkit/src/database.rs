//! A PostgreSQL database of its own for each test.

use std::thread;

use tokio::runtime;
use tokio_postgres::NoTls;
use url::Url;
use uuid::Uuid;

use crate::services;

/// An empty database, dropped with everything connected to it when this value is.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    server: Url,
}

impl TestDatabase {
    /// Creates an empty database with a unique name.
    pub async fn create() -> Self {
        let server = services::running().await.database_url.clone();
        let name = format!("tidings_test_{}", Uuid::now_v7().simple());
        execute(&server, &format!("CREATE DATABASE {name}"))
            .await
            .expect("a database can be created");
        Self { name, server }
    }

    /// Its address, as in `postgres://user@127.0.0.1:5432/name`.
    pub fn url(&self) -> String {
        let mut url = self.server.clone();
        url.set_path(&self.name);
        url.into()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs SQL statements, separated by semicolons, in the database.
    pub async fn execute(&self, statements: &str) {
        let url = Url::parse(&self.url()).expect("a URL with another path is a URL");
        execute(&url, statements)
            .await
            .unwrap_or_else(|error| panic!("{statements}: {error}"));
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let server = &self.server;
        // The test's own runtime cannot wait inside of a drop, so a thread with a runtime of its own does.
        let dropped = thread::scope(|scope| scope.spawn(|| block_on(execute(server, &statement))).join());
        match dropped {
            Ok(Ok(())) => {}
            failed => eprintln!("the database {} stays behind: {failed:?}", self.name),
        }
    }
}

async fn execute(url: &Url, statements: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url.as_str(), NoTls).await?;
    let connection = tokio::spawn(connection);
    let executed = client.batch_execute(statements).await;
    drop(client);
    let _ = connection.await;
    executed
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built");
    runtime.block_on(future)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn exists(name: &str) -> bool {
        let server = services::running().await.database_url.clone();
        let (client, connection) = tokio_postgres::connect(server.as_str(), NoTls).await.unwrap();
        tokio::spawn(connection);
        client
            .query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&name])
            .await
            .unwrap()
            .is_some()
    }

    #[tokio::test]
    async fn each_is_empty_and_gone_afterwards() {
        let (one, other) = tokio::join!(TestDatabase::create(), TestDatabase::create());
        one.execute("CREATE TABLE there (id int)").await;
        other.execute("CREATE TABLE there (id int)").await;
        let (client, connection) = tokio_postgres::connect(&one.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        assert!(client.query("SELECT id FROM there", &[]).await.unwrap().is_empty());

        let name = one.name().to_owned();
        assert!(exists(&name).await);
        drop(one);
        assert!(!exists(&name).await, "dropped although a client is connected");
    }

    #[tokio::test]
    async fn it_is_durable() {
        let database = TestDatabase::create().await;
        database
            .execute("DO $$ BEGIN ASSERT current_setting('fsync') = 'on'; END $$")
            .await;
    }
}
