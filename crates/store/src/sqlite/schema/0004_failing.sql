ALTER TABLE endpoints ADD COLUMN previous_secret BLOB;       -- sealed as the secret is
ALTER TABLE endpoints ADD COLUMN previous_secret_until INTEGER;
ALTER TABLE endpoints ADD COLUMN contact TEXT;               -- told by e-mail when the endpoint fails
ALTER TABLE endpoints ADD COLUMN operational INTEGER NOT NULL DEFAULT 0;
ALTER TABLE endpoints ADD COLUMN failing_since INTEGER;      -- a delivery was given up and none succeeded since
ALTER TABLE endpoints ADD COLUMN disabled_reason TEXT;       -- NULL: people turned it off
CREATE INDEX endpoints_failing ON endpoints (failing_since) WHERE failing_since IS NOT NULL;
CREATE INDEX endpoints_operational ON endpoints (tenant) WHERE operational;

-- What tenants are still to be told. The id is also that of the operational event.
CREATE TABLE notices (
    id       BLOB PRIMARY KEY NOT NULL,
    tenant   BLOB NOT NULL,
    endpoint BLOB NOT NULL,
    delivery BLOB,
    event    BLOB,
    at       INTEGER NOT NULL,
    try_at   INTEGER NOT NULL,
    tries    INTEGER NOT NULL DEFAULT 0,
    kind     TEXT NOT NULL,
    detail   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX notices_by_time ON notices (try_at);

ALTER TABLE events ADD COLUMN test INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN test INTEGER NOT NULL DEFAULT 0;
