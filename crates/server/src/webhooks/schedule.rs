//! When a message that did not arrive is sent again.

use crate::random::Random;

/// After each attempt, in seconds: over three days in all, as Standard Webhooks advises.
const AFTER_SECONDS: [i64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

/// How long to wait after so many attempts; `None` is the end. Up to a tenth more than the schedule
/// says, so that a receiver that was away does not get everything at once when it is back.
pub(super) fn delay_millis(attempts: u32, random: &dyn Random) -> Option<i64> {
    let made = usize::try_from(attempts.checked_sub(1)?).ok()?;
    let seconds = AFTER_SECONDS.get(made)?;
    let mut drawn = [0];
    random.fill(&mut drawn);
    let [drawn] = drawn;
    Some(seconds * 1_000 + seconds * 100 * i64::from(drawn) / 255)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    #[test]
    fn a_message_is_tried_ten_times_over_three_days() {
        let random = SeededRandom::from_seed(1);
        let delays: Vec<i64> = (1..).map_while(|made| delay_millis(made, &random)).collect();

        assert_eq!(delays.len(), 9);
        for (delay, seconds) in delays.iter().zip(AFTER_SECONDS) {
            assert!((seconds * 1_000..=seconds * 1_100).contains(delay), "{delay}");
        }
        let hours = delays.iter().sum::<i64>() / 3_600_000;
        assert!((75..84).contains(&hours), "{hours}");
    }
}
