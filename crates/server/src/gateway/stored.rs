//! What grants have left at providers, and may ask for again.
//!
//! Many grants share one key, and the provider cannot tell them apart. Security invariant: an id at
//! the provider is good for the grant alone whose call made it, and that is written down before the
//! id is shown to anybody; what is not written down is nobody's. Without this, one app could read
//! what another one of the same user asked and was answered.

use aipassport_domain::{
    ids::{GrantId, ProviderId},
    policy::Permit,
};
use aipassport_providers::{adapter::ProviderAdapter, request::StoredObject};
use aipassport_store::ProviderObject;

use super::{
    error::GatewayError,
    upstream::{Answer, AnswerBody},
};
use crate::app::App;

/// An answer that is kept says its id at its beginning.
const MOST_READ_AHEAD: usize = 64 * 1024;

/// Which model made `object`, if it is this grant's.
pub(super) async fn model_of(
    app: &App,
    grant_id: &GrantId,
    provider: &ProviderId,
    object: &StoredObject,
) -> Result<String, GatewayError> {
    let hash = app.vault.hash(&object.id);
    let found = app
        .store
        .provider_object_model(&app.tenant_id, grant_id, provider, object.kind.as_str(), &hash);
    found.await?.ok_or(GatewayError::NoSuchObject)
}

/// Refuses a call that names something that is not this grant's.
pub(super) async fn check_names(
    app: &App,
    grant_id: &GrantId,
    provider: &ProviderId,
    names: &[StoredObject],
) -> Result<(), GatewayError> {
    for object in names {
        model_of(app, grant_id, provider, object).await?;
    }
    Ok(())
}

/// Writes down whose the answer is that the provider keeps, before any of it is passed on.
pub(super) async fn record(
    app: &App,
    adapter: &dyn ProviderAdapter,
    permit: &Permit,
    answer: &mut Answer,
) -> Result<(), GatewayError> {
    if !answer.status.is_success() {
        return Ok(());
    }
    let kept = match &mut answer.body {
        AnswerBody::Whole(body) => adapter.kept_object(body),
        AnswerBody::Pieces(pieces) => {
            let idle = app.config.upstreams.idle_timeout;
            let find = |beginning: &[u8]| adapter.kept_object(beginning);
            pieces.find_ahead(MOST_READ_AHEAD, idle, find).await?
        }
    };
    // What has no id cannot be asked for.
    let Some(kept) = kept else { return Ok(()) };
    let object = ProviderObject {
        tenant_id: permit.tenant_id().clone(),
        grant_id: permit.grant_id().clone(),
        provider: permit.provider().clone(),
        kind: kept.kind.as_str(),
        id_hash: app.vault.hash(&kept.id),
        model: permit.model().to_owned(),
    };
    Ok(app.store.record_provider_object(&object, app.clock.now()).await?)
}
