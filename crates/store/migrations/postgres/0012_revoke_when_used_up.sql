-- Whether a grant is revoked when its budget for its whole life is used up: what its user chose.
alter table authorization_requests add column revoke_when_used_up bigint not null default 0;
alter table grants add column revoke_when_used_up bigint not null default 0;
