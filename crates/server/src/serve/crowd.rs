//! How many connections come from one place: a part of all there are, so that nobody alone takes
//! every one of them (`security.md` 125).

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Listening;
use crate::peer::{is_one_of, neighbourhood};

pub(super) struct Crowd {
    connections: Mutex<HashMap<IpAddr, usize>>,
    most_of_one: usize,
    /// Proxies, which come for many.
    proxies: Vec<IpAddr>,
}

/// One connection that is counted; leaves when dropped.
pub(super) struct Guest {
    crowd: Arc<Crowd>,
    place: IpAddr,
}

impl Crowd {
    pub(super) fn new(listening: &Listening) -> Arc<Self> {
        let share = listening
            .most_connections
            .saturating_mul(listening.connections_per_address_percent);
        Arc::new(Self {
            connections: Mutex::default(),
            most_of_one: share.div_ceil(100),
            proxies: listening.proxies.clone(),
        })
    }

    /// Lets a connection from `address` in; `Err` if enough are from there. A proxy comes for many,
    /// and whoever is on this machine can do worse: neither is counted.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Option<Guest>, ()> {
        if address.to_canonical().is_loopback() || is_one_of(&self.proxies, address) {
            return Ok(None);
        }
        let place = neighbourhood(address);
        let mut connections = self.lock();
        let count = connections.entry(place).or_default();
        if *count >= self.most_of_one {
            return Err(());
        }
        *count += 1;
        Ok(Some(Guest {
            crowd: Arc::clone(self),
            place,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut connections = self.crowd.lock();
        match connections.get_mut(&self.place) {
            Some(count) if *count > 1 => *count -= 1,
            _ => _ = connections.remove(&self.place),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn crowd() -> Arc<Crowd> {
        Crowd::new(&Listening {
            tls: None,
            header_timeout: Duration::from_secs(1),
            stall_timeout: Duration::from_secs(1),
            most_connections: 8,
            connections_per_address_percent: 25,
            proxies: vec![address("192.0.2.80")],
            drain_timeout: Duration::from_secs(1),
        })
    }

    #[test]
    fn threat_125_one_place_takes_a_part_of_the_connections() {
        let crowd = crowd();
        let mut guests: Vec<_> = ["2001:db8::1", "2001:db8::2"]
            .map(|one| crowd.enter(address(one)).unwrap())
            .into();

        assert!(crowd.enter(address("2001:db8::3")).is_err(), "the same network");
        assert!(crowd.enter(address("2001:db8:0:1::3")).is_ok());
        guests.pop();
        assert!(crowd.enter(address("2001:db8::3")).is_ok(), "one has left");
        drop(guests);
        assert!(crowd.lock().is_empty(), "and nothing is remembered of them");
    }

    #[test]
    fn a_proxy_and_this_machine_come_for_many() {
        let crowd = crowd();

        for address in ["192.0.2.80", "127.0.0.1", "::1", "::ffff:127.0.0.1"].map(address) {
            let guests: Vec<_> = (0..8).map(|_| crowd.enter(address)).collect();
            assert!(guests.iter().all(Result::is_ok), "{address}");
        }
    }
}
