-- What a grant's models cost when it was approved, so that the user is asked when they become much
-- dearer; null where it is not known, until the broker next looks.
alter table authorization_requests add column approved_prices text;
alter table grants add column approved_prices text;
-- 'price_rise' where that is why it is paused; null where its user did it.
alter table grants add column pause_reason text;
