//! Where a request comes from: the other end of its connection, or what a proxy says that the
//! operator named.

use std::net::{IpAddr, Ipv6Addr};

use http::{Extensions, HeaderMap};

use crate::{app::App, serve::PeerAddress};

/// The place a request comes from, to count what comes from there.
pub(crate) fn of(app: &App, headers: &HeaderMap, extensions: &Extensions) -> Option<IpAddr> {
    let PeerAddress(address) = extensions.get::<PeerAddress>()?;
    if !app.config.trusted_proxies.contains(&address.ip()) {
        return Some(neighbourhood(address.ip()));
    }
    // Proxies add to the list's end or as a line of their own: only the very last is the proxy's
    // word, whatever the client wrote before it.
    let mut lines = headers.get_all("x-forwarded-for").iter();
    let forwarded = lines.next_back().and_then(|line| line.to_str().ok());
    let nearest = forwarded.and_then(|list| list.rsplit(',').next()?.trim().parse().ok());
    Some(neighbourhood(nearest.unwrap_or(address.ip())))
}

/// Who is counted as one: an IPv6 customer has a whole /64 to come from.
pub(crate) fn neighbourhood(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `security.md` 183: addresses that cost an attacker nothing are one place.
    #[test]
    fn threat_183_an_ipv6_network_is_one_place() {
        let of = |address: &str| neighbourhood(address.parse().unwrap()).to_string();

        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
