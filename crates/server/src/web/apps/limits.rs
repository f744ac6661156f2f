//! Changing what an app may spend. Lowering needs nothing; raising needs a fresh sign-in or the
//! password.

use aipassport_domain::{
    audit::Happened,
    authorization_details::AiAccess,
    consent::Approved,
    grant::{Grant, GrantState},
    ledger::{LimitRule, LimitState},
    limits::Limits,
    money::Money,
    time::Timestamp,
};
use axum::{
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;

use super::{
    super::{
        consent::Choosable,
        error::PageError,
        form::{Fields, SignedForm, Visitor},
        numbers,
        page::{Frame, Section, page, see_other},
        parts::{self, FieldError},
        settings::{asks_password, knows_password},
        used_up,
        words::{self, WallClock},
    },
    actions::event,
    figures::{self, Standing},
    own_grant,
    view::{AccountLimits, LimitField, LimitsPage},
};
use crate::{app::App, browser_session::SignedIn};

pub(in super::super) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    Visitor(signed_in): Visitor,
) -> Result<Response, PageError> {
    let grant = own_grant(&app, &signed_in, &id).await?;
    let is_over = matches!(grant.state, GrantState::Revoked { .. }) || app.clock.now() >= grant.expires_at;
    if is_over {
        // Where a limit was told to be used up, it may have been what stopped the app.
        return Ok(see_other(&format!("/apps/{}", grant.id)));
    }
    limits_page(&app, &signed_in, grant, None, Vec::new()).await
}

pub(in super::super) async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    form: SignedForm,
) -> Result<Response, PageError> {
    let signed_in = &form.signed_in;
    let grant = own_grant(&app, signed_in, &id).await?;
    let mut errors = Vec::new();
    let changed = read(&app, &grant, &form.fields, &mut errors);
    if errors.is_empty() && is_raised(&grant, &changed) && asks_password(&app, signed_in) {
        let is_given = !form.fields.raw("password").is_empty();
        if !is_given || !knows_password(&app, &form, "password").await? {
            errors.push(FieldError::new("password", "Raising a limit needs your password."));
        }
    }
    if !errors.is_empty() {
        return limits_page(&app, signed_in, grant, Some(&form.fields), errors).await;
    }
    let details = serde_json::to_value(&changed.authorization_details);
    let what = Happened::GrantChanged {
        authorization_details: details.map_err(|error| PageError::Broken(error.into()))?,
        expires_at: changed.expires_at,
        revoke_when_used_up: changed.revoke_when_used_up,
    };
    app.store
        .change_grant(&grant.id, &changed, &event(&app, signed_in, &grant, what))
        .await?;
    app.gateway.grant_changed(&grant.id);
    Ok(see_other(&format!("/apps/{}?done=limits", grant.id)))
}

/// Whether anything is allowed that was not before.
fn is_raised(grant: &Grant, changed: &Approved) -> bool {
    let mut accounts = changed.authorization_details.iter().zip(&grant.authorization_details);
    let lasts_longer = grant.revoke_when_used_up && !changed.revoke_when_used_up;
    lasts_longer || changed.expires_at > grant.expires_at || accounts.any(|(new, old)| !new.is_narrower(old))
}

/// The grant as it would be with what was entered.
fn read(app: &App, grant: &Grant, fields: &Fields, errors: &mut Vec<FieldError>) -> Approved {
    let until = fields.text("until");
    let ends = if until == "keep" {
        Some(grant.expires_at)
    } else {
        end(app, until)
    };
    if ends.is_none() {
        errors.push(FieldError::new("until", "Choose when it ends."));
    }
    let expires_at = ends.unwrap_or(grant.expires_at);
    let account = |access: &AiAccess| {
        let mut access = access.clone();
        access.limits = limits(&access, fields, errors);
        if until != "keep" {
            access.validity.expires_at = Some(expires_at);
        }
        access
    };
    Approved {
        authorization_details: grant.authorization_details.iter().map(account).collect(),
        expires_at,
        revoke_when_used_up: if can_choose(grant) {
            used_up::is_chosen(fields)
        } else {
            grant.revoke_when_used_up
        },
    }
}

/// Whether the page asks what happens when the money is used up.
fn can_choose(grant: &Grant) -> bool {
    used_up::is_possible_for(&grant.authorization_details)
}

fn end(app: &App, seconds: &str) -> Option<Timestamp> {
    let seconds: i64 = seconds.parse().ok()?;
    let is_allowed = seconds > 0 && seconds <= app.config.grants.longest_lifetime_seconds;
    is_allowed.then(|| app.clock.now().plus_seconds(seconds))
}

