-- compatible-from: 12
-- A portal link may work once: its token is no key's, and is exchanged for the key's token. Until then the key has a token
-- that nobody knows, so a program that knows nothing of this opens no such link, and after it knows the key as any other.

ALTER TABLE api_keys
    ADD COLUMN link_hash bytea,
    ADD COLUMN exchanged_at timestamptz;
COMMENT ON COLUMN api_keys.link_hash IS
    'SHA-256 of the token of the portal link that works once; null for a link that works again and again, and for other keys.';
COMMENT ON COLUMN api_keys.exchanged_at IS 'When the token of the link was exchanged for the key''s; null if it was not.';
