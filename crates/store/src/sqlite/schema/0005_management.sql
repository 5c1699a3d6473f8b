ALTER TABLE tenants ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
ALTER TABLE tenants ADD COLUMN updated_at INTEGER NOT NULL DEFAULT 0;
UPDATE tenants SET updated_at = created_at;

ALTER TABLE api_keys ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN portal INTEGER NOT NULL DEFAULT 0;  -- made for a portal link
ALTER TABLE api_keys ADD COLUMN last_used_at INTEGER;

ALTER TABLE endpoints ADD COLUMN authentication BLOB;        -- sealed as the secret is

CREATE TABLE event_types (
    event_type  TEXT NOT NULL,
    version     INTEGER NOT NULL,
    description TEXT NOT NULL,
    schema      TEXT,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (event_type, version)
) STRICT, WITHOUT ROWID;

-- Outlives what it tells of.
CREATE TABLE audit (
    id             BLOB PRIMARY KEY NOT NULL,
    tenant         BLOB,
    key            BLOB,
    at             INTEGER NOT NULL,
    actor          TEXT NOT NULL,
    action         TEXT NOT NULL,
    target         TEXT NOT NULL,
    before         TEXT,
    after          TEXT,
    remote_address TEXT,
    user_agent     TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_by_tenant ON audit (tenant, id);
CREATE INDEX audit_by_target ON audit (target, id);

-- What was answered to requests with an Idempotency-Key.
CREATE TABLE answers (
    key             BLOB NOT NULL,                           -- the id of the key that the request came with
    idempotency_key TEXT NOT NULL,
    fingerprint     BLOB NOT NULL,
    claim_token     BLOB NOT NULL,
    claimed_at      INTEGER NOT NULL,
    status          INTEGER,                                 -- NULL while the request is under way
    headers         TEXT,                                    -- JSON
    body            BLOB,                                    -- sealed
    PRIMARY KEY (key, idempotency_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX answers_by_age ON answers (claimed_at);

CREATE TABLE replays (
    id            BLOB PRIMARY KEY NOT NULL,
    tenant        BLOB NOT NULL,
    what          BLOB NOT NULL,                              -- a protobuf message tidings.v1.LogRows
    to_endpoint   BLOB,
    only_undelivered INTEGER NOT NULL,
    per_second    INTEGER NOT NULL,
    state         TEXT NOT NULL,
    matched       INTEGER NOT NULL,
    matched_at_least INTEGER NOT NULL,
    walked        INTEGER NOT NULL DEFAULT 0,
    deliveries    INTEGER NOT NULL DEFAULT 0,
    skipped       INTEGER NOT NULL DEFAULT 0,
    walked_to     BLOB,
    claim_token   BLOB,
    claimed_until INTEGER,
    error         TEXT NOT NULL DEFAULT '',
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    ended_at      INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX replays_by_tenant ON replays (tenant, id);

CREATE TABLE erasures (
    id            BLOB PRIMARY KEY NOT NULL,
    tenant        BLOB NOT NULL,
    event         BLOB,                                      -- NULL: everything of the tenant
    state         TEXT NOT NULL,
    events        INTEGER NOT NULL DEFAULT 0,
    deliveries    INTEGER NOT NULL DEFAULT 0,
    attempts      INTEGER NOT NULL DEFAULT 0,
    claimed_until INTEGER,
    error         TEXT NOT NULL DEFAULT '',
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    ended_at      INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX erasures_by_tenant ON erasures (tenant, id);

-- How far tenants that keep less than others had their log cleared.
CREATE TABLE forgotten (
    tenant          BLOB PRIMARY KEY NOT NULL,
    content_before  INTEGER,
    attempts_before INTEGER
) STRICT, WITHOUT ROWID;

ALTER TABLE events ADD COLUMN erased_at INTEGER;             -- the payload is empty since
ALTER TABLE attempts ADD COLUMN dns_us INTEGER;
ALTER TABLE attempts ADD COLUMN connect_us INTEGER;
ALTER TABLE attempts ADD COLUMN tls_us INTEGER;
ALTER TABLE attempts ADD COLUMN first_byte_us INTEGER;
