-- The digest of what the user was shown when approving, in base64url; null where the request was
-- approved through the API, which shows nothing.
alter table authorization_requests add column shown_digest text;
