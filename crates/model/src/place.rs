//! Where addresses are: looked up once, by whoever has a database, and kept as plain data, so that a
//! recording needs no database to be run again.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Most addresses that are kept; others have no place.
const MAX_PLACES: usize = 65_536;

/// What is known of one address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// ISO 3166-1 alpha-2, upper case.
    pub country: Option<String>,
    /// Autonomous system number.
    pub network_number: Option<u32>,
}

/// The places of some addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    by_address: Vec<(IpAddr, Place)>,
}

impl Places {
    /// The places that are known of the given ones, in any order.
    #[must_use]
    pub fn of(mut found: Vec<(IpAddr, Place)>) -> Self {
        found.retain(|(_, place)| *place != Place::default());
        found.sort_by_key(|(address, _)| *address);
        found.dedup_by_key(|(address, _)| *address);
        found.truncate(MAX_PLACES);
        Self { by_address: found }
    }

    #[must_use]
    pub fn get(&self, address: IpAddr) -> Option<&Place> {
        let at = self.by_address.binary_search_by(|(a, _)| a.cmp(&address)).ok()?;
        self.by_address.get(at).map(|(_, place)| place)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_address.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_whatever_their_order() {
        let place = |n| Place { country: None, network_number: Some(n) };
        let of = |text: &str, n| (text.parse::<IpAddr>().unwrap(), place(n));
        let places = Places::of(vec![
            of("2001:db8::1", 3),
            of("198.51.100.7", 1),
            ("192.0.2.1".parse().unwrap(), Place::default()),
        ]);
        assert_eq!(places.get("198.51.100.7".parse().unwrap()), Some(&place(1)));
        assert_eq!(places.get("2001:db8::1".parse().unwrap()), Some(&place(3)));
        assert_eq!(places.get("192.0.2.1".parse().unwrap()), None, "nothing is known of it");
    }
}
