//! Sweeping away what nobody can use any more and nobody decided anything by.

use aipassport_domain::{ids::TenantId, time::Timestamp};

use crate::{Store, StoreError, sql::sql};

/// So long it lies about after its end, for whoever still asks what became of it.
const KEPT_SECONDS: i64 = 86_400;

/// Each takes the tenant and a time. A client that only named itself goes with the last of its
/// requests; one that was disabled stays, or it could come back under its own name.
const STATEMENTS: [&str; 8] = [
    "delete from authorization_requests where tenant_id = $1 and state = 'pending' and expires_at <= $2",
    "delete from clients
     where tenant_id = $1 and registration = 'unverified' and disabled_at is null and created_at <= $2
       and id not in (select client_id from authorization_requests where tenant_id = $1)
       and id not in (select client_id from grants where tenant_id = $1)",
    "delete from sign_in_failures where tenant_id = $1 and at <= $2",
    "delete from browser_sessions where tenant_id = $1 and started_at <= $2",
    "delete from api_tokens where tenant_id = $1 and expires_at <= $2",
    "delete from revoked_access_tokens where tenant_id = $1 and expires_at <= $2",
    // Thirty days more, for whoever looks why nothing arrived.
    "delete from webhook_deliveries where tenant_id = $1 and due_at is null and created_at <= $2 - 2592000000",
    // Thirty days more: so long a provider keeps what it was not told to forget.
    "delete from provider_objects where tenant_id = $1 and created_at <= $2 - 2592000000",
];

impl Store {
    /// Removes what ended a day ago or longer: questions that nobody decided, apps that only named
    /// themselves and were never allowed anything, failed sign-ins, sessions and tokens that are
    /// refused for their age alone, messages that were delivered or given up long ago, and whose the
    /// objects were that providers have forgotten. May be repeated; returns how many rows went.
    ///
    /// Writes no event: nothing that was decided or given changes by it. Codes and refresh tokens
    /// stay, because using one again has to be noticed.
    pub async fn sweep(&self, tenant_id: &TenantId, now: Timestamp) -> Result<u64, StoreError> {
        let mut tx = self.begin_write().await?;
        let mut swept = 0;
        for statement in STATEMENTS {
            swept += sql(statement)
                .bind(tenant_id)
                .bind(now.plus_seconds(-KEPT_SECONDS))
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(swept)
    }
}
