-- What a grant's models cost when it was approved, so that the user is asked when they become much
-- dearer; null where it is not known, until the broker next looks.
alter table authorization_requests add column approved_prices text;
alter table grants add column approved_prices text;
