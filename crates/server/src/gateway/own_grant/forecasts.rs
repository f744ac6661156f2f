//! Where the budgets of a grant are going, at the pace of their windows so far.

use aipassport_domain::{
    forecast::{Forecast, Pace, forecast},
    grant::Grant,
    ids::ProviderId,
    ledger::{Account, Amount, Counter, LimitRule, LimitState},
    limits::Window,
    money::Money,
    time::Timestamp,
};
use serde::Serialize;

/// One budget's, as the passport shows it.
#[derive(Serialize)]
pub(super) struct ShownForecast<'a> {
    provider: &'a ProviderId,
    rule: LimitRule,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Window,
    per_day: Money,
    currency: &'static str,
    /// When nothing will be left; missing where that is not before the window or the grant ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    stops_at: Option<Timestamp>,
}

/// Those of the budgets at `provider` of which something is used.
pub(super) fn of_account<'a>(
    grant: &Grant,
    provider: &'a ProviderId,
    account: &Account,
    now: Timestamp,
) -> Vec<ShownForecast<'a>> {
    let states = account.limits_at(now).into_iter();
    let forecasts = states.filter_map(|state| {
        let Forecast { per_day, stops_at } = forecast(pace(grant, account, &state, now)?)?;
        Some(ShownForecast {
            provider,
            rule: state.rule,
            window: state.window,
            per_day,
            currency: "USD",
            stops_at,
        })
    });
    forecasts.collect()
}

fn pace(grant: &Grant, account: &Account, state: &LimitState, now: Timestamp) -> Option<Pace> {
    let (LimitRule::Budget, Amount::Money(used), Amount::Money(limit)) = (state.rule, state.used, state.limit) else {
        return None;
    };
    let began_at = if state.window.is_some() {
        let is_this =
            |(rule, counter): &(LimitRule, &Counter)| *rule == LimitRule::Budget && counter.per == state.window;
        let (_, counter) = account.counters().find(is_this)?;
        Timestamp::from_millis(counter.window_start).max(grant.created_at)
    } else {
        grant.created_at
    };
    Some(Pace {
        used,
        limit,
        began_at,
        now,
        ends_at: state.resets_at.unwrap_or(grant.expires_at).min(grant.expires_at),
    })
}
