//! The boxes of limits that several grants share, and what is read from them. Windows that people use
//! have a box even where there is no limit; one that a program set keeps its own.

use std::collections::BTreeSet;

use aipassport_domain::{
    limits::{Limits, Window},
    time::Period,
};

use crate::web::{form::Fields, numbers, parts::FieldError, words};

/// The whole life comes last.
const WINDOWS: [Window; 4] = [Some(Period::DAY), Some(Period::WEEK), Some(Period::MONTH), None];

/// A budget and a request cap of the same window, beside each other.
pub(super) struct WindowRow {
    pub(super) words: String,
    pub(super) fields: [WindowField; 2],
}

pub(super) struct WindowField {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) is_money: bool,
    pub(super) value: String,
}

pub(super) struct OtherField {
    pub(super) name: String,
    pub(super) label: &'static str,
    pub(super) value: String,
    pub(super) unit: String,
}

pub(super) fn windows(present: &Limits, entered: Option<&Fields>) -> Vec<WindowRow> {
    let row = |window: Window| {
        let per = words::per(window);
        let field = |rule: &str, what: &str, is_money, value: Option<String>| {
            let name = numbers::shared_field(rule, window);
            WindowField {
                label: format!("{what} {per}"),
                is_money,
                value: shown(&name, value, entered),
                name,
            }
        };
        let budget = present.budget.get(&window).map(ToString::to_string);
        let requests = present.requests.get(&window).map(ToString::to_string);
        WindowRow {
            fields: [
                field("budget", "Dollars", true, budget),
                field("requests", "Requests", false, requests),
            ],
            words: per,
        }
    };
    windows_of(present).into_iter().map(row).collect()
}

pub(super) fn others(present: &Limits, entered: Option<&Fields>) -> Vec<OtherField> {
    let field = |name: String, label, value: Option<String>, unit: String| OtherField {
        value: shown(&name, value, entered),
        label,
        unit,
        name,
    };
    let mut fields = Vec::new();
    for period in rates_of(present) {
        let name = numbers::shared_field("rate", Some(period));
        let most = present.rate.get(&period).map(ToString::to_string);
        let unit = words::per(Some(period));
        fields.push(field(name, "Requests in quick succession", most, unit));
    }
    let at_once = present.concurrency.map(|most| most.to_string());
    fields.push(field(
        "concurrency".to_owned(),
        "Requests at the same time",
        at_once,
        "at once".to_owned(),
    ));
    if let Some(most) = present.output_tokens_per_request {
        let most = Some(most.to_string());
        fields.push(field("output".to_owned(), "Longest answer", most, "tokens".to_owned()));
    }
    fields
}

/// What was entered, or all that is wrong with it.
pub(super) fn read(present: &Limits, fields: &Fields) -> Result<Limits, Vec<FieldError>> {
    let (mut limits, mut errors) = (Limits::default(), Vec::new());
    for window in windows_of(present) {
        let budget = numbers::shared_field("budget", window);
        if let Some(amount) = entered(fields, budget, |text| numbers::amount(text, None), &mut errors) {
            limits.budget.insert(window, amount);
        }
        let requests = numbers::shared_field("requests", window);
        if let Some(most) = entered(fields, requests, count, &mut errors) {
            limits.requests.insert(window, most);
        }
    }
    for period in rates_of(present) {
        let rate = numbers::shared_field("rate", Some(period));
        if let Some(most) = entered(fields, rate, count, &mut errors) {
            limits.rate.insert(period, most);
        }
    }
    let at_once = entered(fields, "concurrency".to_owned(), count, &mut errors);
    limits.concurrency = at_once.map(|most| u32::try_from(most).unwrap_or(u32::MAX));
    if present.output_tokens_per_request.is_some() {
        limits.output_tokens_per_request = entered(fields, "output".to_owned(), count, &mut errors);
    }
    if errors.is_empty() { Ok(limits) } else { Err(errors) }
}

