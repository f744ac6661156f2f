//! Why a limit above a grant's stopped a call, and what would have let it pass.

use aipassport_domain::ledger::{Level, LimitRule};

/// Of a rule as it is counted, `user:budget`; `None` for a grant's own limits and for other rules.
pub(in crate::web) fn of_counted(rule: &str) -> Option<(&'static str, &'static str)> {
    let (level, rule) = rule.split_once(':')?;
    of(Level::parse(level)?, rule)
}

/// The same, of a limit of that level.
pub(in crate::web) fn of(level: Level, rule: &str) -> Option<(&'static str, &'static str)> {
    let rule = LimitRule::parse(rule)?;
    let why = match (level, rule) {
        (Level::Grant, _) => return None,
        (Level::App, LimitRule::Budget) => "what is left for this app as a whole was too little",
        (Level::App, LimitRule::Requests) => "the requests of this app as a whole were used up",
        (Level::App, LimitRule::Rate) => "this app as a whole sent too many requests in quick succession",
        (Level::App, LimitRule::Concurrency) => "too many calls of this app as a whole were under way at once",
        (Level::User, LimitRule::Budget) => "what is left for all apps together was too little",
        (Level::User, LimitRule::Requests) => "the requests of all apps together were used up",
        (Level::User, LimitRule::Rate) => "all apps together sent too many requests in quick succession",
        (Level::User, LimitRule::Concurrency) => "too many calls of all apps together were under way at once",
        (Level::Tenant, LimitRule::Budget) => "what is left for everybody here together was too little",
        (Level::Tenant, LimitRule::Requests) => "the requests of everybody here together were used up",
        (Level::Tenant, LimitRule::Rate) => "everybody here together sent too many requests in quick succession",
        (Level::Tenant, LimitRule::Concurrency) => "too many calls of everybody here were under way at once",
    };
    let what_would_help = match (level, rule) {
        (_, LimitRule::Rate) => "It would pass a little later.",
        (_, LimitRule::Concurrency) => "It would pass once one of them ends.",
        (Level::Tenant, _) => "It would pass if whoever runs this AIPassport raised that.",
        (Level::User, _) => "It would pass if you raised the limit of all apps together.",
        _ => "It would pass if you raised the limit of this app as a whole.",
    };
    Some((why, what_would_help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_apps_share_is_not_called_the_apps_own() {
        let (why, help) = of_counted("user:budget").unwrap();

        assert_eq!(why, "what is left for all apps together was too little");
        assert!(help.contains("raised the limit of all apps together"));
        assert_eq!(of_counted("budget"), None);
        assert_eq!(of_counted("grant:budget"), None);
        assert_eq!(of_counted("user:model"), None);
    }
}
