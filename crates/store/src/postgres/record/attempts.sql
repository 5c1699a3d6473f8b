new_attempts AS (
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
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::timestamptz[], $7::timestamptz[],
                $8::bigint[], $9::integer[], $10::integer[], $11::integer[], $12::boolean[], $13::text[], $14::text[],
                $15::text[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::bytea[],
                $22::text[], $23::bytea[], $24::boolean[], $25::integer[], $26::integer[], $27::integer[],
                $28::integer[], $29::text[])
         AS new (id, delivery_id, event_id, tenant_id, endpoint_id, started_at, next_attempt_at, duration_us, number,
                 status_code, payload_at, response_truncated, event_type, url, dialect, outcome, reason, error,
                 remote_address, request_headers, request_body, response_headers, response_body, test, dns_us,
                 connect_us, tls_us, first_byte_us, sent_again)
    -- Of an event that was erased by itself, attempts are recorded without content.
    CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM erasures e WHERE e.tenant_id = new.tenant_id
                                         AND e.event_id = new.event_id) AS content) AS erased
    WHERE (SELECT true FROM erasures e
           WHERE e.tenant_id = new.tenant_id AND e.event_id IS NULL AND e.id > new.event_id LIMIT 1) IS NULL
    -- A record may come again: from a caller without an answer, or through the records queue.
    ON CONFLICT (id) DO NOTHING
)
