ALTER TABLE attempts ADD COLUMN sent_again text;
COMMENT ON COLUMN attempts.sent_again IS
    'Why the request was sent a second time within the attempt, on a new connection; null if it was sent once.';
