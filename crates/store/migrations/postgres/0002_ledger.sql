-- The ledger: accounts, the calls they count, and who is making them. An account's state is JSON
-- that only Rust looks into; it always equals what its calls add up to. Accounts are rewritten all
-- the time, so their pages keep room for the next version of a row.

create table accounts (
    tenant_id text not null,
    level text not null,
    subject text not null,
    provider text not null,
    state text not null,
    primary key (tenant_id, level, subject, provider)
) with (fillfactor = 50);

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
    held_nanos bigint not null,
    output_cap bigint not null,
    admitted_at bigint not null,
    settled_at bigint,
    cost_nanos bigint,
    counted_requests bigint,
    label text,
    outcome text,
    input_tokens bigint,
    cached_input_tokens bigint,
    cache_write_5m_tokens bigint,
    cache_write_1h_tokens bigint,
    output_tokens bigint,
    reasoning_tokens bigint,
    price_digest text,
    primary key (tenant_id, id)
);
create index calls_of_grant on calls (tenant_id, grant_id, admitted_at, id);
create index open_calls on calls (instance_id) where settled_at is null;

-- Who may still settle the calls it admitted.
create table instances (
    id text not null primary key,
    seen_at bigint not null
);

-- Refused calls, counted by the minute, so that a flood of them costs little.
create table refusals (
    tenant_id text not null,
    grant_id text not null,
    minute bigint not null,
    rule text not null,
    model text not null,
    count bigint not null,
    primary key (tenant_id, grant_id, minute, rule, model)
);
