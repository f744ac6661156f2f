//! Tenants: what holds for all users of one.

use aipassport_domain::ids::TenantId;

use crate::{
    StoreError,
    sql::{Transaction, corrupt, sql},
};

/// Makes everyone else who makes grants or sets limits of this tenant wait for this transaction, and
/// returns the tenant's time zone.
///
/// Without it, a grant made at the same time as the tenant's first limit could miss that.
pub(crate) async fn hold(tx: &mut Transaction, tenant_id: &TenantId) -> Result<String, StoreError> {
    sql("insert into tenants (id, time_zone) values ($1, 'UTC') on conflict do nothing")
        .bind(tenant_id)
        .execute(&mut **tx)
        .await?;
    let row = sql("update tenants set time_zone = time_zone where id = $1 returning time_zone")
        .bind(tenant_id)
        .first(&mut **tx)
        .await?;
    row.ok_or_else(|| corrupt("a tenant that is not there"))?
        .text("time_zone")
}
