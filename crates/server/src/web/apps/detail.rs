//! One app: what it may do, what it did, and what was refused.

use aipassport_domain::{
    audit::PauseReason,
    authorization_details::{AiAccess, ModelPattern},
    grant::{Grant, GrantState, GrantStatus},
    ids::ProviderId,
    ledger::Level,
    usage::Usage,
};
use aipassport_store::{CallRecord, RefusalCount, StoreError};
use axum::{
    extract::{Path, RawQuery, State},
    response::Response,
};
use http::StatusCode;
use jiff::ToSpan;

use super::{
    super::{
        alerts, app_words, charts,
        error::PageError,
        form::Visitor,
        page::{Frame, Section, page},
        parts::Stamp,
        sentences, tools,
        words::{self, Dollars, WallClock, price_rise},
    },
    figures::{self, Standing},
    notice, own_grant,
    view::{AppPage, CallRow, PriceQuestion, RefusalRow},
};
use crate::{app::App, limits_view::app_limits_path};

const CALLS: u32 = 20;
const DAYS: i32 = 30;
/// Model names that fit into a line; the rest are counted.
const NAMED_MODELS: usize = 6;

pub(in super::super) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    Visitor(signed_in): Visitor,
) -> Result<Response, PageError> {
    let grant = own_grant(&app, &signed_in, &id).await?;
    let clock = WallClock::new(app.clock.now(), &signed_in.user.time_zone);
    let clients = app.store.clients(&app.tenant_id).await?;
    let calls = figures::last_calls(&app, &grant.id, CALLS).await?;
    let refusals = figures::refusals(&app, &grant.id).await?;
    let first = clock.today().saturating_sub((DAYS - 1).days());
    let by_day = figures::spent_by_day(&app, &signed_in, Some(&grant.id), first, &clock).await?;
    let alerts = alerts::unseen(&app, &signed_in, Some(&grant)).await?;
    let price_question = price_question(&app, &grant).await?;
    let app_key = tools::key_of(&app, &signed_in, &grant).await?;
    let standing = Standing::of(&app, grant).await?;

    let grant = &standing.grant;
    let app_page = AppPage {
        frame: Frame::inside(&app, &signed_in, Section::Apps).with_notice(notice(query.as_deref())),
        alerts,
        price_question,
        grant_id: grant.id.to_string(),
        face: figures::face(grant, &clients),
        stamp: Stamp::of(standing.status),
        is_live: standing.is_live(),
        is_paused: standing.is_paused(),
        is_used_up: standing.status == GrantStatus::Exhausted,
        purpose: grant
            .authorization_details
            .iter()
            .find_map(|access| app_words::purpose(access.purpose.as_deref()?)),
        facts: facts(grant, &clock),
        under_way: standing.under_way,
        spends: standing.spends(|state| state.level == Level::Grant),
        shared: standing.spends(|state| state.level > Level::Grant),
        as_a_whole: app_limits_path(&grant.client_id),
        days: charts::days(&by_day),
        calls: calls.iter().map(|call| call_row(call, &clock)).collect(),
        refusals: refusals.iter().map(|refusal| refusal_row(refusal, &clock)).collect(),
        base_urls: grant
            .authorization_details
            .iter()
            .map(|access| base_url(&app, &access.provider))
            .collect(),
        app_key: app_key.map(|key| key.last_four),
    };
    page(StatusCode::OK, &app_page.frame, &app_page)
}

async fn price_question(app: &App, grant: &Grant) -> Result<Option<PriceQuestion>, StoreError> {
    let GrantState::Paused { reason, .. } = grant.state else {
        return Ok(None);
    };
    let dearer = app.dearer_models(grant).await?;
    let words = match (reason, dearer.is_empty()) {
        (PauseReason::ByUser, true) => return Ok(None),
        (PauseReason::ByUser, false) => "It has become dearer than when you allowed it.",
        (PauseReason::PriceRise, true) => "It was paused, because it had become dearer.",
        (PauseReason::PriceRise, false) => "It is paused, because it has become dearer than when you allowed it.",
    };
    Ok(Some(PriceQuestion {
        words,
        models: dearer.iter().map(price_rise::sentence).collect(),
    }))
}

