-- A claim of an idempotency key that was taken over keeps its event, so the event does not tell who holds the key.

ALTER TABLE idempotency_keys ADD COLUMN claim_token uuid;
COMMENT ON COLUMN idempotency_keys.claim_token IS
    'Made anew with each claim, so that only its holder settles or releases it; null when nobody holds the key.';
