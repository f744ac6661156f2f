//! Consent: one state machine from asking to redeeming, whatever door the request came through.

use crate::{
    authorization_details::{AiAccess, Choice},
    ids::{AuthorizationRequestId, ClientId, GrantId, TenantId, UserId},
    limits::Limits,
    secret::SecretHash,
    time::Timestamp,
};

/// What a client asks for, until it is decided and redeemed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationRequest {
    pub id: AuthorizationRequestId,
    pub tenant_id: TenantId,
    pub client_id: ClientId,
    /// The id the grant will have; the 0.2 surface shows it from the start.
    pub grant_id: GrantId,
    pub door: Door,
    /// Empty where the client could only say `scope=ai`: the user picks the provider too.
    pub asked: Vec<AiAccess>,
    pub state: RequestState,
    pub created_at: Timestamp,
    /// Until then it can be decided.
    pub expires_at: Timestamp,
}

/// How the request came in, and where its answer goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door {
    /// RFC 6749, section 4.1, with PKCE S256.
    AuthorizationCode {
        redirect_uri: String,
        state: Option<String>,
        code_challenge: String,
        resource: Option<String>,
    },
    /// `POST /grant-requests`, the 0.2 surface.
    GrantRequest { request_secret: SecretHash, reason: String },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestState {
    Pending,
    Approved {
        by: UserId,
        approved: Approved,
        at: Timestamp,
    },
    Denied {
        by: UserId,
        at: Timestamp,
    },
    Redeemed {
        at: Timestamp,
    },
}

/// What the user decided: narrower than what was asked, with nothing left open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    pub authorization_details: Vec<AiAccess>,
    pub expires_at: Timestamp,
    /// Of the grant that it becomes; the user's own choice, which nobody can ask for.
    pub revoke_when_used_up: bool,
}

/// What comes next for an authorization request. Pages and endpoints end by asking again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextStep {
    SignIn,
    Consent,
    /// Decided: send the answer through the door it came by.
    Answer,
    Expired,
}

impl Approved {
    /// With the user's word on whether the grant is revoked when its money is used up.
    #[must_use]
    pub fn revoked_when_used_up(self, revoke_when_used_up: bool) -> Self {
        Self {
            revoke_when_used_up,
            ..self
        }
    }
}

impl AuthorizationRequest {
    /// Decides what comes next.
    pub fn next_step(&self, signed_in: Option<&UserId>, now: Timestamp) -> NextStep {
        match (&self.state, signed_in) {
            (RequestState::Pending, _) if now >= self.expires_at => NextStep::Expired,
            (RequestState::Pending, None) => NextStep::SignIn,
            (RequestState::Pending, Some(_)) => NextStep::Consent,
            (RequestState::Approved { .. } | RequestState::Denied { .. } | RequestState::Redeemed { .. }, _) => {
                NextStep::Answer
            }
        }
    }
}

/// What the operator fills in where neither client nor user set a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    pub limits: Limits,
    pub lifetime_seconds: i64,
    /// The longest a grant may live, whatever was asked and chosen.
    pub longest_lifetime_seconds: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsentError {
    #[error("choose something that the app asked for")]
    NothingInCommon,
    #[error("choose at least one model")]
    NoModel,
    #[error("choose at least one thing the app may do")]
    NoCapability,
    #[error("choose an end that lies ahead")]
    AlreadyOver,
}

