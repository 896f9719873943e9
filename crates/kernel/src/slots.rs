//! Counters of the program, lent to measures: a measure keeps its counter from one generation to
//! the next, so that its hits go on counting.

use crate::layout::COUNTERS;
use crate::rule::{Kind, Rule};
use std::collections::{BTreeMap, BTreeSet};

/// Loans that are told apart: limits of a measure long gone are not those of a new one.
const EPOCHS: u32 = 1 << 24;

/// A counter, and which loan of it this is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slot {
    pub counter: u16,
    /// Of 24 bits.
    pub epoch: u32,
}

/// What a measure is known by: its id, and what it tests. A plan may use an id again for something
/// else; the list of sources that a measure blocks may grow.
pub(crate) type Name = (String, String);

pub(crate) fn name(rule: &Rule) -> Name {
    let tests = match &rule.kind {
        Kind::Block(_) => String::new(),
        Kind::Cookies(_) => "cookies".to_owned(),
        Kind::Names(_) => "names".to_owned(),
        Kind::Match(conjunction, act) => format!("{conjunction:?} {act:?}"),
    };
    (rule.measure.clone(), tests)
}

/// Which measure has which counter.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    lent: BTreeMap<Name, Slot>,
    loans: u32,
}

impl Slots {
    /// Gives every name a counter, and returns those that begin anew. Counters of names that are
    /// not among these are free again.
    ///
    /// `None`: more names than counters.
    pub(crate) fn assign(&mut self, names: impl Iterator<Item = Name>) -> Option<Vec<(u16, Name)>> {
        let wanted: BTreeSet<Name> = names.collect();
        if wanted.len() > COUNTERS as usize {
            return None;
        }
        self.lent.retain(|name, _| wanted.contains(name));
        let taken: BTreeSet<u16> = self.lent.values().map(|slot| slot.counter).collect();
        let mut free = (0..COUNTERS as u16).filter(|n| !taken.contains(n));
        let mut begun = Vec::new();
        for name in wanted {
            if !self.lent.contains_key(&name) {
                let counter = free.next()?;
                self.loans = (self.loans + 1) % EPOCHS;
                self.lent.insert(name.clone(), Slot { counter, epoch: self.loans });
                begun.push((counter, name));
            }
        }
        Some(begun)
    }

    /// The counter of a rule that was assigned one.
    pub(crate) fn of(&self, rule: &Rule) -> Slot {
        self.lent.get(&name(rule)).copied().unwrap_or_default()
    }

    /// Ids of measures with their counters.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, u16)> {
        self.lent.iter().map(|(name, slot)| (name.0.as_str(), slot.counter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Name {
        (name.to_owned(), String::new())
    }

    #[test]
    fn a_measure_keeps_its_counter_and_freed_ones_begin_anew() {
        let mut slots = Slots::default();
        assert_eq!(slots.assign([named("a"), named("b")].into_iter()).unwrap().len(), 2);
        let before: Vec<(String, u16)> = slots.iter().map(|(n, c)| (n.to_owned(), c)).collect();
        let begun = slots.assign([named("b"), named("c")].into_iter()).unwrap();
        assert_eq!(begun.len(), 1);
        assert_eq!(begun[0].0, before[0].1, "the counter of a is free for c");
        assert!(slots.iter().any(|(name, counter)| name == "b" && counter == before[1].1));
        assert!(slots.assign((0..257).map(|n| named(&n.to_string()))).is_none());
    }
    /// Of 16 bits, an epoch came again while the limit of an earlier measure still ran.
    #[test]
    fn loans_of_a_counter_are_told_apart_beyond_65536() {
        let mut slots = Slots::default();
        slots.assign([named("first")].into_iter()).unwrap();
        let first = slots.lent[&named("first")];
        for n in 0..1 << 16 {
            let name = named(&n.to_string());
            slots.assign([name.clone()].into_iter()).unwrap();
            let slot = slots.lent[&name];
            assert_eq!(slot.counter, first.counter);
            assert_ne!(slot.epoch, first.epoch, "{n}");
        }
    }
}
