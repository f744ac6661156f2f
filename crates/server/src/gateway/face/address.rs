//! To which provider a request goes, by the name of its model.

use aipassport_domain::{
    authorization_details::{AiAccess, Capability},
    grant::Grant,
    ids::ProviderId,
    policy::Denial,
};

use crate::gateway::error::GatewayError;

/// A model, and where it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) provider: ProviderId,
    pub(super) model: String,
}

/// `provider/model`; or a bare model id, if the grant covers it at one provider alone.
///
/// A provider that the grant names wins over a model whose id has a slash. Whether the model is
/// covered in the end is policy's question.
pub(super) fn resolve(grant: &Grant, named: &str, capability: Capability) -> Result<Destination, GatewayError> {
    let accesses = &grant.authorization_details;
    let of_provider = accesses.iter().find_map(|access| {
        let model = named.strip_prefix(access.provider.as_str())?.strip_prefix('/')?;
        Some(at(access, model))
    });
    if let Some(destination) = of_provider {
        return Ok(destination);
    }

    let covering: Vec<&AiAccess> = accesses.iter().filter(|access| access.covers_model(named)).collect();
    let fitting: Vec<&AiAccess> = covering
        .iter()
        .copied()
        .filter(|access| access.has_capability(capability))
        .collect();
    match (fitting.as_slice(), covering.as_slice()) {
        // What does not fit is refused by policy, which says why.
        ([only], _) | ([], [only, ..]) => Ok(at(only, named)),
        ([], []) => Err(Denial::ModelNotGranted(named.to_owned()).into()),
        (several, _) => {
            let choices = several.iter().map(|access| format!("{}/{named}", access.provider));
            Err(GatewayError::AmbiguousModel {
                model: named.to_owned(),
                choices: choices.collect::<Vec<_>>().join(", "),
            })
        }
    }
}

fn at(access: &AiAccess, model: &str) -> Destination {
    Destination {
        provider: access.provider.clone(),
        model: model.to_owned(),
    }
}
