-- Held deliveries of events accepted before this time are cancelled and not released.
ALTER TABLE endpoints ADD COLUMN cancel_held_before INTEGER;
