-- Cancelling what is held is a job with an end, and everybody who records looks for erasures.

CREATE INDEX ON endpoints (id) WHERE cancel_held_before IS NOT NULL;
COMMENT ON COLUMN endpoints.cancel_held_before IS
    'Deliveries that are held since before this time are to be cancelled; null again once they are.';

CREATE INDEX ON erasures (tenant_id, id) WHERE event_id IS NULL;
CREATE INDEX ON erasures (tenant_id, event_id) WHERE event_id IS NOT NULL;
COMMENT ON COLUMN erasures.event_id IS
    'The event whose content it is; null for everything of the tenant''s events whose ids are below this id.';
