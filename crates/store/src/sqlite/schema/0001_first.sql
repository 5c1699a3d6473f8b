-- Ids are UUIDs as 16-byte blobs, so that their order is that of time. Times are microseconds since 1970 and
-- columns called `…_ms` milliseconds. Lists are JSON texts.

CREATE TABLE tenants (
    id         BLOB PRIMARY KEY NOT NULL,
    name       TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
    id         BLOB PRIMARY KEY NOT NULL,
    tenant     BLOB REFERENCES tenants ON DELETE CASCADE, -- NULL for operators' keys
    scopes     TEXT NOT NULL,                             -- names, separated by spaces
    hint       TEXT NOT NULL,
    hash       BLOB NOT NULL UNIQUE,
    expires_at INTEGER,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX api_keys_by_tenant ON api_keys (tenant, id);

CREATE TABLE endpoints (
    id            BLOB PRIMARY KEY NOT NULL,
    tenant        BLOB NOT NULL REFERENCES tenants ON DELETE CASCADE,
    name          TEXT NOT NULL,
    url           TEXT NOT NULL,
    dialect       TEXT NOT NULL,
    secret        BLOB,           -- sealed with the id as context
    subscriptions TEXT NOT NULL,
    enabled       INTEGER NOT NULL,
    overrides     TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX endpoints_by_tenant ON endpoints (tenant, id);

-- Tables with long rows keep their rowid: SQLite stores long rows badly without one.
CREATE TABLE events (
    id              BLOB PRIMARY KEY NOT NULL,
    tenant          BLOB NOT NULL,
    event_type      TEXT NOT NULL,
    occurred_at     INTEGER NOT NULL,
    accepted_at     INTEGER NOT NULL,
    idempotency_key TEXT,
    traceparent     TEXT,
    delivery_count  INTEGER NOT NULL,
    payload         BLOB NOT NULL
) STRICT;
CREATE INDEX events_by_tenant ON events (tenant, id);
CREATE INDEX events_by_key ON events (idempotency_key, id) WHERE idempotency_key IS NOT NULL;

-- The deliveries of an event are found by their ids, which begin with the event's millisecond.
CREATE TABLE deliveries (
    id         BLOB PRIMARY KEY NOT NULL,
    event      BLOB NOT NULL,
    tenant     BLOB NOT NULL,
    endpoint   BLOB NOT NULL,
    state      TEXT NOT NULL,
    reason     TEXT,
    due        INTEGER,
    step       INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    sweep_at   INTEGER,          -- NULL: nothing is to be published
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_by_tenant ON deliveries (tenant, id);
CREATE INDEX deliveries_by_endpoint ON deliveries (endpoint, id);
CREATE INDEX deliveries_to_sweep ON deliveries (sweep_at) WHERE sweep_at IS NOT NULL;
CREATE INDEX deliveries_held ON deliveries (endpoint, id) WHERE state = 'held';

-- The attempts of a delivery are found through its event.
CREATE TABLE attempts (
    id                 BLOB PRIMARY KEY NOT NULL,
    delivery           BLOB NOT NULL,
    event              BLOB NOT NULL,
    tenant             BLOB NOT NULL,
    endpoint           BLOB NOT NULL,
    event_type         TEXT NOT NULL,
    number             INTEGER NOT NULL,
    started_at         INTEGER NOT NULL,
    duration           INTEGER NOT NULL, -- microseconds
    url                TEXT NOT NULL,
    dialect            TEXT NOT NULL,
    outcome            TEXT NOT NULL,
    reason             TEXT,
    error              TEXT NOT NULL,
    status_code        INTEGER,          -- NULL: no response
    next_attempt_at    INTEGER,
    remote_address     TEXT NOT NULL,
    request_headers    TEXT NOT NULL,
    request_body       BLOB NOT NULL,
    payload_at         INTEGER,          -- where the event's payload stands in the body; NULL: the body is whole
    response_headers   TEXT NOT NULL,
    response_body      BLOB NOT NULL,
    response_truncated INTEGER NOT NULL
) STRICT;
CREATE INDEX attempts_by_tenant ON attempts (tenant, id);
CREATE INDEX attempts_by_endpoint ON attempts (endpoint, id);
CREATE INDEX attempts_by_event ON attempts (event, id);

CREATE TABLE idempotency_keys (
    tenant      BLOB NOT NULL,
    key         TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    event       BLOB NOT NULL,
    settled     INTEGER NOT NULL,
    claimed_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (claimed_at);

-- AUTOINCREMENT: a seq that was handed out must never mean another message.
CREATE TABLE messages (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    lane        INTEGER NOT NULL,
    ready_at_ms INTEGER NOT NULL,
    body        BLOB NOT NULL
) STRICT;
CREATE INDEX messages_by_lane ON messages (lane, ready_at_ms, seq);
