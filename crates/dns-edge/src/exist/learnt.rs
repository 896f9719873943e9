//! Names that answered before, for zones of which nothing else is known. Bounded, shared by all
//! threads, without a lock.
//!
//! A table of sets with eight places: 40 bits of the name's hash, when it last answered, and how
//! often. A set that is full gives up the name that answered least often and longest ago: names
//! made up under a wildcard answer once, and drive out each other. Two names with the same 40 bits
//! in the same set are taken for one; an attacker cannot look for such pairs without the seed.
//!
//! Two threads that write the same place at once lose one of the two names; it is learnt again at
//! its next answer.

use std::sync::atomic::{AtomicU64, Ordering};

const WAYS: usize = 8;
/// Below: 16 bits of time, 8 of count.
const TAG_SHIFT: u32 = 24;

/// Names that exist, as far as answers tell.
#[derive(Debug)]
pub struct Learnt {
    sets: Box<[[AtomicU64; WAYS]]>,
}

impl Learnt {
    /// Room for about `names`, 8 bytes each.
    #[must_use]
    pub fn new(names: usize) -> Self {
        let sets = (names / WAYS).next_power_of_two().max(1);
        Self { sets: (0..sets).map(|_| Default::default()).collect() }
    }

    /// Whether a name of this hash has answered.
    #[inline]
    #[must_use]
    pub fn knows(&self, hash: u64) -> bool {
        let (set, tag) = self.place(hash);
        set.iter().any(|place| place.load(Ordering::Relaxed) >> TAG_SHIFT == tag)
    }

    /// A name has answered; `minute` counts from any beginning.
    pub fn learn(&self, hash: u64, minute: u32) {
        let (set, tag) = self.place(hash);
        let minute = u64::from(minute & 0xFFFF);
        let mut victim = (&set[0], u64::MAX);
        for place in set {
            let held = place.load(Ordering::Relaxed);
            let (count, last) = (held & 0xFF, held >> 8 & 0xFFFF);
            if held >> TAG_SHIFT == tag {
                // One answer a minute counts, so that a program in a loop earns nothing.
                if last != minute {
                    let count = (count + 1).min(0xFF);
                    place.store(tag << TAG_SHIFT | minute << 8 | count, Ordering::Relaxed);
                }
                return;
            }
            let age = minute.wrapping_sub(last) & 0xFFFF;
            let worth = if held == 0 { 0 } else { 1 + (count << 16) + (0xFFFF - age) };
            if worth < victim.1 {
                victim = (place, worth);
            }
        }
        victim.0.store(tag << TAG_SHIFT | minute << 8 | 1, Ordering::Relaxed);
    }

    /// A name is gone, by the word of a back end.
    pub fn forget(&self, hash: u64) {
        let (set, tag) = self.place(hash);
        for place in set.iter().filter(|p| p.load(Ordering::Relaxed) >> TAG_SHIFT == tag) {
            place.store(0, Ordering::Relaxed);
        }
    }

    /// Every name that has answered, by as many of its hash's bits as are kept: the upper 40 and the
    /// lower ones, how many of which the second says. `None`: there are more than `most`.
    #[must_use]
    pub fn names(&self, most: usize) -> Option<(Vec<u64>, u32)> {
        let bits = self.sets.len().ilog2().min(TAG_SHIFT);
        let mut names = Vec::new();
        for (number, set) in (0_u64..).zip(&self.sets) {
            let tags = set.iter().map(|place| place.load(Ordering::Relaxed) >> TAG_SHIFT);
            names
                .extend(tags.filter(|tag| *tag > 0).map(|tag| tag << TAG_SHIFT | number & ((1 << bits) - 1)));
        }
        (names.len() <= most).then_some((names, bits))
    }

    #[inline]
    fn place(&self, hash: u64) -> (&[AtomicU64; WAYS], u64) {
        let tag = (hash >> TAG_SHIFT).max(1);
        (&self.sets[hash as usize & (self.sets.len() - 1)], tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::hash::mix;

    #[test]
    fn a_name_that_answered_is_known_until_it_is_gone() {
        let learnt = Learnt::new(1_000);
        assert!(!learnt.knows(mix(1)));
        learnt.learn(mix(1), 5);
        assert!(learnt.knows(mix(1)) && !learnt.knows(mix(2)));
        learnt.forget(mix(1));
        assert!(!learnt.knows(mix(1)));
    }

    #[test]
    fn names_are_told_by_what_is_kept_of_their_hashes() {
        let learnt = Learnt::new(1 << 12);
        (0..100).for_each(|n| learnt.learn(mix(n), 5));
        let (names, bits) = learnt.names(100).expect("few enough");
        let kept = |hash: u64| hash & !((1 << TAG_SHIFT) - (1 << bits));
        assert_eq!(bits, 9);
        assert!((0..100).all(|n| names.contains(&kept(mix(n)))), "each");
        assert_eq!((names.len(), learnt.names(99)), (100, None));
    }

    #[test]
    fn names_made_up_under_a_wildcard_do_not_drive_out_what_is_asked_daily() {
        let learnt = Learnt::new(4_096);
        let real = || (0..500_u64).map(mix);
        for minute in 0..3 {
            real().for_each(|hash| learnt.learn(hash, minute));
        }
        for made_up in 0..200_000_u64 {
            learnt.learn(mix(1_000_000 + made_up), 4);
        }
        let known = real().filter(|hash| learnt.knows(*hash)).count();
        assert!(known >= 495, "{known} of 500");
    }

    #[test]
    fn as_many_names_as_there_is_room_for_are_mostly_kept() {
        let learnt = Learnt::new(1 << 16);
        let names = || (0..40_000_u64).map(|n| mix(n ^ 0xABCD));
        names().for_each(|hash| learnt.learn(hash, 1));
        let known = names().filter(|hash| learnt.knows(*hash)).count();
        assert!(known > 38_000, "{known} of 40000");
    }
}
