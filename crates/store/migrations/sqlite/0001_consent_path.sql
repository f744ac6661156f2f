-- From signing in to a grant and its tokens, and the audit log. Times are milliseconds, JSON is
-- text that only Rust looks into, a flag is a nullable time.

create table users (
    tenant_id text not null,
    id text not null,
    name text not null,
    password_hash text,
    is_admin integer not null,
    time_zone text not null,
    created_at integer not null,
    suspended_at integer,
    primary key (tenant_id, id),
    unique (tenant_id, name)
) strict;

create table browser_sessions (
    tenant_id text not null,
    hash blob not null,
    user_id text not null,
    started_at integer not null,
    last_seen_at integer not null,
    primary key (tenant_id, hash),
    foreign key (tenant_id, user_id) references users (tenant_id, id)
) strict;
create index browser_sessions_of_user on browser_sessions (tenant_id, user_id);

create table sign_in_failures (
    tenant_id text not null,
    name_key text not null,
    at integer not null
) strict;
create index sign_in_failures_of_name on sign_in_failures (tenant_id, name_key, at);

create table api_tokens (
    tenant_id text not null,
    hash blob not null,
    user_id text not null,
    created_at integer not null,
    expires_at integer,
    primary key (tenant_id, hash),
    foreign key (tenant_id, user_id) references users (tenant_id, id)
) strict;

create table clients (
    tenant_id text not null,
    id text not null,
    name text not null,
    address text not null,
    redirect_uris text not null,
    secret_hash blob,
    registration text not null,
    created_at integer not null,
    disabled_at integer,
    primary key (tenant_id, id)
) strict;

create table provider_credentials (
    tenant_id text not null,
    id text not null,
    user_id text not null,
    provider text not null,
    base_url text,
    sealed blob not null,
    last_four text not null,
    created_at integer not null,
    last_used_at integer,
    refused_at integer,
    primary key (tenant_id, id),
    foreign key (tenant_id, user_id) references users (tenant_id, id)
) strict;
create index provider_credentials_of_user on provider_credentials (tenant_id, user_id, provider);

-- `door` says which of the columns after it are set.
create table authorization_requests (
    tenant_id text not null,
    id text not null,
    client_id text not null,
    grant_id text not null,
    door text not null,
    redirect_uri text,
    client_state text,
    code_challenge text,
    resource text,
    request_secret_hash blob,
    reason text,
    asked text not null,
    state text not null,
    decided_by text,
    decided_at integer,
    approved_details text,
    approved_until integer,
    redeemed_at integer,
    created_at integer not null,
    expires_at integer not null,
    primary key (tenant_id, id),
    unique (tenant_id, grant_id),
    foreign key (tenant_id, client_id) references clients (tenant_id, id),
    foreign key (tenant_id, decided_by) references users (tenant_id, id)
) strict;
create index authorization_requests_by_state on authorization_requests (tenant_id, state, created_at);

create table authorization_codes (
    tenant_id text not null,
    hash blob not null,
    request_id text not null,
    created_at integer not null,
    expires_at integer not null,
    failures integer not null default 0,
    redeemed_at integer,
    primary key (tenant_id, hash),
    unique (tenant_id, request_id),
    foreign key (tenant_id, request_id) references authorization_requests (tenant_id, id)
) strict;

create table grants (
    tenant_id text not null,
    id text not null,
    user_id text not null,
    client_id text not null,
    authorization_details text not null,
    version integer not null,
    created_at integer not null,
    expires_at integer not null,
    paused_at integer,
    revoked_at integer,
    primary key (tenant_id, id),
    foreign key (tenant_id, user_id) references users (tenant_id, id),
    foreign key (tenant_id, client_id) references clients (tenant_id, id)
) strict;
create index grants_of_user on grants (tenant_id, user_id, created_at);
create index grants_of_client on grants (tenant_id, client_id);

create table refresh_tokens (
    tenant_id text not null,
    hash blob not null,
    grant_id text not null,
    family_id text not null,
    created_at integer not null,
    expires_at integer not null,
    rotated_at integer,
    revoked_at integer,
    primary key (tenant_id, hash),
    foreign key (tenant_id, grant_id) references grants (tenant_id, id)
) strict;
create index refresh_tokens_of_grant on refresh_tokens (tenant_id, grant_id);

create table revoked_access_tokens (
    tenant_id text not null,
    grant_id text not null,
    jti text not null,
    expires_at integer not null,
    primary key (tenant_id, grant_id, jti),
    foreign key (tenant_id, grant_id) references grants (tenant_id, id)
) strict;

create table data_keys (
    tenant_id text primary key,
    wrapped blob not null,
    created_at integer not null
) strict;

create table signing_keys (
    tenant_id text not null,
    kid text not null,
    public_jwk text not null,
    sealed_private_key blob not null,
    state text not null,
    created_at integer not null,
    primary key (tenant_id, kid)
) strict;

-- Nothing is ever deleted here, so no sequence is used twice. Two are written for each call: every
-- index costs.
create table audit_events (
    sequence integer primary key,
    tenant_id text not null,
    at integer not null,
    actor text not null,
    user_id text,
    grant_id text,
    kind text not null,
    data text not null
) strict;
create index audit_events_of_user on audit_events (tenant_id, user_id, sequence);
