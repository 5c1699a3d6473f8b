-- Retention and erasures go on where they were left, however many rows there are; and only one process at a time does the
-- upkeep.

ALTER TABLE forgotten
    ADD COLUMN deliveries_to uuid,
    ADD COLUMN events_to uuid,
    ADD COLUMN bodies_to uuid,
    ADD COLUMN attempts_to uuid;
COMMENT ON COLUMN forgotten.content_before IS 'Was written by versions before this one.';
COMMENT ON COLUMN forgotten.attempts_before IS 'Was written by versions before this one.';
COMMENT ON COLUMN forgotten.deliveries_to IS 'Up to this id, open deliveries are cancelled.';
COMMENT ON COLUMN forgotten.events_to IS 'Up to this id, payloads are gone.';
COMMENT ON COLUMN forgotten.bodies_to IS 'Up to this id, bodies of requests and responses are gone.';
COMMENT ON COLUMN forgotten.attempts_to IS 'Up to this id, attempts are gone.';

ALTER TABLE erasures
    ADD COLUMN attempts_to uuid,
    ADD COLUMN deliveries_to uuid,
    ADD COLUMN events_to uuid,
    ADD COLUMN keys_to text;
COMMENT ON COLUMN erasures.attempts_to IS 'Up to this id, attempts were removed; null before the first and in the last look.';
COMMENT ON COLUMN erasures.deliveries_to IS 'Up to this id, deliveries were removed.';
COMMENT ON COLUMN erasures.events_to IS 'Up to this id, events were removed.';
COMMENT ON COLUMN erasures.keys_to IS 'Up to this idempotency key, keys were removed.';

CREATE TABLE upkeep (
    what text PRIMARY KEY,
    process uuid NOT NULL,
    claimed_until timestamptz NOT NULL
);
COMMENT ON TABLE upkeep IS 'Which process does what one process is enough for.';
COMMENT ON COLUMN upkeep.what IS 'The work.';
COMMENT ON COLUMN upkeep.process IS 'Who did it last.';
COMMENT ON COLUMN upkeep.claimed_until IS 'Until when nobody else does it: while it is done, and until it is due again.';
