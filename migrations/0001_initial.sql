-- The first schema: the registry, the ledger and the idempotency keys.
--
-- Times are UTC. Ids are UUIDv7, which sort by the millisecond they were made in; `events`, `deliveries` and
-- `attempts` are partitioned by id and thereby by day (UTC). The program makes the days' partitions ahead
-- (`events_20261121`); rows of days without one go to the `…_default` partitions and move from there when
-- their day's partition is made.

-- Registry ---------------------------------------------------------------------------------------------------

CREATE TABLE tenants (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE tenants IS 'Customers of the product that runs Tidings.';
COMMENT ON COLUMN tenants.id IS 'UUIDv7; ten_… outside.';
COMMENT ON COLUMN tenants.name IS 'What people call it.';
COMMENT ON COLUMN tenants.created_at IS 'When it was made.';

CREATE TABLE api_keys (
    id uuid PRIMARY KEY,
    tenant_id uuid REFERENCES tenants ON DELETE CASCADE,
    scopes text[] NOT NULL,
    hint text NOT NULL,
    token_hash bytea NOT NULL UNIQUE,
    expires_at timestamptz,
    created_at timestamptz NOT NULL
);
CREATE INDEX ON api_keys (tenant_id, id);
COMMENT ON TABLE api_keys IS 'API keys of tenants and operators.';
COMMENT ON COLUMN api_keys.id IS 'UUIDv7; key_… outside. Names the key, is not the secret.';
COMMENT ON COLUMN api_keys.tenant_id IS 'Whose it is; null for an operator key, which works for all tenants.';
COMMENT ON COLUMN api_keys.scopes IS 'What it may be used for: publish, read, manage.';
COMMENT ON COLUMN api_keys.hint IS 'The first characters of the token, to tell keys apart.';
COMMENT ON COLUMN api_keys.token_hash IS 'SHA-256 of the token; the token itself is not kept.';
COMMENT ON COLUMN api_keys.expires_at IS 'When it stops working; null for never.';
COMMENT ON COLUMN api_keys.created_at IS 'When it was made.';

CREATE TABLE endpoints (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    name text NOT NULL,
    url text NOT NULL,
    dialect text NOT NULL,
    secret_sealed bytea,
    subscriptions jsonb NOT NULL,
    enabled boolean NOT NULL,
    overrides jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX ON endpoints (tenant_id, id);
COMMENT ON TABLE endpoints IS 'Receivers as their tenants configured them.';
COMMENT ON COLUMN endpoints.id IS 'UUIDv7; ep_… outside.';
COMMENT ON COLUMN endpoints.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN endpoints.name IS 'What people call it; may be empty.';
COMMENT ON COLUMN endpoints.url IS 'Where requests go.';
COMMENT ON COLUMN endpoints.dialect IS 'The name of the dialect that requests are written in.';
COMMENT ON COLUMN endpoints.secret_sealed IS 'The signing secret, encrypted; null where requests are not signed.';
COMMENT ON COLUMN endpoints.subscriptions IS 'What it wants: [{"pattern": "feedback.*", "enabled": true}, …].';
COMMENT ON COLUMN endpoints.enabled IS 'Whether requests are made; while false, deliveries are held.';
COMMENT ON COLUMN endpoints.overrides IS 'What the tenant chose differently from the dialect.';
COMMENT ON COLUMN endpoints.created_at IS 'When it was made.';
COMMENT ON COLUMN endpoints.updated_at IS 'When it was last changed; a replacement must name it.';

-- A trigger and not the program announces changes, so that those made by hand in psql are announced too.
CREATE FUNCTION announce_registry_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    tenant text := to_jsonb(coalesce(new, old)) ->> tg_argv[0];
BEGIN
    PERFORM pg_notify('tidings_registry', coalesce(tenant, 'operators'));
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION announce_registry_change IS
    'Notifies tidings_registry of the tenant whose row changed, or "operators". The argument names the column.';

CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON tenants
    FOR EACH ROW EXECUTE FUNCTION announce_registry_change('id');
CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON api_keys
    FOR EACH ROW EXECUTE FUNCTION announce_registry_change('tenant_id');
CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON endpoints
    FOR EACH ROW EXECUTE FUNCTION announce_registry_change('tenant_id');

-- Ledger -----------------------------------------------------------------------------------------------------
--
-- Ledger rows outlive the tenants and endpoints they name, so there are no foreign keys here.

CREATE TABLE events (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    accepted_at timestamptz NOT NULL,
    delivery_count integer NOT NULL,
    event_type text NOT NULL,
    idempotency_key text,
    traceparent text,
    payload bytea NOT NULL
) PARTITION BY RANGE (id);
CREATE TABLE events_default PARTITION OF events DEFAULT;
CREATE INDEX ON events (tenant_id, id);
CREATE INDEX ON events (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
COMMENT ON TABLE events IS 'What was published.';
COMMENT ON COLUMN events.id IS 'UUIDv7; evt_… outside. Bears the millisecond in which it was accepted.';
COMMENT ON COLUMN events.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN events.occurred_at IS 'When it happened, as the publisher says.';
COMMENT ON COLUMN events.accepted_at IS 'When it was accepted.';
COMMENT ON COLUMN events.delivery_count IS 'How many endpoints it goes to.';
COMMENT ON COLUMN events.event_type IS 'What happened: feedback.created.';
COMMENT ON COLUMN events.idempotency_key IS 'The publisher''s key.';
COMMENT ON COLUMN events.traceparent IS 'The publisher''s trace (W3C Trace Context).';
COMMENT ON COLUMN events.payload IS 'The content, a JSON text.';

CREATE TABLE deliveries (
    id uuid PRIMARY KEY,
    event_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    updated_at timestamptz NOT NULL,
    due_at timestamptz,
    sweep_at timestamptz,
    step integer NOT NULL,
    attempts integer NOT NULL,
    state text NOT NULL,
    reason text
) PARTITION BY RANGE (id);
CREATE TABLE deliveries_default PARTITION OF deliveries DEFAULT;
-- Every index is written twice per delivery, so there are no more than these. Deliveries of an event are
-- found by their primary key, because a delivery's id bears the millisecond of its event's.
CREATE INDEX ON deliveries (tenant_id, id);
CREATE INDEX ON deliveries (endpoint_id, id);
CREATE INDEX ON deliveries (sweep_at) WHERE sweep_at IS NOT NULL;
CREATE INDEX ON deliveries (endpoint_id, id) WHERE state = 'held';
COMMENT ON TABLE deliveries IS 'One event for one endpoint, and where it stands.';
COMMENT ON COLUMN deliveries.id IS 'Derived from event and endpoint; dlv_… outside.';
COMMENT ON COLUMN deliveries.event_id IS 'The event.';
COMMENT ON COLUMN deliveries.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN deliveries.endpoint_id IS 'Where it goes.';
COMMENT ON COLUMN deliveries.updated_at IS 'When it last changed.';
COMMENT ON COLUMN deliveries.due_at IS 'When the next attempt is due; only while scheduled.';
COMMENT ON COLUMN deliveries.sweep_at IS
    'When the sweeper publishes it again, unless something happens before; null if nothing is to be published.';
COMMENT ON COLUMN deliveries.step IS
    'How far it is: number of the next attempt × 65536 + moves since the last. Of two records the higher wins.';
COMMENT ON COLUMN deliveries.attempts IS 'How many attempts were made.';
COMMENT ON COLUMN deliveries.state IS 'pending, scheduled, held; at the end succeeded, exhausted or cancelled.';
COMMENT ON COLUMN deliveries.reason IS 'Why it is held or cancelled.';

CREATE TABLE attempts (
    id uuid PRIMARY KEY,
    delivery_id uuid NOT NULL,
    event_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    started_at timestamptz NOT NULL,
    next_attempt_at timestamptz,
    duration_us bigint NOT NULL,
    number integer NOT NULL,
    status_code integer,
    payload_at integer,
    response_truncated boolean NOT NULL,
    event_type text NOT NULL,
    url text NOT NULL,
    dialect text NOT NULL,
    outcome text NOT NULL,
    reason text,
    error text NOT NULL,
    remote_address text NOT NULL,
    request_headers text NOT NULL,
    request_body bytea NOT NULL,
    response_headers text NOT NULL,
    response_body bytea NOT NULL
) PARTITION BY RANGE (id);
CREATE TABLE attempts_default PARTITION OF attempts DEFAULT;
CREATE INDEX ON attempts (tenant_id, id);
CREATE INDEX ON attempts (endpoint_id, id);
-- Finds the attempts of an event too: ids of its deliveries begin with the event's millisecond.
CREATE INDEX ON attempts (delivery_id);
COMMENT ON TABLE attempts IS 'HTTP requests and what came of them.';
COMMENT ON COLUMN attempts.id IS 'UUIDv7; att_… outside. Bears the millisecond in which the request was begun.';
COMMENT ON COLUMN attempts.delivery_id IS 'The delivery.';
COMMENT ON COLUMN attempts.event_id IS 'The event.';
COMMENT ON COLUMN attempts.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN attempts.endpoint_id IS 'Where it went.';
COMMENT ON COLUMN attempts.started_at IS 'When the request was begun.';
COMMENT ON COLUMN attempts.next_attempt_at IS 'When the next attempt is due, if one follows.';
COMMENT ON COLUMN attempts.duration_us IS 'How long it took, in microseconds.';
COMMENT ON COLUMN attempts.number IS 'Its number within the delivery; the first is 1.';
COMMENT ON COLUMN attempts.status_code IS 'The response''s status; null if there was no response.';
COMMENT ON COLUMN attempts.payload_at IS
    'Where in request_body the event''s payload, which is not stored again, has to be put; null for nowhere.';
COMMENT ON COLUMN attempts.response_truncated IS 'Whether the response went on after what is kept.';
COMMENT ON COLUMN attempts.event_type IS 'The event''s type.';
COMMENT ON COLUMN attempts.url IS 'Where the request went.';
COMMENT ON COLUMN attempts.dialect IS 'The dialect that it was written in.';
COMMENT ON COLUMN attempts.outcome IS 'succeeded, failed_retryable or failed_final.';
COMMENT ON COLUMN attempts.reason IS 'Why it failed: status, timeout, dns, …';
COMMENT ON COLUMN attempts.error IS 'What exactly went wrong, for people; empty on success.';
COMMENT ON COLUMN attempts.remote_address IS 'The address that the request was sent to.';
COMMENT ON COLUMN attempts.request_headers IS 'JSON, [["name", "value"], …]; text, because nothing filters by it.';
COMMENT ON COLUMN attempts.request_body IS 'The body, or what stands around the payload in it.';
COMMENT ON COLUMN attempts.response_headers IS 'JSON as in request_headers.';
COMMENT ON COLUMN attempts.response_body IS 'The beginning of the response''s body.';

-- Idempotency ------------------------------------------------------------------------------------------------

CREATE TABLE idempotency_keys (
    tenant_id uuid NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    event_id uuid NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT now(),
    settled boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, key)
);
CREATE INDEX ON idempotency_keys (claimed_at);
COMMENT ON TABLE idempotency_keys IS 'Keys that publishers gave, so that one key makes one event.';
COMMENT ON COLUMN idempotency_keys.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN idempotency_keys.key IS 'The key as the publisher wrote it.';
COMMENT ON COLUMN idempotency_keys.fingerprint IS 'SHA-256 of the content that it was used for.';
COMMENT ON COLUMN idempotency_keys.event_id IS 'The event that it is used for.';
COMMENT ON COLUMN idempotency_keys.claimed_at IS 'When it was claimed or, its publisher gone, taken over.';
COMMENT ON COLUMN idempotency_keys.settled IS 'Whether the event is durable; until then the claim can go stale.';
