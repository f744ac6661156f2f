//! `aipassport client`: apps that may ask for access.

use aipassport_domain::{
    client::{Client, ClientAuthentication, Registration},
    ids::ClientId,
};
use clap::Subcommand;
use serde::Serialize;

use super::{Data, Failure, Output, output::table};
use crate::entries::{NewClient, new_client};

#[derive(Subcommand)]
pub(super) enum ClientCommand {
    /// Register an app
    Add {
        /// The name that users see
        name: String,
        /// The app's own address; users see it larger than the name
        #[arg(long, alias = "url", value_name = "URL")]
        address: Option<String>,
        /// Where answers go; repeatable, compared to the byte (the port of a loopback address is free)
        #[arg(long, required = true, value_name = "URI")]
        redirect_uri: Vec<String>,
        /// Give it a secret, for apps that can keep one
        #[arg(long)]
        confidential: bool,
    },
    /// List the apps that are registered
    List,
}

#[derive(Serialize)]
struct Listed {
    client_id: ClientId,
    name: String,
    address: String,
    redirect_uris: Vec<String>,
    is_confidential: bool,
    registration: Registration,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
}

impl From<Client> for Listed {
    fn from(client: Client) -> Self {
        Self {
            client_id: client.id,
            name: client.name,
            address: client.address,
            redirect_uris: client.redirect_uris,
            is_confidential: client.authentication != ClientAuthentication::None,
            registration: client.registration,
            client_secret: None,
        }
    }
}

impl ClientCommand {
    pub(super) async fn run(self, data: &Data, output: Output) -> Result<(), Failure> {
        match self {
            Self::Add {
                name,
                address,
                redirect_uri,
                confidential,
            } => {
                let entered = NewClient {
                    name,
                    address,
                    redirect_uris: redirect_uri,
                    is_confidential: confidential,
                };
                let added = add(data, entered).await?;
                output.print(&added, |added| match &added.client_secret {
                    Some(secret) => format!("client_id: {}\nclient_secret (shown once): {secret}", added.client_id),
                    None => format!("client_id: {}", added.client_id),
                });
            }
            Self::List => {
                let clients = data.store.clients(&data.tenant_id).await?;
                let apps = clients
                    .into_iter()
                    .filter(|client| client.registration != Registration::Tool);
                let listed: Vec<Listed> = apps.map(Listed::from).collect();
                output.print(&listed, |listed| {
                    let cells = |client: &Listed| {
                        vec![
                            client.client_id.to_string(),
                            client.name.clone(),
                            client.address.clone(),
                            client.redirect_uris.join(" "),
                        ]
                    };
                    table(
                        &["CLIENT ID", "NAME", "ADDRESS", "REDIRECT URIS"],
                        listed.iter().map(cells),
                    )
                });
            }
        }
        Ok(())
    }
}

async fn add(data: &Data, entered: NewClient) -> Result<Listed, Failure> {
    let (client, secret, added) = new_client(data.making(), entered)?;
    data.store.add_client(&client, &data.event(None, None, added)).await?;
    Ok(Listed {
        client_secret: secret.map(|secret| secret.expose().to_owned()),
        ..client.into()
    })
}
