-- What users are told of their limits: on their pages, and at addresses of their own.

-- One for each threshold of a window of a limit; a limit that was changed is another. Of a tenant's
-- limits there is no one user.
create table alerts (
    tenant_id text not null,
    id text not null,
    user_id text not null,
    level text not null,
    subject text not null,
    provider text not null,
    rule text not null,
    period text not null,
    window_start integer not null,
    resets_at integer,
    threshold integer not null,
    limit_amount integer not null,
    used_amount integer not null,
    at integer not null,
    seen_at integer,
    primary key (tenant_id, id),
    unique (tenant_id, level, subject, provider, rule, period, window_start, threshold, limit_amount)
) strict, without rowid;
create index alerts_of_user on alerts (tenant_id, user_id, at, id);

create table webhook_endpoints (
    tenant_id text not null,
    id text not null,
    user_id text not null,
    url text not null,
    sealed blob not null,
    created_at integer not null,
    disabled_at integer,
    primary key (tenant_id, id),
    foreign key (tenant_id, user_id) references users (tenant_id, id)
) strict;
create index webhook_endpoints_of_user on webhook_endpoints (tenant_id, user_id);

-- Written with the alert. `due_at` is when it is sent next: whoever sends it moves that ahead first, so
-- that nobody else does meanwhile, and clears it at the end.
create table webhook_deliveries (
    tenant_id text not null,
    endpoint_id text not null,
    id text not null,
    alert_id text,
    created_at integer not null,
    due_at integer,
    attempts integer not null,
    tried_at integer,
    delivered_at integer,
    failure text,
    primary key (tenant_id, endpoint_id, id),
    foreign key (tenant_id, endpoint_id) references webhook_endpoints (tenant_id, id)
) strict;
create index due_webhook_deliveries on webhook_deliveries (due_at) where due_at is not null;
