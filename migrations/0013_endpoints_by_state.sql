-- compatible-from: 12
-- Operators find endpoints of all tenants by how they stand, by the host that they are at, and by dialect.

CREATE INDEX ON endpoints (id) WHERE enabled AND failing_since IS NOT NULL;
CREATE INDEX ON endpoints (id) WHERE NOT enabled;
CREATE INDEX ON endpoints ((substring(url from '^https?://(\[[^]]*\]|[^/:]*)')), id);
CREATE INDEX ON endpoints (dialect, id);
