-- What people manage: settings of tenants, names and uses of keys, authentication to endpoints, the catalogue of event
-- types; and what is kept of that: an audit log. Jobs that replay and erase. How long each part of an attempt took.

-- Registry ---------------------------------------------------------------------------------------------------

ALTER TABLE tenants
    ADD COLUMN settings jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();
COMMENT ON COLUMN tenants.settings IS 'What the tenant chose: validation of payloads, retention, publishing rate.';
COMMENT ON COLUMN tenants.updated_at IS 'When it was last changed; a replacement must name it.';

ALTER TABLE api_keys
    ADD COLUMN name text NOT NULL DEFAULT '',
    ADD COLUMN portal boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN api_keys.name IS 'What people call it; may be empty.';
COMMENT ON COLUMN api_keys.portal IS 'Whether it was made for a portal link.';

-- A table of its own, because changes of api_keys are announced to every process.
CREATE TABLE key_uses (
    key_id uuid PRIMARY KEY REFERENCES api_keys ON DELETE CASCADE,
    last_used_at timestamptz NOT NULL
);
COMMENT ON TABLE key_uses IS 'When keys were last used, to about a minute.';
COMMENT ON COLUMN key_uses.key_id IS 'The key.';
COMMENT ON COLUMN key_uses.last_used_at IS 'When a request last came with it.';

ALTER TABLE endpoints ADD COLUMN authentication_sealed bytea;
COMMENT ON COLUMN endpoints.authentication_sealed IS
    'Custom headers, credentials and certificates for requests, JSON, encrypted; null where there are none.';

CREATE TABLE event_types (
    event_type text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    description text NOT NULL,
    schema text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (event_type, version)
);
COMMENT ON TABLE event_types IS 'The catalogue of event types; versions are only added.';
COMMENT ON COLUMN event_types.event_type IS 'Its name: feedback.created.';
COMMENT ON COLUMN event_types.version IS 'Counted from 1; payloads are validated against the newest.';
COMMENT ON COLUMN event_types.description IS 'What it means, for people.';
COMMENT ON COLUMN event_types.schema IS 'The JSON Schema of its payloads; null for any.';
COMMENT ON COLUMN event_types.created_at IS 'When this version was made.';

-- All roles read the whole catalogue again when one type changes.
CREATE FUNCTION announce_event_types_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tidings_registry', 'event_types');
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION announce_event_types_change IS 'Notifies tidings_registry of "event_types".';
CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON event_types
    FOR EACH STATEMENT EXECUTE FUNCTION announce_event_types_change();

-- Audit ------------------------------------------------------------------------------------------------------
--
-- Outlives what it tells of, so there are no foreign keys.

CREATE TABLE audit (
    id uuid PRIMARY KEY,
    tenant_id uuid,
    key_id uuid,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    before jsonb,
    after jsonb,
    remote_address text,
    user_agent text
);
CREATE INDEX ON audit (tenant_id, id);
CREATE INDEX ON audit (target, id);
COMMENT ON TABLE audit IS 'Every change that somebody made to what is managed.';
COMMENT ON COLUMN audit.id IS 'UUIDv7; aud_… outside.';
COMMENT ON COLUMN audit.tenant_id IS 'Whose thing was changed; null for the operators'' own.';
COMMENT ON COLUMN audit.key_id IS 'The key that the request came with.';
COMMENT ON COLUMN audit.at IS 'When.';
COMMENT ON COLUMN audit.actor IS 'Who: tenant, operator, internal (another role), bootstrap or system (Tidings itself).';
COMMENT ON COLUMN audit.action IS 'What was done: endpoint.updated.';
COMMENT ON COLUMN audit.target IS 'The id of what was changed.';
COMMENT ON COLUMN audit.before IS 'What it was like, without secrets; null when it was made.';
COMMENT ON COLUMN audit.after IS 'What it is like since, without secrets; null when it was removed.';
COMMENT ON COLUMN audit.remote_address IS 'Where the request came from.';
COMMENT ON COLUMN audit.user_agent IS 'What the request''s client called itself.';

-- Answers ----------------------------------------------------------------------------------------------------
--
-- No foreign key: an answer outlives its key by a day at the most.

CREATE TABLE answers (
    key_id uuid NOT NULL,
    idempotency_key text NOT NULL,
    fingerprint bytea NOT NULL,
    claim_token uuid NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT now(),
    status smallint,
    headers jsonb,
    body_sealed bytea,
    PRIMARY KEY (key_id, idempotency_key)
);
CREATE INDEX ON answers (claimed_at);
COMMENT ON TABLE answers IS 'What was answered to requests with an Idempotency-Key, to be answered again.';
COMMENT ON COLUMN answers.key_id IS 'The key that the request came with.';
COMMENT ON COLUMN answers.idempotency_key IS 'The Idempotency-Key as the caller wrote it.';
COMMENT ON COLUMN answers.fingerprint IS 'SHA-256 of method, path and body of the request.';
COMMENT ON COLUMN answers.claim_token IS 'Whose work it is: only the holder of the token writes the answer.';
COMMENT ON COLUMN answers.claimed_at IS 'When the request began or, given up by then, began again.';
COMMENT ON COLUMN answers.status IS 'The HTTP status; null while the request is under way.';
COMMENT ON COLUMN answers.headers IS 'The headers that are answered again: pairs of name and value.';
COMMENT ON COLUMN answers.body_sealed IS 'The body, encrypted: it may hold a token or a secret.';

-- Jobs -------------------------------------------------------------------------------------------------------

