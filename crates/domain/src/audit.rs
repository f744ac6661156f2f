//! The audit vocabulary: what can happen, who did it, how it ended. No prompt, answer, credential
//! or token has a place in it.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{
        AppKeyId, AuthorizationRequestId, CallId, ClientId, CredentialId, GrantId, ProviderId, TenantId, UserId,
        WebhookId,
    },
    ledger::Level,
    money::Money,
    price_override::OwnPrice,
    time::Timestamp,
    usage::TruthLabel,
};

/// One thing that happened, written in the same transaction as the change it describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    pub tenant_id: TenantId,
    pub at: Timestamp,
    pub actor: Actor,
    /// Whose activity page shows it.
    pub user_id: Option<UserId>,
    pub grant_id: Option<GrantId>,
    pub what: Happened,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    User(UserId),
    Client(ClientId),
    /// Somebody with access to the data directory, through the command line.
    Operator,
    /// The broker itself: expiry, crash recovery, reuse detection.
    Broker,
    Nobody,
}

impl Actor {
    /// As stored and exported: `user:ID`, `client:ID`, `operator`, `broker`, `nobody`.
    pub fn to_text(&self) -> String {
        match self {
            Self::User(id) => format!("user:{id}"),
            Self::Client(id) => format!("client:{id}"),
            Self::Operator => "operator".to_owned(),
            Self::Broker => "broker".to_owned(),
            Self::Nobody => "nobody".to_owned(),
        }
    }
}

/// What happened. Serialised as `{"kind": …, …}`; the kinds are part of the export's contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Happened {
    UserAdded {
        name: String,
    },
    UserSuspended,
    UserResumed,
    PasswordChanged,
    /// Limits follow the clock of this zone from now on.
    TimeZoneChanged {
        time_zone: String,
    },
    SignedIn,
    SignInFailed {
        name: String,
    },
    SignedOut,
    ApiTokenIssued,
    CredentialAdded {
        credential_id: CredentialId,
        provider: ProviderId,
        last_four: String,
    },
    CredentialRemoved {
        credential_id: CredentialId,
        provider: ProviderId,
    },
    /// Its provider was asked whether it accepts it.
    CredentialChecked {
        credential_id: CredentialId,
        provider: ProviderId,
        result: KeyCheck,
    },
    CredentialRefusedByProvider {
        provider: ProviderId,
    },
    CredentialEchoRedacted {
        provider: ProviderId,
    },
    PriceSet {
        provider: ProviderId,
        /// Missing where it is every model's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        price: OwnPrice,
    },
    PriceRemoved {
        provider: ProviderId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
    },
    /// Of an address its host alone is told: the rest may be known to its two sides only.
    WebhookAdded {
        webhook_id: WebhookId,
        host: String,
    },
    WebhookRemoved {
        webhook_id: WebhookId,
        host: String,
    },
    WebhookSecretReplaced {
        webhook_id: WebhookId,
        host: String,
    },
    WebhookTested {
        webhook_id: WebhookId,
        host: String,
    },
    /// Nothing is sent to it any more.
    WebhookStopped {
        webhook_id: WebhookId,
        host: String,
        reason: WebhookStop,
    },
    /// A test message came through, so alerts are sent again.
    WebhookResumed {
        webhook_id: WebhookId,
        host: String,
    },
    ClientAdded {
        client_id: ClientId,
        name: String,
    },
    ClientDisabled {
        client_id: ClientId,
    },
    GrantRequested {
        request_id: AuthorizationRequestId,
        client_id: ClientId,
    },
    GrantApproved {
        request_id: AuthorizationRequestId,
        client_id: ClientId,
        authorization_details: serde_json::Value,
        expires_at: Timestamp,
        /// Of what the user was shown, if the user approved on a page.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shown_digest: Option<String>,
        #[serde(default, skip_serializing_if = "is_false")]
        revoke_when_used_up: bool,
    },
    GrantDenied {
        request_id: AuthorizationRequestId,
        client_id: ClientId,
    },
    GrantCreated {
        client_id: ClientId,
    },
    AppKeyMade {
        app_key_id: AppKeyId,
        name: String,
        authorization_details: serde_json::Value,
        expires_at: Timestamp,
        #[serde(default, skip_serializing_if = "is_false")]
        revoke_when_used_up: bool,
    },
    AppKeyReplaced {
        app_key_id: AppKeyId,
        replaced: AppKeyId,
    },
    GrantChanged {
        authorization_details: serde_json::Value,
        expires_at: Timestamp,
        #[serde(default, skip_serializing_if = "is_false")]
        revoke_when_used_up: bool,
    },
    GrantPaused {
        #[serde(default, skip_serializing_if = "PauseReason::is_by_user")]
        reason: PauseReason,
    },
    GrantResumed,
    GrantRevoked {
        reason: RevocationReason,
    },
    CodeReplayed {
        client_id: ClientId,
    },
    CodeFailed {
        client_id: ClientId,
        is_burnt: bool,
    },
    TokensIssued {
        client_id: ClientId,
    },
    RefreshTokenReused {
        client_id: ClientId,
    },
    AccessTokenRevoked {
        jti: String,
    },
    SigningKeyCreated {
        kid: String,
    },
    /// The intent: written with the hold, before anything is sent.
    CallReserved {
        call_id: CallId,
        provider: ProviderId,
        model: String,
        held: Money,
    },
    CallSettled {
        call_id: CallId,
        cost: Money,
        label: TruthLabel,
        outcome: CallOutcome,
    },
    CallRefused {
        call_id: CallId,
        rule: String,
    },
    /// So many percent of a budget or request cap are used; once for each window.
    LimitNear {
        #[serde(default, skip_serializing_if = "Level::is_grant")]
        level: Level,
        rule: String,
        percent: u8,
    },
    /// All of it is used, or too little is left for a call; once for each window.
    LimitReached {
        #[serde(default, skip_serializing_if = "Level::is_grant")]
        level: Level,
        rule: String,
    },
    /// An app, a user or a tenant was given limits above those of its grants, or lost them.
    LimitsChanged {
        level: Level,
        /// The app, where they are one's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_id: Option<ClientId>,
        limits: serde_json::Value,
    },
}

