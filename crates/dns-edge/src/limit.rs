//! Token buckets by source, at two lengths of prefix, and counts of repeated questions: both in
//! fixed tables.

use seawall_model::hash;
use std::net::IpAddr;

/// Places of a table.
const PLACES: usize = 1 << 14;
/// A network may take so many times what one address may.
const NETWORK: f32 = 10.0;

/// An address and its network, as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefixes {
    /// The address itself, or the /64.
    pub host: u64,
    /// The /24, or the /56.
    pub network: u64,
}

impl Prefixes {
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => {
                let bits = u64::from(u32::from(v4));
                Self { host: 4 << 56 | bits, network: 4 << 60 | bits >> 8 }
            }
            IpAddr::V6(v6) => {
                let bits = (u128::from(v6) >> 64) as u64;
                Self { host: hash::mix(bits), network: hash::mix(bits >> 8 | 6 << 60) }
            }
        }
    }
}

/// Buckets by source. Two that share a place share its tokens: with more sources than places
/// there is less for each, never more in all.
#[derive(Debug)]
pub struct Buckets {
    /// Tokens, and when they were last counted in milliseconds.
    places: Box<[(f32, u32)]>,
    per_s: f32,
    seed: u64,
}

impl Buckets {
    #[must_use]
    pub fn new(per_s: u64, seed: u64) -> Self {
        let per_s = per_s as f32;
        Self { places: vec![(-1.0, 0); PLACES].into(), per_s, seed }
    }

    /// Another rate holds from now on.
    pub fn limit(&mut self, per_s: u64) {
        self.per_s = per_s as f32;
    }

    /// Takes a token of the address and one of its network, if both have one.
    pub fn take(&mut self, source: Prefixes, now_ms: u32) -> bool {
        let host = self.fill(source.host, self.per_s, now_ms);
        let network = self.fill(source.network, self.per_s * NETWORK, now_ms);
        let has = self.places[host].0 >= 1.0 && self.places[network].0 >= 1.0;
        if has {
            self.places[host].0 -= 1.0;
            self.places[network].0 -= 1.0;
        }
        has
    }

    fn fill(&mut self, key: u64, per_s: f32, now_ms: u32) -> usize {
        let at = hash::combine(self.seed, key) as usize % PLACES;
        let (tokens, then) = &mut self.places[at];
        let earned = now_ms.wrapping_sub(*then) as f32 * per_s / 1_000.0;
        // A place that was never used is full.
        *tokens = if *tokens < 0.0 { per_s } else { (*tokens + earned).min(per_s) };
        *then = now_ms;
        at
    }
}

/// How often a network asked the same in this second: the smaller of two counters, so that a pair
/// of questions that share one of them is not taken for a repetition.
#[derive(Debug)]
pub struct Repeats {
    /// The second, and the count.
    rows: [Box<[(u32, u32)]>; 2],
    seed: u64,
}

impl Repeats {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { rows: [(); 2].map(|()| vec![(0, 0); PLACES].into()), seed }
    }

    /// Counts a question; returns how often it was asked.
    pub fn count(&mut self, source: Prefixes, question: u64, now_s: u32) -> u32 {
        let key = hash::combine(hash::combine(self.seed, source.network), question);
        let mut least = u32::MAX;
        for (row, at) in self.rows.iter_mut().zip([key as usize, (key >> 32) as usize]) {
            let (second, count) = &mut row[at % PLACES];
            if *second != now_s {
                (*second, *count) = (now_s, 0);
            }
            *count += 1;
            least = least.min(*count);
        }
        least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_held_to_its_rate_and_its_neighbours_to_ten_times_of_it() {
        let mut buckets = Buckets::new(10, 7);
        let source = |n: u8| Prefixes::of(IpAddr::from([192, 0, 2, n]));
        let taken = |b: &mut Buckets, n, ms| (0..50).filter(|_| b.take(source(n), ms)).count();
        assert_eq!(taken(&mut buckets, 1, 1_000), 10);
        assert_eq!(taken(&mut buckets, 1, 1_500), 5);
        let others: usize = (2..40).map(|n| taken(&mut buckets, n, 1_500)).sum();
        assert!((80..=100).contains(&others), "{others}");
    }

    #[test]
    fn repeated_questions_are_counted_by_network_and_second() {
        let mut repeats = Repeats::new(7);
        let source = |n: u8| Prefixes::of(IpAddr::from([192, 0, 2, n]));
        assert_eq!(repeats.count(source(1), 5, 100), 1);
        assert_eq!(repeats.count(source(2), 5, 100), 2);
        assert_eq!(repeats.count(source(2), 6, 100), 1);
        assert_eq!(repeats.count(source(2), 5, 101), 1);
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_source() {
        let of = |text: &str| Prefixes::of(text.parse().expect("address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::2"));
        assert_eq!(of("2001:db8:0:1::2").network, of("2001:db8::2").network);
        assert_ne!(of("2001:db8:0:1::2").host, of("2001:db8::2").host);
    }
}
