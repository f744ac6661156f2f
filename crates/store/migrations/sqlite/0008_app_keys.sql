-- Credentials that users made by hand for tools that cannot do OAuth. A grant has one that is in force;
-- those it replaced stay, so that they are known for what they were.

create table app_keys (
    tenant_id text not null,
    hash blob not null,
    id text not null,
    grant_id text not null,
    last_four text not null,
    created_at integer not null,
    revoked_at integer,
    primary key (tenant_id, hash),
    unique (tenant_id, id),
    foreign key (tenant_id, grant_id) references grants (tenant_id, id)
) strict;
create index app_keys_of_grant on app_keys (tenant_id, grant_id);
