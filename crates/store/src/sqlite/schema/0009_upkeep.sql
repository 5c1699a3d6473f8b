-- Up to which ids rows are forgotten, for tenants that keep less than others. The two columns before are not used any more.
ALTER TABLE forgotten ADD COLUMN deliveries_to BLOB;
ALTER TABLE forgotten ADD COLUMN events_to BLOB;
ALTER TABLE forgotten ADD COLUMN bodies_to BLOB;
ALTER TABLE forgotten ADD COLUMN attempts_to BLOB;
