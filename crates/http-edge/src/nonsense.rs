//! Who sends what is no request, or none that is taken. It is refused before it can be a request for
//! anything: no load of the site and no page of it, but somebody to tell of.

use std::net::IpAddr;
use std::sync::{Mutex, TryLockError};

/// Senders that are told apart; of more, those who send most stay.
const MOST_SENDERS: usize = 32;

/// How many such requests there were, and of whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nonsense {
    pub requests: u64,
    /// With how many each has sent at most: Space-Saving (A. Metwally, D. Agrawal, A. El Abbadi,
    /// "Efficient Computation of Frequent and Top-k Elements in Data Streams", 2005).
    senders: Vec<(IpAddr, u64)>,
}

impl Nonsense {
    pub fn add(&mut self, sender: IpAddr) {
        self.add_many(sender, 1);
        self.requests += 1;
    }

    pub fn merge(&mut self, other: &Self) {
        other.senders.iter().for_each(|(sender, count)| self.add_many(*sender, *count));
        self.requests += other.requests;
    }

    /// The senders of most of it, the loudest first.
    #[must_use]
    pub fn loudest(&self, most: usize) -> Vec<(IpAddr, u64)> {
        let mut all = self.senders.clone();
        all.sort_by_key(|(sender, count)| (std::cmp::Reverse(*count), *sender));
        all.truncate(most);
        all
    }

    fn add_many(&mut self, sender: IpAddr, many: u64) {
        if let Some((_, count)) = self.senders.iter_mut().find(|(known, _)| *known == sender) {
            *count += many;
        } else if self.senders.len() < MOST_SENDERS {
            self.senders.push((sender, many));
        } else if let Some(quietest) = self.senders.iter_mut().min_by_key(|(_, count)| *count) {
            *quietest = (sender, quietest.1 + many);
        }
    }
}

/// What all threads have refused since it was last fetched.
#[derive(Debug, Default)]
pub struct Refused(Mutex<Nonsense>);

impl Refused {
    /// Nobody waits for it: what cannot be noted at once is in the counters all the same.
    pub fn add(&self, sender: IpAddr) {
        if let Ok(mut nonsense) = self.0.try_lock() {
            nonsense.add(sender);
        }
    }

    pub fn take(&self) -> Nonsense {
        match self.0.try_lock() {
            Ok(mut nonsense) => std::mem::take(&mut nonsense),
            Err(TryLockError::Poisoned(held)) => std::mem::take(&mut held.into_inner()),
            // A thread is noting something: next time.
            Err(TryLockError::WouldBlock) => Nonsense::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loudest_are_found_among_many() {
        let mut nonsense = Nonsense::default();
        let loud = IpAddr::from([192, 0, 2, 7]);
        for n in 0..3_000_u16 {
            nonsense.add(IpAddr::from([198, 18, (n >> 8) as u8, n as u8]));
            if n % 10 == 0 {
                nonsense.add(loud);
            }
        }
        assert_eq!((nonsense.requests, nonsense.senders.len()), (3_300, MOST_SENDERS));
        assert_eq!(nonsense.loudest(1)[0].0, loud);
    }
}
