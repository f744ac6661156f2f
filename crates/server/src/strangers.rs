//! What is taken down for those who show nothing of who they are: so much in a time from one place.
//!
//! Each question of theirs is a row until it is swept away, and nobody has to be known here to ask
//! one. Registered apps that prove who they are, and signed-in users, are not counted; nor is this
//! machine, where whoever asks can do worse (`peer` sees through the proxies that were named).

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::{Mutex, PoisonError},
};

use aipassport_domain::time::Timestamp;

use crate::config;

/// More places than this at once are an attack from everywhere: who is new has to wait.
const MOST_PLACES: usize = 10_000;

pub struct Strangers {
    limit: config::Strangers,
    seen: Mutex<HashMap<IpAddr, Seen>>,
}

struct Seen {
    window: i64,
    count: u64,
}

/// Too many came from there: when it is worth trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany {
    pub(crate) retry_after_seconds: i64,
}

impl Strangers {
    pub fn new(limit: config::Strangers) -> Self {
        Self {
            limit,
            seen: Mutex::default(),
        }
    }

    /// Counts one question from `place`.
    pub(crate) fn admit(&self, place: Option<IpAddr>, now: Timestamp) -> Result<(), TooMany> {
        let place = place.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        if place.is_loopback() {
            return Ok(());
        }
        let length = i64::from(self.limit.per_seconds);
        let window = now.seconds().div_euclid(length);
        let too_many = TooMany {
            retry_after_seconds: (window + 1) * length - now.seconds(),
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MOST_PLACES && !seen.contains_key(&place) {
            seen.retain(|_, seen| seen.window == window);
            if seen.len() >= MOST_PLACES {
                return Err(too_many);
            }
        }
        let of_place = seen.entry(place).or_insert(Seen { window, count: 0 });
        if of_place.window != window {
            *of_place = Seen { window, count: 0 };
        }
        if of_place.count >= self.limit.requests {
            return Err(too_many);
        }
        of_place.count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW_SECONDS: i64 = 600;
    const NOW: Timestamp = Timestamp::from_seconds(1_000 * WINDOW_SECONDS + 100);

    fn strangers() -> Strangers {
        Strangers::new(config::Strangers {
            requests: 60,
            per_seconds: 600,
        })
    }

    fn place(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(number).into()
    }

    #[test]
    fn a_place_is_admitted_so_often_and_again_when_it_was_told() {
        let strangers = strangers();
        let admitted = (0..100)
            .filter(|_| strangers.admit(Some(place(1)), NOW).is_ok())
            .count();
        assert_eq!(admitted, 60);

        let told = strangers.admit(Some(place(1)), NOW).unwrap_err();
        assert_eq!(told.retry_after_seconds, 500);
        assert_eq!(strangers.admit(Some(place(2)), NOW), Ok(()));
        assert_eq!(
            strangers.admit(Some(place(1)), NOW.plus_seconds(499)),
            Err(TooMany { retry_after_seconds: 1 })
        );
        assert_eq!(strangers.admit(Some(place(1)), NOW.plus_seconds(500)), Ok(()));
    }

    #[test]
    fn this_machine_is_not_counted() {
        let strangers = strangers();

        for place in [Ipv4Addr::LOCALHOST.into(), IpAddr::from(std::net::Ipv6Addr::LOCALHOST)] {
            assert!((0..100).all(|_| strangers.admit(Some(place), NOW).is_ok()), "{place}");
        }
    }

    #[test]
    fn an_attack_from_everywhere_takes_no_more_room_and_passes() {
        let strangers = strangers();
        let everywhere = 0..u32::try_from(MOST_PLACES).unwrap() + 500;
        let admitted = everywhere
            .filter(|number| strangers.admit(Some(place(*number)), NOW).is_ok())
            .count();

        assert_eq!(admitted, MOST_PLACES);
        assert_eq!(strangers.admit(Some(place(7)), NOW), Ok(()), "who was here before");
        assert_eq!(
            strangers.admit(Some(place(u32::MAX)), NOW.plus_seconds(WINDOW_SECONDS)),
            Ok(())
        );
    }
}
