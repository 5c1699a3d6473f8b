-- name: recover_endpoints
-- Successes of endpoints that are marked as failing. An endpoint whose failing was notified recovers with the first success,
-- another when it has not failed for ten minutes.
WITH answered AS (
    SELECT answered.*, h.answered_at,
           coalesce(h.told_for = e.failing_since, h.endpoint_id IS NULL) AS told,
           coalesce(h.told_for = e.failing_since, h.endpoint_id IS NULL)
               OR h.last_failed_at < answered.at - interval '10 minutes' AS recovers
    FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[]) AS answered (endpoint_id, at, notice_id)
    JOIN endpoints e ON e.id = answered.endpoint_id AND e.failing_since < answered.at
    LEFT JOIN endpoint_health h ON h.endpoint_id = e.id
), noted AS (
    UPDATE endpoint_health h SET answered_at = answered.at FROM answered
    WHERE h.endpoint_id = answered.endpoint_id AND NOT recovers
      -- While an endpoint answers and fails by turns, one write a second is enough.
      AND coalesce(h.answered_at < answered.at - interval '1 second', true)
), recovered AS (
    UPDATE endpoints
    SET failing_since = NULL, updated_at = greatest(updated_at + interval '1 microsecond', answered.at)
    FROM answered
    WHERE endpoints.id = answered.endpoint_id AND recovers AND failing_since < answered.at
    RETURNING answered.notice_id AS id, endpoints.tenant_id, endpoints.id AS endpoint_id, answered.at, answered.told
)
INSERT INTO notices (id, tenant_id, endpoint_id, at, try_at, kind, detail)
SELECT id, tenant_id, endpoint_id, at, at, 'endpoint.recovered', '' FROM recovered WHERE told
