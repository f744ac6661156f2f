//! `aipassport limit`: limits above those of single grants, of an app, of a user, of everybody.

use aipassport_domain::{
    ids::{ClientId, UserId},
    limits::{Limits, Window},
    money::Money,
    time::Period,
};
use aipassport_store::LimitsOf;
use clap::{Args, Subcommand};

use super::{Data, Failure, Output, output::table};
use crate::{entries::limits_changed, limits_view::LimitsView};

#[derive(Subcommand)]
pub(super) enum LimitCommand {
    /// Show the limits, and where each stands
    Show {
        #[command(flatten)]
        whose: Whose,
    },
    /// Set limits; those that are not named stay. In force for the next call
    Set {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        terms: Terms,
    },
    /// Remove all of them
    Remove {
        #[command(flatten)]
        whose: Whose,
    },
}

/// All apps of a user, one of them, or everybody.
#[derive(Args)]
pub(super) struct Whose {
    /// Whose apps
    #[arg(long, value_name = "NAME", required_unless_present = "tenant")]
    user: Option<String>,
    /// Only this app's, as a whole: the id of a client
    #[arg(long, value_name = "CLIENT_ID", requires = "user")]
    app: Option<String>,
    /// Of all users together
    #[arg(long, conflicts_with = "user")]
    tenant: bool,
}

#[derive(Args)]
#[group(required = true, multiple = true)]
pub(super) struct Terms {
    /// The most that may be spent, in dollars, as 20.00 (in all) or 20.00/P1M; repeatable
    #[arg(long, value_name = "AMOUNT[/PERIOD]", value_parser = per::<Money>)]
    budget: Vec<(Money, Window)>,
    /// The most requests, as 500 (in all) or 500/P1D; repeatable
    #[arg(long, value_name = "COUNT[/PERIOD]", value_parser = per::<u64>)]
    requests: Vec<(u64, Window)>,
    /// How many requests in quick succession, as 60/PT1M; repeatable
    #[arg(long, value_name = "COUNT/PERIOD", value_parser = rate)]
    rate: Vec<(u64, Period)>,
    /// How many requests at the same time
    #[arg(long, value_name = "COUNT")]
    concurrency: Option<u32>,
    /// Everything at once, in the place of all there is: `limits` of authorization details
    #[arg(long, value_name = "JSON", conflicts_with_all = ["budget", "requests", "rate", "concurrency"])]
    limits: Option<String>,
}

impl LimitCommand {
    pub(super) async fn run(self, data: &Data, output: Output) -> Result<(), Failure> {
        let (whose, of) = match &self {
            Self::Show { whose } | Self::Set { whose, .. } | Self::Remove { whose } => (whose, whose.find(data).await?),
        };
        match &self {
            Self::Show { .. } => {}
            Self::Set { terms, .. } => {
                let present = data.store.limits_of(&data.tenant_id, &of).await?;
                let present = present.map(|account| account.limits()).unwrap_or_default();
                set(data, whose, &of, &terms.over(present)?).await?;
            }
            Self::Remove { .. } => set(data, whose, &of, &Limits::default()).await?,
        }
        let view = LimitsView::load(&data.store, &data.tenant_id, &of, data.clock.now()).await?;
        output.print(&view, to_text);
        Ok(())
    }
}

async fn set(data: &Data, whose: &Whose, of: &LimitsOf, limits: &Limits) -> Result<(), Failure> {
    let user_id: Option<&UserId> = match of {
        LimitsOf::App { user_id, .. } | LimitsOf::User(user_id) => Some(user_id),
        LimitsOf::Tenant => None,
    };
    let event = data.event(user_id, None, limits_changed(of, limits));
    if data.store.set_limits(of, limits, &event).await? {
        return Ok(());
    }
    let name = whose.user.as_deref().unwrap_or_default();
    Err(Failure::Said(format!("there is no user {name:?} any more")))
}

