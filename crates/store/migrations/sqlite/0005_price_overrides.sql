-- What users say their providers' models cost. The model `*` is every model of the provider.

create table price_overrides (
    tenant_id text not null,
    user_id text not null,
    provider text not null,
    model text not null,
    price text not null,
    set_at integer not null,
    primary key (tenant_id, user_id, provider, model),
    foreign key (tenant_id, user_id) references users (tenant_id, id)
) strict;
