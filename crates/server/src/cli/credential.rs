//! `aipassport credential`: users' secrets at providers. Never printed again.

use aipassport_domain::{
    audit::{Happened, KeyCheck},
    ids::{CredentialId, ProviderId},
    secret::Secret,
    time::Timestamp,
};
use aipassport_store::{ProviderCredential, User};
use clap::Subcommand;
use serde::Serialize;

use super::{Data, Failure, Output, output::table, price::Terms, secret_from_stdin};
use crate::{
    config::Upstreams,
    entries::{NewCredential, checked, new_credential, new_price},
    gateway::Gateway,
};

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
        /// Keep the key even if the provider does not accept it
        #[arg(long)]
        save_anyway: bool,
    },
    /// List a user's credentials, without their secrets
    List {
        #[arg(long, value_name = "NAME")]
        user: String,
    },
    /// Ask the provider whether it accepts a credential
    Check { id: String },
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
    checked_at: Option<Timestamp>,
    check_result: Option<KeyCheck>,
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
            checked_at: credential.checked.map(|checked| checked.at),
            check_result: credential.checked.map(|checked| checked.result),
        }
    }
}

impl CredentialCommand {
    pub(super) async fn run(self, data: &Data, upstreams: &Upstreams, output: Output) -> Result<(), Failure> {
        match self {
            Self::Add {
                user,
                provider,
                base_url,
                no_key,
                terms,
                save_anyway,
                ..
            } => {
                let user = data.user_named(&user).await?;
                // Refused before anything is added.
                let price = terms.of(provider.clone(), None).map(new_price).transpose()?;
                let entered = NewCredential {
                    provider,
                    key: if no_key { Secret::new("") } else { secret_from_stdin()? },
                    base_url,
                };
                let added = add(data, upstreams, &user, entered, save_anyway).await?;
                if let Some((price, set)) = price {
                    let event = data.event(Some(&user.id), None, set);
                    data.store.set_price(&user.id, &price, &event).await?;
                }
                output.print(&added, |added| {
                    format!(
                        "added {}{} as {}: {}",
                        added.provider,
                        added.ending(" (…", ")"),
                        added.id,
                        added.check_words()
                    )
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
            Self::Check { id } => {
                let checked = check(data, upstreams, &CredentialId::new(id)).await?;
                output.print(&checked, |checked| checked.check_words().to_owned());
            }
            Self::Remove { id } => {
                let id = CredentialId::new(id);
                let credential = found(data, &id).await?;
                let removed = Happened::CredentialRemoved {
                    credential_id: id.clone(),
                    provider: credential.provider,
                };
                let event = data.event(Some(&credential.user_id), None, removed);
                if !data.store.remove_credential(&id, &event).await? {
                    return Err(unknown(&id));
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

    fn check_words(&self) -> &'static str {
        match self.check_result {
            Some(KeyCheck::Works) => "the provider accepts it",
            Some(KeyCheck::Refused) => "the provider does not accept it",
            Some(KeyCheck::Unclear) => "not checked, for the provider did not say whether it accepts it",
            Some(KeyCheck::NotReached) => "not checked, for the provider could not be reached",
            None => "not checked",
        }
    }
}

async fn add(
    data: &Data,
    upstreams: &Upstreams,
    user: &User,
    entered: NewCredential,
    is_kept_anyway: bool,
) -> Result<Listed, Failure> {
    let (credential, added) = new_credential(data.making(), &user.id, entered)?;
    let gateway = Gateway::new()?;
    let credential = checked(data.making(), &gateway, upstreams, credential, is_kept_anyway)
        .await
        .map_err(|error| Failure::Said(format!("{error}: see --save-anyway")))?;
    data.store
        .add_credential(&credential, &data.event(Some(&user.id), None, added))
        .await?;
    Ok(credential.into())
}

async fn check(data: &Data, upstreams: &Upstreams, id: &CredentialId) -> Result<Listed, Failure> {
    let credential = found(data, id).await?;
    let result = Gateway::new()?.check_key(upstreams, &data.vault, &credential).await;
    let checked = Happened::CredentialChecked {
        credential_id: id.clone(),
        provider: credential.provider,
        result,
    };
    let event = data.event(Some(&credential.user_id), None, checked);
    data.store.record_key_check(id, result, &event).await?;
    Ok(found(data, id).await?.into())
}

async fn found(data: &Data, id: &CredentialId) -> Result<ProviderCredential, Failure> {
    let found = data.store.credential(&data.tenant_id, id).await?;
    found.ok_or_else(|| unknown(id))
}

fn unknown(id: &CredentialId) -> Failure {
    Failure::Said(format!("there is no credential {id}"))
}
