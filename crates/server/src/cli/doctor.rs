//! `aipassport doctor`: is everything in order? Anyone may run it, at any time.

use std::process::ExitCode;

use serde::Serialize;

use super::{Data, Failure, Output};
use crate::jobs::silent_since;
use crate::vault::Place;

#[derive(Serialize)]
struct Report {
    ok: bool,
    checks: Vec<Check>,
}

#[derive(Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    findings: Vec<String>,
}

impl Check {
    fn of(name: &'static str, findings: Vec<String>) -> Self {
        Self {
            name,
            ok: findings.is_empty(),
            findings,
        }
    }
}

/// Exit code 1 where something is wrong; what it is stands in the report.
pub(super) async fn run(data: &Data, output: Output) -> Result<ExitCode, Failure> {
    let checks = vec![
        Check::of(
            "balances equal the sums of their calls, and no hold is orphaned",
            balances(data).await?,
        ),
        Check::of("every provider credential opens", credentials(data).await?),
        Check::of("every webhook's secret opens", webhooks(data).await?),
        Check::of(
            "there is an active signing key, and every one opens",
            signing_keys(data).await?,
        ),
    ];
    let report = Report {
        ok: checks.iter().all(|check| check.ok),
        checks,
    };
    output.print(&report, Report::to_text);
    Ok(if report.ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn balances(data: &Data) -> Result<Vec<String>, Failure> {
    let findings = data.store.check_invariants(silent_since(data.clock.now())).await?;
    Ok(findings.iter().map(ToString::to_string).collect())
}

async fn credentials(data: &Data) -> Result<Vec<String>, Failure> {
    let mut findings = Vec::new();
    for user in data.store.users(&data.tenant_id).await? {
        for credential in data.store.credentials_of(&data.tenant_id, &user.id).await? {
            if data
                .vault
                .open(Place::of_credential(&credential.id), &credential.sealed)
                .is_err()
            {
                findings.push(format!(
                    "{}'s {} credential {} does not open",
                    user.name, credential.provider, credential.id
                ));
            }
        }
    }
    Ok(findings)
}

async fn webhooks(data: &Data) -> Result<Vec<String>, Failure> {
    let mut findings = Vec::new();
    for user in data.store.users(&data.tenant_id).await? {
        for webhook in data.store.webhooks_of(&data.tenant_id, &user.id).await? {
            let present = data.vault.open(Place::of_webhook(&webhook.id), &webhook.sealed);
            let former = webhook.former.as_ref();
            let former = former.map(|former| data.vault.open(Place::of_former_webhook(&webhook.id), &former.sealed));
            if present.is_err() || former.is_some_and(|former| former.is_err()) {
                findings.push(format!(
                    "the secret of {}'s webhook {} does not open",
                    user.name, webhook.id
                ));
            }
        }
    }
    Ok(findings)
}

async fn signing_keys(data: &Data) -> Result<Vec<String>, Failure> {
    let loaded = crate::signing::SigningKeys::load(&data.store, &data.vault, &data.tenant_id).await;
    Ok(loaded.err().map(|error| error.to_string()).into_iter().collect())
}

impl Report {
    fn to_text(&self) -> String {
        let mut lines = Vec::new();
        for check in &self.checks {
            lines.push(format!("{}  {}", if check.ok { "ok   " } else { "WRONG" }, check.name));
            lines.extend(check.findings.iter().map(|finding| format!("         {finding}")));
        }
        lines.join("\n")
    }
}
