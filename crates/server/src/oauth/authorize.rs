//! The authorization endpoint (RFC 6749, section 3.1), and the one place that decides what comes
//! next for an authorization request.
//!
//! [`authorize`] takes a client's request down and [`resume`] is where every page sends the browser
//! back to: both end in [`next`], which asks the domain. Once a request is decided, the consent page
//! has stored the hash of [`Vault::authorization_code`](crate::vault::Vault::authorization_code)
//! with the approval; the code itself is sent from here and from nowhere else. A browser that comes
//! back twice gets the same code, which is still redeemed once.

use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened},
    client::Client,
    consent::{AuthorizationRequest, Door, NextStep, RequestState},
    ids::{AuthorizationRequestId, ClientId, GrantId, UserId},
};
use aipassport_store::StoreError;
use axum::{
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};

use super::{
    OAuthError,
    answer::{RedirectTo, redirect},
    asked::{self, Asked},
    parameters::Parameters,
};
use crate::{app::App, browser_session, dead_end::DeadEnd, peer};

/// How long a user may take to sign in and decide.
const REQUEST_SECONDS: i64 = 600;

/// Where the pages send the browser when they are done with a request.
fn resume_path(request_id: &AuthorizationRequestId) -> String {
    format!("/oauth/authorize/answer/{request_id}")
}

/// Takes down what a client asks for.
///
/// Until the client is known and the redirect URI is one of its own, errors are shown as a page:
/// to redirect then would make us an open redirector (RFC 9700, section 4.11).
pub(super) async fn authorize(State(app): State<App>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let Ok(parameters) = Parameters::parse(head.uri.query().unwrap_or_default()) else {
        return malformed().into_response();
    };
    let (client, redirect_uri) = match client_and_redirect_uri(&app, &parameters).await {
        Ok(both) => both,
        Err(error) => return error.into_response(),
    };
    let back = RedirectTo {
        redirect_uri: &redirect_uri,
        state: parameters.get("state"),
        issuer: &app.config.public_url,
    };

    let user_id = match signed_in_user(&app, &head.headers).await {
        Ok(user_id) => user_id,
        Err(error) => return back.error(&error),
    };
    let asked = match asked::read(&app, &parameters) {
        Ok(asked) => asked,
        Err(refusal) => return refusal.send(&back),
    };
    if asked.must_not_interact {
        let (code, text) = match user_id {
            Some(_) => ("consent_required", "the user has to decide on a page"),
            None => ("login_required", "the user has to sign in"),
        };
        return back.refuse(code, text);
    }
    let place = peer::of(&app, &head.headers, &head.extensions);
    if user_id.is_none() && app.strangers.admit(place, app.clock.now()).is_err() {
        return back.refuse(
            "temporarily_unavailable",
            "too many requests came from there: try again later",
        );
    }
    match open(&app, &client, &redirect_uri, asked).await {
        Ok(request) => next(&app, &request, user_id.as_ref()),
        Err(error) => back.error(&error),
    }
}

/// Goes on with a request after a page has done its part.
pub(super) async fn resume(State(app): State<App>, Path(request_id): Path<String>, headers: HeaderMap) -> Response {
    match find(&app, &request_id, &headers).await {
        Ok((request, user_id)) => next(&app, &request, user_id.as_ref()),
        Err(error) => error.into_response(),
    }
}

/// Decides what comes next, and sends the browser there.
fn next(app: &App, request: &AuthorizationRequest, signed_in: Option<&UserId>) -> Response {
    let Door::AuthorizationCode {
        redirect_uri, state, ..
    } = &request.door
    else {
        return unknown_request().into_response();
    };
    let back = RedirectTo {
        redirect_uri,
        state: state.as_deref(),
        issuer: &app.config.public_url,
    };
    match request.next_step(signed_in, app.clock.now()) {
        NextStep::SignIn => {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair("return_to", &resume_path(&request.id));
            redirect(&format!("/login?{}", query.finish()))
        }
        NextStep::Consent => redirect(&format!("/consent/{}", request.id)),
        NextStep::Expired => back.refuse("access_denied", "the user did not decide in time"),
        NextStep::Answer => match &request.state {
            RequestState::Approved { by, .. } if Some(by) == signed_in => {
                back.code(app.vault.authorization_code(&request.id).expose())
            }
            RequestState::Denied { by, .. } if Some(by) == signed_in => {
                back.refuse("access_denied", "the user said no")
            }
            // Whoever has only the link must not get another user's code into their browser.
            RequestState::Approved { .. } | RequestState::Denied { .. } => somebody_elses().into_response(),
            RequestState::Redeemed { .. } | RequestState::Pending => answered_before().into_response(),
        },
    }
}

