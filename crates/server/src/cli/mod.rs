//! The command line: the broker itself, and the tools that work on its data.
//!
//! The tools open the same database as a running broker. What they change is in force at once,
//! because every admission compares versions in the database. Each command is a file of its own;
//! what it prints goes through [`output::Output`], for people or (`--json`) for programs.

use std::{process::ExitCode, sync::Arc};

use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened},
    ids::{GrantId, UserId},
};
use aipassport_store::{StoreError, User};
use clap::{Parser, Subcommand};

use crate::{
    broker::StartError,
    clock::Clock,
    config::load::{self, Arguments, ConfigError},
    data::{Data, DataError},
    entries::Refused,
    gateway::GatewayStartError,
    random::Random,
    webhooks::WebhooksStartError,
};

mod client;
mod credential;
mod demo;
mod doctor;
mod grant;
mod key;
mod limit;
mod output;
mod price;
mod sandbox_provider;
mod serve;
mod user;
mod webhook;

use output::Output;

/// A broker for delegated AI access: apps borrow your AI keys, within limits, and never see them.
#[derive(Parser)]
#[command(
    name = "aipassport",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
struct CommandLine {
    #[command(flatten)]
    arguments: Arguments,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the whole story on this machine, with nothing to configure
    Demo(demo::Demo),
    /// Run the broker
    Serve(load::ServeArguments),
    /// Run the local stand-in for every provider's API
    SandboxProvider(sandbox_provider::SandboxProvider),
    /// Accounts
    #[command(subcommand)]
    User(user::UserCommand),
    /// Users' secrets at providers
    #[command(subcommand)]
    Credential(credential::CredentialCommand),
    /// What users say that their providers' models cost
    #[command(subcommand)]
    Price(price::PriceCommand),
    /// Apps that may ask
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// What users allowed
    #[command(subcommand)]
    Grant(grant::GrantCommand),
    /// Limits of an app as a whole, of all apps of a user, of everybody
    #[command(subcommand)]
    Limit(limit::LimitCommand),
    /// Keys for tools that only take a base URL and a key
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Addresses that users' alerts are posted to
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// Check that everything is in order
    Doctor,
}

/// A command that failed: exit code 1, and one line that says why.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Gateway(#[from] GatewayStartError),
    #[error(transparent)]
    Webhooks(#[from] WebhooksStartError),
    #[error("{0}")]
    Said(String),
}

/// Runs the command that the process was called with.
pub fn run(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let output = Output::new(line.json);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output.failed(&error),
    };
    match runtime.block_on(dispatch(line, output, clock, random)) {
        Ok(code) => code,
        Err(failure) => output.failed(&failure),
    }
}

async fn dispatch(
    line: CommandLine,
    output: Output,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
) -> Result<ExitCode, Failure> {
    let CommandLine { arguments, command, .. } = line;
    match command {
        Command::Serve(serving) => serve::run(&arguments, &serving, clock, random).await?,
        Command::Demo(demo) => demo.run(&arguments, clock, random).await?,
        Command::SandboxProvider(sandbox) => sandbox.run(output).await?,
        Command::User(command) => command.run(&open(&arguments, clock, random).await?, output).await?,
        Command::Credential(command) => {
            let upstreams = load::load(&arguments)?.upstreams;
            let data = open(&arguments, clock, random).await?;
            command.run(&data, &upstreams, output).await?;
        }
        Command::Price(command) => command.run(&open(&arguments, clock, random).await?, output).await?,
        Command::Client(command) => command.run(&open(&arguments, clock, random).await?, output).await?,
        Command::Grant(command) => command.run(&open(&arguments, clock, random).await?, output).await?,
        Command::Limit(command) => command.run(&open(&arguments, clock, random).await?, output).await?,
        Command::Key(command) => {
            let config = load::load(&arguments)?;
            let data = Data::open(&config, clock, random).await?;
            command.run(&data, &config.grants, output).await?;
        }
        Command::Webhook(command) => {
            let config = load::load(&arguments)?;
            let data = Data::open(&config, clock, random).await?;
            command.run(&data, &config, output).await?;
        }
        Command::Doctor => return doctor::run(&open(&arguments, clock, random).await?, output).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn open(arguments: &Arguments, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Result<Data, Failure> {
    let config = load::load(arguments)?;
    Ok(Data::open(&config, clock, random).await?)
}

impl Data {
    /// An event of the operator's, who works on the data directly.
    fn event(&self, user_id: Option<&UserId>, grant_id: Option<&GrantId>, what: Happened) -> AuditEvent {
        AuditEvent {
            tenant_id: self.tenant_id.clone(),
            at: self.clock.now(),
            actor: Actor::Operator,
            user_id: user_id.cloned(),
            grant_id: grant_id.cloned(),
            what,
        }
    }

    async fn user_named(&self, name: &str) -> Result<User, Failure> {
        let user = self.store.user_by_name(&self.tenant_id, name).await?;
        user.ok_or_else(|| Failure::Said(format!("there is no user {name:?}: see aipassport user add --help")))
    }
}

/// Reads a secret from standard input: one line, without its end.
fn secret_from_stdin() -> Result<aipassport_domain::secret::Secret, Failure> {
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .map_err(|error| Failure::Said(format!("cannot read standard input: {error}")))?;
    let secret = aipassport_domain::secret::Secret::new(line.trim_end_matches(['\r', '\n']));
    zeroize::Zeroize::zeroize(&mut line);
    if secret.expose().is_empty() {
        return Err(Failure::Said(
            "standard input is empty: the secret is read from there".to_owned(),
        ));
    }
    Ok(secret)
}
