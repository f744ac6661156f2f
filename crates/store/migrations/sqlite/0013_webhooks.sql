-- Webhooks: addresses of users that alerts are posted to, signed. In the place of two tables of 0010
-- that nothing was ever written to.
drop table webhook_deliveries;
drop table webhook_endpoints;

create table webhooks (
    tenant_id text not null,
    id text not null,
    user_id text not null,
    url text not null,
    description text not null,
    sealed blob not null,
    created_at integer not null,
    -- The secret before, which signs too for a while, and when it was replaced.
    former_sealed blob,
    replaced_at integer,
    disabled_at integer,
    disabled_because text,
    primary key (tenant_id, id),
    foreign key (tenant_id, user_id) references users (tenant_id, id)
) strict;
create index webhooks_of_user on webhooks (tenant_id, user_id);

-- One message for one webhook: an alert, or a test where there is none. `due_at` is when it is sent
-- next: whoever sends it moves that ahead first, so that nobody else does meanwhile, and clears it at
-- the end.
create table webhook_deliveries (
    tenant_id text not null,
    webhook_id text not null,
    id text not null,
    alert_id text,
    created_at integer not null,
    due_at integer,
    attempts integer not null,
    tried_at integer,
    delivered_at integer,
    failure text,
    primary key (tenant_id, webhook_id, id),
    foreign key (tenant_id, webhook_id) references webhooks (tenant_id, id) on delete cascade
) strict;
create index due_webhook_deliveries on webhook_deliveries (tenant_id, due_at) where due_at is not null;
