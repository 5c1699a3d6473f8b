-- Cancelling what is held is a job with an end, and whoever records looks for erasures.
CREATE INDEX endpoints_to_cancel ON endpoints (id) WHERE cancel_held_before IS NOT NULL;
CREATE INDEX erasures_of_tenants ON erasures (tenant, id) WHERE event IS NULL;
CREATE INDEX erasures_of_events ON erasures (tenant, event) WHERE event IS NOT NULL;
