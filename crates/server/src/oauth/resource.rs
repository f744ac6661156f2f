//! Resource indicators (RFC 8707): a token is for every provider path, or for one of them.

use aipassport_domain::ids::ProviderId;
use aipassport_providers::adapter;

use super::OAuthError;
use crate::{app::App, signing::audience};

/// The audience that `asked` names: our public URL, or one provider's path on it, to the byte. A
/// URL library may have added the slash of an empty path.
pub(super) fn audience_of(app: &App, asked: &str) -> Result<String, OAuthError> {
    let issuer = &app.config.public_url;
    let provider = asked.strip_prefix(issuer).and_then(|path| path.strip_prefix('/'));
    match provider.filter(|id| adapter::by_id(id).is_some()) {
        Some(id) => Ok(audience(issuer, Some(&ProviderId::new(id)))),
        None if asked.strip_suffix('/').unwrap_or(asked) == issuer => Ok(issuer.clone()),
        None => Err(OAuthError::InvalidTarget(issuer.clone())),
    }
}

/// The audience of the next access token of a grant that was asked for with `granted`: the same, or
/// one provider's path where it was for all of them.
pub(super) fn narrowed(app: &App, granted: Option<&str>, asked: Option<&str>) -> Result<String, OAuthError> {
    let issuer = &app.config.public_url;
    let granted = granted.map_or_else(|| Ok(issuer.clone()), |granted| audience_of(app, granted))?;
    let Some(asked) = asked else {
        return Ok(granted);
    };
    let asked = audience_of(app, asked)?;
    if granted == *issuer || granted == asked {
        Ok(asked)
    } else {
        Err(OAuthError::InvalidTarget(granted))
    }
}
