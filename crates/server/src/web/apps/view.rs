//! What the pages about apps show.

use askama::Template;

use super::super::{
    alerts::AlertStrip,
    charts::{Bars, Days},
    consent::Choosable,
    page::Frame,
    parts::{AppFace, FieldError, Spend, Stamp},
};

#[derive(Template)]
#[template(path = "apps.html")]
pub(super) struct AppsPage {
    pub(super) frame: Frame,
    pub(super) alerts: AlertStrip,
    pub(super) public_url: String,
    pub(super) has_key: bool,
    pub(super) month: Month,
    pub(super) can_pause_all: bool,
    pub(super) apps: Vec<AppRow>,
    /// Stopped and expired.
    pub(super) over: Vec<AppRow>,
}

pub(super) struct Month {
    pub(super) name: String,
    pub(super) spent: String,
    pub(super) of: Option<String>,
    /// The limits of all apps together.
    pub(super) together: Vec<Spend>,
    pub(super) held: Option<String>,
    pub(super) spark: Bars,
    pub(super) forecast: Option<String>,
}

pub(super) struct AppRow {
    pub(super) grant_id: String,
    pub(super) face: AppFace,
    pub(super) stamp: Stamp,
    pub(super) spends: Vec<Spend>,
    pub(super) under_way: u32,
    pub(super) last_used: String,
    pub(super) until: String,
    pub(super) is_live: bool,
    pub(super) is_paused: bool,
    pub(super) ask: Option<Ask>,
}

/// What an app waits for, and where its user can say so.
pub(super) struct Ask {
    pub(super) words: &'static str,
    pub(super) link: &'static str,
    pub(super) href: String,
}

#[derive(Template)]
#[template(path = "app.html")]
pub(super) struct AppPage {
    pub(super) frame: Frame,
    pub(super) alerts: AlertStrip,
    pub(super) price_question: Option<PriceQuestion>,
    pub(super) grant_id: String,
    pub(super) face: AppFace,
    pub(super) stamp: Stamp,
    pub(super) is_live: bool,
    pub(super) is_paused: bool,
    pub(super) is_used_up: bool,
    pub(super) purpose: Option<String>,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) under_way: u32,
    pub(super) spends: Vec<Spend>,
    /// Of the limits above its own.
    pub(super) shared: Vec<Spend>,
    /// The page of the limits of the app as a whole.
    pub(super) as_a_whole: String,
    pub(super) days: Days,
    pub(super) calls: Vec<CallRow>,
    pub(super) refusals: Vec<RefusalRow>,
    /// (provider, base URL).
    pub(super) base_urls: Vec<(String, String)>,
    /// The end of the app key that stands for the grant, if one was made by hand.
    pub(super) app_key: Option<String>,
}

/// Whether a paused app may go on, although it has become dearer.
pub(super) struct PriceQuestion {
    pub(super) words: &'static str,
    /// What from what to what; none if that is over.
    pub(super) models: Vec<String>,
}

pub(super) struct CallRow {
    pub(super) when: String,
    pub(super) model: String,
    pub(super) tokens_in: String,
    pub(super) tokens_out: String,
    pub(super) cost: String,
    pub(super) exact_cost: String,
    pub(super) label: &'static str,
    pub(super) outcome: &'static str,
}

pub(super) struct RefusalRow {
    pub(super) what: String,
    pub(super) what_would_help: &'static str,
    pub(super) when: String,
}

#[derive(Template)]
#[template(path = "limits.html")]
pub(super) struct LimitsPage {
    pub(super) frame: Frame,
    pub(super) grant_id: String,
    pub(super) face: AppFace,
    pub(super) errors: Vec<FieldError>,
    pub(super) accounts: Vec<AccountLimits>,
    pub(super) until: Vec<Choosable>,
    pub(super) asks_password: bool,
}

pub(super) struct AccountLimits {
    pub(super) name: String,
    pub(super) numbers: Vec<LimitField>,
}

pub(super) struct LimitField {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) words: &'static str,
    pub(super) is_money: bool,
    pub(super) value: String,
    pub(super) per: String,
    pub(super) used: Option<String>,
}
