-- What is remembered of endpoints that failed: those that fail and answer by turns stay failing and are told of once a day.
CREATE TABLE endpoint_health (
    endpoint       BLOB PRIMARY KEY NOT NULL,
    last_failed_at INTEGER NOT NULL, -- a delivery was given up
    answered_at    INTEGER,          -- one succeeded although the endpoint stays failing
    told_at        INTEGER,          -- it was last told that it fails
    told_for       INTEGER           -- the `failing_since` that was told of; another one was not
) STRICT, WITHOUT ROWID;
CREATE TRIGGER endpoint_health_of_deleted AFTER DELETE ON endpoints BEGIN
    DELETE FROM endpoint_health WHERE endpoint = old.id;
END;
-- Whoever turns an endpoint on again wants to hear at once if it fails again.
CREATE TRIGGER endpoint_health_of_enabled AFTER UPDATE ON endpoints WHEN new.enabled AND NOT old.enabled BEGIN
    DELETE FROM endpoint_health WHERE endpoint = old.id;
END;
