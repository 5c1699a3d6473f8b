-- record: one batch, one statement and therefore one commit. Every list is sorted by id, and lists are written in
-- the same order by everybody, so that batches with common rows wait for each other and never in a circle.
-- Endpoints are marked in no particular order, but only when their health changes; should two batches meet in a circle
-- there, PostgreSQL refuses one of them, and it is tried again like any that the database could not take.
--
-- An erasure of everything of a tenant is of all events whose ids are below its own: whatever still arrives of those is
-- passed over. A move makes no row; an attempt does, because its event may be on its way. What is looked up per row is
-- a subquery that yields a value: a join might change the order.
--
-- What stands between `/* name: */` and `/* :name */` is left out where a batch has nothing of the kind: the server prepares
-- every part of a statement anew each time, among them all partitions that it might look at.
WITH new_events AS (
    INSERT INTO events (id, tenant_id, occurred_at, accepted_at, delivery_count, event_type, idempotency_key,
                        traceparent, payload, test)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::integer[], $6::text[],
                         $7::text[], $8::text[], $9::bytea[], $44::boolean[]) AS new (id, tenant_id)
    WHERE (SELECT true FROM erasures e WHERE e.tenant_id = new.tenant_id AND e.event_id IS NULL AND e.id > new.id LIMIT 1)
          IS NULL
    ON CONFLICT (id) DO NOTHING
), new_attempts AS (
    INSERT INTO attempts (id, delivery_id, event_id, tenant_id, endpoint_id, started_at, next_attempt_at, duration_us,
                          number, status_code, response_truncated, event_type, url, dialect, outcome, reason, error,
                          remote_address, request_headers, response_headers, test, dns_us, connect_us, tls_us,
                          first_byte_us, sent_again, payload_at, request_body, response_body)
    SELECT new.id, delivery_id, new.event_id, new.tenant_id, endpoint_id, started_at, next_attempt_at, duration_us,
           number, status_code, response_truncated, event_type, url, dialect, outcome, reason, error,
           remote_address, request_headers, response_headers, test, dns_us, connect_us, tls_us, first_byte_us,
           sent_again,
           CASE WHEN erased.content THEN NULL ELSE payload_at END,
           CASE WHEN erased.content THEN '' ELSE request_body END,
           CASE WHEN erased.content THEN '' ELSE response_body END
    FROM unnest($10::uuid[], $11::uuid[], $12::uuid[], $13::uuid[], $14::uuid[], $15::timestamptz[],
                $16::timestamptz[], $17::bigint[], $18::integer[], $19::integer[], $20::integer[],
                $21::boolean[], $22::text[], $23::text[], $24::text[], $25::text[], $26::text[], $27::text[],
                $28::text[], $29::text[], $30::bytea[], $31::text[], $32::bytea[], $45::boolean[], $55::integer[],
                $56::integer[], $57::integer[], $58::integer[], $60::text[])
         AS new (id, delivery_id, event_id, tenant_id, endpoint_id, started_at, next_attempt_at, duration_us, number,
                 status_code, payload_at, response_truncated, event_type, url, dialect, outcome, reason, error,
                 remote_address, request_headers, request_body, response_headers, response_body, test, dns_us,
                 connect_us, tls_us, first_byte_us, sent_again)
    CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM erasures e WHERE e.tenant_id = new.tenant_id
                                         AND e.event_id = new.event_id) AS content) AS erased
    WHERE (SELECT true FROM erasures e
           WHERE e.tenant_id = new.tenant_id AND e.event_id IS NULL AND e.id > new.event_id LIMIT 1) IS NULL
    ON CONFLICT (id) DO NOTHING
), moved AS (
    INSERT INTO deliveries AS known (id, event_id, tenant_id, endpoint_id, updated_at, due_at, sweep_at, step, attempts,
                                     state, reason)
    SELECT new.id, new.event_id, new.tenant_id, new.endpoint_id, new.updated_at, new.due_at, new.sweep_at, new.step,
           new.attempts, new.state, new.reason
    FROM unnest($33::uuid[], $34::uuid[], $35::uuid[], $36::uuid[], $37::timestamptz[], $38::timestamptz[],
                $39::timestamptz[], $40::integer[], $41::integer[], $42::text[], $43::text[], $59::boolean[])
         AS new (id, event_id, tenant_id, endpoint_id, updated_at, due_at, sweep_at, step, attempts, state, reason, makes)
    WHERE (new.makes /* moves: */ OR (SELECT true FROM deliveries d WHERE d.id = new.id) /* :moves */)
      AND (SELECT true FROM erasures e
           WHERE e.tenant_id = new.tenant_id AND e.event_id IS NULL AND e.id > new.event_id LIMIT 1) IS NULL
    ON CONFLICT (id) DO UPDATE
    SET updated_at = excluded.updated_at, due_at = excluded.due_at, sweep_at = excluded.sweep_at, step = excluded.step,
        attempts = excluded.attempts, state = excluded.state, reason = excluded.reason
    -- A terminal state never goes back; among the others the higher step wins.
    WHERE known.state NOT IN ('succeeded', 'exhausted', 'cancelled')
      AND (excluded.step > known.step OR excluded.state IN ('succeeded', 'exhausted', 'cancelled'))
    RETURNING id, event_id, tenant_id, endpoint_id, state
), exhausted AS (
    SELECT ended.*, moved.event_id, moved.tenant_id, moved.endpoint_id
    FROM unnest($46::uuid[], $47::timestamptz[], $48::text[], $49::boolean[], $50::uuid[], $51::uuid[])
        AS ended (delivery_id, at, detail, marks, notice_id, failing_notice_id)
    JOIN moved ON moved.id = ended.delivery_id AND moved.state = 'exhausted'
/* given up: */
), struck AS (
    SELECT DISTINCT ON (endpoint_id) *, max(at) OVER (PARTITION BY endpoint_id) AS last_at
    FROM exhausted WHERE marks ORDER BY endpoint_id, at
), failing AS (
    UPDATE endpoints
    SET failing_since = struck.at, updated_at = greatest(updated_at + interval '1 microsecond', struck.at)
    FROM struck WHERE endpoints.id = struck.endpoint_id AND failing_since IS NULL
    RETURNING endpoints.id
), judged AS (
    -- One that began to fail is told at once, unless that was told within a day: then it fails and answers by turns, and
    -- is told when nothing has succeeded for ten minutes, or when the day is over. One of which nothing is remembered
    -- although it fails was told by a version that did not remember.
    SELECT struck.*, endpoints.tenant_id AS owner_id, coalesce(endpoints.failing_since, struck.at) AS since,
           h.last_failed_at,
           CASE
               WHEN failing.id IS NOT NULL THEN coalesce(struck.at >= h.told_at + interval '1 day', true)
               -- Somebody else marks it at this moment, and tells it.
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
    WHERE tell OR coalesce(last_at >= last_failed_at + interval '1 second', true)
    ON CONFLICT (endpoint_id) DO UPDATE
    SET last_failed_at = greatest(known.last_failed_at, excluded.last_failed_at),
        told_at = coalesce(excluded.told_at, known.told_at), told_for = coalesce(excluded.told_for, known.told_for)
/* :given up */
), answered AS (
    -- An endpoint whose failing was told recovers with the first success, another when it has not failed for ten minutes.
    SELECT answered.*, h.answered_at,
           coalesce(h.told_for = e.failing_since, h.endpoint_id IS NULL) AS told,
           coalesce(h.told_for = e.failing_since, h.endpoint_id IS NULL)
               OR h.last_failed_at < answered.at - interval '10 minutes' AS recovers
    FROM unnest($52::uuid[], $53::timestamptz[], $54::uuid[]) AS answered (endpoint_id, at, notice_id)
    JOIN endpoints e ON e.id = answered.endpoint_id AND e.failing_since < answered.at
    LEFT JOIN endpoint_health h ON h.endpoint_id = e.id
), noted AS (
    UPDATE endpoint_health h SET answered_at = answered.at FROM answered
    WHERE h.endpoint_id = answered.endpoint_id AND NOT recovers
      AND coalesce(h.answered_at < answered.at - interval '1 second', true)
), recovered AS (
    UPDATE endpoints
    SET failing_since = NULL, updated_at = greatest(updated_at + interval '1 microsecond', answered.at)
    FROM answered
    WHERE endpoints.id = answered.endpoint_id AND recovers AND failing_since < answered.at
    RETURNING answered.notice_id AS id, endpoints.tenant_id, endpoints.id AS endpoint_id, answered.at, answered.told
)
INSERT INTO notices (id, tenant_id, endpoint_id, delivery_id, event_id, at, try_at, kind, detail)
/* given up: */
SELECT failing_notice_id, owner_id, endpoint_id, delivery_id, event_id, at, at, 'endpoint.failing', detail
FROM judged WHERE tell
UNION ALL
/* :given up */
SELECT id, tenant_id, endpoint_id, NULL, NULL, at, at, 'endpoint.recovered', '' FROM recovered WHERE told
UNION ALL
-- Nobody is told of single deliveries but operational endpoints, and those not of their own: that would never end.
SELECT notice_id, tenant_id, endpoint_id, delivery_id, event_id, at, at, 'delivery.exhausted', detail FROM exhausted
WHERE EXISTS (SELECT FROM endpoints e WHERE e.tenant_id = exhausted.tenant_id AND e.operational)
  AND NOT EXISTS (SELECT FROM endpoints e WHERE e.id = exhausted.endpoint_id AND e.operational)