fn count(text: &str) -> Result<u64, String> {
    numbers::count(text, u64::MAX)
}

/// What the box of that name says; nothing where it is empty.
fn entered<T>(
    fields: &Fields,
    name: String,
    read: impl Fn(&str) -> Result<T, String>,
    errors: &mut Vec<FieldError>,
) -> Option<T> {
    let text = fields.text(&name);
    if text.is_empty() {
        return None;
    }
    match read(text) {
        Ok(value) => Some(value),
        Err(words) => {
            errors.push(FieldError::new(
                name,
                format!("{words} Or leave it empty for no limit."),
            ));
            None
        }
    }
}

/// A form that was not right is shown as it was filled in.
fn shown(name: &str, present: Option<String>, entered: Option<&Fields>) -> String {
    match entered {
        Some(fields) => fields.text(name).to_owned(),
        None => present.unwrap_or_default(),
    }
}

fn windows_of(present: &Limits) -> Vec<Window> {
    let of_programs: BTreeSet<Window> = present.budget.keys().chain(present.requests.keys()).copied().collect();
    let of_programs = of_programs.into_iter().filter(|window| !WINDOWS.contains(window));
    of_programs.chain(WINDOWS).collect()
}

fn rates_of(present: &Limits) -> BTreeSet<Period> {
    present.rate.keys().copied().chain([Period::MINUTE]).collect()
}

#[cfg(test)]
mod tests {
    use aipassport_domain::money::Money;

    use super::*;

    fn limits() -> Limits {
        Limits {
            budget: [
                (Some(Period::HOUR), Money::from_cents(50)),
                (Some(Period::MONTH), Money::from_cents(500)),
            ]
            .into(),
            requests: [(None, 1_000)].into(),
            rate: [(Period::HOUR, 100), (Period::MINUTE, 20)].into(),
            concurrency: Some(4),
            output_tokens_per_request: Some(4_096),
        }
    }

    /// The form of these limits as a browser sends it, with `changed` typed over it.
    fn sent(limits: &Limits, changed: &[(&str, &str)]) -> Fields {
        let boxes = windows(limits, None).into_iter().flat_map(|row| row.fields);
        let boxes = boxes.map(|field| (field.name, field.value));
        let others = others(limits, None).into_iter().map(|field| (field.name, field.value));
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, value) in boxes.chain(others) {
            let typed = changed.iter().find(|(changed, _)| *changed == name);
            form.append_pair(&name, typed.map_or(value.as_str(), |(_, typed)| typed));
        }
        Fields::parse(form.finish().as_bytes())
    }

    #[test]
    fn a_form_sent_as_it_came_changes_nothing() {
        for limits in [limits(), Limits::default()] {
            assert_eq!(read(&limits, &sent(&limits, &[])), Ok(limits));
        }
    }

    #[test]
    fn an_empty_box_is_no_limit_and_a_filled_one_is_one() {
        let changed = [("budget.P1M", ""), ("requests.P1D", "7"), ("concurrency", "")];

        let read = read(&limits(), &sent(&limits(), &changed)).unwrap();

        assert_eq!(read.budget, [(Some(Period::HOUR), Money::from_cents(50))].into());
        assert_eq!(read.requests, [(None, 1_000), (Some(Period::DAY), 7)].into());
        assert_eq!(read.concurrency, None);
    }

    #[test]
    fn what_is_wrong_is_said_of_each_box_and_kept_in_it() {
        let changed = [("budget.P1M", "five"), ("rate.PT1M", "0"), ("requests.P1W", "12")];
        let fields = sent(&limits(), &changed);

        let errors = read(&limits(), &fields).unwrap_err();

        let wrong: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(wrong, ["budget.P1M", "rate.PT1M"]);
        let shown: Vec<String> = windows(&limits(), Some(&fields))
            .into_iter()
            .flat_map(|row| row.fields)
            .map(|field| field.value)
            .collect();
        assert!(shown.contains(&"five".to_owned()) && shown.contains(&"12".to_owned()));
    }
}
