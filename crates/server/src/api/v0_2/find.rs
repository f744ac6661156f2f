//! Finding what an id of this surface stands for, and whose it is.

use aipassport_domain::{
    consent::{AuthorizationRequest, Door, RequestState},
    grant::{Grant, GrantStatus},
    ids::{GrantId, UserId},
    time::Timestamp,
};

use super::{error::Error, usage::Usage};
use crate::app::App;

/// What an id stands for: a request, and the grant that it became, if it did.
pub(super) struct Found {
    pub(super) request: AuthorizationRequest,
    pub(super) grant: Option<Grant>,
    pub(super) app_name: String,
    pub(super) app_url: String,
    pub(super) usage: Usage,
}

pub(super) async fn find(app: &App, id: &GrantId) -> Result<Found, Error> {
    let request = app
        .store
        .authorization_request_by_grant(&app.tenant_id, id)
        .await?
        .ok_or(Error::NotFound)?;
    let grant = app.store.grant(&app.tenant_id, id).await?;
    with_grant(app, request, grant).await
}

/// A grant of the user's own.
pub(super) async fn own_grant(app: &App, id: &GrantId, user_id: &UserId) -> Result<Found, Error> {
    let found = find(app, id).await?;
    match &found.grant {
        Some(grant) if grant.user_id == *user_id => Ok(found),
        _ => Err(Error::NotFound),
    }
}

/// Completes a grant that was read already.
pub(super) async fn of_grant(app: &App, grant: Grant) -> Result<Found, Error> {
    let request = app
        .store
        .authorization_request_by_grant(&app.tenant_id, &grant.id)
        .await?
        .ok_or(Error::NotFound)?;
    with_grant(app, request, Some(grant)).await
}

async fn with_grant(app: &App, request: AuthorizationRequest, grant: Option<Grant>) -> Result<Found, Error> {
    let client = app
        .store
        .client(&app.tenant_id, &request.client_id)
        .await?
        .ok_or(Error::NotFound)?;
    let usage = match &grant {
        Some(grant) => Usage::of(app, grant, app.clock.now()).await?,
        None => Usage::default(),
    };
    Ok(Found {
        request,
        grant,
        app_name: client.name,
        app_url: client.address,
        usage,
    })
}

impl Found {
    pub(super) fn status(&self, now: Timestamp) -> GrantStatus {
        if let Some(grant) = &self.grant {
            return grant.status(self.usage.is_exhausted, now);
        }
        match self.request.state {
            RequestState::Denied { .. } => GrantStatus::Denied,
            _ if now >= self.request.expires_at => GrantStatus::Expired,
            _ => GrantStatus::Pending,
        }
    }

    /// Whether `user_id` may see this: what is theirs, or, while it waits to be decided, what they
    /// know the id of.
    pub(super) fn is_visible_to(&self, user_id: &UserId) -> bool {
        match (&self.grant, &self.request.state) {
            (Some(grant), _) => grant.user_id == *user_id,
            (None, RequestState::Denied { by, .. }) => by == user_id,
            (None, RequestState::Pending) => matches!(self.request.door, Door::GrantRequest { .. }),
            // An authorization code is under way; its client is told of the grant, if there is one.
            (None, RequestState::Approved { .. } | RequestState::Redeemed { .. }) => false,
        }
    }
}