impl Whose {
    async fn find(&self, data: &Data) -> Result<LimitsOf, Failure> {
        let Some(name) = &self.user else {
            return Ok(LimitsOf::Tenant);
        };
        let user_id = data.user_named(name).await?.id;
        let Some(client_id) = &self.app else {
            return Ok(LimitsOf::User(user_id));
        };
        let client_id = ClientId::new(client_id.as_str());
        let grants = data.store.grants_of(&data.tenant_id, &user_id).await?;
        if !grants.iter().any(|grant| grant.client_id == client_id) {
            let text = format!("{name:?} has allowed no app {:?} anything", client_id.as_str());
            return Err(Failure::Said(text));
        }
        Ok(LimitsOf::App { user_id, client_id })
    }
}

impl Terms {
    fn over(&self, mut limits: Limits) -> Result<Limits, Failure> {
        if let Some(json) = &self.limits {
            return serde_json::from_str(json).map_err(|error| Failure::Said(format!("--limits: {error}")));
        }
        limits
            .budget
            .extend(self.budget.iter().map(|(amount, window)| (*window, *amount)));
        limits
            .requests
            .extend(self.requests.iter().map(|(most, window)| (*window, *most)));
        limits
            .rate
            .extend(self.rate.iter().map(|(most, period)| (*period, *most)));
        limits.concurrency = self.concurrency.or(limits.concurrency);
        // Through the one reader of limits, so that all doors have the same rules.
        let checked = serde_json::from_value(serde_json::json!(limits));
        checked.map_err(|error| Failure::Said(error.to_string()))
    }
}

/// `20.00/P1M`, or `20.00` for the whole life.
fn per<T: std::str::FromStr>(text: &str) -> Result<(T, Window), String> {
    let (most, period) = match text.split_once('/') {
        Some((most, period)) => (most, Some(period)),
        None => (text, None),
    };
    let window = match period {
        Some(period) => Some(
            period
                .parse()
                .map_err(|_| format!("{period:?} is no period like P1D, P1W or P1M"))?,
        ),
        None => None,
    };
    let most = most.parse().map_err(|_| format!("{most:?} is no amount"))?;
    Ok((most, window))
}

fn rate(text: &str) -> Result<(u64, Period), String> {
    let (most, window) = per(text)?;
    let period = window.ok_or_else(|| format!("{text:?} is no rate like 60/PT1M"))?;
    Ok((most, period))
}

fn to_text(view: &LimitsView) -> String {
    if view.limits.is_empty() {
        return "no limits".to_owned();
    }
    let rows = view.limits.iter().map(|limit| {
        let window = limit
            .window
            .map_or_else(|| "life".to_owned(), |period| period.to_string());
        let amounts = [limit.limit, limit.used, limit.reserved, limit.left].map(|amount| amount.to_string());
        let mut cells = vec![limit.rule.as_str().to_owned(), window];
        cells.extend(amounts);
        cells
    });
    table(&["LIMIT", "PER", "MOST", "USED", "HELD", "LEFT"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_written_with_its_period_behind_it() {
        assert_eq!(per("20.00/P1M"), Ok((Money::from_cents(2_000), Some(Period::MONTH))));
        assert_eq!(per("7"), Ok((7_u64, None)));
        assert_eq!(rate("60/PT1M"), Ok((60, Period::MINUTE)));
        assert!(per::<u64>("7/month").is_err() && per::<Money>("/P1D").is_err() && rate("60").is_err());
    }

    #[test]
    fn what_is_not_named_stays() {
        let present = Limits {
            budget: [
                (None, Money::from_cents(100)),
                (Some(Period::MONTH), Money::from_cents(5)),
            ]
            .into(),
            concurrency: Some(2),
            ..Limits::default()
        };
        let terms = |limits: Option<&str>| Terms {
            budget: vec![(Money::from_cents(9), Some(Period::MONTH))],
            requests: Vec::new(),
            rate: vec![(60, Period::MINUTE)],
            concurrency: None,
            limits: limits.map(str::to_owned),
        };

        let over = terms(None).over(present.clone()).unwrap();
        assert_eq!(over.budget[&Some(Period::MONTH)], Money::from_cents(9));
        assert_eq!(
            (over.budget[&None], over.concurrency),
            (Money::from_cents(100), Some(2))
        );
        let replaced = terms(Some(r#"{"concurrency":1}"#)).over(present.clone()).unwrap();
        assert_eq!((replaced.concurrency, replaced.budget.len()), (Some(1), 0));
        assert!(terms(Some(r#"{"tokens":1}"#)).over(present).is_err());
    }
}
