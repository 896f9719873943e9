//! Random numbers that nobody can predict, from the system, many at a time.

use rustix::rand::{GetRandomFlags, getrandom};

const BYTES: usize = 4_096;

#[derive(Debug)]
pub struct Random {
    bytes: Box<[u8; BYTES]>,
    at: usize,
}

impl Default for Random {
    fn default() -> Self {
        Self { bytes: Box::new([0; BYTES]), at: BYTES }
    }
}

impl Random {
    #[inline]
    pub fn u16(&mut self) -> u16 {
        if self.at + 2 > BYTES {
            self.refill();
        }
        self.at += 2;
        u16::from_le_bytes([self.bytes[self.at - 2], self.bytes[self.at - 1]])
    }

    fn refill(&mut self) {
        let mut filled = 0;
        while filled < BYTES {
            // Fails only where a signal interrupts it.
            filled += getrandom(&mut self.bytes[filled..], GetRandomFlags::empty()).unwrap_or(0);
        }
        self.at = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_differ() {
        let mut random = Random::default();
        let mut seen: Vec<u16> = (0..5_000).map(|_| random.u16()).collect();
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() > 4_500);
    }
}
