//! What goes out against what came in, per thread, in slots of a tenth of a second.
//!
//! A name server's answers are larger than the questions, and over UDP the questions may be
//! forged: whoever asks in another's name has us send the answers there. In ordinary times nothing
//! is held back. A slot is loud when more than twice the usual comes in or goes out; then answers
//! of which a client can do without are made short, and who repeats a question is not answered in
//! full. Where loudness comes with more bytes out for each byte in than is usual, the slot is
//! strict: no more goes out than came in.
//!
//! The usual is learnt with a memory of a minute from slots that are not loud, and of ten minutes
//! from loud slots that are not strict, so that a service that grew is not loud for ever. Evaded
//! by staying below twice the usual. Innocent look-alike: a crowd. It is loud without being
//! strict, and keeps its full answers.

/// Length of a slot.
pub const SLOT_US: u64 = 100_000;
/// More than so many times the usual is loud.
const LOUD: f64 = 2.0;
/// So many times the usual bytes out for each byte in are strict.
const STRICT: f64 = 1.5;
/// Parts by which a slot moves the usual: a minute, and ten.
const CALM_MEMORY: f64 = 1.0 / 600.0;
const LOUD_MEMORY: f64 = 1.0 / 6_000.0;
/// Short answers in a slot that nothing has to pay for.
const GRACE: u32 = 50;
/// Bytes out for each byte in that are always usual: an answer with some records.
const USUAL_RATIO: f64 = 4.0;

/// How a slot is, so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mood {
    Calm,
    Loud,
    Strict,
}

/// Bytes over UDP, in and out, except to clients that are proven.
#[derive(Debug)]
pub struct Ledger {
    slot: u64,
    incoming: u64,
    outgoing: u64,
    /// In force since it arose in this slot or the last.
    mood: Mood,
    /// Whether the present slot is as bad as `mood`.
    renewed: bool,
    floor: f64,
    usual_in: f64,
    usual_out: f64,
    /// Bytes that may go out while it is strict.
    credit: i64,
    /// Short answers of this slot that nothing has to pay for.
    grace: u32,
}

impl Ledger {
    /// `loud_bytes_per_s`: what is never loud.
    #[must_use]
    pub fn new(loud_bytes_per_s: u64) -> Self {
        Self {
            slot: 0,
            incoming: 0,
            outgoing: 0,
            mood: Mood::Calm,
            renewed: false,
            floor: loud_bytes_per_s as f64 / 10.0,
            usual_in: 0.0,
            usual_out: 0.0,
            credit: 0,
            grace: GRACE,
        }
    }

    /// What is never loud, from now on.
    pub fn limit(&mut self, loud_bytes_per_s: u64) {
        self.floor = loud_bytes_per_s as f64 / 10.0;
    }

    /// Bytes came in.
    #[inline]
    pub fn take(&mut self, now_us: u64, bytes: usize) {
        let slot = now_us / SLOT_US;
        if slot != self.slot {
            self.turn(slot);
        }
        self.incoming += bytes as u64;
        self.credit += bytes as i64;
        if self.incoming as f64 > self.loud_in() {
            self.judge();
        }
    }

    /// Whether an answer of so many bytes may go out.
    #[inline]
    #[must_use]
    pub fn may_send(&self, bytes: usize) -> bool {
        self.mood < Mood::Strict || self.has_credit(bytes)
    }

    /// Whether bytes that came in during this slot pay for so many.
    #[inline]
    #[must_use]
    pub fn has_credit(&self, bytes: usize) -> bool {
        bytes as i64 <= self.credit
    }

    /// Whether one of the few short answers is left that are given while full answers to others
    /// have used up what came in; none while it is strict.
    #[must_use]
    pub fn take_grace(&mut self) -> bool {
        let has = self.grace > 0 && self.mood < Mood::Strict;
        self.grace -= u32::from(has);
        has
    }

