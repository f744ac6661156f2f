-- What a call used of the classes that few calls use, as a JSON object of those that are not zero;
-- null where there are none.
alter table calls add column other_usage text;
