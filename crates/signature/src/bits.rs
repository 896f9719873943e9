//! Fixed-length sets of record indices, so that a conjunction is an AND and a count.

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bits {
    words: Vec<u64>,
}

impl Bits {
    pub(crate) fn none(length: usize) -> Self {
        Self { words: vec![0; length.div_ceil(64)] }
    }

    pub(crate) fn all(length: usize) -> Self {
        let mut bits = Self { words: vec![u64::MAX; length.div_ceil(64)] };
        if let (Some(last), tail @ 1..) = (bits.words.last_mut(), length % 64) {
            *last = (1 << tail) - 1;
        }
        bits
    }

    pub(crate) fn set(&mut self, index: usize) {
        self.words[index / 64] |= 1 << (index % 64);
    }

    pub(crate) fn has(&self, index: usize) -> bool {
        self.words[index / 64] >> (index % 64) & 1 == 1
    }

    pub(crate) fn count(&self) -> u32 {
        self.words.iter().map(|w| w.count_ones()).sum()
    }

    pub(crate) fn count_with(&self, other: &Self) -> u32 {
        self.words.iter().zip(&other.words).map(|(a, b)| (a & b).count_ones()).sum()
    }

    pub(crate) fn keep(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(a, b)| *a &= b);
    }

    pub(crate) fn remove(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(a, b)| *a &= !b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_count_their_members() {
        for length in [0, 1, 63, 64, 65, 130] {
            assert_eq!(Bits::all(length).count() as usize, length);
        }
        let mut a = Bits::none(130);
        a.set(0);
        a.set(129);
        let mut rest = Bits::all(130);
        rest.remove(&a);
        assert_eq!(rest.count(), 128);
        assert!(a.has(129) && !rest.has(129));
        assert_eq!(a.count_with(&Bits::all(130)), 2);
        a.keep(&rest);
        assert_eq!(a.count(), 0);
    }
}
