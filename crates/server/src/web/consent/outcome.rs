//! What there is to say once a request is no longer open.

use aipassport_domain::{
    consent::{Approved, Door, RequestState},
    grant::GrantStatus,
};
use axum::response::Response;
use http::StatusCode;

use super::{
    super::{
        app_words,
        error::{Message, Onward, PageError},
        page::Frame,
        parts::Stamp,
        words::{self, WallClock},
    },
    Case,
};
use crate::{app::App, browser_session::SignedIn};

fn frame(app: &App, signed_in: &SignedIn, case: &Case) -> Frame {
    Frame::passing(app, signed_in, format!("/consent/{}", case.request.id))
}

/// Nobody decided in time.
pub(super) fn expired(app: &App, signed_in: &SignedIn, case: &Case) -> Result<Response, PageError> {
    let mut message = Message::new(
        frame(app, signed_in, case),
        "This question is no longer open",
        &["Nobody decided in time, so nothing was allowed. Start again in the app."],
    );
    message.stamp = Some(Stamp::of(GrantStatus::Expired));
    if matches!(case.request.door, Door::AuthorizationCode { .. }) {
        message.onward = Some(back_to(case));
    }
    message.answer(StatusCode::GONE)
}

/// The client or the request is not what was on the page when the form was sent.
pub(super) fn changed(app: &App, signed_in: &SignedIn, case: &Case) -> Result<Response, PageError> {
    let mut message = Message::new(
        frame(app, signed_in, case),
        "It changed while you looked",
        &["What the app says about itself, or prices, changed since this page was opened. Nothing was allowed."],
    );
    message.onward = Some(Onward {
        href: format!("/consent/{}", case.request.id),
        words: "Look again".to_owned(),
        by_itself: false,
    });
    message.answer(StatusCode::CONFLICT)
}

/// It was decided; what was decided is shown to the one who did.
pub(super) async fn decided(app: &App, signed_in: &SignedIn, case: &Case) -> Result<Response, PageError> {
    let user_id = &signed_in.user.id;
    let message = match &case.request.state {
        RequestState::Approved { by, approved, .. } if by == user_id => {
            let mut message = allowed(app, signed_in, case, approved);
            message.onward = Some(back_to(case));
            message
        }
        RequestState::Denied { by, .. } if by == user_id => {
            let mut message = Message::new(
                frame(app, signed_in, case),
                format!("{} gets nothing", app_words::name(&case.client.name)),
                &["It is told so, and no more."],
            );
            message.stamp = Some(Stamp::of(GrantStatus::Denied));
            if matches!(case.request.door, Door::AuthorizationCode { .. }) {
                message.onward = Some(back_to(case));
            }
            message
        }
        RequestState::Redeemed { .. } => {
            let grant = app.store.grant(&app.tenant_id, &case.request.grant_id).await?;
            let grant = grant
                .filter(|grant| grant.user_id == *user_id)
                .ok_or(PageError::NotFound)?;
            let approved = Approved {
                authorization_details: grant.authorization_details,
                expires_at: grant.expires_at,
                revoke_when_used_up: grant.revoke_when_used_up,
            };
            let mut message = allowed(app, signed_in, case, &approved);
            message.onward = Some(Onward {
                href: format!("/apps/{}", case.request.grant_id),
                words: "See what it does".to_owned(),
                by_itself: false,
            });
            message
        }
        _ => return Err(PageError::NotFound),
    };
    message.answer(StatusCode::OK)
}

fn allowed(app: &App, signed_in: &SignedIn, case: &Case, approved: &Approved) -> Message {
    let clock = WallClock::new(app.clock.now(), &signed_in.user.time_zone);
    let providers = approved.authorization_details.iter().map(|access| &access.provider);
    let title = format!(
        "{} may use your {}",
        app_words::name(&case.client.name),
        words::accounts(providers)
    );
    let mut message = Message::new(frame(app, signed_in, case), title, &[]);
    message.paragraphs = approved.authorization_details.iter().map(at_most).collect();
    if approved.revoke_when_used_up {
        let stopped = "When the money is used up, it is stopped for good.";
        message.paragraphs.push(stopped.to_owned());
    }
    message
        .paragraphs
        .push(format!("Until {}.", clock.moment(approved.expires_at)));
    message.stamp = Some(Stamp::of(GrantStatus::Approved));
    message.reference = Some(("Saved to your activity as", case.request.grant_id.to_string()));
    message
}

fn at_most(access: &aipassport_domain::authorization_details::AiAccess) -> String {
    let budgets = access.limits.budget.iter();
    let amounts: Vec<String> = budgets
        .map(|(window, amount)| format!("{} {}", words::Dollars(*amount), words::per(*window)))
        .collect();
    format!(
        "{}: at most {}.",
        words::provider(&access.provider),
        amounts.join(" and ")
    )
}

fn back_to(case: &Case) -> Onward {
    Onward {
        href: case.onward(),
        words: format!("Back to {}", app_words::name(&case.client.name)),
        by_itself: false,
    }
}
