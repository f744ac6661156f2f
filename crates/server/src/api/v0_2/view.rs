//! How grants and grant requests look in 0.2's JSON.

use aipassport_domain::{
    authorization_details::AiAccess,
    consent::{AuthorizationRequest, Door},
    grant::{GrantState, GrantStatus},
    ids::{AuthorizationRequestId, GrantId},
    time::Timestamp,
};
use serde::Serialize;

use super::{find::Found, scope::Scope};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShownGrant {
    id: GrantId,
    request_id: AuthorizationRequestId,
    app_name: String,
    app_url: String,
    /// Of the first provider; 0.2 had one. `authorization_details` says everything.
    scope: Scope,
    status: GrantStatus,
    version: &'static str,
    created_at: Timestamp,
    expires_at: Timestamp,
    usage_count: u64,
    usage_budget_cents: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    approved_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Timestamp>,
    authorization_details: Vec<AiAccess>,
    revoke_when_used_up: bool,
}

impl ShownGrant {
    pub(super) fn of(found: &Found, now: Timestamp) -> Self {
        let Found { request, grant, .. } = found;
        let details = grant
            .as_ref()
            .map_or(&request.asked, |grant| &grant.authorization_details);
        let revoked_at = grant.as_ref().and_then(|grant| match grant.state {
            GrantState::Revoked { at } => Some(at),
            GrantState::Active | GrantState::Paused { .. } => None,
        });
        Self {
            id: request.grant_id.clone(),
            request_id: request.id.clone(),
            app_name: found.app_name.clone(),
            app_url: found.app_url.clone(),
            scope: details.first().map(Scope::of).unwrap_or_default(),
            status: found.status(now),
            version: "1",
            created_at: request.created_at,
            expires_at: grant.as_ref().map_or(request.expires_at, |grant| grant.expires_at),
            usage_count: found.usage.requests,
            usage_budget_cents: found.usage.spent.cents_rounded_up(),
            approved_at: grant.as_ref().map(|grant| grant.created_at),
            revoked_at,
            authorization_details: details.clone(),
            revoke_when_used_up: grant.as_ref().is_some_and(|grant| grant.revoke_when_used_up),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShownRequest {
    id: AuthorizationRequestId,
    created_at: Timestamp,
    app_name: String,
    app_url: String,
    scope: Scope,
    reason: String,
}

impl ShownRequest {
    pub(super) fn of(request: &AuthorizationRequest, app_name: &str, app_url: &str) -> Self {
        let reason = match &request.door {
            Door::GrantRequest { reason, .. } => reason.clone(),
            Door::AuthorizationCode { .. } => String::new(),
        };
        Self {
            id: request.id.clone(),
            created_at: request.created_at,
            app_name: app_name.to_owned(),
            app_url: app_url.to_owned(),
            scope: request.asked.first().map(Scope::of).unwrap_or_default(),
            reason,
        }
    }
}

/// What the holder of an access token is told of its grant.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InspectedGrant {
    id: GrantId,
    app_name: String,
    app_url: String,
    scope: Scope,
    status: GrantStatus,
    created_at: Timestamp,
    expires_at: Timestamp,
    usage_count: u64,
}

impl From<ShownGrant> for InspectedGrant {
    fn from(grant: ShownGrant) -> Self {
        Self {
            id: grant.id,
            app_name: grant.app_name,
            app_url: grant.app_url,
            scope: grant.scope,
            status: grant.status,
            created_at: grant.created_at,
            expires_at: grant.expires_at,
            usage_count: grant.usage_count,
        }
    }
}
