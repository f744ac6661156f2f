//! Made-up values for tests of this crate and of those above it.

use crate::{
    authorization_details::{AiAccess, Capability, Choice, Features, ModelPattern},
    client::{Client, ClientAuthentication, Registration},
    consent::{AuthorizationRequest, Defaults, Door, RequestState},
    grant::{Grant, GrantState},
    ids::{AuthorizationRequestId, CallId, ClientId, GrantId, ProviderId, TenantId, UserId},
    ledger::{Held, Left, Reservation},
    limits::Limits,
    money::{Money, Rate},
    policy::{Call, CallCost, CostCeiling, OutputCap, Permit, authorize},
    time::{Period, Timestamp},
};

/// A Wednesday noon in 2026, UTC.
pub const NOW: Timestamp = Timestamp::from_seconds(1_794_398_400);
pub const MODEL: &str = "gpt-4o-mini";
pub const CEILING: CostCeiling = CostCeiling {
    fixed: Money::from_nanos(1_000),
    output_rate: Rate::from_nanos_per_million(600_000_000),
    output_cap: OutputCap::Asked(100),
    choices: 1,
};

pub fn client() -> Client {
    Client {
        id: ClientId::new("notes"),
        tenant_id: TenantId::first(),
        name: "Notes".to_owned(),
        address: "https://notes.example".to_owned(),
        redirect_uris: vec!["https://notes.example/callback".to_owned()],
        authentication: ClientAuthentication::None,
        registration: Registration::Registered,
        created_at: NOW,
        disabled_at: None,
    }
}

pub fn access() -> AiAccess {
    AiAccess {
        models: Choice::of([ModelPattern::Exact(MODEL.to_owned())]),
        capabilities: Choice::of([Capability::Chat]),
        limits: defaults().limits,
        ..AiAccess::open(ProviderId::new("openai"))
    }
}

pub fn grant() -> Grant {
    Grant {
        id: GrantId::new("grant"),
        tenant_id: TenantId::first(),
        user_id: UserId::new("user"),
        client_id: client().id,
        client_name: client().name,
        client_address: client().address,
        authorization_details: vec![access()],
        revoke_when_used_up: false,
        state: GrantState::Active,
        version: 1,
        created_at: NOW,
        expires_at: NOW.plus_seconds(86_400),
    }
}

pub fn call() -> Call {
    Call {
        provider: ProviderId::new("openai"),
        model: MODEL.to_owned(),
        capability: Capability::Chat,
        features: Features {
            streaming: true,
            ..Features::NONE
        },
        cost: CallCost::AtMost(CEILING),
    }
}

/// A permit for [`grant`] of at most `ceiling`.
pub fn permit(ceiling: CostCeiling) -> Permit {
    permit_for(&grant(), CallId::new("call"), ceiling)
}

/// A permit for a call that `grant`, one like [`grant`], covers.
///
/// # Panics
///
/// When the grant is over or does not cover [`call`].
#[expect(clippy::expect_used, reason = "made for tests")]
pub fn permit_for(grant: &Grant, id: CallId, ceiling: CostCeiling) -> Permit {
    let call = Call {
        cost: CallCost::AtMost(ceiling),
        ..call()
    };
    authorize(grant, &call, id, NOW).expect("the grant covers the call of these fixtures")
}

/// A hold that no account has, for models of the ledger.
pub fn reservation(permit: Permit, held: Held, output_cap: u64) -> Reservation {
    Reservation {
        permit,
        held,
        output_cap,
        left: Left::default(),
    }
}

pub fn defaults() -> Defaults {
    Defaults {
        limits: Limits {
            budget: [(Some(Period::MONTH), Money::from_cents(500))].into(),
            requests: [(Some(Period::MONTH), 1_000)].into(),
            rate: [(Period::MINUTE, 60)].into(),
            concurrency: Some(8),
            output_tokens_per_request: None,
        },
        lifetime_seconds: 30 * 86_400,
        longest_lifetime_seconds: 365 * 86_400,
    }
}

pub fn authorization_request() -> AuthorizationRequest {
    AuthorizationRequest {
        id: AuthorizationRequestId::new("request"),
        tenant_id: TenantId::first(),
        client_id: client().id,
        grant_id: GrantId::new("grant"),
        door: Door::AuthorizationCode {
            redirect_uri: "https://notes.example/callback".to_owned(),
            state: Some("state".to_owned()),
            code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned(),
            resource: None,
        },
        asked: vec![access()],
        state: RequestState::Pending,
        created_at: NOW,
        expires_at: NOW.plus_seconds(600),
    }
}
