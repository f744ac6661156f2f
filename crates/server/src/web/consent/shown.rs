//! Exactly what the user was shown, as a digest that comes back with the form.
//!
//! If the client's name, address or request changed in between, or prices did, the digest differs
//! and nothing is granted on the strength of what was seen before (`security.md` 65).

use aipassport_domain::{
    authorization_details,
    client::Client,
    consent::{AuthorizationRequest, Door},
};
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::json;
use subtle::ConstantTimeEq;

use crate::{
    app::App,
    browser_session::{Forged, SignedIn},
};

/// What the ticket of this form is for, so that no other form's ticket passes for it.
const TICKET: &str = "consent";

pub(super) struct Shown {
    digest: String,
}

impl Shown {
    pub(super) fn of(app: &App, request: &AuthorizationRequest, client: &Client) -> Self {
        let (answers_to, reason) = match &request.door {
            Door::AuthorizationCode { redirect_uri, .. } => (Some(redirect_uri), None),
            Door::GrantRequest { reason, .. } => (None, Some(reason)),
        };
        let shown = json!({
            "request": request.id,
            "client": client.id,
            "name": client.name,
            "address": client.address,
            "registration": client.registration,
            "answers_to": answers_to,
            "reason": reason,
            "asked": authorization_details::to_json(&request.asked),
            "prices": app.prices.digest(),
        });
        Self {
            digest: BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, shown.to_string().as_bytes())),
        }
    }

    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    /// Proof that this session was shown this. It is used up with the request: a request is decided
    /// by one conditional write, whichever tab comes first.
    pub(super) fn ticket(&self, app: &App, signed_in: &SignedIn) -> String {
        signed_in.ticket(&app.vault, TICKET, &self.digest)
    }

    pub(super) fn check_ticket(&self, app: &App, signed_in: &SignedIn, ticket: &str) -> Result<(), Forged> {
        let expected = self.ticket(app, signed_in);
        if bool::from(expected.as_bytes().ct_eq(ticket.as_bytes())) {
            Ok(())
        } else {
            Err(Forged::Token)
        }
    }
}
