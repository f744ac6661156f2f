//! `aipassport credential`: users' secrets at providers. Never printed again.

use aipassport_domain::{
    audit::Happened,
    ids::{CredentialId, ProviderId},
    secret::Secret,
    time::Timestamp,
};
use aipassport_store::ProviderCredential;
use clap::Subcommand;
use serde::Serialize;

use super::{Data, Failure, Output, output::table, price::Terms, secret_from_stdin};
use crate::entries::{NewCredential, NewPrice, new_credential, new_price};

#[derive(Subcommand)]
pub(super) enum CredentialCommand {
    /// Add a provider credential; it replaces an older one for the same provider
    Add {
        /// Whose credential it is
        #[arg(long, value_name = "NAME")]
        user: String,
        /// openai, ollama, …; custom/NAME for any other that speaks OpenAI's format
        #[arg(long)]
        provider: String,
        /// Another address than the provider's public one; the operator must allow its host and port
        #[arg(long, value_name = "URL")]
        base_url: Option<String>,
        /// Read the key from standard input
        #[arg(long, required_unless_present = "no_key")]
        key_stdin: bool,
        /// A server of one's own that asks for no key
        #[arg(long, conflicts_with = "key_stdin")]
        no_key: bool,
        /// What every model there costs; without a word on it, no budget can hold its calls
        #[command(flatten)]
        terms: Terms,
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
                no_key,
                terms,
                ..
            } => {
                let price = terms.of(provider.clone(), None);
                let key = if no_key { Secret::new("") } else { secret_from_stdin()? };
                let entered = NewCredential {
                    provider,
                    key,
                    base_url,
                };
                let added = add(data, &user, entered, price).await?;
                output.print(&added, |added| {
                    format!("added {}{} as {}", added.provider, added.ending(" (…", ")"), added.id)
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
    /// How the key ends, if there is one.
    fn ending(&self, before: &str, after: &str) -> String {
        match self.last_four.as_str() {
            "" => String::new(),
            last_four => format!("{before}{last_four}{after}"),
        }
    }

    fn cells(&self) -> Vec<String> {
        let last_used = self
            .last_used_at
            .map_or_else(|| "never".to_owned(), |at| at.to_string());
        vec![
            self.id.to_string(),
            self.provider.to_string(),
            self.ending("…", ""),
            self.created_at.to_string(),
            last_used,
        ]
    }
}

async fn add(data: &Data, user: &str, entered: NewCredential, price: Option<NewPrice>) -> Result<Listed, Failure> {
    let user = data.user_named(user).await?;
    let (credential, added) = new_credential(data.making(), &user.id, entered)?;
    // Refused before anything is added.
    let price = price.map(new_price).transpose()?;
    data.store
        .add_credential(&credential, &data.event(Some(&user.id), None, added))
        .await?;
    if let Some((price, set)) = price {
        let event = data.event(Some(&user.id), None, set);
        data.store.set_price(&user.id, &price, &event).await?;
    }
    Ok(credential.into())
}
