//! `options`, of which only the output cap matters, and how long a model is kept loaded.
//!
//! The size of the context and the other options of loading pass: they are between the app and a
//! host that can refuse them. A model that stays loaded for ever is not, for it is in everybody's
//! way.

use crate::{
    draft::{Draft, NewCap},
    json::Reader,
    request::ReadError,
};

type Read<T> = Result<T, ReadError>;

/// The member of `options` that limits output.
pub(super) const CAP: &str = "num_predict";

const LONGEST_KEPT_SECONDS: f64 = 3_600.0;
const LONGEST_KEPT: &str = r#""1h""#;

pub(super) fn read(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    reader.peek();
    let start = reader.position();
    if reader.take_null()? {
        draft.new_cap = Some(NewCap {
            range: start..reader.position(),
            before: r#"{"num_predict":"#,
            after: "}",
        });
        return Ok(());
    }
    let mut is_empty = true;
    reader.object(|reader, name| {
        is_empty = false;
        if name != CAP {
            return reader.skip().map(|_| ());
        }
        reader.peek();
        let start = reader.position();
        let asked = reader.integer_or_null("options.num_predict")?;
        // Anything below one is no limit at all.
        let asked = asked
            .and_then(|asked| u64::try_from(asked).ok())
            .filter(|asked| *asked > 0);
        draft.add_cap(CAP, start..reader.position(), asked);
        Ok(())
    })?;
    draft.new_cap = Some(NewCap {
        range: start + 1..start + 1,
        before: r#""num_predict":"#,
        after: if is_empty { "" } else { "," },
    });
    Ok(())
}

/// For a request without `options`.
pub(super) fn place_cap_in_new(draft: &mut Draft) {
    let place = draft.first_place();
    draft.new_cap = Some(NewCap {
        range: place..place,
        before: r#""options":{"num_predict":"#,
        after: "},",
    });
}

/// Lowers how long the model is kept loaded: an hour is the most.
pub(super) fn read_keep_alive(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    const WRONG: ReadError = ReadError::Invalid {
        member: "keep_alive",
        problem: "must be a number of seconds, or a duration such as 5m",
    };
    let first = reader.peek();
    let range = if first == Some(b'"') {
        let start = reader.position();
        let seconds = seconds_in(&reader.text()?.decode()).ok_or(WRONG)?;
        is_too_long(seconds).then(|| start..reader.position())
    } else if reader.take_null()? {
        None
    } else {
        let range = reader.skip()?;
        let seconds: f64 = reader.slice(range.clone()).parse().map_err(|_| WRONG)?;
        is_too_long(seconds).then_some(range)
    };
    if let Some(range) = range {
        draft.body.replace(range, LONGEST_KEPT);
    }
    Ok(())
}

/// Below zero is for ever.
fn is_too_long(seconds: f64) -> bool {
    !(0.0..=LONGEST_KEPT_SECONDS).contains(&seconds)
}

/// A duration as Go writes it: `5m`, `1h30m`, `-1s`, `0`.
fn seconds_in(text: &str) -> Option<f64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0.0);
    }
    let mut seconds = None;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let (number, after) = rest.split_at_checked(digits)?;
        let unit = after
            .find(|character: char| character.is_ascii_digit() || character == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit)?;
        let each = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            _ => return None,
        };
        *seconds.get_or_insert(0.0) += number.parse::<f64>().ok()? * each;
        rest = after;
    }
    seconds.map(|seconds| sign * seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_as_go_writes_it() {
        let close = |text, seconds: f64| {
            let read = seconds_in(text).unwrap();
            assert!((read - seconds).abs() < 1e-9, "{text}: {read}");
        };
        close("5m", 300.0);
        close("1h30m", 5_400.0);
        close("1.5h", 5_400.0);
        close("-1s", -1.0);
        close("250ms", 0.25);
        close("0", 0.0);
        for wrong in ["", "5", "m", "5 m", "5d", "1h-1m", "h5", "1..5h", "for ever"] {
            assert_eq!(seconds_in(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_hour_is_the_longest() {
        assert!(!is_too_long(0.0) && !is_too_long(3_600.0));
        assert!(is_too_long(3_601.0) && is_too_long(-1.0) && is_too_long(f64::NAN));
    }
}
