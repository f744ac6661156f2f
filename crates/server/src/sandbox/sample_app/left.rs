//! What is left of the grant, from the broker's `GET /passport/self`, in sentences.

use serde_json::Value;

/// One sentence for each limit on money and requests, and one for the end of the grant.
pub(super) fn sentences(passport: &Value) -> Vec<String> {
    let limits = passport.get("limits").and_then(Value::as_array);
    let mut sentences: Vec<String> = limits.into_iter().flatten().filter_map(sentence).collect();
    let expires_at = passport.get("expires_at").and_then(Value::as_str);
    if let Some(date) = expires_at.and_then(|at| at.get(..10)) {
        sentences.push(format!("until {date}"));
    }
    sentences
}

fn sentence(limit: &Value) -> Option<String> {
    let text = |name: &str| limit.get(name).and_then(Value::as_str);
    let count = |name: &str| limit.get(name).and_then(Value::as_u64);
    let window = text("window").map_or("", |window| match window {
        "P1D" => " today",
        "P1W" => " this week",
        "P1M" => " this month",
        "P1Y" => " this year",
        _ => "",
    });
    match text("rule")? {
        "budget" => {
            let held = text("reserved").filter(|held| held.bytes().any(|digit| (b'1'..=b'9').contains(&digit)));
            let held = held.map_or(String::new(), |held| format!(", ${held} held"));
            Some(format!("${} of ${} left{window}{held}", text("left")?, text("limit")?))
        }
        "requests" => Some(format!(
            "{} of {} requests left{window}",
            count("left")?,
            count("limit")?
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_left_is_said_in_sentences() {
        let passport = json!({"expires_at": "2026-12-22T10:00:00Z", "limits": [
            {"rule": "budget", "limit": "5.00", "used": "4.10", "reserved": "0.02", "left": "0.88", "window": "P1M"},
            {"rule": "budget", "limit": "9.00", "used": "0.00", "reserved": "0.00", "left": "9.00"},
            {"rule": "requests", "limit": 500, "used": 120, "reserved": 1, "left": 379, "window": "P1D"},
            {"rule": "rate", "limit": 60, "used": 3, "left": 57, "window": "PT1M"},
        ]});

        assert_eq!(
            sentences(&passport),
            [
                "$0.88 of $5.00 left this month, $0.02 held",
                "$9.00 of $9.00 left",
                "379 of 500 requests left today",
                "until 2026-12-22",
            ]
        );
        assert!(sentences(&Value::Null).is_empty());
    }
}
