//! The output tokens of a generated image, as OpenAI's price calculator works them out.

/// Each image of a family is priced in tokens by its size and quality.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// Three sizes, three qualities.
    Table,
    /// Any size; the factors of each quality.
    Formula(&'static [(&'static str, u64)]),
}

/// Low, medium and high, of `1024x1024`, `1536x1024` and `1024x1536`.
const TABLE: [(&str, [u64; 3]); 3] = [
    ("low", [272, 400, 408]),
    ("medium", [1_056, 1_568, 1_584]),
    ("high", [4_160, 6_208, 6_240]),
];
const TABLE_SIZES: [&str; 3] = ["1024x1024", "1536x1024", "1024x1536"];

const QUALITIES_2: [(&str, u64); 3] = [("low", 16), ("medium", 48), ("high", 96)];
const QUALITIES_2_5: [(&str, u64); 5] = [("low", 16), ("medium", 24), ("high", 48), ("xhigh", 64), ("max", 96)];

const MOST_PIXELS: u64 = 3_840 * 2_160;
const LONGEST_EDGE: u64 = 3_840;
const PIXEL_OFFSET: u64 = 2_000_000;
const PIXELS_PER_STEP: u64 = 4_000_000;

/// The most output tokens of one image of `model`. What is left to the provider, and what it would
/// refuse, counts as the most there is. `None` for a model whose images are counted in a way that
/// is not known here.
pub(super) fn most(model: &str, size: Option<&str>, quality: Option<&str>) -> Option<u64> {
    match family(model)? {
        Family::Table => Some(from_table(size, quality)),
        Family::Formula(qualities) => Some(by_formula(qualities, size, quality)),
    }
}

/// What a model that thinks about an image in words may write of them, at a price of their own.
pub(super) fn most_thought(model: &str) -> u64 {
    let thinks = ["gpt-image-1.5", "chatgpt-image-latest"]
        .into_iter()
        .any(|name| is(model, name));
    if thinks { 2_048 } else { 0 }
}

/// Whether `model` is the one called so, or a dated snapshot of it.
fn is(model: &str, name: &str) -> bool {
    model
        .strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("-20"))
}

fn family(model: &str) -> Option<Family> {
    let is = |name: &str| is(model, name);
    if [
        "gpt-image-1",
        "gpt-image-1-mini",
        "gpt-image-1.5",
        "chatgpt-image-latest",
    ]
    .into_iter()
    .any(is)
    {
        return Some(Family::Table);
    }
    if is("gpt-image-2") {
        return Some(Family::Formula(&QUALITIES_2));
    }
    let later = [
        "gpt-image-2.5-flare",
        "gpt-image-2.5-sunburst",
        "gpt-image-2.6-flare",
        "gpt-image-2.6-sunburst",
    ];
    later.into_iter().any(is).then_some(Family::Formula(&QUALITIES_2_5))
}

fn from_table(size: Option<&str>, quality: Option<&str>) -> u64 {
    let column = size.and_then(|size| TABLE_SIZES.iter().position(|known| *known == size));
    let rows = TABLE.iter().filter(|(name, _)| quality == Some(*name));
    let rows = if rows.clone().next().is_some() {
        rows.collect::<Vec<_>>()
    } else {
        TABLE.iter().collect()
    };
    let cells = rows.into_iter().flat_map(|(_, row)| match column {
        Some(column) => row.get(column..=column).unwrap_or(row),
        None => row,
    });
    cells.copied().max().unwrap_or_default()
}

/// The tokens are laid along the long edge, as many as the quality says, and in proportion along
/// the short one; larger images have them counted more than once.
fn by_formula(qualities: &[(&str, u64)], size: Option<&str>, quality: Option<&str>) -> u64 {
    let known = qualities.iter().find(|(name, _)| quality == Some(*name));
    let most = qualities.iter().map(|(_, factor)| *factor).max().unwrap_or_default();
    let factor = known.map_or(most, |(_, factor)| *factor);

    let edges = size
        .and_then(edges)
        .filter(|(long, short)| *long <= LONGEST_EDGE && long * short <= MOST_PIXELS);
    let (along_short, pixels) = match edges {
        Some((long, short)) => ((2 * factor * short + long) / (2 * long), long * short),
        None => (factor, MOST_PIXELS),
    };
    (factor * along_short * (PIXEL_OFFSET + pixels)).div_ceil(PIXELS_PER_STEP)
}

/// The longer edge and the shorter one.
fn edges(size: &str) -> Option<(u64, u64)> {
    let is_number = |text: &&str| !text.is_empty() && text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let (width, height) = size.split_once('x')?;
    let edge = |text: &str| Some(text).filter(is_number)?.parse::<u64>().ok();
    let (width, height) = (edge(width)?, edge(height)?);
    (width > 0 && height > 0).then(|| (width.max(height), width.min(height)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_those_of_the_published_calculator() {
        let tokens = |model, size, quality| most(model, Some(size), Some(quality)).unwrap();

        assert_eq!(tokens("gpt-image-1-mini", "1024x1024", "low"), 272);
        assert_eq!(tokens("gpt-image-1.5-2025-12-16", "1024x1536", "medium"), 1_584);
        assert_eq!(tokens("chatgpt-image-latest", "1536x1024", "high"), 6_208);
        assert_eq!(tokens("gpt-image-2", "1024x1024", "high"), 7_024);
        assert_eq!(tokens("gpt-image-2", "1536x1024", "high"), 5_488);
        assert_eq!(tokens("gpt-image-2", "1792x1024", "high"), 5_063);
        assert_eq!(tokens("gpt-image-2-2026-04-21", "3584x2048", "high"), 12_329);
        for (quality, expected) in [
            ("low", 196),
            ("medium", 439),
            ("high", 1_756),
            ("xhigh", 3_122),
            ("max", 7_024),
        ] {
            assert_eq!(tokens("gpt-image-2.5-flare", "1024x1024", quality), expected);
        }
    }

    #[test]
    fn what_is_left_open_or_cannot_be_is_the_most_there_is() {
        for size in [
            None,
            Some("auto"),
            Some("0x0"),
            Some("4096x4096"),
            Some("+1x1"),
            Some("99999999x1"),
        ] {
            assert_eq!(most("gpt-image-2.5-flare", size, None), Some(23_719), "{size:?}");
            assert_eq!(most("gpt-image-1-mini", size, Some("auto")), Some(6_240));
            assert_eq!(most("gpt-image-1-mini", size, Some("low")), Some(408));
        }
        assert_eq!(most("gpt-image-1-mini", Some("1024x1024"), None), Some(4_160));
    }

    #[test]
    fn no_size_has_more_than_the_most() {
        for long in (16..=3_840).step_by(16) {
            let tokens = most("gpt-image-2", Some(&format!("{long}x{long}")), Some("high")).unwrap();
            assert!(tokens <= 23_719, "{long}: {tokens}");
        }
    }

    #[test]
    fn a_model_of_another_family_has_no_known_tokens() {
        for model in [
            "gpt-image-3",
            "gpt-image-10",
            "gpt-image-2.5",
            "dall-e-3",
            "my-gpt-image-1",
        ] {
            assert_eq!(most(model, None, None), None, "{model}");
        }
    }
}
