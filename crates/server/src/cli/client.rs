//! `aipassport client`: apps that may ask for access.

use aipassport_domain::{
    audit::Happened,
    client::{Client, ClientAuthentication, Registration, check_redirect_uri},
    ids::ClientId,
};
use clap::Subcommand;
use serde::Serialize;

use super::{Data, Failure, Output, output::table};

/// The prefix that secret scanners know a client secret by.
const CLIENT_SECRET_PREFIX: &str = "aip_cs_";

#[derive(Subcommand)]
pub(super) enum ClientCommand {
    /// Register an app
    Add {
        /// The name that users see
        name: String,
        /// The app's own address; users see it larger than the name
        #[arg(long, alias = "url", value_name = "URL")]
        address: Option<String>,
        /// Where answers go; repeatable, compared to the byte (the port of 127.0.0.1 and [::1] is free)
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
                let added = add(data, name, address, redirect_uri, confidential).await?;
                output.print(&added, |added| match &added.client_secret {
                    Some(secret) => format!("client_id: {}\nclient_secret (shown once): {secret}", added.client_id),
                    None => format!("client_id: {}", added.client_id),
                });
            }
            Self::List => {
                let clients = data.store.clients(&data.tenant_id).await?;
                let listed: Vec<Listed> = clients.into_iter().map(Listed::from).collect();
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

async fn add(
    data: &Data,
    name: String,
    address: Option<String>,
    redirect_uris: Vec<String>,
    is_confidential: bool,
) -> Result<Listed, Failure> {
    for uri in &redirect_uris {
        check_redirect_uri(uri).map_err(|reason| Failure::Said(format!("{uri:?}: {reason}")))?;
    }
    let address = match address {
        Some(address) => address,
        None => redirect_uris
            .first()
            .and_then(|uri| url::Url::parse(uri).ok())
            .map(|uri| uri.origin().ascii_serialization())
            .unwrap_or_default(),
    };
    let secret = is_confidential.then(|| data.random.secret(CLIENT_SECRET_PREFIX));
    let now = data.clock.now();
    let client = Client {
        id: ClientId::new(data.random.id(now)),
        tenant_id: data.tenant_id.clone(),
        name,
        address,
        redirect_uris,
        authentication: secret.as_ref().map_or(ClientAuthentication::None, |secret| {
            ClientAuthentication::Secret(data.vault.hash(secret.expose()))
        }),
        registration: Registration::Registered,
        created_at: now,
        disabled_at: None,
    };
    client.check().map_err(|reason| Failure::Said(reason.to_owned()))?;
    let added = Happened::ClientAdded {
        client_id: client.id.clone(),
        name: client.name.clone(),
    };
    data.store.add_client(&client, &data.event(None, None, added)).await?;
    Ok(Listed {
        client_secret: secret.map(|secret| secret.expose().to_owned()),
        ..client.into()
    })
}
