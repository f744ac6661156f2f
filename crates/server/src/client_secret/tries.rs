//! How often a wrong client secret may be shown: for a client, and from a place (`security.md` 44).
//!
//! Kept in memory: a secret of ours has 256 random bits, so that a broker that begins anew gives
//! nobody a chance, and a flood of guesses writes nothing.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use aipassport_domain::{ids::ClientId, time::Timestamp};

use crate::strangers::TooMany;

const WINDOW_SECONDS: i64 = 15 * 60;
const MOST_OF_CLIENT_AND_PLACE: u32 = 10;
const MOST_OF_CLIENT: u32 = 100;
const MOST_OF_PLACE: u32 = 60;
/// More than this at once is an attack from everywhere: who is new has to wait.
const MOST_COUNTED: usize = 10_000;
/// No id of ours is longer; others are counted as one, so that they take no room.
const LONGEST_CLIENT_ID: usize = 100;

#[derive(Default)]
pub struct Tries {
    counted: Mutex<Counted>,
}

#[derive(Default)]
struct Counted {
    window: i64,
    failures: HashMap<Of, u32>,
    /// From where clients have shown their right secrets. Guesses from elsewhere do not lock a client
    /// out of there.
    homes: HashSet<(ClientId, IpAddr)>,
}

/// What failures are counted under.
#[derive(PartialEq, Eq, Hash)]
enum Of {
    ClientAndPlace(ClientId, IpAddr),
    Client(ClientId),
    Place(IpAddr),
}

impl Tries {
    /// Answers `is_right`, and counts where it is not; whether there is such a client or not.
    ///
    /// Security invariant: nothing is asked and counted apart, so that guesses sent all at once are
    /// not let through before the first of them has failed.
    pub(super) fn count(
        &self,
        client_id: &ClientId,
        place: Option<IpAddr>,
        now: Timestamp,
        is_right: impl FnOnce() -> bool,
    ) -> Result<bool, TooMany> {
        let place = place.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
        if place.is_loopback() {
            return Ok(is_right());
        }
        let is_long = client_id.as_str().len() > LONGEST_CLIENT_ID;
        let client_id = if is_long { ClientId::new("") } else { client_id.clone() };
        let home = (client_id.clone(), place);
        let limits = [
            (Of::ClientAndPlace(client_id.clone(), place), MOST_OF_CLIENT_AND_PLACE),
            (Of::Place(place), MOST_OF_PLACE),
            (Of::Client(client_id), MOST_OF_CLIENT),
        ];

        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let window = now.seconds().div_euclid(WINDOW_SECONDS);
        if counted.window != window {
            counted.window = window;
            counted.failures.clear();
        }
        let is_at_home = counted.homes.contains(&home);
        let is_used_up = |(of, most): &(Of, u32)| {
            let is_of_others = is_at_home && !matches!(of, Of::ClientAndPlace(..));
            !is_of_others && counted.failures.get(of).is_some_and(|failures| failures >= most)
        };
        let has_room = counted.failures.len() < MOST_COUNTED || is_at_home;
        if !has_room || limits.iter().any(is_used_up) {
            return Err(TooMany {
                retry_after_seconds: (window + 1) * WINDOW_SECONDS - now.seconds(),
            });
        }
        if is_right() {
            if counted.homes.len() >= MOST_COUNTED {
                counted.homes.clear();
            }
            counted.homes.insert(home);
            return Ok(true);
        }
        for (of, _) in limits {
            *counted.failures.entry(of).or_default() += 1;
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000 * WINDOW_SECONDS + 300);

    fn place(number: u8) -> IpAddr {
        [192, 0, 2, number].into()
    }

    /// How many of so many wrong secrets were looked at.
    fn guess(tries: &Tries, client: &str, place: IpAddr, times: u32) -> usize {
        let client_id = ClientId::new(client);
        let guesses = (0..times).map(|_| tries.count(&client_id, Some(place), NOW, || false));
        guesses.flatten().count()
    }

    fn shows_the_right_one(tries: &Tries, client: &str, place: IpAddr, now: Timestamp) -> bool {
        tries.count(&ClientId::new(client), Some(place), now, || true) == Ok(true)
    }

    #[test]
    fn threat_44_a_secret_is_guessed_ten_times_from_one_place() {
        let tries = Tries::default();

        assert_eq!(guess(&tries, "notes", place(1), 50), 10);

        assert!(!shows_the_right_one(&tries, "notes", place(1), NOW));
        assert!(shows_the_right_one(&tries, "notes", place(2), NOW));
        assert!(shows_the_right_one(&tries, "other", place(1), NOW));
        let told = tries
            .count(&ClientId::new("notes"), Some(place(1)), NOW, || true)
            .unwrap_err();
        assert_eq!(told.retry_after_seconds, 600);
        assert!(!shows_the_right_one(&tries, "notes", place(1), NOW.plus_seconds(599)));
        assert!(shows_the_right_one(&tries, "notes", place(1), NOW.plus_seconds(600)));
    }

    #[test]
    fn threat_44_one_place_guesses_sixty_secrets_and_one_clients_is_guessed_a_hundred_times() {
        let tries = Tries::default();
        let of_place: usize = (0..20)
            .map(|client| guess(&tries, &format!("{client}"), place(1), 9))
            .sum();
        assert_eq!(of_place, 60);

        let tries = Tries::default();
        let of_client: usize = (1..20).map(|from| guess(&tries, "notes", place(from), 9)).sum();
        assert_eq!(of_client, 100);
    }

    #[test]
    fn threat_44_guesses_from_elsewhere_do_not_lock_a_client_out_of_where_it_runs() {
        let tries = Tries::default();
        assert!(shows_the_right_one(&tries, "notes", place(1), NOW));

        for from in 2..40 {
            guess(&tries, "notes", place(from), 10);
        }

        assert!(shows_the_right_one(&tries, "notes", place(1), NOW));
        assert!(!shows_the_right_one(&tries, "notes", place(50), NOW));
        assert_eq!(
            guess(&tries, "notes", place(1), 50),
            10,
            "nor is it free to guess there"
        );
    }

    #[test]
    fn threat_44_names_without_end_take_no_more_room() {
        let tries = Tries::default();
        for number in 0..20_000_u32 {
            let place = Some(IpAddr::from(std::net::Ipv4Addr::from_bits(number)));
            let client_id = ClientId::new(format!("{number}{}", "x".repeat(300)));
            let _ = tries.count(&client_id, place, NOW, || false);
            let _ = tries.count(&ClientId::new(number.to_string()), place, NOW, || false);
        }

        let counted = tries.counted.lock().unwrap();
        assert!(counted.failures.len() < MOST_COUNTED + 3);
    }
}
