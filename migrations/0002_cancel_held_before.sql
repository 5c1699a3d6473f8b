-- Enabling an endpoint may cancel what was held for it instead of sending it.

ALTER TABLE endpoints ADD COLUMN cancel_held_before timestamptz;
COMMENT ON COLUMN endpoints.cancel_held_before IS
    'Held deliveries of events accepted before this time are cancelled and not released.';