fn limits(access: &AiAccess, fields: &Fields, errors: &mut Vec<FieldError>) -> Limits {
    let mut limits = access.limits.clone();
    for (window, amount) in &mut limits.budget {
        let field = numbers::field(&access.provider, "budget", *window);
        match numbers::amount(fields.text(&field), None) {
            Ok(entered) => *amount = entered,
            Err(words) => errors.push(FieldError::new(field, words)),
        }
    }
    let mut count = |field: String, standing: &mut u64| match numbers::count(fields.text(&field), u64::MAX) {
        Ok(entered) => *standing = entered,
        Err(words) => errors.push(FieldError::new(field, words)),
    };
    for (window, most) in &mut limits.requests {
        count(numbers::field(&access.provider, "requests", *window), most);
    }
    for (period, most) in &mut limits.rate {
        count(numbers::field(&access.provider, "rate", Some(*period)), most);
    }
    if let Some(most) = limits.concurrency {
        let mut most = u64::from(most);
        count(format!("{}.concurrency", access.provider), &mut most);
        limits.concurrency = Some(u32::try_from(most).unwrap_or(u32::MAX));
    }
    if let Some(most) = &mut limits.output_tokens_per_request {
        count(format!("{}.output", access.provider), most);
    }
    limits
}

async fn limits_page(
    app: &App,
    signed_in: &SignedIn,
    grant: Grant,
    entered: Option<&Fields>,
    errors: Vec<FieldError>,
) -> Result<Response, PageError> {
    let clients = app.store.clients(&app.tenant_id).await?;
    let standing = Standing::of(app, grant).await?;
    let grant = &standing.grant;
    if !standing.is_live() {
        return Err(PageError::NotFound);
    }
    let clock = WallClock::new(app.clock.now(), &signed_in.user.time_zone);
    let account = |access: &AiAccess| {
        let states = standing
            .accounts
            .iter()
            .find(|(provider, _)| *provider == access.provider);
        let states = states.map(|(_, states)| states.as_slice()).unwrap_or_default();
        AccountLimits {
            name: words::provider(&access.provider),
            numbers: fields_of(access, states, entered),
        }
    };
    let status = if errors.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let limits_page = LimitsPage {
        frame: Frame::inside(app, signed_in, Section::Apps),
        grant_id: grant.id.to_string(),
        face: figures::face(grant, &clients),
        accounts: grant.authorization_details.iter().map(account).collect(),
        stop_when_used_up: can_choose(grant).then(|| entered.map_or(grant.revoke_when_used_up, used_up::is_chosen)),
        until: until(grant, &clock, entered),
        asks_password: asks_password(app, signed_in),
        errors,
    };
    page(status, &limits_page.frame, &limits_page)
}

fn fields_of(access: &AiAccess, states: &[LimitState], entered: Option<&Fields>) -> Vec<LimitField> {
    let limits = &access.limits;
    let field = |name: String, words, value: String, per: String, used: Option<String>| LimitField {
        id: name.clone(),
        words,
        is_money: name.contains(".budget."),
        value: entered.map_or(value, |fields| fields.text(&name).to_owned()),
        per,
        used,
        name,
    };
    let used = |rule: LimitRule, window| {
        let state = states
            .iter()
            .find(|state| state.rule == rule && state.window == window)?;
        Some(parts::amount(state.used))
    };
    let mut fields = Vec::new();
    for (window, amount) in &limits.budget {
        let name = numbers::field(&access.provider, "budget", *window);
        let amount: &Money = amount;
        let used = used(LimitRule::Budget, *window);
        fields.push(field(name, "At most", amount.to_string(), words::per(*window), used));
    }
    for (window, most) in &limits.requests {
        let name = numbers::field(&access.provider, "requests", *window);
        let used = used(LimitRule::Requests, *window);
        fields.push(field(name, "Requests", most.to_string(), words::per(*window), used));
    }
    for (period, most) in &limits.rate {
        let name = numbers::field(&access.provider, "rate", Some(*period));
        let per = words::per(Some(*period));
        fields.push(field(name, "Requests in quick succession", most.to_string(), per, None));
    }
    let counts = [
        (
            "concurrency",
            "Requests at the same time",
            limits.concurrency.map(u64::from),
            "at once",
        ),
        ("output", "Longest answer", limits.output_tokens_per_request, "tokens"),
    ];
    for (rule, words, most, per) in counts {
        let name = format!("{}.{rule}", access.provider);
        fields.extend(most.map(|most| field(name, words, most.to_string(), per.to_owned(), None)));
    }
    fields
}

fn until(grant: &Grant, clock: &WallClock, entered: Option<&Fields>) -> Vec<Choosable> {
    let picked = entered.map_or("keep", |fields| fields.text("until"));
    let keep = (
        "keep".to_owned(),
        format!("{}, as it is", clock.moment(grant.expires_at)),
    );
    let later = [3_600, 86_400, 7 * 86_400, 30 * 86_400]
        .map(|seconds| (seconds.to_string(), format!("{} from now", words::lasting(seconds))));
    std::iter::once(keep)
        .chain(later)
        .map(|(value, words)| Choosable {
            is_selected: value == picked,
            value,
            words,
        })
        .collect()
}
