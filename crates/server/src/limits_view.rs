//! Limits above those of single grants as programs are shown them: by the API and by the command
//! line; and where their user raises them.

use aipassport_domain::{
    ids::{ClientId, GrantId, TenantId},
    ledger::{Account, Level},
    limits::Limits,
    time::Timestamp,
};
use aipassport_store::{LimitsOf, Store, StoreError};
use serde::Serialize;

use crate::grant_view::{LimitView, limits};

#[derive(Debug, Serialize)]
pub struct LimitsView {
    pub level: Level,
    /// The app, where they are one's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// As they were set: what authorization details call `limits`. Empty where there are none.
    pub terms: Limits,
    /// Where each of them stands.
    pub limits: Vec<LimitView>,
}

impl LimitsView {
    pub async fn load(store: &Store, tenant_id: &TenantId, of: &LimitsOf, now: Timestamp) -> Result<Self, StoreError> {
        let account = store.limits_of(tenant_id, of).await?;
        let account = account.as_ref();
        Ok(Self {
            level: of.level(),
            client_id: of.client_id().cloned(),
            terms: account.map(Account::limits).unwrap_or_default(),
            limits: account.map(|account| limits(None, account, now)).unwrap_or_default(),
        })
    }
}

/// The page of the limits of all apps of a user.
pub const LIMITS_PATH: &str = "/limits";

/// The page on which a user raises a limit of that level that stopped a call of this grant. `None` for
/// the tenant's, which are not for its users to raise.
///
/// Security invariant: it says nothing that the app does not know of itself.
pub fn raise_path(level: Level, grant_id: &GrantId, client_id: &ClientId) -> Option<String> {
    match level {
        Level::Grant => Some(format!("/apps/{grant_id}")),
        Level::App => Some(app_limits_path(client_id)),
        Level::User => Some(LIMITS_PATH.to_owned()),
        Level::Tenant => None,
    }
}

/// The page of the limits of an app as a whole.
pub fn app_limits_path(client_id: &ClientId) -> String {
    let encoded: String = form_urlencoded::byte_serialize(client_id.as_str().as_bytes()).collect();
    // That is how forms write a space; in a path a plus is a plus.
    format!("{LIMITS_PATH}/{}", encoded.replace('+', "%20"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_id_of_a_client_it_is_one_segment_of_a_path() {
        let path = |id: &str| app_limits_path(&ClientId::new(id));

        assert_eq!(path("0192f3a4-7c1e"), "/limits/0192f3a4-7c1e");
        assert_eq!(
            path("https://a.example/b c+d?e"),
            "/limits/https%3A%2F%2Fa.example%2Fb%20c%2Bd%3Fe"
        );
    }
}
