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
    window_start bigint not null,
    resets_at bigint,
    threshold bigint not null,
    limit_amount bigint not null,
    used_amount bigint not null,
    at bigint not null,
    seen_at bigint,
    primary key (tenant_id, id),
    unique (tenant_id, level, subject, provider, rule, period, window_start, threshold, limit_amount)
);
create index alerts_of_user on alerts (tenant_id, user_id, at, id);

create table webhook_endpoints (
    tenant_id text not null,
    id text not null,
    user_id text not null,
    url text not null,
    sealed bytea not null,
    created_at bigint not null,
    disabled_at bigint,
    primary key (tenant_id, id),
    foreign key (tenant_id, user_id) references users (tenant_id, id)
);
create index webhook_endpoints_of_user on webhook_endpoints (tenant_id, user_id);

-- Written with the alert. `due_at` is when it is sent next: whoever sends it moves that ahead first, so
-- that nobody else does meanwhile, and clears it at the end.
create table webhook_deliveries (
    tenant_id text not null,
    endpoint_id text not null,
    id text not null,
    alert_id text,
    created_at bigint not null,
    due_at bigint,
    attempts bigint not null,
    tried_at bigint,
    delivered_at bigint,
    failure text,
    primary key (tenant_id, endpoint_id, id),
    foreign key (tenant_id, endpoint_id) references webhook_endpoints (tenant_id, id)
);
create index due_webhook_deliveries on webhook_deliveries (due_at) where due_at is not null;
