-- Nothing ever wrote it: an erasure that fails is tried again and says why in the log of the process.
ALTER TABLE erasures DROP COLUMN error;
