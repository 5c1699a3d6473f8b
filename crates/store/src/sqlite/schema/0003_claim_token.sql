-- Made anew with each claim, so that only its holder settles or releases it; NULL when nobody holds the key.
ALTER TABLE idempotency_keys ADD COLUMN claim_token BLOB;
