//! Where a request comes from: the other end of its connection, or what a proxy says that the
//! operator named.

use std::net::{IpAddr, Ipv6Addr};

use http::{Extensions, HeaderMap};

use crate::{app::App, serve::PeerAddress};

/// The place a request comes from, to count what comes from there.
///
/// This machine's own address stays as it is: whoever counts may leave out who is here already. A
/// trusted proxy on this machine does not count as such once it names another.
pub(crate) fn of(app: &App, headers: &HeaderMap, extensions: &Extensions) -> Option<IpAddr> {
    let PeerAddress(address) = extensions.get::<PeerAddress>()?;
    let address = address.ip();
    if !is_one_of(&app.config.trusted_proxies, address) {
        return Some(neighbourhood(address));
    }
    // Proxies add to the list's end or as a line of their own: only the very last is the proxy's
    // word, whatever the client wrote before it.
    let mut lines = headers.get_all("x-forwarded-for").iter();
    let forwarded = lines.next_back().and_then(|line| line.to_str().ok());
    let nearest = forwarded.and_then(|list| list.rsplit(',').next()?.trim().parse().ok());
    Some(neighbourhood(nearest.unwrap_or(address)))
}

/// Whether `peer` is a proxy that the operator named. A socket that takes IPv4 and IPv6 shows an IPv4
/// peer as an IPv6 address.
pub(crate) fn is_one_of(proxies: &[IpAddr], peer: IpAddr) -> bool {
    proxies.iter().any(|proxy| proxy.to_canonical() == peer.to_canonical())
}

/// Who is counted as one: an IPv6 customer has a whole /64 to come from.
pub(crate) fn neighbourhood(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        whole => whole,
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
        assert_eq!(of("::1"), "::1");
    }

    #[test]
    fn a_proxy_is_known_however_the_socket_writes_its_address() {
        let proxies = ["192.0.2.80".parse().unwrap()];
        let is_known = |peer: &str| is_one_of(&proxies, peer.parse().unwrap());

        assert!(is_known("192.0.2.80"));
        assert!(is_known("::ffff:192.0.2.80"));
        assert!(!is_known("192.0.2.81"));
    }
}
