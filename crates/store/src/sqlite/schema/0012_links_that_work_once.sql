-- compatible-from: 11
-- A portal link may work once: its token is no key's, and is exchanged for the key's token. Until then the key has a token
-- that nobody knows, so a program that knows nothing of this opens no such link, and after it knows the key as any other.
ALTER TABLE api_keys ADD COLUMN link_hash BLOB;       -- of the token of a link that works once
ALTER TABLE api_keys ADD COLUMN exchanged_at INTEGER; -- for the key's token
