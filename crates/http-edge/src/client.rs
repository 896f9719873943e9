//! Who is at the other end: the real client behind trusted proxies.

use crate::forwarded::Chain;
use seawall_model::Prefix;
use std::net::IpAddr;

/// Whether an address is one of the prefixes'.
#[must_use]
pub fn is_trusted(trusted: &[Prefix], address: IpAddr) -> bool {
    trusted.iter().any(|prefix| prefix.contains(address))
}

/// The real client: from the nearest hop of a chain on, the first address that is no trusted
/// proxy's. What stands further away is the client's own word, and not believed.
#[must_use]
pub fn real(trusted: &[Prefix], peer: IpAddr, chain: &Chain<'_>) -> IpAddr {
    let mut client = peer;
    if !is_trusted(trusted, peer) {
        return client;
    }
    for node in chain.nodes() {
        let Some(address) = address(node) else { return client };
        client = address;
        if !is_trusted(trusted, address) {
            return client;
        }
    }
    client
}

/// IPv4-mapped addresses are what they map.
#[must_use]
pub fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// An address, with or without port and brackets.
#[must_use]
pub fn address(word: &[u8]) -> Option<IpAddr> {
    let word = std::str::from_utf8(word).ok()?;
    if let Ok(address) = word.parse() {
        return Some(plain(address));
    }
    let bare = word.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(inside, _)| inside);
    let host = bare.or_else(|| word.rsplit_once(':').map(|(host, _)| host))?;
    host.parse().ok().map(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(peer: &str, forwarded_for: &str) -> String {
        let trusted = ["10.0.0.0/8".parse().expect("prefix"), "2001:db8::/32".parse().expect("prefix")];
        real(
            &trusted,
            peer.parse().expect("address"),
            &Chain::listed([b"", b"", b"", forwarded_for.as_bytes()], [b""; 3]),
        )
        .to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(found("192.0.2.1", "203.0.113.5"), "192.0.2.1");
        assert_eq!(found("10.0.0.1", "203.0.113.5"), "203.0.113.5");
        assert_eq!(found("10.0.0.1", "1.2.3.4, 203.0.113.5, 10.0.0.9"), "203.0.113.5");
        assert_eq!(found("2001:db8::1", "[2600::5]:443"), "2600::5");
    }

    #[test]
    fn nonsense_in_the_chain_stops_at_the_last_known_hop() {
        assert_eq!(found("10.0.0.1", "203.0.113.5, unknown"), "10.0.0.1");
        assert_eq!(found("10.0.0.1", ""), "10.0.0.1");
        assert_eq!(found("10.0.0.1", "10.0.0.2"), "10.0.0.2");
    }
}
