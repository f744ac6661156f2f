//! Authorization requests: what clients ask for, until it is decided and redeemed.

use aipassport_domain::{
    audit::AuditEvent,
    authorization_details,
    consent::{Approved, AuthorizationRequest, Door, RequestState},
    grant::Grant,
    ids::{AuthorizationRequestId, ClientId, GrantId, TenantId, UserId},
    secret::SecretHash,
    time::Timestamp,
};

use crate::{
    NewCode, Store, StoreError, audit, codes,
    grants::{self, NewGrant, read_details},
    sql::{Row, Statement, corrupt, sql},
};

/// A user's yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub by: UserId,
    pub approved: Approved,
    /// Of what the page showed; `None` where it was said without one. Kept with the request, so that
    /// what somebody agreed to can be told later.
    pub shown_digest: Option<String>,
    /// What the models cost then, as JSON; kept with the grant.
    pub prices: String,
}

const AUTHORIZATION_CODE: &str = "authorization_code";
const GRANT_REQUEST: &str = "grant_request";

macro_rules! select_requests {
    ($which:literal) => {
        concat!(
            "select tenant_id, id, client_id, grant_id, door, redirect_uri, client_state, code_challenge, resource,
                    request_secret_hash, reason, asked, state, decided_by, decided_at, approved_details,
                    approved_until, revoke_when_used_up, redeemed_at, created_at, expires_at
             from authorization_requests where ",
            $which
        )
    };
}

impl Store {
    /// Writes a pending request down; its `state` is not looked at.
    pub async fn open_authorization_request(
        &self,
        request: &AuthorizationRequest,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let statement = sql(
            "insert into authorization_requests (tenant_id, id, client_id, grant_id, asked, state, created_at,
                                                 expires_at, door, redirect_uri, client_state, code_challenge,
                                                 resource, request_secret_hash, reason)
             values ($1, $2, $3, $4, $5, 'pending', $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        )
        .bind(&request.tenant_id)
        .bind(&request.id)
        .bind(&request.client_id)
        .bind(&request.grant_id)
        .bind(authorization_details::to_json(&request.asked))
        .bind(request.created_at)
        .bind(request.expires_at);

        let mut tx = self.begin_write().await?;
        bind_door(statement, &request.door).execute(&mut *tx).await?;
        audit::record(&mut tx, event).await?;
        Ok(tx.commit().await?)
    }

