//! What single sources do: full profiles of a uniform sample of sources, those with the smallest
//! hashes. A source is either counted from its first observation or not at all, so requests per
//! client, paths per client and the like are unbiased, and merging adds profiles exactly.

use serde::{Deserialize, Serialize};

/// Sources that are kept.
pub const CAPACITY: usize = 512;

/// What is counted for one source; merging must be associative and commutative.
pub trait Profile: Clone + Default {
    fn merge(&mut self, other: &Self);
}

/// Profiles of the sources with the smallest hashes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Stored<P>", bound(deserialize = "P: Profile + Deserialize<'de>"))]
pub struct Profiles<P> {
    entries: Vec<(u64, P)>,
    /// Open addressing into `entries`, position plus one; 0 = free.
    #[serde(skip)]
    index: Vec<u32>,
    /// Hashes from here on are not wanted any more; 0: all are.
    limit: u64,
}

/// Profiles as they are stored: the index is made again.
#[derive(Deserialize)]
struct Stored<P> {
    entries: Vec<(u64, P)>,
    limit: u64,
}

impl<P: Profile> TryFrom<Stored<P>> for Profiles<P> {
    type Error = &'static str;

    fn try_from(stored: Stored<P>) -> Result<Self, Self::Error> {
        let Stored { entries, limit } = stored;
        if entries.len() > 2 * CAPACITY || entries.iter().any(|(hash, _)| limit != 0 && *hash >= limit) {
            return Err("more sources than a sample of them keeps");
        }
        let mut profiles = Self { entries, index: Vec::new(), limit };
        if !profiles.entries.is_empty() {
            profiles.reindex();
        }
        Ok(profiles)
    }
}

impl<P: Profile> Profiles<P> {
    /// The profile of a source, or `None` where the source is not in the sample.
    #[inline]
    pub fn entry(&mut self, source_hash: u64) -> Option<&mut P> {
        if self.limit != 0 && source_hash >= self.limit {
            return None;
        }
        let at = match self.find(source_hash) {
            Some(at) => at,
            None => self.add(source_hash),
        };
        self.entries.get_mut(at).map(|(_, profile)| profile)
    }

    /// Source hashes and their profiles, by rising hash, at most [`CAPACITY`].
    #[must_use]
    pub fn sorted(&self) -> Vec<&(u64, P)> {
        let mut all: Vec<&(u64, P)> = self.entries.iter().collect();
        all.sort_unstable_by_key(|(hash, _)| *hash);
        all.truncate(CAPACITY);
        all
    }

    /// Changes every profile in sight.
    pub fn for_each(&mut self, mut change: impl FnMut(&mut P)) {
        self.entries.iter_mut().for_each(|(_, profile)| change(profile));
    }

    /// Hashes up to this are in sight with full counts.
    #[must_use]
    pub fn horizon(&self) -> u64 {
        // Not the limit itself: where that lies depends on the order in which the sources came.
        let truncated = self.limit != 0 || self.entries.len() > CAPACITY;
        if truncated { self.sorted().last().map_or(self.limit, |(hash, _)| *hash) } else { u64::MAX }
    }

    /// The sources that `other` would have in sight with full counts too, had it seen them, by rising hash.
    #[must_use]
    pub fn beside<Q: Profile>(&self, other: &Profiles<Q>) -> Vec<&(u64, P)> {
        let mut all = self.sorted();
        let horizon = other.horizon();
        all.truncate(all.partition_point(|(hash, _)| *hash <= horizon));
        all
    }

    /// The profile of a source, where it is in sight.
    #[must_use]
    pub fn get(&self, source_hash: u64) -> Option<&P> {
        self.find(source_hash).and_then(|at| self.entries.get(at)).map(|(_, profile)| profile)
    }

    #[must_use]
    pub fn has_seen(&self, source_hash: u64) -> bool {
        self.find(source_hash).is_some()
    }

