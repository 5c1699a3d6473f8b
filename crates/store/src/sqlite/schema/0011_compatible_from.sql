-- compatible-from: 11
-- The newest step that a program must know at least to run on this schema; each step after this one sets it.
CREATE TABLE schema_compatibility (
    compatible_from INTEGER NOT NULL
) STRICT;
INSERT INTO schema_compatibility (compatible_from) VALUES (11);
