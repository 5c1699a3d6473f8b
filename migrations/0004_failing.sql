-- Endpoints that fail are marked, their people are told, and secrets can be changed without a gap. Events and attempts
-- that only test an endpoint are marked as such.

ALTER TABLE endpoints
    ADD COLUMN previous_secret_sealed bytea,
    ADD COLUMN previous_secret_until timestamptz,
    ADD COLUMN contact text,
    ADD COLUMN operational boolean NOT NULL DEFAULT false,
    ADD COLUMN failing_since timestamptz,
    ADD COLUMN disabled_reason text;
CREATE INDEX ON endpoints (failing_since) WHERE failing_since IS NOT NULL;
CREATE INDEX ON endpoints (tenant_id) WHERE operational;
COMMENT ON COLUMN endpoints.previous_secret_sealed IS 'The secret before the last rotation, encrypted.';
COMMENT ON COLUMN endpoints.previous_secret_until IS 'Until when the previous secret still signs.';
COMMENT ON COLUMN endpoints.contact IS 'The e-mail address that is told when the endpoint fails.';
COMMENT ON COLUMN endpoints.operational IS
    'Whether it gets what Tidings tells its tenant (endpoint.failing, …) instead of the tenant''s events.';
COMMENT ON COLUMN endpoints.failing_since IS
    'When a delivery was given up and none succeeded since; null while it works.';
COMMENT ON COLUMN endpoints.disabled_reason IS 'Why Tidings turned it off: gone or failing; null if people did.';

CREATE TABLE notices (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    delivery_id uuid,
    event_id uuid,
    at timestamptz NOT NULL,
    try_at timestamptz NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    kind text NOT NULL,
    detail text NOT NULL
);
CREATE INDEX ON notices (try_at);
COMMENT ON TABLE notices IS 'What tenants are still to be told of their endpoints.';
COMMENT ON COLUMN notices.id IS 'UUIDv7; also the id of the operational event.';
COMMENT ON COLUMN notices.tenant_id IS 'Whom to tell.';
COMMENT ON COLUMN notices.endpoint_id IS 'The endpoint in question.';
COMMENT ON COLUMN notices.delivery_id IS 'The delivery that was given up.';
COMMENT ON COLUMN notices.event_id IS 'Its event.';
COMMENT ON COLUMN notices.at IS 'When it happened.';
COMMENT ON COLUMN notices.try_at IS 'When the next try to tell is made; whoever takes a notice moves this on.';
COMMENT ON COLUMN notices.tries IS 'How often it was tried.';
COMMENT ON COLUMN notices.kind IS 'endpoint.failing, endpoint.recovered, endpoint.disabled or delivery.exhausted.';
COMMENT ON COLUMN notices.detail IS 'What exactly went wrong, for people.';

ALTER TABLE events ADD COLUMN test boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN events.test IS 'Whether it only tests an endpoint.';
ALTER TABLE attempts ADD COLUMN test boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN attempts.test IS 'Whether it only tests its endpoint.';
