-- The ledger: accounts, the calls they count, and who is making them. An account's state is JSON
-- that only Rust looks into; it always equals what its calls add up to.

create table accounts (
    tenant_id text not null,
    level text not null,
    subject text not null,
    provider text not null,
    state text not null,
    primary key (tenant_id, level, subject, provider)
) strict, without rowid;

-- Written with the hold, before anything is sent; settled once, when `settled_at` is set. No foreign
-- keys: a call is only admitted after its grant was looked up in the same transaction.
create table calls (
    tenant_id text not null,
    id text not null,
    grant_id text not null,
    user_id text not null,
    client_id text not null,
    provider text not null,
    model text not null,
    capability text not null,
    instance_id text not null,
    held_nanos integer not null,
    output_cap integer not null,
    admitted_at integer not null,
    settled_at integer,
    cost_nanos integer,
    counted_requests integer,
    label text,
    outcome text,
    input_tokens integer,
    cached_input_tokens integer,
    cache_write_5m_tokens integer,
    cache_write_1h_tokens integer,
    output_tokens integer,
    reasoning_tokens integer,
    price_digest text,
    primary key (tenant_id, id)
) strict;
create index calls_of_grant on calls (tenant_id, grant_id, admitted_at, id);
create index open_calls on calls (instance_id) where settled_at is null;

-- Who may still settle the calls it admitted.
create table instances (
    id text not null primary key,
    seen_at integer not null
) strict, without rowid;

-- Refused calls, counted by the minute, so that a flood of them costs little.
create table refusals (
    tenant_id text not null,
    grant_id text not null,
    minute integer not null,
    rule text not null,
    model text not null,
    count integer not null,
    primary key (tenant_id, grant_id, minute, rule, model)
) strict, without rowid;
