//! Limits above those of single grants: of all apps of a user, and of one app as a whole.
//!
//! Both are the same page. Lowering needs nothing; raising, and removing, needs a fresh sign-in or
//! the password. `form.rs` is the boxes and what is read from them.

mod form;
#[cfg(test)]
pub(super) mod samples;

use aipassport_domain::{
    grant::Grant,
    ids::{ClientId, UserId},
    ledger::Account,
    limits::Limits,
    money::Money,
};
use aipassport_store::{LimitsOf, StoreError};
use askama::Template;
use axum::{
    extract::{Path, RawQuery, State},
    response::Response,
};
use http::StatusCode;

use self::form::{OtherField, WindowRow};
use super::{
    apps::{Standing, face},
    error::PageError,
    form::{Fields, SignedForm, Visitor},
    page::{Frame, Section, page, see_other},
    parts::{AppFace, FieldError, Spend},
    settings::{asks_password, knows_password},
    sign_in,
    words::{self, WallClock},
};
use crate::{
    app::App,
    browser_session::SignedIn,
    entries::limits_changed,
    limits_view::{LIMITS_PATH, app_limits_path},
};

#[derive(Template)]
#[template(path = "shared_limits.html")]
struct SharedLimitsPage {
    frame: Frame,
    errors: Vec<FieldError>,
    whose: String,
    /// Of the app, where it is one's.
    face: Option<AppFace>,
    spends: Vec<Spend>,
    /// What may be spent without a limit here.
    as_it_stands: String,
    /// (grant's id, what it is called).
    grants: Vec<(String, String)>,
    action: String,
    back: String,
    windows: Vec<WindowRow>,
    others: Vec<OtherField>,
    asks_password: bool,
}

/// Whose limits a page is about, and the user's grants beneath them, the newest first.
struct Shared {
    of: LimitsOf,
    grants: Vec<Grant>,
}

impl Shared {
    async fn by_all(app: &App, signed_in: &SignedIn) -> Result<Self, PageError> {
        let user_id = signed_in.user.id.clone();
        Ok(Self {
            grants: app.store.grants_of(&app.tenant_id, &user_id).await?,
            of: LimitsOf::User(user_id),
        })
    }

    /// An app that the user never allowed anything is not there.
    async fn by_app(app: &App, signed_in: &SignedIn, client_id: String) -> Result<Self, PageError> {
        let (user_id, client_id): (UserId, _) = (signed_in.user.id.clone(), ClientId::new(client_id));
        let mut grants = app.store.grants_of(&app.tenant_id, &user_id).await?;
        grants.retain(|grant| grant.client_id == client_id);
        if grants.is_empty() {
            return Err(PageError::NotFound);
        }
        let of = LimitsOf::App { user_id, client_id };
        Ok(Self { of, grants })
    }

    fn path(&self) -> String {
        self.of
            .client_id()
            .map_or_else(|| LIMITS_PATH.to_owned(), app_limits_path)
    }

    fn back(&self) -> String {
        let newest = self.grants.first().filter(|_| self.of.client_id().is_some());
        newest.map_or_else(|| "/apps".to_owned(), |grant| format!("/apps/{}", grant.id))
    }
}

pub(super) async fn show_all(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    Visitor(signed_in): Visitor,
) -> Result<Response, PageError> {
    let shared = Shared::by_all(&app, &signed_in).await?;
    limits_page(&app, &signed_in, shared, query.as_deref(), None, Vec::new()).await
}

pub(super) async fn show_app(
    State(app): State<App>,
    Path(client_id): Path<String>,
    RawQuery(query): RawQuery,
    Visitor(signed_in): Visitor,
) -> Result<Response, PageError> {
    let shared = Shared::by_app(&app, &signed_in, client_id).await?;
    limits_page(&app, &signed_in, shared, query.as_deref(), None, Vec::new()).await
}

pub(super) async fn change_all(State(app): State<App>, form: SignedForm) -> Result<Response, PageError> {
    let shared = Shared::by_all(&app, &form.signed_in).await?;
    change(&app, form, shared).await
}

pub(super) async fn change_app(
    State(app): State<App>,
    Path(client_id): Path<String>,
    form: SignedForm,
) -> Result<Response, PageError> {
    let shared = Shared::by_app(&app, &form.signed_in, client_id).await?;
    change(&app, form, shared).await
}

