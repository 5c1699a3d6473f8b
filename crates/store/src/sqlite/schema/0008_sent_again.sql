-- Why the request was sent a second time within the attempt, on a new connection; null if it was sent once.
ALTER TABLE attempts ADD COLUMN sent_again TEXT;
