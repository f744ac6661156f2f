-- What a grant has left at a provider: which of the provider's objects are whose. An id is a keyed
-- hash: whoever reads the database can ask the provider for nothing.

create table provider_objects (
    tenant_id text not null,
    grant_id text not null,
    provider text not null,
    kind text not null,
    id_hash blob not null,
    model text not null,
    created_at integer not null,
    primary key (tenant_id, grant_id, provider, kind, id_hash),
    foreign key (tenant_id, grant_id) references grants (tenant_id, id)
) strict;
create index provider_objects_by_age on provider_objects (tenant_id, created_at);