async fn client_and_redirect_uri(app: &App, parameters: &Parameters) -> Result<(Client, String), DeadEnd> {
    let client_id = ClientId::new(parameters.get("client_id").unwrap_or_default());
    let client = known_client(app, &client_id).await?;
    let redirect_uri = parameters.get("redirect_uri").unwrap_or_default();
    if !client.redirects_to(redirect_uri) {
        return Err(DeadEnd {
            status: StatusCode::BAD_REQUEST,
            title: "This app sent a wrong return address",
            text: "The address it wants to send you back to is not one that it registered. You were not sent there, \
                   and nothing was allowed. Tell the app's makers.",
        });
    }
    Ok((client, redirect_uri.to_owned()))
}

async fn known_client(app: &App, client_id: &ClientId) -> Result<Client, DeadEnd> {
    let client = app.store.client(&app.tenant_id, client_id).await.map_err(|error| {
        tracing::error!(%error, "a client cannot be read");
        DeadEnd::broken()
    })?;
    client.filter(|client| client.disabled_at.is_none()).ok_or(DeadEnd {
        status: StatusCode::BAD_REQUEST,
        title: "This app is not known here",
        text: "It is not registered with this AIPassport, or it was switched off. Nothing was allowed.",
    })
}

async fn open(
    app: &App,
    client: &Client,
    redirect_uri: &str,
    asked: Asked,
) -> Result<AuthorizationRequest, OAuthError> {
    let now = app.clock.now();
    let request = AuthorizationRequest {
        id: AuthorizationRequestId::new(app.random.id(now)),
        tenant_id: app.tenant_id.clone(),
        client_id: client.id.clone(),
        grant_id: GrantId::new(app.random.id(now)),
        door: Door::AuthorizationCode {
            redirect_uri: redirect_uri.to_owned(),
            state: asked.state,
            code_challenge: asked.code_challenge,
            resource: asked.resource,
        },
        asked: asked.authorization_details,
        state: RequestState::Pending,
        created_at: now,
        expires_at: now.plus_seconds(REQUEST_SECONDS),
    };
    let event = AuditEvent {
        tenant_id: app.tenant_id.clone(),
        at: now,
        actor: Actor::Client(client.id.clone()),
        user_id: None,
        grant_id: None,
        what: Happened::GrantRequested {
            request_id: request.id.clone(),
            client_id: client.id.clone(),
        },
    };
    app.store
        .open_authorization_request(&request, &event)
        .await
        .map_err(OAuthError::internal)?;
    Ok(request)
}

async fn find(
    app: &App,
    request_id: &str,
    headers: &HeaderMap,
) -> Result<(AuthorizationRequest, Option<UserId>), DeadEnd> {
    let broken = |error| {
        tracing::error!(%error, "an authorization request cannot be read");
        DeadEnd::broken()
    };
    let request = app
        .store
        .authorization_request(&app.tenant_id, &AuthorizationRequestId::new(request_id))
        .await
        .or_else(|error| match error {
            // An id that no text column can hold is nobody's.
            StoreError::Unstorable => Ok(None),
            error => Err(broken(error)),
        })?
        .ok_or_else(unknown_request)?;
    // The client may have been disabled since, and then gets no code.
    known_client(app, &request.client_id).await?;
    let signed_in = browser_session::signed_in(app, headers).await.map_err(broken)?;
    Ok((request, signed_in.map(|signed_in| signed_in.user.id)))
}

async fn signed_in_user(app: &App, headers: &HeaderMap) -> Result<Option<UserId>, OAuthError> {
    let signed_in = browser_session::signed_in(app, headers)
        .await
        .map_err(OAuthError::internal)?;
    Ok(signed_in.map(|signed_in| signed_in.user.id))
}

fn malformed() -> DeadEnd {
    DeadEnd {
        status: StatusCode::BAD_REQUEST,
        title: "This link is broken",
        text: "An app sent you here with a request that cannot be read. Nothing was allowed. Go back to the app and \
               try again, or tell its makers.",
    }
}

fn unknown_request() -> DeadEnd {
    DeadEnd {
        status: StatusCode::NOT_FOUND,
        title: "There is no such request",
        text: "It may be too old. Go back to the app and start again.",
    }
}

fn answered_before() -> DeadEnd {
    DeadEnd {
        status: StatusCode::CONFLICT,
        title: "This request has been answered",
        text: "The app has its answer already. Go back to the app; what you allowed is on your Apps page.",
    }
}

fn somebody_elses() -> DeadEnd {
    DeadEnd {
        status: StatusCode::FORBIDDEN,
        title: "Somebody else answered this request",
        text: "It was decided by another account. Go back to the app and start again.",
    }
}
