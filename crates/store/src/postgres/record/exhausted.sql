exhausted AS (
    SELECT ended.*, moved.event_id, moved.tenant_id, moved.endpoint_id
    FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::boolean[], $5::uuid[], $6::uuid[])
        AS ended (delivery_id, at, detail, marks, notice_id, failing_notice_id)
    JOIN moved ON moved.id = ended.delivery_id AND moved.state = 'exhausted'
), struck AS (
    SELECT DISTINCT ON (endpoint_id) *, max(at) OVER (PARTITION BY endpoint_id) AS last_at
    FROM exhausted WHERE marks ORDER BY endpoint_id, at
), failing AS (
    UPDATE endpoints
    -- Always a new time, so that whoever replaces the endpoint at this moment has to read it again.
    SET failing_since = struck.at, updated_at = greatest(updated_at + interval '1 microsecond', struck.at)
    FROM struck WHERE endpoints.id = struck.endpoint_id AND failing_since IS NULL
    RETURNING endpoints.id
), judged AS (
    -- The tenant is notified as soon as an endpoint begins to fail, unless it was notified of that within a day: then the
    -- endpoint fails and answers by turns, and a notice follows when nothing has succeeded for ten minutes, or when the day
    -- is over. Versions without `endpoint_health` sent a notice for every endpoint that they marked.
    SELECT struck.*, endpoints.tenant_id AS owner_id, coalesce(endpoints.failing_since, struck.at) AS since,
           h.last_failed_at,
           CASE
               WHEN failing.id IS NOT NULL THEN coalesce(struck.at >= h.told_at + interval '1 day', true)
               -- Another batch marks the endpoint at this moment, and writes the notice.
               WHEN endpoints.failing_since IS NULL THEN false
               WHEN h.endpoint_id IS NULL THEN false
               WHEN h.told_for = endpoints.failing_since THEN false
               ELSE struck.last_at >= endpoints.failing_since + interval '10 minutes'
                        AND coalesce(h.answered_at < endpoints.failing_since, true)
                    OR coalesce(struck.last_at >= h.told_at + interval '1 day', true)
           END AS tell,
           endpoints.failing_since IS NOT NULL AND h.endpoint_id IS NULL AS was_told
    FROM struck JOIN endpoints ON endpoints.id = struck.endpoint_id
    LEFT JOIN failing ON failing.id = struck.endpoint_id
    LEFT JOIN endpoint_health h ON h.endpoint_id = struck.endpoint_id
), remembered AS (
    INSERT INTO endpoint_health AS known (endpoint_id, last_failed_at, told_at, told_for)
    SELECT endpoint_id, last_at, CASE WHEN tell THEN last_at WHEN was_told THEN since END,
           CASE WHEN tell OR was_told THEN since END
    FROM judged
    -- While an endpoint only goes on failing, one write a second is enough.
    WHERE tell OR coalesce(last_at >= last_failed_at + interval '1 second', true)
    ON CONFLICT (endpoint_id) DO UPDATE
    SET last_failed_at = greatest(known.last_failed_at, excluded.last_failed_at),
        told_at = coalesce(excluded.told_at, known.told_at), told_for = coalesce(excluded.told_for, known.told_for)
), notified AS (
    INSERT INTO notices (id, tenant_id, endpoint_id, delivery_id, event_id, at, try_at, kind, detail)
    SELECT failing_notice_id, owner_id, endpoint_id, delivery_id, event_id, at, at, 'endpoint.failing', detail
    FROM judged WHERE tell
    UNION ALL
    -- Single deliveries interest operational endpoints only, and never those that failed themselves: that would not end.
    SELECT notice_id, tenant_id, endpoint_id, delivery_id, event_id, at, at, 'delivery.exhausted', detail FROM exhausted
    WHERE EXISTS (SELECT FROM endpoints e WHERE e.tenant_id = exhausted.tenant_id AND e.operational)
      AND NOT EXISTS (SELECT FROM endpoints e WHERE e.id = exhausted.endpoint_id AND e.operational)
)
