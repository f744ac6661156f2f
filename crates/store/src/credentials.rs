//! Provider credentials: the users' secrets at providers, sealed.

use aipassport_domain::{
    audit::{AuditEvent, KeyCheck},
    ids::{CredentialId, ProviderId, TenantId, UserId},
    secret::Sealed,
    time::Timestamp,
};

use sqlx::{Any, Executor};

use crate::{
    Store, StoreError, audit, grants, price_overrides,
    sql::{Row, corrupt, sql},
    users,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderCredential {
    pub id: CredentialId,
    pub tenant_id: TenantId,
    pub user_id: UserId,
    pub provider: ProviderId,
    /// Where it is used, if not at the provider's own public address.
    pub base_url: Option<String>,
    pub sealed: Sealed,
    pub last_four: String,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    /// When the provider last said that it does not accept it.
    pub refused_at: Option<Timestamp>,
    /// What became of the last time that the provider was asked about it.
    pub checked: Option<KeyChecked>,
}

/// An answer about a key, and when it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyChecked {
    pub at: Timestamp,
    pub result: KeyCheck,
}

macro_rules! select_credentials {
    ($which:literal) => {
        concat!(
            "select tenant_id, id, user_id, provider, base_url, sealed, last_four, created_at, last_used_at, refused_at,
                    checked_at, check_result
             from provider_credentials ",
            $which
        )
    };
}

impl Store {
    /// Adds a credential; the newest one at a provider is the one that is used.
    ///
    /// What the user said of the prices at another address is forgotten: a host that is free because
    /// its owner said so would otherwise make the next one under its name free, whoever bills for it.
    pub async fn add_credential(&self, credential: &ProviderCredential, event: &AuditEvent) -> Result<(), StoreError> {
        let mut tx = self.begin_write().await?;
        users::hold(&mut tx, &credential.tenant_id, &credential.user_id).await?;
        let before = newest(
            &mut *tx,
            &credential.tenant_id,
            &credential.user_id,
            &credential.provider,
        )
        .await?;
        if before.and_then(|before| before.base_url) != credential.base_url {
            price_overrides::forget(
                &mut tx,
                &credential.tenant_id,
                &credential.user_id,
                &credential.provider,
            )
            .await?;
        }
        sql(
            "insert into provider_credentials (tenant_id, id, user_id, provider, base_url, sealed, last_four,
                                               created_at, last_used_at, refused_at, checked_at, check_result)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .bind(&credential.tenant_id)
        .bind(&credential.id)
        .bind(&credential.user_id)
        .bind(&credential.provider)
        .bind(credential.base_url.as_ref())
        .bind(&credential.sealed)
        .bind(&credential.last_four)
        .bind(credential.created_at)
        .bind(credential.last_used_at)
        .bind(credential.refused_at)
        .bind(credential.checked.map(|checked| checked.at))
        .bind(credential.checked.map(|checked| checked.result.as_str()))
        .execute(&mut *tx)
        .await?;
        grants::raise_versions_of_user(&mut tx, &credential.tenant_id, &credential.user_id).await?;
        audit::record(&mut tx, event).await?;
        Ok(tx.commit().await?)
    }

