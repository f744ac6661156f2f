//! `aipassport grant`: what users allowed, and stopping it.

use aipassport_domain::{
    audit::{Happened, RevocationReason},
    grant::Grant,
    ids::GrantId,
    ledger::LimitRule,
};
use clap::Subcommand;

use super::{Data, Failure, Output, output::table};
use crate::grant_view::GrantView;

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
                    shown.push(GrantView::load(&data.store, grant, data.clock.now()).await?);
                }
                output.print(&shown, |shown| {
                    table(&["ID", "STATUS", "APP", "SPENT", "EXPIRES"], shown.iter().map(cells))
                });
            }
            Self::Show { id } => {
                let grant = find(data, &id).await?;
                let view = GrantView::load(&data.store, grant, data.clock.now()).await?;
                output.print(&view, to_text);
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

fn cells(grant: &GrantView) -> Vec<String> {
    let spent = grant.limits.iter().find(|limit| limit.rule == LimitRule::Budget);
    let spent = spent
        .map(|budget| format!("${} of ${}", budget.used, budget.limit))
        .unwrap_or_default();
    let status = grant.status.as_str().to_owned();
    vec![
        grant.id.to_string(),
        status,
        grant.client_name.clone(),
        spent,
        grant.expires_at.to_string(),
    ]
}

fn to_text(grant: &GrantView) -> String {
    let rows = grant.limits.iter().map(|limit| {
        let window = limit
            .window
            .map_or_else(|| "life".to_owned(), |period| period.to_string());
        let amounts = [limit.limit, limit.used, limit.reserved, limit.left].map(|amount| amount.to_string());
        let provider = limit.provider.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut cells = vec![provider, limit.rule.as_str().to_owned(), window];
        cells.extend(amounts);
        cells
    });
    let GrantView {
        id,
        client_name,
        status,
        expires_at,
        ..
    } = grant;
    let head = format!("{id} · {client_name} · {}\nuntil {expires_at}\n\n", status.as_str());
    head + &table(&["PROVIDER", "LIMIT", "PER", "MOST", "USED", "HELD", "LEFT"], rows)
}