    /// Bytes went out.
    #[inline]
    pub fn give(&mut self, bytes: usize) {
        self.outgoing += bytes as u64;
        self.credit -= bytes as i64;
        if self.outgoing as f64 > self.loud_out() {
            self.judge();
        }
    }

    #[inline]
    #[must_use]
    pub fn mood(&self) -> Mood {
        self.mood
    }

    fn loud_in(&self) -> f64 {
        (LOUD * self.usual_in).max(self.floor)
    }

    fn loud_out(&self) -> f64 {
        (LOUD * self.usual_out).max(USUAL_RATIO * self.floor)
    }

    fn judge(&mut self) {
        let usual = (self.usual_out / self.usual_in.max(1.0)).max(USUAL_RATIO);
        let is_strict = self.outgoing as f64 > STRICT * usual * self.incoming as f64;
        let mood = if is_strict { Mood::Strict } else { Mood::Loud };
        self.renewed |= mood >= self.mood;
        self.mood = self.mood.max(mood);
    }

    fn turn(&mut self, slot: u64) {
        let memory = match self.mood {
            Mood::Calm => CALM_MEMORY,
            Mood::Loud => LOUD_MEMORY,
            Mood::Strict => 0.0,
        };
        // Slots without any traffic teach as well, up to all that can be forgotten.
        let silent = slot.saturating_sub(self.slot + 1).min(600);
        for (usual, seen) in [(&mut self.usual_in, self.incoming), (&mut self.usual_out, self.outgoing)] {
            *usual += (seen as f64 - *usual) * memory;
            *usual *= 1.0 - CALM_MEMORY * silent as f64;
        }
        // What is owed from a strict slot is paid in the next; otherwise each begins anew.
        self.credit = if self.mood == Mood::Strict { self.credit.clamp(-(1 << 20), 0) } else { 0 };
        if !self.renewed || silent > 0 {
            self.mood = Mood::Calm;
        }
        self.renewed = false;
        self.grace = GRACE;
        self.incoming = 0;
        self.outgoing = 0;
        self.slot = slot;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second of queries of 60 bytes with answers of `answer` bytes; returns bytes in and out.
    fn second(ledger: &mut Ledger, at_s: u64, queries: u64, answer: usize) -> (u64, u64) {
        let mut out = 0;
        for i in 0..queries {
            ledger.take(at_s * 1_000_000 + i * 1_000_000 / queries, 60);
            if ledger.may_send(answer) {
                ledger.give(answer);
                out += answer as u64;
            }
        }
        (queries * 60, out)
    }

    #[test]
    fn ordinary_answers_are_never_held_back() {
        let mut ledger = Ledger::new(100_000);
        for at_s in 0..120 {
            let (_, out) = second(&mut ledger, at_s, 1_000, 200);
            assert_eq!(out, 1_000 * 200);
        }
        assert_eq!(ledger.mood(), Mood::Calm);
    }

    #[test]
    fn reflection_sends_no_more_than_came_in_from_the_first_second() {
        let mut ledger = Ledger::new(100_000);
        for at_s in 0..60 {
            second(&mut ledger, at_s, 1_000, 200);
        }
        for at_s in 60..65 {
            let (taken, out) = second(&mut ledger, at_s, 20_000, 1_200);
            assert!(out <= taken, "{out} out, {taken} in, second {at_s}");
        }
        second(&mut ledger, 65, 1_000, 200);
        let (_, out) = second(&mut ledger, 66, 1_000, 200);
        assert_eq!(out, 1_000 * 200, "calm again");
    }

    #[test]
    fn a_crowd_keeps_its_full_answers() {
        let mut ledger = Ledger::new(100_000);
        for at_s in 0..60 {
            second(&mut ledger, at_s, 1_000, 200);
        }
        let (_, out) = second(&mut ledger, 60, 50_000, 200);
        assert_eq!((out, ledger.mood()), (50_000 * 200, Mood::Loud));
    }
}
