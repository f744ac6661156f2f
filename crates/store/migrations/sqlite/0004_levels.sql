-- Limits above those of a grant: of an app of a user, of a user, of a tenant. Their accounts are rows
-- of `accounts`, of no provider.

-- Which accounts stand above that of a grant: 1 its app's, 2 its user's, 4 its tenant's.
alter table accounts add column levels integer not null default 0;

-- What holds for a whole tenant. A tenant without a row has what a new row would have.
create table tenants (
    id text not null primary key,
    time_zone text not null
) strict, without rowid;
