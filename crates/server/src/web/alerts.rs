//! What pages tell of limits that are nearly or altogether used up, until the user has seen it.

use aipassport_domain::grant::Grant;
use aipassport_store::{AccountOf, AlertRecord, AlertsOf, LimitsOf, StoreError, User};
use axum::{extract::State, response::Response};

use super::{
    activity, error::PageError, form::SignedForm, page::see_other, return_to::own_path, sentences, webhooks,
    words::WallClock,
};
use crate::{
    app::App,
    browser_session::SignedIn,
    limits_view::{LIMITS_PATH, app_limits_path},
};

/// So many are looked through for those of one app.
const MOST: u32 = 100;
/// More would hide the page beneath.
const MOST_SHOWN: usize = 4;

/// The strip at the head of a page, which is left out where there is nothing to tell.
pub(super) struct AlertStrip {
    pub(super) rows: Vec<AlertRow>,
    /// Webhooks that alerts do not reach any more, as sentences; until that is put right.
    pub(super) stopped: Vec<String>,
    pub(super) class: &'static str,
    /// The page that it is on.
    pub(super) here: String,
}

pub(super) struct AlertRow {
    pub(super) id: String,
    pub(super) sentence: String,
    pub(super) when: String,
    /// Where the limit can be raised, if that is the user's to do.
    pub(super) raise: Option<String>,
}

fn of(user: &User) -> AlertsOf<'_> {
    AlertsOf {
        user_id: &user.id,
        and_tenant: user.is_admin,
    }
}

/// The newest that the user has not seen; of `grant`, those about it and its app alone.
pub(super) async fn unseen(app: &App, signed_in: &SignedIn, grant: Option<&Grant>) -> Result<AlertStrip, StoreError> {
    let user = &signed_in.user;
    let mut alerts = app.store.alerts_of(&app.tenant_id, of(user), true, MOST).await?;
    alerts.retain(|alert| grant.is_none_or(|grant| is_about(alert, grant)));
    alerts.truncate(MOST_SHOWN);
    let mut strip = AlertStrip {
        rows: Vec::new(),
        stopped: match grant {
            Some(_) => Vec::new(),
            None => webhooks::stopped(app, signed_in).await?,
        },
        class: if alerts.iter().any(|alert| alert.threshold >= 100) {
            "bad"
        } else {
            "warn"
        },
        here: grant.map_or_else(|| "/apps".to_owned(), |grant| format!("/apps/{}", grant.id)),
    };
    if alerts.is_empty() {
        return Ok(strip);
    }
    let names = activity::names(app, signed_in).await?;
    let clock = WallClock::new(app.clock.now(), &user.time_zone);
    let row = |alert: AlertRecord| AlertRow {
        sentence: sentences::of_alert(&alert, &names),
        when: clock.ago(alert.at),
        raise: raise(&alert),
        id: alert.id,
    };
    strip.rows = alerts.into_iter().map(row).collect();
    Ok(strip)
}

fn is_about(alert: &AlertRecord, grant: &Grant) -> bool {
    match &alert.account {
        AccountOf::Grant(id, _) => *id == grant.id,
        AccountOf::Above(LimitsOf::App { client_id, .. }) => *client_id == grant.client_id,
        AccountOf::Above(_) => false,
    }
}

fn raise(alert: &AlertRecord) -> Option<String> {
    match &alert.account {
        AccountOf::Grant(id, _) => Some(format!("/apps/{id}/limits")),
        AccountOf::Above(LimitsOf::App { client_id, .. }) => Some(app_limits_path(client_id)),
        AccountOf::Above(LimitsOf::User(_)) => Some(LIMITS_PATH.to_owned()),
        AccountOf::Above(LimitsOf::Tenant) => None,
    }
}

/// Takes down that the alerts of a strip were seen.
pub(super) async fn seen(State(app): State<App>, form: SignedForm) -> Result<Response, PageError> {
    let user = &form.signed_in.user;
    for id in form.fields.all("id") {
        app.store
            .see_alert(&app.tenant_id, of(user), id, app.clock.now())
            .await?;
    }
    Ok(see_other(own_path(form.fields.raw("return_to"))))
}