CREATE TABLE replays (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    what bytea NOT NULL,
    to_endpoint_id uuid,
    only_undelivered boolean NOT NULL,
    per_second integer NOT NULL,
    state text NOT NULL,
    matched bigint NOT NULL,
    matched_at_least boolean NOT NULL,
    walked bigint NOT NULL DEFAULT 0,
    deliveries bigint NOT NULL DEFAULT 0,
    skipped bigint NOT NULL DEFAULT 0,
    walked_to uuid,
    claim_token uuid,
    claimed_until timestamptz,
    error text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    ended_at timestamptz
);
CREATE INDEX ON replays (tenant_id, id);
CREATE INDEX ON replays (created_at) WHERE state = 'running';
COMMENT ON TABLE replays IS 'Jobs that send again what was sent, or should have been.';
COMMENT ON COLUMN replays.id IS 'UUIDv7; rpl_… outside. New deliveries'' ids are derived from it.';
COMMENT ON COLUMN replays.tenant_id IS 'Whose events.';
COMMENT ON COLUMN replays.what IS 'Which rows of the log: a protobuf message tidings.v1.LogRows.';
COMMENT ON COLUMN replays.to_endpoint_id IS 'Where to; null for where each went before.';
COMMENT ON COLUMN replays.only_undelivered IS 'Whether events that the endpoint got by now are left out.';
COMMENT ON COLUMN replays.per_second IS 'At most so many deliveries are made per second.';
COMMENT ON COLUMN replays.state IS 'running, paused; at the end succeeded, cancelled or failed.';
COMMENT ON COLUMN replays.matched IS 'How many rows there were when it was made.';
COMMENT ON COLUMN replays.matched_at_least IS 'Whether there were more than were counted.';
COMMENT ON COLUMN replays.walked IS 'How many of them were gone through.';
COMMENT ON COLUMN replays.deliveries IS 'How many deliveries were made of them.';
COMMENT ON COLUMN replays.skipped IS 'How many were left out: delivered by now, made already, or without content.';
COMMENT ON COLUMN replays.walked_to IS 'The last row that was gone through; newest come first.';
COMMENT ON COLUMN replays.claim_token IS 'Whose work it is: only the holder of the token writes progress.';
COMMENT ON COLUMN replays.claimed_until IS 'When others may take it over.';
COMMENT ON COLUMN replays.error IS 'Why it failed.';
COMMENT ON COLUMN replays.created_at IS 'When it was asked for.';
COMMENT ON COLUMN replays.updated_at IS 'When it last got on.';
COMMENT ON COLUMN replays.ended_at IS 'When it ended.';

CREATE TABLE erasures (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    event_id uuid,
    state text NOT NULL,
    events bigint NOT NULL DEFAULT 0,
    deliveries bigint NOT NULL DEFAULT 0,
    attempts bigint NOT NULL DEFAULT 0,
    claimed_until timestamptz,
    error text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    ended_at timestamptz
);
CREATE INDEX ON erasures (tenant_id, id);
CREATE INDEX ON erasures (created_at) WHERE state = 'running';
COMMENT ON TABLE erasures IS 'Jobs that remove content, and what they removed.';
COMMENT ON COLUMN erasures.id IS 'UUIDv7; ers_… outside.';
COMMENT ON COLUMN erasures.tenant_id IS 'Whose content.';
COMMENT ON COLUMN erasures.event_id IS 'The event whose content it is; null for everything of the tenant.';
COMMENT ON COLUMN erasures.state IS 'running or succeeded.';
COMMENT ON COLUMN erasures.events IS 'How many events were erased.';
COMMENT ON COLUMN erasures.deliveries IS 'How many deliveries were cancelled (one event) or removed (a tenant).';
COMMENT ON COLUMN erasures.attempts IS 'How many attempts were emptied (one event) or removed (a tenant).';
COMMENT ON COLUMN erasures.claimed_until IS 'When others may take it over.';
COMMENT ON COLUMN erasures.error IS 'What went wrong last, while it is tried again.';
COMMENT ON COLUMN erasures.created_at IS 'When it was asked for.';
COMMENT ON COLUMN erasures.updated_at IS 'When it last got on.';
COMMENT ON COLUMN erasures.ended_at IS 'When it ended.';

CREATE TABLE forgotten (
    tenant_id uuid PRIMARY KEY,
    content_before timestamptz,
    attempts_before timestamptz
);
COMMENT ON TABLE forgotten IS 'How far tenants that keep less than others had their log cleared.';
COMMENT ON COLUMN forgotten.tenant_id IS 'The tenant.';
COMMENT ON COLUMN forgotten.content_before IS 'Before this, payloads and bodies are gone.';
COMMENT ON COLUMN forgotten.attempts_before IS 'Before this, attempts are gone.';

-- Ledger -----------------------------------------------------------------------------------------------------

ALTER TABLE events ADD COLUMN erased_at timestamptz;
COMMENT ON COLUMN events.erased_at IS 'When its content was erased; the payload is empty since.';

ALTER TABLE attempts
    ADD COLUMN dns_us integer,
    ADD COLUMN connect_us integer,
    ADD COLUMN tls_us integer,
    ADD COLUMN first_byte_us integer;
COMMENT ON COLUMN attempts.dns_us IS 'How long finding the address took, in microseconds; null if a connection was reused.';
COMMENT ON COLUMN attempts.connect_us IS 'How long the TCP connection took to be made; null if one was reused.';
COMMENT ON COLUMN attempts.tls_us IS 'How long the TLS handshake took; null if there was none.';
COMMENT ON COLUMN attempts.first_byte_us IS 'When the response began, from the beginning of the attempt.';

-- What went wrong is what people look for, and rare. Searches name this condition word by word.
CREATE INDEX ON attempts (tenant_id, id) WHERE outcome <> 'succeeded' OR status_code NOT BETWEEN 200 AND 299;
CREATE INDEX ON attempts (endpoint_id, id) WHERE outcome <> 'succeeded' OR status_code NOT BETWEEN 200 AND 299;
