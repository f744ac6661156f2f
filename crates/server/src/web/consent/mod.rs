//! Consent: the page on which a user decides whether a stranger's software may spend their money.
//!
//! Begin with [`show`] and [`decide`]. `terms.rs` lays the request out as a form on which every
//! term can be lowered, `chosen.rs` reads it back, `shown.rs` holds both to the same object. What
//! may be granted in the end is the domain's decision ([`aipassport_domain::consent::approve`]).

mod chosen;
mod estimate;
mod outcome;
pub(super) mod presets;
#[cfg(test)]
pub(super) mod samples;
mod shown;
mod terms;
mod view;

use std::sync::Arc;

use aipassport_domain::{
    audit::Happened,
    client::Client,
    consent::{self, Approved, AuthorizationRequest, Door, NextStep},
    ids::AuthorizationRequestId,
};
use aipassport_providers::prices::PriceBook;
use aipassport_store::{Decision, NewCode, ProviderCredential};
use axum::{
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;
use url::{Host, Url};

use self::{shown::Shown, terms::Terms, view::ConsentPage};
use super::{
    ANSWER_PATH, app_words,
    error::PageError,
    form::{Fields, SignedForm, Visitor},
    page::{Frame, page, see_other},
    parts::FieldError,
    sign_in, used_up, words,
};
use crate::{app::App, browser_session::SignedIn, price_guard};
pub(super) use view::{Choosable, Presets};

/// A request, who asks, and what this user has to decide about it.
struct Case {
    request: AuthorizationRequest,
    client: Client,
    keys: Vec<ProviderCredential>,
    /// As this user has them.
    prices: Arc<PriceBook>,
}

impl Case {
    async fn find(app: &App, id: &str, signed_in: &SignedIn) -> Result<Self, PageError> {
        let id = AuthorizationRequestId::new(id);
        let request = app.store.authorization_request(&app.tenant_id, &id).await?;
        let request = request.ok_or(PageError::NotFound)?;
        let client = app.store.client(&app.tenant_id, &request.client_id).await?;
        let client = client
            .filter(|client| client.disabled_at.is_none())
            .ok_or(PageError::NotFound)?;
        let keys = app.store.credentials_of(&app.tenant_id, &signed_in.user.id).await?;
        let prices = app.prices_of(&signed_in.user.id).await?;
        Ok(Self {
            request,
            client,
            keys,
            prices,
        })
    }

    fn terms<'a>(&'a self, app: &'a App, entered: Option<&'a Fields>, errors: &'a [FieldError]) -> Terms<'a> {
        Terms {
            asked: &self.request.asked,
            defaults: &app.config.grants,
            prices: &self.prices,
            keys: &self.keys,
            listed: app.gateway.models_of(&self.keys),
            entered,
            errors,
            now: app.clock.now(),
        }
    }

    fn purpose(&self) -> Option<String> {
        let of_details = self.request.asked.iter().find_map(|access| access.purpose.as_deref());
        let of_door = match &self.request.door {
            Door::GrantRequest { reason, .. } => Some(reason.as_str()),
            Door::AuthorizationCode { .. } => None,
        };
        app_words::purpose(of_details.or(of_door)?)
    }

    /// Where the browser goes once the request is decided.
    fn onward(&self) -> String {
        match &self.request.door {
            Door::AuthorizationCode { .. } => format!("{ANSWER_PATH}{}", self.request.id),
            Door::GrantRequest { .. } => format!("/consent/{}", self.request.id),
        }
    }

    /// Where the answer goes, as a content security policy can name it. An IPv6 address it cannot
    /// (CSP Level 3, section 2.3.1): browsers would ignore it and hold the user's answer back, so of
    /// one it names the scheme.
    fn answer_source(&self) -> Option<String> {
        let Door::AuthorizationCode { redirect_uri, .. } = &self.request.door else {
            return None;
        };
        let url = Url::parse(redirect_uri).ok()?;
        Some(match url.host()? {
            Host::Ipv6(_) => format!("{}:", url.scheme()),
            _ => url.origin().ascii_serialization(),
        })
    }
}

pub(super) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    Visitor(signed_in): Visitor,
) -> Result<Response, PageError> {
    let case = Case::find(&app, &id, &signed_in).await?;
    match case.request.next_step(Some(&signed_in.user.id), app.clock.now()) {
        NextStep::Consent | NextStep::SignIn => ask(&app, &signed_in, &case, None, Vec::new()).await,
        NextStep::Expired => outcome::expired(&app, &signed_in, &case),
        NextStep::Answer => outcome::decided(&app, &signed_in, &case).await,
    }
}

pub(super) async fn decide(
    State(app): State<App>,
    Path(id): Path<String>,
    form: SignedForm,
) -> Result<Response, PageError> {
    let SignedForm { signed_in, fields, .. } = form;
    let case = Case::find(&app, &id, &signed_in).await?;
    if case.request.next_step(Some(&signed_in.user.id), app.clock.now()) != NextStep::Consent {
        return Ok(see_other(&format!("/consent/{}", case.request.id)));
    }
    let shown = Shown::of(&app, &case.request, &case.client);
    if fields.raw("shown") != shown.digest() {
        return outcome::changed(&app, &signed_in, &case);
    }
    shown.check_ticket(&app, &signed_in, fields.raw("ticket"))?;
    if fields.has("decision", "deny") {
        return deny(&app, &signed_in, &case).await;
    }
    match approved(&app, &case, &fields) {
        Ok(approved) => allow(&app, &signed_in, &case, &shown, approved).await,
        Err(errors) => ask(&app, &signed_in, &case, Some(&fields), errors).await,
    }
}

