//! App keys: long-lived credentials that users make by hand for tools that cannot do OAuth. Behind
//! each is a grant like any other, to a client that is only that tool.

use aipassport_domain::{
    audit::AuditEvent,
    client::Client,
    consent::Approved,
    grant::Grant,
    ids::{AppKeyId, ClientId, GrantId, TenantId, UserId},
    secret::SecretHash,
    time::Timestamp,
};

use crate::{
    Store, StoreError, audit, clients,
    grants::{self, NewGrant},
    sql::{Row, Transaction, sql},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppKey {
    pub hash: SecretHash,
    pub id: AppKeyId,
    pub tenant_id: TenantId,
    pub grant_id: GrantId,
    pub client_id: ClientId,
    pub last_four: String,
    pub created_at: Timestamp,
    /// When another one took its place.
    pub revoked_at: Option<Timestamp>,
}

/// An app key about to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAppKey {
    pub hash: SecretHash,
    pub id: AppKeyId,
    pub last_four: String,
}

/// The tool that a key is made for, and what it may do.
#[derive(Clone, Copy, Debug)]
pub struct NewTool<'a> {
    pub user_id: &'a UserId,
    pub client: &'a Client,
    pub grant_id: &'a GrantId,
    pub approved: &'a Approved,
    /// What the models cost now, as JSON.
    pub prices: &'a str,
}

macro_rules! select_app_keys {
    ($which:literal) => {
        concat!(
            "select app_keys.tenant_id, app_keys.hash, app_keys.id, app_keys.grant_id, grants.client_id,
                    app_keys.last_four, app_keys.created_at, app_keys.revoked_at
             from app_keys
             join grants on grants.tenant_id = app_keys.tenant_id and grants.id = app_keys.grant_id
             where ",
            $which
        )
    };
}

impl Store {
    /// Makes the tool a client, its grant, and the key that stands for it. `None`, with nothing
    /// made, if the grant would be over already or the user is suspended.
    pub async fn make_app_key(
        &self,
        new: &NewAppKey,
        tool: NewTool<'_>,
        event: &AuditEvent,
    ) -> Result<Option<Grant>, StoreError> {
        let mut tx = self.begin_write().await?;
        clients::insert(&mut tx, tool.client).await?;
        let granted = NewGrant {
            id: tool.grant_id.clone(),
            user_id: tool.user_id.clone(),
            client_id: tool.client.id.clone(),
            approved: tool.approved,
            prices: Some(tool.prices),
        };
        let Some(grant) = grants::make(&mut tx, &event.tenant_id, granted, event.at).await? else {
            return Ok(None);
        };
        insert(&mut tx, new, &grant, event.at).await?;
        audit::record(&mut tx, event).await?;
        tx.commit().await?;
        Ok(Some(grant))
    }

    /// Puts `new` in the place of the keys of a grant, which are refused from here on; what is spent
    /// and what is left stay. `false`, with nothing changed, if the grant is not in force or has no key.
    pub async fn replace_app_key(
        &self,
        grant_id: &GrantId,
        new: &NewAppKey,
        event: &AuditEvent,
    ) -> Result<bool, StoreError> {
        let (tenant_id, now) = (&event.tenant_id, event.at);
        let mut tx = self.begin_write().await?;
        let Some(grant) = grants::hold_in_force(&mut tx, tenant_id, grant_id, now).await? else {
            return Ok(false);
        };
        let replaced = sql("update app_keys set revoked_at = $3
             where tenant_id = $1 and grant_id = $2 and revoked_at is null")
        .bind(tenant_id)
        .bind(grant_id)
        .bind(now)
        .changed(&mut *tx)
        .await?;
        if !replaced {
            return Ok(false);
        }
        sql("update grants set version = version + 1 where tenant_id = $1 and id = $2")
            .bind(tenant_id)
            .bind(grant_id)
            .execute(&mut *tx)
            .await?;
        insert(&mut tx, new, &grant, now).await?;
        audit::record(&mut tx, event).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The app key with this hash, in force or not.
    pub async fn app_key(&self, tenant_id: &TenantId, hash: &SecretHash) -> Result<Option<AppKey>, StoreError> {
        let row = sql(select_app_keys!("app_keys.tenant_id = $1 and app_keys.hash = $2"))
            .bind(tenant_id)
            .bind(hash)
            .first(self.pool())
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// The app keys of a user that were not replaced, newest first; those of grants that are over, too.
    pub async fn app_keys_of(&self, tenant_id: &TenantId, user_id: &UserId) -> Result<Vec<AppKey>, StoreError> {
        let rows = sql(select_app_keys!(
            "app_keys.tenant_id = $1 and grants.user_id = $2 and app_keys.revoked_at is null
             order by app_keys.created_at desc, app_keys.id"
        ))
        .bind(tenant_id)
        .bind(user_id)
        .all(self.pool())
        .await?;
        rows.iter().map(read).collect()
    }
}

async fn insert(tx: &mut Transaction, new: &NewAppKey, grant: &Grant, now: Timestamp) -> Result<(), StoreError> {
    sql(
        "insert into app_keys (tenant_id, hash, id, grant_id, last_four, created_at)
         values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&grant.tenant_id)
    .bind(&new.hash)
    .bind(&new.id)
    .bind(&grant.id)
    .bind(&new.last_four)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn read(row: &Row) -> Result<AppKey, StoreError> {
    Ok(AppKey {
        hash: row.hash("hash")?,
        id: AppKeyId::new(row.text("id")?),
        tenant_id: TenantId::new(row.text("tenant_id")?),
        grant_id: GrantId::new(row.text("grant_id")?),
        client_id: ClientId::new(row.text("client_id")?),
        last_four: row.text("last_four")?,
        created_at: row.time("created_at")?,
        revoked_at: row.maybe_time("revoked_at")?,
    })
}
