//! `aipassport credential`: users' secrets at providers. Never printed again.

use aipassport_domain::{
    audit::Happened,
    ids::{CredentialId, ProviderId},
    time::Timestamp,
};
use aipassport_store::ProviderCredential;
use clap::Subcommand;
use serde::Serialize;

use super::{Data, Failure, Output, output::table, secret_from_stdin};
use crate::entries::{NewCredential, new_credential};

#[derive(Subcommand)]
pub(super) enum CredentialCommand {
    /// Add a provider credential; it replaces an older one for the same provider
    Add {
        /// Whose credential it is
        #[arg(long, value_name = "NAME")]
        user: String,
        /// openai, anthropic, …
        #[arg(long)]
        provider: String,
        /// Another address than the provider's public one; the operator must allow its host and port
        #[arg(long, value_name = "URL")]
        base_url: Option<String>,
        /// Read the key from standard input
        #[arg(long, required = true)]
        key_stdin: bool,
    },
    /// List a user's credentials, without their secrets
    List {
        #[arg(long, value_name = "NAME")]
        user: String,
    },
    /// Remove a credential; calls that need it stop at once
    Remove { id: String },
}

#[derive(Serialize)]
struct Listed {
    id: CredentialId,
    provider: ProviderId,
    base_url: Option<String>,
    last_four: String,
    created_at: Timestamp,
    last_used_at: Option<Timestamp>,
    refused_at: Option<Timestamp>,
}

impl From<ProviderCredential> for Listed {
    fn from(credential: ProviderCredential) -> Self {
        Self {
            id: credential.id,
            provider: credential.provider,
            base_url: credential.base_url,
            last_four: credential.last_four,
            created_at: credential.created_at,
            last_used_at: credential.last_used_at,
            refused_at: credential.refused_at,
        }
    }
}

impl CredentialCommand {
    pub(super) async fn run(self, data: &Data, output: Output) -> Result<(), Failure> {
        match self {
            Self::Add {
                user,
                provider,
                base_url,
                ..
            } => {
                let added = add(data, &user, provider, base_url).await?;
                output.print(&added, |added| {
                    format!("added {} (…{}) as {}", added.provider, added.last_four, added.id)
                });
            }
            Self::List { user } => {
                let user = data.user_named(&user).await?;
                let credentials = data.store.credentials_of(&data.tenant_id, &user.id).await?;
                let listed: Vec<Listed> = credentials.into_iter().map(Listed::from).collect();
                output.print(&listed, |listed| {
                    table(
                        &["ID", "PROVIDER", "KEY", "ADDED", "LAST USED"],
                        listed.iter().map(Listed::cells),
                    )
                });
            }
            Self::Remove { id } => {
                let id = CredentialId::new(id);
                let unknown = || Failure::Said(format!("there is no credential {id}"));
                let credential = data.store.credential(&data.tenant_id, &id).await?.ok_or_else(unknown)?;
                let removed = Happened::CredentialRemoved {
                    credential_id: id.clone(),
                    provider: credential.provider,
                };
                if !data
                    .store
                    .remove_credential(&id, &data.event(Some(&credential.user_id), None, removed))
                    .await?
                {
                    return Err(unknown());
                }
                output.print(&serde_json::json!({ "removed": id }), |_| format!("removed {id}"));
            }
        }
        Ok(())
    }
}

impl Listed {
    fn cells(&self) -> Vec<String> {
        let last_used = self
            .last_used_at
            .map_or_else(|| "never".to_owned(), |at| at.to_string());
        vec![
            self.id.to_string(),
            self.provider.to_string(),
            format!("…{}", self.last_four),
            self.created_at.to_string(),
            last_used,
        ]
    }
}

async fn add(data: &Data, user: &str, provider: String, base_url: Option<String>) -> Result<Listed, Failure> {
    let user = data.user_named(user).await?;
    let entered = NewCredential {
        provider,
        key: secret_from_stdin()?,
        base_url,
    };
    let (credential, added) = new_credential(data.making(), &user.id, entered)?;
    data.store
        .add_credential(&credential, &data.event(Some(&user.id), None, added))
        .await?;
    Ok(credential.into())
}
