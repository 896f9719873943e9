//! Where clients come from: a mix of access networks of uneven size.

use crate::rng::{Rng, Weighted};
use seawall_model::address::is_public;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A weighted set of networks to draw client addresses from.
#[derive(Clone, Debug)]
pub struct Networks {
    /// First address and number of host bits.
    v4: Vec<(u32, u8)>,
    v6: Vec<u128>,
    weights: Weighted,
    v6_share: f64,
}

impl Networks {
    /// Access networks as a site sees them: a few large ones carry most people.
    #[must_use]
    pub fn access(rng: &mut Rng, count: usize, v6_share: f64) -> Self {
        let v4 = (0..count)
            .map(|_| {
                // some carriers put thousands of people behind a handful of addresses
                let host_bits = if rng.chance(0.12) { rng.between(2, 6) } else { rng.between(9, 14) } as u8;
                (u32::from(public_v4(rng)) & !((1u32 << host_bits) - 1), host_bits)
            })
            .collect();
        let v6 = (0..count).map(|_| u128::from(public_v6(rng)) & !((1u128 << 88) - 1)).collect();
        let exponent = rng.uniform(0.5, 1.2);
        Self { v4, v6, weights: Weighted::zipf(count, exponent), v6_share }
    }

    /// Rented machines: narrow blocks of a few hosting networks.
    #[must_use]
    pub fn hosting(rng: &mut Rng, count: usize) -> Self {
        let v4 = (0..count.max(1))
            .map(|_| {
                let host_bits = rng.between(6, 8) as u8;
                (u32::from(public_v4(rng)) & !((1u32 << host_bits) - 1), host_bits)
            })
            .collect();
        let weights = Weighted::zipf(count.max(1), rng.uniform(0.0, 1.0));
        Self { v4, v6: Vec::new(), weights, v6_share: 0.0 }
    }

    /// A botnet of homes and gadgets: spread over very many networks.
    #[must_use]
    pub fn scattered(rng: &mut Rng, count: usize) -> Self {
        let count = count.clamp(1, 4_000);
        let v4 = (0..count).map(|_| (u32::from(public_v4(rng)) & !0x3FF, 10)).collect();
        Self { v4, v6: Vec::new(), weights: Weighted::zipf(count, 0.3), v6_share: 0.0 }
    }

    #[inline]
    pub fn draw(&self, rng: &mut Rng) -> IpAddr {
        let at = self.weights.draw(rng);
        if !self.v6.is_empty() && rng.chance(self.v6_share) {
            let site = u128::from(rng.below(1 << 24)) << 64;
            return IpAddr::V6(Ipv6Addr::from(self.v6[at] | site | u128::from(rng.next())));
        }
        let (base, host_bits) = self.v4[at];
        IpAddr::V4(Ipv4Addr::from(base | (rng.below((1 << host_bits) - 2) as u32 + 1)))
    }
}

/// Any address that can be a client on the public Internet.
pub fn public_v4(rng: &mut Rng) -> Ipv4Addr {
    loop {
        let address = Ipv4Addr::from(rng.next() as u32);
        if is_public(IpAddr::V4(address)) {
            return address;
        }
    }
}

/// Any address of the space given to providers (2000::/3).
pub fn public_v6(rng: &mut Rng) -> Ipv6Addr {
    let high = (0x2A00_u128 | u128::from(rng.below(0x10))) << 112;
    Ipv6Addr::from(high | (u128::from(rng.next()) << 48) | u128::from(rng.next() >> 16))
}

/// An address of a private network (RFC 1918).
pub fn internal_v4(rng: &mut Rng) -> Ipv4Addr {
    Ipv4Addr::from(0x0A00_0000 | (rng.next() as u32 & 0x00FF_FFFE) | 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_addresses_are_public() {
        let mut rng = Rng::new(3);
        let networks = Networks::access(&mut rng, 40, 0.3);
        for _ in 0..2_000 {
            let address = networks.draw(&mut rng);
            assert!(is_public(address), "{address}");
        }
    }
}