fn facts(grant: &Grant, clock: &WallClock) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    for access in &grant.authorization_details {
        let capabilities: Vec<&str> = access.capabilities.iter().map(|one| words::capability(*one)).collect();
        facts.push(("Account", words::provider(&access.provider)));
        facts.push(("May do", capabilities.join(", ")));
        facts.push(("Models", models(access)));
        let tools: Vec<&str> = access
            .features
            .named()
            .into_iter()
            .filter(|(name, is_on)| *is_on && *name != "streaming")
            .map(|(name, _)| words::feature(name).0)
            .collect();
        if !tools.is_empty() {
            facts.push(("Tools", tools.join("; ")));
        }
    }
    facts.push(("Allowed", clock.moment(grant.created_at)));
    facts.push(("Until", clock.moment(grant.expires_at)));
    facts
}

fn models(access: &AiAccess) -> String {
    let name = |pattern: &ModelPattern| match pattern {
        ModelPattern::Exact(id) => id.clone(),
        ModelPattern::Prefix { prefix } => format!("all that begin with {prefix}"),
    };
    let names: Vec<String> = access.models.iter().map(name).collect();
    match names.get(..NAMED_MODELS) {
        Some(first) if names.len() > NAMED_MODELS => {
            format!("{} and {} more", first.join(", "), names.len() - NAMED_MODELS)
        }
        _ => names.join(", "),
    }
}

fn refusal_row(refusal: &RefusalCount, clock: &WallClock) -> RefusalRow {
    let (why, what_would_help) = sentences::rule_words(&refusal.rule);
    let model = sentences::model_name(&refusal.model);
    let what = if model.is_empty() { "A call".to_owned() } else { model };
    let times = match refusal.count {
        1 => String::new(),
        count => format!(", {} times", words::grouped(count)),
    };
    RefusalRow {
        what: format!("{what}{times}: {why}"),
        what_would_help,
        when: clock.ago(refusal.minute),
    }
}

fn call_row(call: &CallRecord, clock: &WallClock) -> CallRow {
    let when = clock.ago(call.held.at);
    let model = sentences::model_name(&call.model);
    let Some(settled) = &call.settled else {
        return CallRow {
            when,
            model,
            tokens_in: String::new(),
            tokens_out: String::new(),
            cost: format!("held {}", Dollars(call.held.amount)),
            exact_cost: format!("${}", call.held.amount),
            label: "not yet known",
            outcome: "under way",
        };
    };
    let (tokens_in, tokens_out) = tokens(&settled.usage);
    CallRow {
        when,
        model,
        tokens_in,
        tokens_out,
        cost: words::dollars(settled.cost),
        exact_cost: format!("${}", settled.cost),
        label: words::label(settled.label),
        outcome: words::outcome(settled.outcome),
    }
}

/// `1,204 (1,024 cached)` and `512 (128 reasoning)`.
fn tokens(usage: &Usage) -> (String, String) {
    let with = |total: u64, parts: &[(u64, &str)]| {
        let parts: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{} {what}", words::grouped(*count)))
            .collect();
        if parts.is_empty() {
            words::grouped(total)
        } else {
            format!("{} ({})", words::grouped(total), parts.join(", "))
        }
    };
    let written = usage.cache_write_5m_tokens.saturating_add(usage.cache_write_1h_tokens);
    let read = [(usage.cached_input_tokens, "cached"), (written, "put into the cache")];
    (
        with(usage.total_input_tokens(), &read),
        with(usage.output_tokens, &[(usage.reasoning_tokens, "reasoning")]),
    )
}

/// What the provider's own SDK takes as its base URL.
pub(in crate::web) fn base_url(app: &App, provider: &ProviderId) -> (String, String) {
    let is_custom = ProviderId::custom_name(provider.as_str()).is_some();
    let has_version = is_custom || matches!(provider.as_str(), "openai" | "vllm");
    let version = if has_version { "/v1" } else { "" };
    (
        format!("{} SDK", words::provider(provider)),
        format!("{}/{provider}{version}", app.config.public_url),
    )
}