    pub async fn authorization_request(
        &self,
        tenant_id: &TenantId,
        id: &AuthorizationRequestId,
    ) -> Result<Option<AuthorizationRequest>, StoreError> {
        let row = sql(select_requests!("tenant_id = $1 and id = $2"))
            .bind(tenant_id)
            .bind(id)
            .first(self.pool())
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// The request that leads, or led, to this grant.
    pub async fn authorization_request_by_grant(
        &self,
        tenant_id: &TenantId,
        grant_id: &GrantId,
    ) -> Result<Option<AuthorizationRequest>, StoreError> {
        let row = sql(select_requests!("tenant_id = $1 and grant_id = $2"))
            .bind(tenant_id)
            .bind(grant_id)
            .first(self.pool())
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// The requests of the 0.2 surface that can still be decided at `now`, newest first, at most
    /// `limit`.
    pub async fn pending_grant_requests(
        &self,
        tenant_id: &TenantId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<AuthorizationRequest>, StoreError> {
        let rows = sql(select_requests!(
            "tenant_id = $1 and state = 'pending' and door = $2 and expires_at > $3
             order by created_at desc, id limit $4"
        ))
        .bind(tenant_id)
        .bind(GRANT_REQUEST)
        .bind(now)
        .bind(limit)
        .all(self.pool())
        .await?;
        rows.iter().map(read).collect()
    }

    /// Approves a pending request and issues its code. `false`, with nothing changed, if it was
    /// decided before or has expired: of many deciders at once, one wins.
    pub async fn approve_request(
        &self,
        id: &AuthorizationRequestId,
        decision: &Decision,
        code: &NewCode,
        event: &AuditEvent,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin_write().await?;
        let won = sql("update authorization_requests
             set state = 'approved', decided_by = $3, decided_at = $4, approved_details = $5, approved_until = $6,
                 shown_digest = $8, approved_prices = $9, revoke_when_used_up = $10
             where tenant_id = $1 and id = $2 and state = 'pending' and door = $7 and expires_at > $4")
        .bind(&event.tenant_id)
        .bind(id)
        .bind(&decision.by)
        .bind(event.at)
        .bind(authorization_details::to_json(&decision.approved.authorization_details))
        .bind(decision.approved.expires_at)
        .bind(AUTHORIZATION_CODE)
        .bind(decision.shown_digest.as_ref())
        .bind(&decision.prices)
        .bind(decision.approved.revoke_when_used_up)
        .changed(&mut *tx)
        .await?;
        if !won {
            return Ok(false);
        }
        codes::issue(&mut tx, &event.tenant_id, id, code, event.at).await?;
        audit::record(&mut tx, event).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Approves a pending request of the 0.2 surface and makes its grant at once. `None`, with
    /// nothing changed, if it was decided before or has expired, its client is disabled or the user
    /// suspended.
    pub async fn approve_grant_request(
        &self,
        id: &AuthorizationRequestId,
        decision: &Decision,
        event: &AuditEvent,
    ) -> Result<Option<Grant>, StoreError> {
        let mut tx = self.begin_write().await?;
        let row = sql("update authorization_requests
             set state = 'redeemed', decided_by = $3, decided_at = $4, approved_details = $5, approved_until = $6,
                 redeemed_at = $4, shown_digest = $8, approved_prices = $9, revoke_when_used_up = $10
             where tenant_id = $1 and id = $2 and state = 'pending' and door = $7 and expires_at > $4
             returning grant_id, client_id")
        .bind(&event.tenant_id)
        .bind(id)
        .bind(&decision.by)
        .bind(event.at)
        .bind(authorization_details::to_json(&decision.approved.authorization_details))
        .bind(decision.approved.expires_at)
        .bind(GRANT_REQUEST)
        .bind(decision.shown_digest.as_ref())
        .bind(&decision.prices)
        .bind(decision.approved.revoke_when_used_up)
        .first(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(None) };

        let new = NewGrant {
            id: GrantId::new(row.text("grant_id")?),
            user_id: decision.by.clone(),
            client_id: ClientId::new(row.text("client_id")?),
            approved: &decision.approved,
            prices: Some(&decision.prices),
        };
        let Some(grant) = grants::make(&mut tx, &event.tenant_id, new, event.at).await? else {
            return Ok(None);
        };
        audit::record(&mut tx, event).await?;
        tx.commit().await?;
        Ok(Some(grant))
    }

    /// Denies a pending request. `false`, with nothing changed, if it was decided before or has
    /// expired.
    pub async fn deny_request(
        &self,
        id: &AuthorizationRequestId,
        by: &UserId,
        event: &AuditEvent,
    ) -> Result<bool, StoreError> {
        let deny = sql(
            "update authorization_requests set state = 'denied', decided_by = $3, decided_at = $4
             where tenant_id = $1 and id = $2 and state = 'pending' and expires_at > $4",
        )
        .bind(&event.tenant_id)
        .bind(id)
        .bind(by)
        .bind(event.at);
        self.decide(deny, event).await
    }
}

/// Binds `door` and the columns that follow from it, in the order of the insert.
fn bind_door(statement: Statement, door: &Door) -> Statement {
    match door {
        Door::AuthorizationCode {
            redirect_uri,
            state,
            code_challenge,
            resource,
        } => statement
            .bind(AUTHORIZATION_CODE)
            .bind(redirect_uri)
            .bind(state.as_ref())
            .bind(code_challenge)
            .bind(resource.as_ref())
            .bind(None::<&SecretHash>)
            .bind(None::<&str>),
        Door::GrantRequest { request_secret, reason } => statement
            .bind(GRANT_REQUEST)
            .bind(None::<&str>)
            .bind(None::<&str>)
            .bind(None::<&str>)
            .bind(None::<&str>)
            .bind(request_secret)
            .bind(reason),
    }
}

fn read(row: &Row) -> Result<AuthorizationRequest, StoreError> {
    Ok(AuthorizationRequest {
        id: AuthorizationRequestId::new(row.text("id")?),
        tenant_id: TenantId::new(row.text("tenant_id")?),
        client_id: ClientId::new(row.text("client_id")?),
        grant_id: GrantId::new(row.text("grant_id")?),
        door: read_door(row)?,
        asked: read_details(&row.text("asked")?)?,
        state: read_state(row)?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
    })
}

fn read_door(row: &Row) -> Result<Door, StoreError> {
    match row.text("door")?.as_str() {
        AUTHORIZATION_CODE => Ok(Door::AuthorizationCode {
            redirect_uri: row.text("redirect_uri")?,
            state: row.maybe_text("client_state")?,
            code_challenge: row.text("code_challenge")?,
            resource: row.maybe_text("resource")?,
        }),
        GRANT_REQUEST => Ok(Door::GrantRequest {
            request_secret: row.hash("request_secret_hash")?,
            reason: row.text("reason")?,
        }),
        other => Err(corrupt(other)),
    }
}

fn read_state(row: &Row) -> Result<RequestState, StoreError> {
    match row.text("state")?.as_str() {
        "pending" => Ok(RequestState::Pending),
        "approved" => Ok(RequestState::Approved {
            by: UserId::new(row.text("decided_by")?),
            approved: read_approved(row)?,
            at: row.time("decided_at")?,
        }),
        "denied" => Ok(RequestState::Denied {
            by: UserId::new(row.text("decided_by")?),
            at: row.time("decided_at")?,
        }),
        "redeemed" => Ok(RequestState::Redeemed {
            at: row.time("redeemed_at")?,
        }),
        other => Err(corrupt(other)),
    }
}

/// What was approved, of a request that was.
pub(crate) fn read_approved(row: &Row) -> Result<Approved, StoreError> {
    Ok(Approved {
        authorization_details: read_details(&row.text("approved_details")?)?,
        expires_at: row.time("approved_until")?,
        revoke_when_used_up: row.integer("revoke_when_used_up")? != 0,
    })
}
