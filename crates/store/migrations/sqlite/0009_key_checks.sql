-- When a provider was last asked about a key, and what it said; null where it was not.
alter table provider_credentials add column checked_at integer;
alter table provider_credentials add column check_result text;
