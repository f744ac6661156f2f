//! `aipassport grant`: what users allowed, and stopping it.

use aipassport_domain::{
    audit::{Happened, RevocationReason},
    authorization_details::AiAccess,
    grant::{Grant, GrantStatus},
    ids::{ClientId, GrantId, UserId},
    ledger::{Account, Amount, LimitRule},
    time::Timestamp,
};
use clap::Subcommand;
use serde::Serialize;

use super::{Data, Failure, Output, output::table};

#[derive(Subcommand)]
pub(super) enum GrantCommand {
    /// List grants, newest first
    List {
        /// Only this user's
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// Show one grant and what is left of its limits
    Show { id: String },
    /// Stop an app: its next call is refused, its open streams end
    Revoke { id: String },
}

#[derive(Serialize)]
struct Shown {
    id: GrantId,
    status: GrantStatus,
    user_id: UserId,
    client_id: ClientId,
    client_name: String,
    created_at: Timestamp,
    expires_at: Timestamp,
    authorization_details: Vec<AiAccess>,
    limits: Vec<ShownLimit>,
}

#[derive(Serialize)]
struct ShownLimit {
    provider: String,
    rule: LimitRule,
    limit: Amount,
    used: Amount,
    reserved: Amount,
    left: Amount,
    window: Option<String>,
    resets_at: Option<Timestamp>,
}

impl GrantCommand {
    pub(super) async fn run(self, data: &Data, output: Output) -> Result<(), Failure> {
        match self {
            Self::List { user } => {
                let grants = match user {
                    Some(name) => {
                        data.store
                            .grants_of(&data.tenant_id, &data.user_named(&name).await?.id)
                            .await?
                    }
                    None => data.store.grants(&data.tenant_id).await?,
                };
                let mut shown = Vec::new();
                for grant in grants {
                    shown.push(show(data, grant).await?);
                }
                output.print(&shown, |shown| {
                    table(
                        &["ID", "STATUS", "APP", "SPENT", "EXPIRES"],
                        shown.iter().map(Shown::cells),
                    )
                });
            }
            Self::Show { id } => {
                let grant = find(data, &id).await?;
                output.print(&show(data, grant).await?, Shown::to_text);
            }
            Self::Revoke { id } => {
                let grant = find(data, &id).await?;
                let revoked = Happened::GrantRevoked {
                    reason: RevocationReason::ByOperator,
                };
                data.store
                    .revoke_grant(&grant.id, &data.event(Some(&grant.user_id), Some(&grant.id), revoked))
                    .await?;
                output.print(&serde_json::json!({ "id": grant.id, "status": "revoked" }), |_| {
                    format!("revoked {}", grant.id)
                });
            }
        }
        Ok(())
    }
}

async fn find(data: &Data, id: &str) -> Result<Grant, Failure> {
    let grant = data.store.grant(&data.tenant_id, &GrantId::new(id)).await?;
    grant.ok_or_else(|| Failure::Said(format!("there is no grant {id:?}")))
}

async fn show(data: &Data, grant: Grant) -> Result<Shown, Failure> {
    let now = data.clock.now();
    let accounts = Vec::<(aipassport_domain::ids::ProviderId, Account)>::new();
    let is_exhausted = accounts.iter().any(|(_, account)| account.is_exhausted(now));
    let limits = accounts
        .iter()
        .flat_map(|(provider, account)| shown_limits(provider.as_str(), account, now))
        .collect();
    Ok(Shown {
        status: grant.status(is_exhausted, now),
        id: grant.id,
        user_id: grant.user_id,
        client_id: grant.client_id,
        client_name: grant.client_name,
        created_at: grant.created_at,
        expires_at: grant.expires_at,
        authorization_details: grant.authorization_details,
        limits,
    })
}

fn shown_limits(provider: &str, account: &Account, now: Timestamp) -> Vec<ShownLimit> {
    let shown = account.limits_at(now).into_iter().map(|state| ShownLimit {
        provider: provider.to_owned(),
        rule: state.rule,
        left: state.left(),
        limit: state.limit,
        used: state.used,
        reserved: state.reserved,
        window: state.window.map(|period| period.to_string()),
        resets_at: state.resets_at,
    });
    shown.collect()
}

impl Shown {
    fn cells(&self) -> Vec<String> {
        let spent = self.limits.iter().find(|limit| limit.rule == LimitRule::Budget);
        let spent = spent
            .map(|budget| format!("${} of ${}", budget.used, budget.limit))
            .unwrap_or_default();
        vec![
            self.id.to_string(),
            self.status.as_str().to_owned(),
            self.client_name.clone(),
            spent,
            self.expires_at.to_string(),
        ]
    }

    fn to_text(&self) -> String {
        let rows = self.limits.iter().map(|limit| {
            let window = limit.window.clone().unwrap_or_else(|| "life".to_owned());
            let amounts = [limit.limit, limit.used, limit.reserved, limit.left].map(|amount| amount.to_string());
            let mut cells = vec![limit.provider.clone(), limit.rule.as_str().to_owned(), window];
            cells.extend(amounts);
            cells
        });
        format!(
            "{} · {} · {}\nuntil {}\n\n{}",
            self.id,
            self.client_name,
            self.status.as_str(),
            self.expires_at,
            table(&["PROVIDER", "LIMIT", "PER", "MOST", "USED", "HELD", "LEFT"], rows)
        )
    }
}
