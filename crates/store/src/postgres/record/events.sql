new_events AS (
    INSERT INTO events (id, tenant_id, occurred_at, accepted_at, delivery_count, event_type, idempotency_key,
                        traceparent, payload, test)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::integer[], $6::text[],
                         $7::text[], $8::text[], $9::bytea[], $10::boolean[]) AS new (id, tenant_id)
    WHERE (SELECT true FROM erasures e WHERE e.tenant_id = new.tenant_id AND e.event_id IS NULL AND e.id > new.id LIMIT 1)
          IS NULL
    -- A record may come again: from a caller without an answer, or through the records queue.
    ON CONFLICT (id) DO NOTHING
)
