-- Endpoints that fail and answer by turns: their mark stays, and their people are told once a day. What is only looked at
-- when deliveries are recorded stands beside `endpoints`, whose changes are announced to every process.

CREATE TABLE endpoint_health (
    endpoint_id uuid PRIMARY KEY,
    last_failed_at timestamptz NOT NULL,
    answered_at timestamptz,
    told_at timestamptz,
    told_for timestamptz
);
COMMENT ON TABLE endpoint_health IS 'What is remembered of endpoints that failed.';
COMMENT ON COLUMN endpoint_health.endpoint_id IS 'The endpoint.';
COMMENT ON COLUMN endpoint_health.last_failed_at IS 'When a delivery was last given up, to about a second.';
COMMENT ON COLUMN endpoint_health.answered_at IS 'When one last succeeded although the endpoint stays failing, to about a second.';
COMMENT ON COLUMN endpoint_health.told_at IS 'When it was last told that it fails.';
COMMENT ON COLUMN endpoint_health.told_for IS 'The `failing_since` that was told of; another one was not.';

-- Whoever turns an endpoint on again wants to hear at once if it fails again; and nothing is kept of one that is gone.
CREATE FUNCTION forget_endpoint_health() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM endpoint_health WHERE endpoint_id = old.id;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION forget_endpoint_health IS 'Forgets what is remembered of an endpoint that failed.';
CREATE TRIGGER forget_health AFTER DELETE ON endpoints
    FOR EACH ROW EXECUTE FUNCTION forget_endpoint_health();
CREATE TRIGGER forget_health_when_enabled AFTER UPDATE ON endpoints
    FOR EACH ROW WHEN (new.enabled AND NOT old.enabled) EXECUTE FUNCTION forget_endpoint_health();
