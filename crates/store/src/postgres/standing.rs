//! The ledger's figures for metrics, read from PostgreSQL.

use std::time::Duration;

use tidings_domain::Timestamp;

use super::Postgres;
use crate::error::StoreError;
use crate::ledger::Standing;

const OVERDUE: &str = "
-- name: count_overdue_deliveries
SELECT count(*), min(sweep_at)
FROM (SELECT sweep_at FROM deliveries WHERE sweep_at <= $1 ORDER BY sweep_at LIMIT $2) overdue";

/// Of the table that has the fewest.
pub(super) const PARTITIONS: &str = "
-- name: count_partitions_ahead
SELECT min(ahead) FROM (
    SELECT count(child.relname) AS ahead
    FROM unnest(ARRAY['events', 'deliveries', 'attempts']) parent
    LEFT JOIN pg_inherits ON inhparent = parent::regclass
    LEFT JOIN pg_class child ON child.oid = inhrelid AND child.relname ~ '_[0-9]{8}$' AND right(child.relname, 8) > $1
    GROUP BY parent
) tables";

const JOBS: &str = "
-- name: count_jobs
SELECT (SELECT count(*) FROM replays WHERE state IN ('running', 'paused')),
       (SELECT count(*) FROM erasures WHERE state = 'running')";

impl Postgres {
    pub(super) async fn read_standing(&self, now: Timestamp) -> Result<Standing, StoreError> {
        let client = self.reader().await?;
        let overdue = client.query(OVERDUE, &[&now, &i64::from(Standing::COUNTED)]).await?;
        let today = now.strftime("%Y%m%d").to_string();
        let partitions = client.query(PARTITIONS, &[&today]).await?;
        let jobs = client.query(JOBS, &[]).await?;
        let (Some(overdue), Some(partitions), Some(jobs)) = (overdue.first(), partitions.first(), jobs.first()) else {
            return Ok(Standing::default());
        };
        let oldest: Option<Timestamp> = overdue.try_get(1)?;
        let overdue_for = oldest.and_then(|oldest| Duration::try_from(now.duration_since(oldest)).ok());
        let count = |value: i64| u64::try_from(value).unwrap_or_default();
        Ok(Standing {
            overdue: count(overdue.try_get(0)?),
            overdue_for: overdue_for.unwrap_or_default(),
            partitions_ahead: u32::try_from(partitions.try_get::<_, i64>(0)?).ok(),
            replays: count(jobs.try_get(0)?),
            erasures: count(jobs.try_get(1)?),
        })
    }
}
