//! The choice that an app is stopped for good when its money is used up.

use aipassport_domain::{authorization_details::AiAccess, limits::Limits};

use super::form::Fields;

/// Whether one of these limits can be used up for good: an amount that does not start anew.
pub(super) fn is_possible<'a>(limits: impl IntoIterator<Item = &'a Limits>) -> bool {
    limits.into_iter().any(|limits| limits.budget.contains_key(&None))
}

pub(super) fn is_possible_for(granted: &[AiAccess]) -> bool {
    is_possible(granted.iter().map(|access| &access.limits))
}

pub(super) fn is_chosen(fields: &Fields) -> bool {
    fields.has("used_up", "stop")
}