impl Happened {
    /// The `kind`, as exported.
    pub fn kind(&self) -> String {
        serde_json::to_value(self)
            .ok()
            .and_then(|value| value.get("kind").and_then(|kind| kind.as_str().map(str::to_owned)))
            .unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationReason {
    ByUser,
    ByOperator,
    ByClient,
    CodeReplayed,
    RefreshTokenReused,
    /// Its money is used up, and its user had chosen that.
    UsedUp,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseReason {
    #[default]
    ByUser,
    /// A model has become much dearer than it was when the user approved.
    PriceRise,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl PauseReason {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    fn is_by_user(&self) -> bool {
        *self == Self::ByUser
    }
}

/// What became of asking a provider whether it accepts a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyCheck {
    Works,
    Refused,
    /// It answered something that says neither.
    Unclear,
    NotReached,
}

impl KeyCheck {
    const ALL: [Self; 4] = [Self::Works, Self::Refused, Self::Unclear, Self::NotReached];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Refused => "refused",
            Self::Unclear => "unclear",
            Self::NotReached => "not_reached",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|check| check.as_str() == text)
    }
}

/// Why nothing is sent to a webhook any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookStop {
    /// It answered that it is gone for good.
    Gone,
    /// For days it took no message.
    Undelivered,
}

impl WebhookStop {
    const ALL: [Self; 2] = [Self::Gone, Self::Undelivered];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Undelivered => "undelivered",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stop| stop.as_str() == text)
    }
}

/// How a call ended, whatever it cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    Completed,
    /// The provider answered with an error status.
    Refused,
    /// Nothing was sent.
    NotSent,
    ClientGone,
    UpstreamFailed,
    TimedOut,
    Revoked,
    /// The broker stopped before it knew, or could not go on.
    Crashed,
}

impl CallOutcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Refused => "refused",
            Self::NotSent => "not_sent",
            Self::ClientGone => "client_gone",
            Self::UpstreamFailed => "upstream_failed",
            Self::TimedOut => "timed_out",
            Self::Revoked => "revoked",
            Self::Crashed => "crashed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Completed,
            Self::Refused,
            Self::NotSent,
            Self::ClientGone,
            Self::UpstreamFailed,
            Self::TimedOut,
            Self::Revoked,
            Self::Crashed,
        ]
        .into_iter()
        .find(|outcome| outcome.as_str() == text)
    }
}
