//! Address prefixes and the kinds of address that matter to a verdict.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address prefix; host bits are zero by construction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix {
    address: IpAddr,
    length_bits: u8,
}

impl Prefix {
    /// Masks the host bits of `address`. `None` if `length_bits` exceeds the address family's.
    #[must_use]
    pub fn new(address: IpAddr, length_bits: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(v4) if length_bits <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(length_bits)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from(u32::from(v4) & mask))
            }
            IpAddr::V6(v6) if length_bits <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(length_bits)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from(u128::from(v6) & mask))
            }
            _ => return None,
        };
        Some(Self { address, length_bits })
    }

    /// The single address as a prefix.
    #[must_use]
    pub fn host(address: IpAddr) -> Self {
        let length_bits = if address.is_ipv4() { 32 } else { 128 };
        Self { address, length_bits }
    }

    /// The network a client is counted under: /24 for IPv4, /48 for IPv6.
    #[must_use]
    pub fn network_of(address: IpAddr) -> Self {
        let length_bits = if address.is_ipv4() { 24 } else { 48 };
        Self::new(address, length_bits).unwrap_or(Self::host(address))
    }

    #[must_use]
    pub fn address(self) -> IpAddr {
        self.address
    }

    #[must_use]
    pub fn length_bits(self) -> u8 {
        self.length_bits
    }

    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        Self::new(address, self.length_bits).is_some_and(|p| p.address == self.address)
    }

    /// Whether every address of `other` lies in `self`.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.length_bits <= other.length_bits && self.contains(other.address)
    }

    /// Share of its family's address space, from 1 (everything) down.
    #[must_use]
    pub fn space_share(self) -> f64 {
        crate::math::pow(0.5, f64::from(self.length_bits))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length_bits)
    }
}

impl FromStr for Prefix {
    type Err = String;

    /// Reads `192.0.2.0/24`, `2001:db8::/32`, or a bare address.
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("'{text}' is not an address or prefix such as 192.0.2.0/24");
        let Some((address, length)) = text.split_once('/') else {
            return text.parse().map(Self::host).map_err(|_| bad());
        };
        let address = address.parse().map_err(|_| bad())?;
        let length_bits = length.parse().map_err(|_| bad())?;
        Self::new(address, length_bits).ok_or_else(bad)
    }
}

impl TryFrom<String> for Prefix {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.to_string()
    }
}

/// Whether an address can be a client on the public Internet.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast())
                && a != 0
                && a < 240
                && !(a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => {
            let first = v6.segments()[0];
            first & 0xE000 == 0x2000
        }
    }
}

/// Stands for a client that a log names by host name: an address in the discard prefix 100::/64
/// (RFC 6666) made from the name, so that equal names are equal clients.
#[must_use]
pub fn for_name(name: &[u8]) -> IpAddr {
    let low = crate::hash::bytes(name);
    IpAddr::V6(Ipv6Addr::from((0x0100_u128 << 112) | u128::from(low)))
}

/// Whether the address was made by [`for_name`] and so stands for no real address.
#[must_use]
pub fn is_named(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if u128::from(v6) >> 64 == 0x0100_0000_0000_0000)
}

/// Whether an address is one that no visitor from outside can have: private, loopback or link-local
/// (RFC 1918, 4193, 6890). The space that carriers share (RFC 6598) is outside.
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_mask_contain_and_print() {
        let p: Prefix = "192.0.2.77/24".parse().unwrap();
        assert_eq!(p.to_string(), "192.0.2.0/24");
        assert!(p.contains("192.0.2.255".parse().unwrap()));
        assert!(!p.contains("192.0.3.0".parse().unwrap()));
        assert!(!p.contains("2001:db8::1".parse().unwrap()));
        assert!("0.0.0.0/0".parse::<Prefix>().unwrap().covers(p));
        assert!("192.0.2.0/33".parse::<Prefix>().is_err());
    }

    #[test]
    fn names_stand_apart_from_real_addresses() {
        assert!(is_named(for_name(b"burger.letters.com")));
        assert!(!is_named("2001:db8::1".parse().unwrap()));
        assert!(!is_public(for_name(b"x")));
    }
}