async fn change(app: &App, form: SignedForm, shared: Shared) -> Result<Response, PageError> {
    let signed_in = &form.signed_in;
    let present = app.store.limits_of(&app.tenant_id, &shared.of).await?;
    let present = present.map(|account| account.limits()).unwrap_or_default();
    let entered = if form.fields.has("remove", "yes") {
        Ok(Limits::default())
    } else {
        form::read(&present, &form.fields)
    };
    let limits = match entered {
        Ok(limits) => limits,
        Err(errors) => return limits_page(app, signed_in, shared, None, Some(&form.fields), errors).await,
    };
    let is_raised = !limits.narrower(&present);
    if is_raised && asks_password(app, signed_in) {
        let is_given = !form.fields.raw("password").is_empty();
        if !is_given || !knows_password(app, &form, "password").await? {
            let error = FieldError::new("password", "Raising or removing a limit needs your password.");
            return limits_page(app, signed_in, shared, None, Some(&form.fields), vec![error]).await;
        }
    }
    let event = sign_in::event(app, &signed_in.user, limits_changed(&shared.of, &limits));
    if !app.store.set_limits(&shared.of, &limits, &event).await? {
        return Err(PageError::NotFound);
    }
    let done = if limits.is_empty() { "removed" } else { "limits" };
    Ok(see_other(&format!("{}?done={done}", shared.path())))
}

fn notice(query: Option<&str>) -> Option<&'static str> {
    match query?.strip_prefix("done=")? {
        "limits" => Some("The new limits hold from the next call on."),
        "removed" => Some("Removed. The limits of each app still hold."),
        _ => None,
    }
}

async fn limits_page(
    app: &App,
    signed_in: &SignedIn,
    shared: Shared,
    query: Option<&str>,
    entered: Option<&Fields>,
    errors: Vec<FieldError>,
) -> Result<Response, PageError> {
    let now = app.clock.now();
    let account = app.store.limits_of(&app.tenant_id, &shared.of).await?;
    let present = account.as_ref().map(Account::limits).unwrap_or_default();
    let standing = account.map(|account| account.limits_at(now)).unwrap_or_default();
    let face = face_of(app, &shared).await?;
    let clock = WallClock::new(now, &signed_in.user.time_zone);
    let status = if errors.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let whose = face.as_ref().map_or_else(
        || "All apps together".to_owned(),
        |face| format!("{} as a whole", face.name),
    );
    let limits_page = SharedLimitsPage {
        frame: Frame::inside(app, signed_in, Section::Apps).with_notice(notice(query)),
        whose,
        spends: standing.iter().map(|state| Spend::of(state, None)).collect(),
        as_it_stands: as_it_stands(app, &shared).await?,
        grants: face.as_ref().map_or_else(Vec::new, |_| called(&shared.grants, &clock)),
        action: shared.path(),
        back: shared.back(),
        windows: form::windows(&present, entered),
        others: form::others(&present, entered),
        asks_password: asks_password(app, signed_in),
        face,
        errors,
    };
    page(status, &limits_page.frame, &limits_page)
}

async fn face_of(app: &App, shared: &Shared) -> Result<Option<AppFace>, StoreError> {
    let newest = shared.grants.first().filter(|_| shared.of.client_id().is_some());
    let Some(newest) = newest else { return Ok(None) };
    let clients = app.store.clients(&app.tenant_id).await?;
    Ok(Some(face(newest, &clients)))
}

/// What its grants are called on the page of an app.
fn called(grants: &[Grant], clock: &WallClock) -> Vec<(String, String)> {
    let called = |grant: &Grant| {
        let providers = grant.authorization_details.iter().map(|access| &access.provider);
        let accounts = words::accounts(providers);
        let words = format!("your {accounts} until {}", clock.day(grant.expires_at));
        (grant.id.to_string(), words)
    };
    grants.iter().map(called).collect()
}

/// What all of it may come to without a limit here.
async fn as_it_stands(app: &App, shared: &Shared) -> Result<String, StoreError> {
    let mut live = Vec::new();
    for grant in &shared.grants {
        let standing = Standing::of(app, grant.clone()).await?;
        if standing.is_live() {
            live.push(standing);
        }
    }
    let budgets: Option<Vec<Money>> = live.iter().map(Standing::monthly_budget).collect();
    let sum = budgets.map(|budgets| budgets.into_iter().fold(Money::ZERO, Money::saturating_add));
    Ok(in_sum(&shared.of, live.len(), sum))
}

fn in_sum(of: &LimitsOf, live: usize, monthly: Option<Money>) -> String {
    let is_app = of.client_id().is_some();
    match (live, monthly) {
        (0, _) if is_app => {
            "It may do nothing now. Set a limit, and it holds for whatever you allow it again.".to_owned()
        }
        (0, _) => "No app may spend anything now. Set a limit, and it holds however many you connect.".to_owned(),
        (_, Some(monthly)) if is_app => format!(
            "As it stands, it may spend {} a month. Set a limit, and it holds whatever else you allow it.",
            words::dollars(monthly)
        ),
        (_, Some(monthly)) => format!(
            "As it stands, they may spend {} a month together, and more with each app you connect. Set a limit, and \
             it holds however many there are.",
            words::dollars(monthly)
        ),
        (_, None) if is_app => "Each thing you allowed it has a limit of its own. Set one for all of them.".to_owned(),
        (_, None) => {
            "Each app has limits of its own, and they add up. Set one that holds however many there are.".to_owned()
        }
    }
}
