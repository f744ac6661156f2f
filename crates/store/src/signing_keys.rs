//! Signing keys: the private part sealed, the public part as it is published.

use aipassport_domain::{
    audit::AuditEvent,
    ids::{KeyId, TenantId},
    secret::Sealed,
    time::Timestamp,
};

use crate::{
    Store, StoreError, audit,
    sql::{Row, corrupt, sql},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    pub kid: KeyId,
    pub tenant_id: TenantId,
    /// As JSON.
    pub public_jwk: String,
    pub sealed_private_key: Sealed,
    pub state: SigningKeyState,
    pub created_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningKeyState {
    /// Published, not yet signing.
    Pending,
    Active,
    /// Verifies only.
    Retired,
    Revoked,
}

impl SigningKeyState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        }
    }

    fn parse(text: &str) -> Result<Self, StoreError> {
        [Self::Pending, Self::Active, Self::Retired, Self::Revoked]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| corrupt(text))
    }
}

impl Store {
    /// Adds a signing key; [`StoreError::Taken`] if it is there already.
    pub async fn add_signing_key(&self, key: &SigningKey, event: &AuditEvent) -> Result<(), StoreError> {
        let mut tx = self.begin_write().await?;
        sql(
            "insert into signing_keys (tenant_id, kid, public_jwk, sealed_private_key, state, created_at)
             values ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&key.tenant_id)
        .bind(&key.kid)
        .bind(&key.public_jwk)
        .bind(&key.sealed_private_key)
        .bind(key.state.as_str())
        .bind(key.created_at)
        .execute(&mut *tx)
        .await?;
        audit::record(&mut tx, event).await?;
        Ok(tx.commit().await?)
    }

    /// Every signing key, oldest first.
    pub async fn signing_keys(&self, tenant_id: &TenantId) -> Result<Vec<SigningKey>, StoreError> {
        let rows = sql(
            "select tenant_id, kid, public_jwk, sealed_private_key, state, created_at from signing_keys
             where tenant_id = $1 order by created_at, kid",
        )
        .bind(tenant_id)
        .all(self.pool())
        .await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &Row) -> Result<SigningKey, StoreError> {
    Ok(SigningKey {
        kid: KeyId::new(row.text("kid")?),
        tenant_id: TenantId::new(row.text("tenant_id")?),
        public_jwk: row.text("public_jwk")?,
        sealed_private_key: row.sealed("sealed_private_key")?,
        state: SigningKeyState::parse(&row.text("state")?)?,
        created_at: row.time("created_at")?,
    })
}