    pub async fn credential(
        &self,
        tenant_id: &TenantId,
        id: &CredentialId,
    ) -> Result<Option<ProviderCredential>, StoreError> {
        let row = sql(select_credentials!("where tenant_id = $1 and id = $2"))
            .bind(tenant_id)
            .bind(id)
            .first(self.pool())
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Every credential of a user, newest first.
    pub async fn credentials_of(
        &self,
        tenant_id: &TenantId,
        user_id: &UserId,
    ) -> Result<Vec<ProviderCredential>, StoreError> {
        let rows = sql(select_credentials!(
            "where tenant_id = $1 and user_id = $2 order by created_at desc, id desc"
        ))
        .bind(tenant_id)
        .bind(user_id)
        .all(self.pool())
        .await?;
        rows.iter().map(read).collect()
    }

    /// The user's newest credential at a provider.
    pub async fn credential_for(
        &self,
        tenant_id: &TenantId,
        user_id: &UserId,
        provider: &ProviderId,
    ) -> Result<Option<ProviderCredential>, StoreError> {
        newest(self.pool(), tenant_id, user_id, provider).await
    }

    /// Removes a credential, sealed bytes and all. `false`, and no event, if there was none.
    pub async fn remove_credential(&self, id: &CredentialId, event: &AuditEvent) -> Result<bool, StoreError> {
        let Some(credential) = self.credential(&event.tenant_id, id).await? else {
            return Ok(false);
        };

        let mut tx = self.begin_write().await?;
        users::hold(&mut tx, &event.tenant_id, &credential.user_id).await?;
        let removed = sql("delete from provider_credentials where tenant_id = $1 and id = $2")
            .bind(&event.tenant_id)
            .bind(id)
            .changed(&mut *tx)
            .await?;
        if !removed {
            return Ok(false);
        }
        grants::raise_versions_of_user(&mut tx, &event.tenant_id, &credential.user_id).await?;
        audit::record(&mut tx, event).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Notes that the provider refused the credential at the event's time. `false`, and no event,
    /// if that was known already or there is none.
    pub async fn mark_credential_refused(&self, id: &CredentialId, event: &AuditEvent) -> Result<bool, StoreError> {
        let mark = sql("update provider_credentials set refused_at = $3
             where tenant_id = $1 and id = $2 and refused_at is null")
        .bind(&event.tenant_id)
        .bind(id)
        .bind(event.at);
        self.decide(mark, event).await
    }

    /// Notes what became of asking the provider about the credential at the event's time, and with it
    /// whether it is refused. `false`, and no event, if there is none.
    pub async fn record_key_check(
        &self,
        id: &CredentialId,
        result: KeyCheck,
        event: &AuditEvent,
    ) -> Result<bool, StoreError> {
        let note = sql("update provider_credentials set checked_at = $3, check_result = $4,
                 refused_at = case $4 when 'works' then null
                                      when 'refused' then coalesce(refused_at, $3)
                                      else refused_at end
             where tenant_id = $1 and id = $2")
        .bind(&event.tenant_id)
        .bind(id)
        .bind(event.at)
        .bind(result.as_str());
        self.decide(note, event).await
    }

    /// Notes that the credential was used at `now`, and so was not refused. May be repeated; once a
    /// minute is enough.
    pub async fn mark_credential_used(
        &self,
        tenant_id: &TenantId,
        id: &CredentialId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let statement = sql("update provider_credentials set last_used_at = $3, refused_at = null
             where tenant_id = $1 and id = $2 and (last_used_at is null or last_used_at < $3)")
        .bind(tenant_id)
        .bind(id)
        .bind(now);
        self.write(statement).await?;
        Ok(())
    }
}

async fn newest<'c>(
    on: impl Executor<'c, Database = Any>,
    tenant_id: &TenantId,
    user_id: &UserId,
    provider: &ProviderId,
) -> Result<Option<ProviderCredential>, StoreError> {
    let row = sql(select_credentials!(
        "where tenant_id = $1 and user_id = $2 and provider = $3 order by created_at desc, id desc limit 1"
    ))
    .bind(tenant_id)
    .bind(user_id)
    .bind(provider)
    .first(on)
    .await?;
    row.as_ref().map(read).transpose()
}

fn read(row: &Row) -> Result<ProviderCredential, StoreError> {
    Ok(ProviderCredential {
        id: CredentialId::new(row.text("id")?),
        tenant_id: TenantId::new(row.text("tenant_id")?),
        user_id: UserId::new(row.text("user_id")?),
        provider: ProviderId::new(row.text("provider")?),
        base_url: row.maybe_text("base_url")?,
        sealed: row.sealed("sealed")?,
        last_four: row.text("last_four")?,
        created_at: row.time("created_at")?,
        last_used_at: row.maybe_time("last_used_at")?,
        refused_at: row.maybe_time("refused_at")?,
        checked: read_checked(row)?,
    })
}

fn read_checked(row: &Row) -> Result<Option<KeyChecked>, StoreError> {
    let (Some(at), Some(result)) = (row.maybe_time("checked_at")?, row.maybe_text("check_result")?) else {
        return Ok(None);
    };
    let result = KeyCheck::parse(&result).ok_or_else(|| corrupt(result))?;
    Ok(Some(KeyChecked { at, result }))
}
