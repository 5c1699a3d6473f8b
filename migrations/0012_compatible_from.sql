-- compatible-from: 12
-- A program that is older than the schema runs on it if the newest migration says so.

ALTER TABLE schema_migrations ADD COLUMN compatible_from integer;
COMMENT ON COLUMN schema_migrations.compatible_from IS
    'The newest migration that a program must know at least to run on the schema that this one makes; null: this one.';