    /// Share of these sources that `history` has not seen, judged on the sources that both have
    /// in sight; `None` where there are none.
    #[must_use]
    pub fn new_share<Q: Profile>(&self, history: &Profiles<Q>) -> Option<f64> {
        let all = self.beside(history);
        let unseen = all.iter().filter(|(hash, _)| !history.has_seen(*hash)).count();
        (!all.is_empty()).then(|| unseen as f64 / all.len() as f64)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn merge(&mut self, other: &Self) {
        for (hash, profile) in &other.entries {
            if let Some(mine) = self.entry(*hash) {
                mine.merge(profile);
            }
        }
        if other.limit != 0 && (self.limit == 0 || other.limit < self.limit) {
            self.limit = other.limit;
            let limit = self.limit;
            self.entries.retain(|(hash, _)| *hash < limit);
            self.reindex();
        }
    }

    fn find(&self, hash: u64) -> Option<usize> {
        let mask = self.index.len().checked_sub(1)?;
        let mut at = slot_of(hash) & mask;
        loop {
            match self.index[at] {
                0 => return None,
                n if self.entries[n as usize - 1].0 == hash => return Some(n as usize - 1),
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// Adds a source and returns its position; drops the largest hashes when full.
    fn add(&mut self, hash: u64) -> usize {
        if self.entries.len() >= 2 * CAPACITY {
            self.entries.select_nth_unstable_by_key(CAPACITY, |(h, _)| *h);
            self.limit = self.entries[CAPACITY].0;
            self.entries.truncate(CAPACITY);
            self.reindex();
            if hash >= self.limit {
                return usize::MAX;
            }
        }
        self.entries.push((hash, P::default()));
        if self.entries.len() * 2 > self.index.len() {
            self.reindex();
        } else {
            self.place(self.entries.len() - 1);
        }
        self.entries.len() - 1
    }

    fn reindex(&mut self) {
        let size = (self.entries.len() * 4).next_power_of_two().max(16);
        self.index.clear();
        self.index.resize(size, 0);
        for position in 0..self.entries.len() {
            self.place(position);
        }
    }

    fn place(&mut self, position: usize) {
        let mask = self.index.len() - 1;
        let mut at = slot_of(self.entries[position].0) & mask;
        while self.index[at] != 0 {
            at = (at + 1) & mask;
        }
        self.index[at] = position as u32 + 1;
    }
}

/// The sample keeps small hashes, so slots come from the low bits.
fn slot_of(hash: u64) -> usize {
    (hash ^ (hash >> 17)) as usize
}

/// Profiles are equal if the sources in sight and their counts are.
impl<P: Profile + PartialEq> PartialEq for Profiles<P> {
    fn eq(&self, other: &Self) -> bool {
        self.sorted() == other.sorted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::hash;

    #[derive(Clone, Debug, Default, PartialEq)]
    struct Count(u64);

    impl Profile for Count {
        fn merge(&mut self, other: &Self) {
            self.0 += other.0;
        }
    }

    fn counted(range: std::ops::Range<u64>, sources: u64) -> Profiles<Count> {
        let mut profiles: Profiles<Count> = Profiles::default();
        for n in range {
            if let Some(p) = profiles.entry(hash::mix(n % sources)) {
                p.0 += 1;
            }
        }
        profiles
    }

    #[test]
    fn sampled_sources_are_counted_in_full() {
        let profiles = counted(0..500_000, 10_000);
        let all = profiles.sorted();
        assert_eq!(all.len(), CAPACITY);
        assert!(all.iter().all(|(_, c)| c.0 == 50));
    }

    #[test]
    fn the_horizon_does_not_depend_on_the_order_of_sources() {
        let count = |sources: &mut dyn Iterator<Item = u64>| {
            let mut profiles: Profiles<Count> = Profiles::default();
            for n in sources {
                if let Some(p) = profiles.entry(hash::mix(n)) {
                    p.0 += 1;
                }
            }
            profiles
        };
        for sources in [CAPACITY as u64, 600, 1_024, 1_025, 5_000] {
            let forth = count(&mut (0..sources));
            let mut parts = count(&mut (0..sources / 3));
            parts.merge(&count(&mut (sources / 3..sources).rev()));
            let few = sources <= CAPACITY as u64;
            assert_eq!(forth.horizon() == u64::MAX, few, "{sources}");
            assert_eq!(forth.horizon(), count(&mut (0..sources).rev()).horizon(), "{sources}");
            assert_eq!(forth.horizon(), parts.horizon(), "{sources}");
        }
    }

    #[test]
    fn merging_equals_counting_together() {
        let whole = counted(0..60_000, 3_000);
        let mut parts = counted(50_000..60_000, 3_000);
        parts.merge(&counted(0..700, 3_000));
        parts.merge(&counted(700..50_000, 3_000));
        assert_eq!(whole, parts);
    }
}
