//! `GET /passport/self`: what the credential that asks may do, and what is left of it.

use aipassport_domain::{
    grant::Grant,
    ids::ProviderId,
    ledger::{Account, Amount, Level, LimitRule, LimitState},
    limits::Window,
    policy::Denial,
    time::Timestamp,
};
use axum::{
    extract::{Request, State},
    response::Response,
};
use http::request;
use serde::Serialize;
use serde_json::{Value, json};

use super::{forecasts, plain, settle_what_ended};
use crate::{
    app::App,
    gateway::{authenticate::authenticate, error::GatewayError},
};

pub(super) async fn passport(State(app): State<App>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let passport = read(&app, &head).await;
    plain::respond(&app, passport)
}

async fn read(app: &App, head: &request::Parts) -> Result<Value, GatewayError> {
    let now = app.clock.now();
    let caller = authenticate(app, head, None, now).await?.refreshed(app).await?;
    let grant = caller.grant.grant();
    // A pause ends, and may be asked about; what is over is not.
    if let Err(denial @ (Denial::GrantRevoked | Denial::GrantExpired)) = grant.check_active(now) {
        return Err(denial.into());
    }
    settle_what_ended(app).await;
    let accounts = app.store.accounts_of(&app.tenant_id, &grant.id).await?;
    let above = app.store.accounts_above(grant).await?;
    Ok(show(grant, &accounts, &above, now))
}

fn show(grant: &Grant, accounts: &[(ProviderId, Account)], above: &[Account], now: Timestamp) -> Value {
    let is_exhausted = !accounts.is_empty() && accounts.iter().all(|(_, account)| account.is_exhausted(now));
    let limits = accounts.iter().flat_map(|(provider, account)| {
        let states = account.limits_at(now);
        states
            .into_iter()
            .map(move |state| ShownLimit::of(Some(provider), &state))
    });
    let above = above.iter().flat_map(|account| account.limits_at(now));
    let limits = limits.chain(above.map(|state| ShownLimit::of(None, &state)));
    let forecasts = accounts
        .iter()
        .flat_map(|(provider, account)| forecasts::of_account(grant, provider, account, now));
    json!({
        "grant_id": grant.id,
        "status": grant.status(is_exhausted, now),
        "client_id": grant.client_id,
        "expires_at": grant.expires_at,
        "authorization_details": grant.authorization_details,
        "limits": limits.collect::<Vec<_>>(),
        "forecast": forecasts.collect::<Vec<_>>(),
    })
}

/// One limit, as the passport shows it. Of those that other apps share there are no amounts: they
/// would tell what the others do.
#[derive(Serialize)]
struct ShownLimit<'a> {
    /// `None` for all providers together.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a ProviderId>,
    rule: LimitRule,
    level: Level,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reserved: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Window,
    #[serde(skip_serializing_if = "Option::is_none")]
    resets_at: Option<Timestamp>,
}

impl<'a> ShownLimit<'a> {
    fn of(provider: Option<&'a ProviderId>, state: &LimitState) -> Self {
        let is_own = state.level.is_of_one_app();
        let is_counted_at_the_end = matches!(state.rule, LimitRule::Budget | LimitRule::Requests);
        Self {
            provider,
            rule: state.rule,
            level: state.level,
            limit: is_own.then_some(state.limit),
            used: is_own.then_some(state.used),
            reserved: (is_own && is_counted_at_the_end).then_some(state.reserved),
            left: is_own.then(|| state.left()),
            currency: (state.rule == LimitRule::Budget).then_some("USD"),
            window: state.window,
            resets_at: state.resets_at,
        }
    }
}