fn approved(app: &App, case: &Case, fields: &Fields) -> Result<Approved, Vec<FieldError>> {
    let terms = case.terms(app, Some(fields), &[]);
    let chosen = if case.request.asked.is_empty() {
        presets::read(fields, &case.keys, &case.prices)?
    } else {
        chosen::read(&terms, fields)?
    };
    consent::approve(&case.request.asked, &chosen, &app.config.grants, terms.now)
        .map(|approved| approved.revoked_when_used_up(used_up::is_chosen(fields)))
        .map_err(|error| vec![chosen::field_error(&error)])
}

async fn allow(
    app: &App,
    signed_in: &SignedIn,
    case: &Case,
    shown: &Shown,
    approved: Approved,
) -> Result<Response, PageError> {
    let shown_digest = Some(shown.digest().to_owned());
    let request = &case.request;
    let details = serde_json::to_value(&approved.authorization_details);
    let mut event = sign_in::event(
        app,
        &signed_in.user,
        Happened::GrantApproved {
            request_id: request.id.clone(),
            client_id: request.client_id.clone(),
            authorization_details: details.map_err(|error| PageError::Broken(error.into()))?,
            expires_at: approved.expires_at,
            shown_digest: shown_digest.clone(),
            revoke_when_used_up: approved.revoke_when_used_up,
        },
    );
    event.grant_id = Some(request.grant_id.clone());
    let prices = app.prices_of(&signed_in.user.id).await?;
    let decision = Decision {
        by: signed_in.user.id.clone(),
        prices: price_guard::on_record(&approved.authorization_details, &prices),
        approved,
        shown_digest,
    };
    let has_won = match &request.door {
        Door::AuthorizationCode { .. } => {
            let code = NewCode {
                hash: app.vault.hash(app.vault.authorization_code(&request.id).expose()),
                expires_at: event.at.plus_seconds(app.config.tokens.code_seconds),
            };
            app.store.approve_request(&request.id, &decision, &code, &event).await?
        }
        Door::GrantRequest { .. } => {
            let grant = app.store.approve_grant_request(&request.id, &decision, &event).await?;
            grant.is_some()
        }
    };
    Ok(after(case, has_won))
}

async fn deny(app: &App, signed_in: &SignedIn, case: &Case) -> Result<Response, PageError> {
    let denied = Happened::GrantDenied {
        request_id: case.request.id.clone(),
        client_id: case.request.client_id.clone(),
    };
    let event = sign_in::event(app, &signed_in.user, denied);
    let has_won = app
        .store
        .deny_request(&case.request.id, &signed_in.user.id, &event)
        .await?;
    Ok(after(case, has_won))
}

/// Another tab or browser may have decided first; then its decision is what stands, and is shown.
fn after(case: &Case, has_won: bool) -> Response {
    if has_won {
        see_other(&case.onward())
    } else {
        see_other(&format!("/consent/{}", case.request.id))
    }
}

async fn ask(
    app: &App,
    signed_in: &SignedIn,
    case: &Case,
    entered: Option<&Fields>,
    errors: Vec<FieldError>,
) -> Result<Response, PageError> {
    let Case {
        request,
        client,
        keys,
        prices,
    } = case;
    let others = app.store.clients(&app.tenant_id).await?;
    let shown = Shown::of(app, request, client);
    let terms = case.terms(app, entered, &errors);
    let presets = request.asked.is_empty().then(|| presets::shown(keys, prices, entered));
    let has_key = if presets.is_some() {
        !keys.is_empty()
    } else {
        request.asked.iter().any(|access| terms.has_key(access))
    };
    let frame = Frame::passing(app, signed_in, format!("/consent/{}", request.id));
    let consent_page = ConsentPage {
        frame: frame.with_form_target(case.answer_source()),
        request_id: request.id.to_string(),
        digest: shown.digest().to_owned(),
        ticket: shown.ticket(app, signed_in),
        app: app_words::face(client),
        warnings: app_words::warnings(client, &others),
        accounts_sentence: words::accounts(request.asked.iter().map(|access| &access.provider)),
        purpose: case.purpose(),
        presets,
        accounts: terms.accounts(),
        stop_when_used_up: terms.stop_when_used_up(),
        until: terms.until(),
        more_sentence: terms.more_sentence(),
        more_open: terms.has_error_in_more(),
        can_allow: has_key,
        answer_to: answer_to(case),
        raw_request: raw_request(request),
        errors: errors.clone(),
    };
    let status = if errors.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    page(status, &consent_page.frame, &consent_page)
}

fn answer_to(case: &Case) -> String {
    match &case.request.door {
        Door::AuthorizationCode { redirect_uri, .. } => app_words::address(redirect_uri),
        Door::GrantRequest { .. } => "the program that asked".to_owned(),
    }
}

fn raw_request(request: &AuthorizationRequest) -> String {
    serde_json::to_string_pretty(&request.asked).unwrap_or_default()
}
