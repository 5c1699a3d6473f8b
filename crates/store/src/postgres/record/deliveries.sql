moved AS (
    INSERT INTO deliveries AS known (id, event_id, tenant_id, endpoint_id, updated_at, due_at, sweep_at, step, attempts,
                                     state, reason)
    SELECT new.id, new.event_id, new.tenant_id, new.endpoint_id, new.updated_at, new.due_at, new.sweep_at, new.step,
           new.attempts, new.state, new.reason
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[],
                $8::integer[], $9::integer[], $10::text[], $11::text[], $12::boolean[])
         AS new (id, event_id, tenant_id, endpoint_id, updated_at, due_at, sweep_at, step, attempts, state, reason, makes)
    -- A move makes no row: of what is not on record, nothing may be left. An attempt does, because its event may
    -- come.
    WHERE (new.makes /* or is known */)
      -- A value and no join, which might change the order in which rows are locked.
      AND (SELECT true FROM erasures e
           WHERE e.tenant_id = new.tenant_id AND e.event_id IS NULL AND e.id > new.event_id LIMIT 1) IS NULL
    ON CONFLICT (id) DO UPDATE
    SET updated_at = excluded.updated_at, due_at = excluded.due_at, sweep_at = excluded.sweep_at, step = excluded.step,
        attempts = excluded.attempts, state = excluded.state, reason = excluded.reason
    -- A terminal state never goes back; among the others the higher step wins.
    WHERE known.state NOT IN ('succeeded', 'exhausted', 'cancelled')
      AND (excluded.step > known.step OR excluded.state IN ('succeeded', 'exhausted', 'cancelled'))
    RETURNING id, event_id, tenant_id, endpoint_id, state
)
