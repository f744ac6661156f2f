//! Clients: the software that asks for access.

use aipassport_domain::{
    audit::AuditEvent,
    client::{Client, ClientAuthentication, Registration},
    ids::{ClientId, TenantId},
};

use crate::{
    Store, StoreError, audit, grants,
    sql::{Row, Transaction, corrupt, sql},
};

macro_rules! select_clients {
    ($which:literal) => {
        concat!(
            "select tenant_id, id, name, address, redirect_uris, secret_hash, registration, created_at, disabled_at
             from clients ",
            $which
        )
    };
}

impl Store {
    /// Adds a client; [`StoreError::Taken`] if its id is in use.
    pub async fn add_client(&self, client: &Client, event: &AuditEvent) -> Result<(), StoreError> {
        let mut tx = self.begin_write().await?;
        insert(&mut tx, client).await?;
        audit::record(&mut tx, event).await?;
        Ok(tx.commit().await?)
    }

    pub async fn client(&self, tenant_id: &TenantId, id: &ClientId) -> Result<Option<Client>, StoreError> {
        let row = sql(select_clients!("where tenant_id = $1 and id = $2"))
            .bind(tenant_id)
            .bind(id)
            .first(self.pool())
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Every client, newest first.
    pub async fn clients(&self, tenant_id: &TenantId) -> Result<Vec<Client>, StoreError> {
        let rows = sql(select_clients!("where tenant_id = $1 order by created_at desc, id"))
            .bind(tenant_id)
            .all(self.pool())
            .await?;
        rows.iter().map(read).collect()
    }

    /// Disables a client: from here on none of its grants admits a call, and none of its codes and
    /// refresh tokens is redeemed. `false`, and no event, if it is unknown or was disabled before.
    pub async fn disable_client(&self, id: &ClientId, event: &AuditEvent) -> Result<bool, StoreError> {
        let mut tx = self.begin_write().await?;
        let disabled = sql("update clients set disabled_at = $3
             where tenant_id = $1 and id = $2 and disabled_at is null")
        .bind(&event.tenant_id)
        .bind(id)
        .bind(event.at)
        .changed(&mut *tx)
        .await?;
        if !disabled {
            return Ok(false);
        }
        grants::raise_versions_of_client(&mut tx, &event.tenant_id, id).await?;
        audit::record(&mut tx, event).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// Makes everyone else who makes a grant of this client, or disables it, wait for this transaction.
/// `false` if there is no such client or it is disabled.
pub(crate) async fn hold(tx: &mut Transaction, tenant_id: &TenantId, id: &ClientId) -> Result<bool, StoreError> {
    sql("update clients set name = name where tenant_id = $1 and id = $2 and disabled_at is null")
        .bind(tenant_id)
        .bind(id)
        .changed(&mut **tx)
        .await
}

fn read(row: &Row) -> Result<Client, StoreError> {
    Ok(Client {
        id: ClientId::new(row.text("id")?),
        tenant_id: TenantId::new(row.text("tenant_id")?),
        name: row.text("name")?,
        address: row.text("address")?,
        redirect_uris: serde_json::from_str(&row.text("redirect_uris")?).map_err(corrupt)?,
        authentication: row
            .maybe_hash("secret_hash")?
            .map_or(ClientAuthentication::None, ClientAuthentication::Secret),
        registration: match row.text("registration")?.as_str() {
            "registered" => Registration::Registered,
            "unverified" => Registration::Unverified,
            "tool" => Registration::Tool,
            other => return Err(corrupt(other)),
        },
        created_at: row.time("created_at")?,
        disabled_at: row.maybe_time("disabled_at")?,
    })
}

/// Writes a client; the caller records what made it.
pub(crate) async fn insert(tx: &mut Transaction, client: &Client) -> Result<(), StoreError> {
    let secret_hash = match &client.authentication {
        ClientAuthentication::None => None,
        ClientAuthentication::Secret(hash) => Some(hash),
    };
    let redirect_uris = serde_json::to_string(&client.redirect_uris).map_err(corrupt)?;

    sql(
        "insert into clients (tenant_id, id, name, address, redirect_uris, secret_hash, registration,
                              created_at, disabled_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(&client.tenant_id)
    .bind(&client.id)
    .bind(&client.name)
    .bind(&client.address)
    .bind(redirect_uris)
    .bind(secret_hash)
    .bind(registration_text(client.registration))
    .bind(client.created_at)
    .bind(client.disabled_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn registration_text(registration: Registration) -> &'static str {
    match registration {
        Registration::Registered => "registered",
        Registration::Unverified => "unverified",
        Registration::Tool => "tool",
    }
}
