//! A row, inserted with many others.

use anyhow::Context as _;
use tokio_postgres::NoTls;
use uuid::Uuid;

use crate::proc::{Group, Meter};

/// Rows of an insert.
const ROWS: u32 = 500;

/// µs of CPU per row, of PostgreSQL's processes.
pub(super) async fn measure(url: &str, postgres: u32, payload: &[u8], times: u32) -> anyhow::Result<f64> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let driven = tokio::spawn(connection);
    client
        .batch_execute("CREATE TABLE floor (id uuid PRIMARY KEY, at timestamptz NOT NULL, content bytea NOT NULL)")
        .await
        .context("a table can't be made")?;
    let insert = client
        .prepare(
            "INSERT INTO floor SELECT id, now(), content FROM unnest($1::uuid[], $2::bytea[]) AS row (id, content)",
        )
        .await?;
    let meter = Meter::new(vec![Group {
        name: "postgresql",
        roots: vec![postgres],
    }]);
    let contents = vec![payload; ROWS as usize];
    let before = meter.read()?;
    for _ in 0..times / ROWS {
        let ids: Vec<Uuid> = (0..ROWS).map(|_| Uuid::now_v7()).collect();
        client.execute(&insert, &[&ids, &contents]).await?;
    }
    let after = meter.read()?;
    client.batch_execute("DROP TABLE floor").await?;
    drop(client);
    driven.await??;
    let spent = after[0].1.saturating_sub(before[0].1);
    Ok(spent.as_secs_f64() * 1e6 / f64::from(times / ROWS * ROWS))
}
