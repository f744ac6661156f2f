//! All apps: one row for each, and the month above them.

use std::collections::HashMap;

use aipassport_domain::{
    audit::PauseReason,
    grant::{Grant, GrantState, GrantStatus},
    ids::GrantId,
    ledger::{Amount, LimitRule},
    money::Money,
    time::{Period, Timestamp},
};
use aipassport_store::{LimitsOf, StoreError};
use axum::{
    extract::{RawQuery, State},
    response::Response,
};
use http::StatusCode;

use super::{
    super::{
        alerts, charts,
        error::PageError,
        form::Visitor,
        page::{Frame, Section, page},
        parts::{Spend, Stamp},
        words::{self, WallClock},
    },
    figures::{self, Standing},
    notice,
    view::{AppRow, AppsPage, Ask, Month},
};
use crate::{app::App, browser_session::SignedIn};

/// So many stopped and expired ones are worth showing.
const MOST_OVER: usize = 20;

pub(in super::super) async fn show(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    Visitor(signed_in): Visitor,
) -> Result<Response, PageError> {
    let user = &signed_in.user;
    let clock = WallClock::new(app.clock.now(), &user.time_zone);
    let (live, over) = standings(&app, &signed_in).await?;
    let clients = app.store.clients(&app.tenant_id).await?;
    let last_used: HashMap<GrantId, Timestamp> = app
        .store
        .last_calls_of(&app.tenant_id, &user.id)
        .await?
        .into_iter()
        .collect();
    let row = |standing: &Standing| AppRow {
        grant_id: standing.grant.id.to_string(),
        face: figures::face(&standing.grant, &clients),
        stamp: Stamp::of(standing.status),
        spends: standing.spends(|state| state.rule == LimitRule::Budget && state.level.is_of_one_app()),
        under_way: standing.under_way,
        last_used: last_used.get(&standing.grant.id).map_or_else(
            || format!("never used since {}", clock.day(standing.grant.created_at)),
            |at| clock.ago(*at),
        ),
        until: until(standing, &clock),
        is_live: standing.is_live(),
        is_paused: standing.is_paused(),
        ask: ask(standing),
    };
    let keys = app.store.credentials_of(&app.tenant_id, &user.id).await?;
    let apps_page = AppsPage {
        frame: Frame::inside(&app, &signed_in, Section::Apps).with_notice(notice(query.as_deref())),
        alerts: alerts::unseen(&app, &signed_in, None).await?,
        public_url: app.config.public_url.clone(),
        has_key: !keys.is_empty(),
        month: month(&app, &signed_in, &live, &clock).await?,
        can_pause_all: live.iter().any(|standing| !standing.is_paused()),
        apps: live.iter().map(row).collect(),
        over: over.iter().map(row).collect(),
    };
    page(StatusCode::OK, &apps_page.frame, &apps_page)
}

/// The user's grants: those that can still do something, and the latest of those that cannot.
async fn standings(app: &App, signed_in: &SignedIn) -> Result<(Vec<Standing>, Vec<Standing>), StoreError> {
    let now = app.clock.now();
    let is_over = |grant: &Grant| matches!(grant.status(false, now), GrantStatus::Revoked | GrantStatus::Expired);
    let grants = app.store.grants_of(&app.tenant_id, &signed_in.user.id).await?;
    let (mut live, mut over) = (Vec::new(), Vec::new());
    for grant in grants {
        if !is_over(&grant) {
            live.push(Standing::of(app, grant).await?);
        } else if over.len() < MOST_OVER {
            over.push(Standing::of(app, grant).await?);
        }
    }
    Ok((live, over))
}

fn until(standing: &Standing, clock: &WallClock) -> String {
    if standing.is_live() {
        format!("until {}", clock.until(standing.grant.expires_at))
    } else {
        format!("allowed {}", clock.day(standing.grant.created_at))
    }
}

fn ask(standing: &Standing) -> Option<Ask> {
    let page = format!("/apps/{}", standing.grant.id);
    match (standing.status, standing.grant.state) {
        (GrantStatus::Exhausted, _) => Some(Ask {
            words: "Its limit is used up.",
            link: "Raise it",
            href: format!("{page}/limits"),
        }),
        (
            _,
            GrantState::Paused {
                reason: PauseReason::PriceRise,
                ..
            },
        ) => Some(Ask {
            words: "It has become dearer.",
            link: "Look at the prices",
            href: page,
        }),
        _ => None,
    }
}

async fn month(app: &App, signed_in: &SignedIn, live: &[Standing], clock: &WallClock) -> Result<Month, StoreError> {
    let today = clock.today();
    let by_day = figures::spent_by_day(app, signed_in, None, today.first_of_month(), clock).await?;
    let amounts: Vec<Money> = by_day.iter().map(|(_, amount)| *amount).collect();
    let sum = |amounts: &[Money]| {
        amounts
            .iter()
            .fold(Money::ZERO, |sum, amount| sum.saturating_add(*amount))
    };

    let of_user = LimitsOf::User(signed_in.user.id.clone());
    let shared = app.store.limits_of(&app.tenant_id, &of_user).await?;
    let shared = shared
        .map(|account| account.limits_at(app.clock.now()))
        .unwrap_or_default();
    let shared_month = shared.iter().find_map(|state| match (state.window, state.limit) {
        (Some(Period::MONTH), Amount::Money(limit)) => Some(limit),
        _ => None,
    });
    let budgets: Option<Vec<Money>> = live.iter().map(Standing::monthly_budget).collect();
    let of_apps = budgets
        .filter(|budgets| !budgets.is_empty())
        .map(|budgets| sum(&budgets));
    let held: Vec<Money> = live.iter().map(Standing::held).collect();
    let held = sum(&held);
    Ok(Month {
        name: today.strftime("%B").to_string(),
        spent: words::dollars(sum(&amounts)),
        of: of_apps.into_iter().chain(shared_month).min().map(words::dollars),
        together: shared
            .iter()
            .filter(|state| matches!(state.rule, LimitRule::Budget | LimitRule::Requests))
            .map(|state| Spend::of(state, words::shared_by(state.level)))
            .collect(),
        held: (held > Money::ZERO).then(|| words::dollars(held)),
        spark: charts::bars(&amounts, 36),
        forecast: charts::forecast(&by_day).map(|(low, high)| {
            let (low, high) = (words::dollars(low), words::dollars(high));
            if low == high {
                format!("on course for {low}")
            } else {
                format!("on course for {low}–{high}")
            }
        }),
    })
}