/// Works out what is granted when a user who was `asked` for this has `chosen` that.
///
/// The result is narrower than both, and nothing in it is open: choices are made, every default
/// limit is filled in, and it ends. `asked` may be empty (the client left everything to the user).
pub fn approve(
    asked: &[AiAccess],
    chosen: &[AiAccess],
    defaults: &Defaults,
    now: Timestamp,
) -> Result<Approved, ConsentError> {
    let mut details: Vec<AiAccess> = Vec::new();
    for choice in chosen {
        let met = if asked.is_empty() {
            Some(choice.clone())
        } else {
            asked.iter().find_map(|asked| asked.meet(choice))
        };
        details.extend(met);
    }
    if details.is_empty() {
        return Err(ConsentError::NothingInCommon);
    }

    for access in &mut details {
        if matches!(access.models, Choice::Open) {
            return Err(ConsentError::NoModel);
        }
        if matches!(access.capabilities, Choice::Open) {
            return Err(ConsentError::NoCapability);
        }
        access.limits = std::mem::take(&mut access.limits).or_defaults(&defaults.limits);
    }

    let longest = now.plus_seconds(defaults.longest_lifetime_seconds);
    let ends = details.iter().map(|access| {
        access
            .validity
            .end(now)
            .unwrap_or_else(|| now.plus_seconds(defaults.lifetime_seconds))
    });
    let expires_at = ends.max().unwrap_or(now).min(longest);
    for access in &mut details {
        let end = access.validity.end(now).unwrap_or(expires_at).min(longest);
        access.validity.expires_at = Some(end);
        if end <= now || access.validity.not_before.is_some_and(|start| start >= end) {
            return Err(ConsentError::AlreadyOver);
        }
    }
    Ok(Approved {
        authorization_details: details,
        expires_at,
        revoke_when_used_up: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{authorization_details::parse, fixtures};

    fn access(members: &str) -> AiAccess {
        parse(&format!(r#"[{{"type":"ai_access","provider":"openai",{members}}}]"#))
            .unwrap()
            .remove(0)
    }

    #[test]
    fn what_is_granted_is_narrower_than_what_was_asked_and_closed() {
        let asked = access(
            r#""models":["a","b"],"capabilities":["chat"],"limits":{"budget":{"amount":"5.00","currency":"USD","per":"P1M"}}"#,
        );
        let chosen = access(
            r#""models":["a","c"],"capabilities":["chat","images"],"limits":{"budget":{"amount":"9.00","currency":"USD","per":"P1M"}}"#,
        );

        let approved = approve(
            std::slice::from_ref(&asked),
            &[chosen],
            &fixtures::defaults(),
            fixtures::NOW,
        )
        .unwrap();
        let [granted] = approved.authorization_details.as_slice() else {
            panic!("one provider")
        };

        assert!(granted.is_narrower(&asked));
        assert!(granted.covers_model("a") && !granted.covers_model("b") && !granted.covers_model("c"));
        assert_eq!(granted.limits.budget, asked.limits.budget);
        assert_eq!(granted.limits.concurrency, fixtures::defaults().limits.concurrency);
        assert_eq!(
            approved.expires_at,
            fixtures::NOW.plus_seconds(fixtures::defaults().lifetime_seconds)
        );
    }

    #[test]
    fn nothing_is_granted_that_was_not_asked_or_was_left_open() {
        let asked = [access(r#""models":["a"],"capabilities":["chat"]"#)];
        let outcome = |members| approve(&asked, &[access(members)], &fixtures::defaults(), fixtures::NOW).unwrap_err();
        let other = AiAccess::open(crate::ids::ProviderId::new("anthropic"));

        assert_eq!(outcome(r#""models":["b"]"#), ConsentError::NothingInCommon);
        assert_eq!(
            approve(&asked, &[other], &fixtures::defaults(), fixtures::NOW),
            Err(ConsentError::NothingInCommon)
        );
        let open = [access(r#""capabilities":["chat"]"#)];
        assert_eq!(
            approve(&open, &open, &fixtures::defaults(), fixtures::NOW),
            Err(ConsentError::NoModel)
        );
    }

    #[test]
    fn an_authorization_request_is_decided_once_and_in_time() {
        let request = fixtures::authorization_request();
        let user = UserId::new("user");

        assert_eq!(request.next_step(None, fixtures::NOW), NextStep::SignIn);
        assert_eq!(request.next_step(Some(&user), fixtures::NOW), NextStep::Consent);
        assert_eq!(request.next_step(Some(&user), request.expires_at), NextStep::Expired);
        let denied = AuthorizationRequest {
            state: RequestState::Denied {
                by: user.clone(),
                at: fixtures::NOW,
            },
            ..request
        };
        assert_eq!(denied.next_step(Some(&user), denied.expires_at), NextStep::Answer);
    }
}
