//! `aipassport user`: accounts without a browser.

use aipassport_domain::{audit::Happened, ids::UserId};
use aipassport_store::{StoreError, User};
use clap::Subcommand;
use serde::Serialize;

use super::{Data, Failure, Output, secret_from_stdin};
use crate::{
    entries::{new_api_token, new_time_zone},
    password::Passwords,
};

const LONGEST_NAME: usize = 200;

#[derive(Subcommand)]
pub(super) enum UserCommand {
    /// Add an account
    Add {
        name: String,
        /// May look after the whole installation
        #[arg(long)]
        admin: bool,
        /// Read the password from standard input; otherwise one is made up and shown once
        #[arg(long)]
        password_stdin: bool,
        /// IANA name of the zone whose calendar limits follow
        #[arg(long, default_value = "UTC", value_name = "ZONE")]
        time_zone: String,
    },
    /// Print a bearer for /api, and for approving, denying and revoking
    Token { name: String },
    /// Have the days and months of an account's limits begin by the clock of a zone
    SetTimeZone {
        name: String,
        /// IANA name, like Europe/Berlin
        zone: String,
    },
    /// Stop an account: it is signed out everywhere, and none of its apps may call
    Suspend { name: String },
    /// Let a suspended account, and what is left of its grants, go on
    Resume { name: String },
}

#[derive(Serialize)]
struct Added {
    id: UserId,
    name: String,
    is_admin: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

#[derive(Serialize)]
struct Issued {
    user_id: UserId,
    token: String,
}

#[derive(Serialize)]
struct Shown {
    id: UserId,
    name: String,
    is_suspended: bool,
}

#[derive(Serialize)]
struct Moved {
    id: UserId,
    name: String,
    time_zone: String,
}

impl UserCommand {
    pub(super) async fn run(self, data: &Data, output: Output) -> Result<(), Failure> {
        match self {
            Self::Add {
                name,
                admin,
                password_stdin,
                time_zone,
            } => {
                let added = add(data, name, admin, password_stdin, time_zone).await?;
                output.print(&added, |added| match &added.password {
                    Some(password) => format!("added {} ({})\npassword (shown once): {password}", added.name, added.id),
                    None => format!("added {} ({})", added.name, added.id),
                });
            }
            Self::Token { name } => {
                let issued = issue(data, &name).await?;
                output.print(&issued, |issued| issued.token.clone());
            }
            Self::SetTimeZone { name, zone } => {
                let user = data.user_named(&name).await?;
                let (time_zone, chosen) = new_time_zone(&zone)?;
                let event = data.event(Some(&user.id), None, chosen);
                data.store.set_time_zone(&user.id, &time_zone, &event).await?;
                let moved = Moved {
                    id: user.id,
                    name: user.name,
                    time_zone,
                };
                output.print(&moved, |moved| {
                    format!("{} goes by the clock of {}", moved.name, moved.time_zone)
                });
            }
            Self::Suspend { name } => {
                let user = data.user_named(&name).await?;
                let event = data.event(Some(&user.id), None, Happened::UserSuspended);
                data.store.suspend_user(&user.id, &event).await?;
                output.print(&shown(user, true), |user| format!("{} is suspended", user.name));
            }
            Self::Resume { name } => {
                let user = data.user_named(&name).await?;
                let event = data.event(Some(&user.id), None, Happened::UserResumed);
                data.store.resume_user(&user.id, &event).await?;
                output.print(&shown(user, false), |user| format!("{} may go on", user.name));
            }
        }
        Ok(())
    }
}

async fn add(
    data: &Data,
    name: String,
    is_admin: bool,
    password_stdin: bool,
    time_zone: String,
) -> Result<Added, Failure> {
    if name.trim().is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(Failure::Said(format!(
            "a name has 1 to {LONGEST_NAME} characters, none of them control characters"
        )));
    }
    let (time_zone, _) = new_time_zone(&time_zone)?;
    let password = if password_stdin {
        secret_from_stdin()?
    } else {
        data.random.secret("")
    };
    let passwords = Passwords::new(data.random.as_ref());
    let hash = passwords.hash(password.clone(), data.random.clone()).await;
    let now = data.clock.now();
    let user = User {
        id: UserId::new(data.random.id(now)),
        tenant_id: data.tenant_id.clone(),
        name,
        password_hash: Some(hash.map_err(|error| Failure::Said(error.to_string()))?),
        is_admin,
        time_zone,
        created_at: now,
        suspended_at: None,
    };
    let event = data.event(
        Some(&user.id),
        None,
        Happened::UserAdded {
            name: user.name.clone(),
        },
    );
    match data.store.add_user(&user, &event).await {
        Err(StoreError::Taken) => return Err(Failure::Said(format!("there is a user {:?} already", user.name))),
        added => added?,
    }
    let shown = (!password_stdin).then(|| password.expose().to_owned());
    Ok(Added {
        id: user.id,
        name: user.name,
        is_admin,
        password: shown,
    })
}

fn shown(user: User, is_suspended: bool) -> Shown {
    Shown {
        id: user.id,
        name: user.name,
        is_suspended,
    }
}

async fn issue(data: &Data, name: &str) -> Result<Issued, Failure> {
    let user = data.user_named(name).await?;
    if user.suspended_at.is_some() {
        return Err(Failure::Said(format!(
            "{name:?} is suspended: see aipassport user resume"
        )));
    }
    let (bearer, token, issued) = new_api_token(data.making(), &user.id);
    data.store
        .issue_api_token(&token, &data.event(Some(&user.id), None, issued))
        .await?;
    Ok(Issued {
        user_id: user.id,
        token: bearer.expose().to_owned(),
    })
}
