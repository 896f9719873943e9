//! Answers that many ask for, for whoever can give them sooner: the kernel filter answers them
//! before a question gets here. It is told of questions that are asked often, and asks for their
//! answers, again and again, as long as they are.

use crate::cache::{Asked, SharedCache};
use crate::message::{Key, kind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Questions that wait to be looked at; more are told of in the next second.
const MOST_WAITING: usize = 32_768;

/// A question that is asked often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HotQuestion {
    /// In wire form and lower case.
    pub name: Box<[u8]>,
    pub asked: Asked,
    /// The cache's.
    pub(crate) hash: u64,
}

/// Its answer at this moment, without header, question and OPT record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HotAnswer {
    /// Bytes 2 and 3 of the header, without the bits of the question.
    pub flags: u16,
    /// Records in the answer, authority and additional sections.
    pub counts: [u16; 3],
    pub records: Vec<u8>,
    /// How long the cache keeps it fresh, in microseconds.
    pub good_for_us: u64,
}

/// Where threads tell of questions.
#[derive(Debug, Default)]
pub struct Hot {
    is_wanted: AtomicBool,
    waiting: Mutex<Vec<HotQuestion>>,
}

impl Hot {
    /// Whether somebody wants to be told.
    pub fn want(&self, is_wanted: bool) {
        self.is_wanted.store(is_wanted, Ordering::Relaxed);
    }

    #[inline]
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::Relaxed)
    }

    /// A question was asked often.
    pub fn tell(&self, name: &Key, asked: Asked, hash: u64) {
        if asked.qtype == kind::ANY {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MOST_WAITING {
            waiting.push(HotQuestion { name: name.as_bytes().into(), asked, hash });
        }
    }

    /// So many of the questions that were told of, the oldest first.
    #[must_use]
    pub fn take(&self, most: usize) -> Vec<HotQuestion> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let most = most.min(waiting.len());
        waiting.drain(..most).collect()
    }
}

/// What the cache answers at `now_us`, microseconds since the edge started; `None` if that is nothing, or stale, or a failure. Counts as a use.
#[must_use]
pub fn answer(cache: &SharedCache, question: &HotQuestion, now_us: u64) -> Option<HotAnswer> {
    let now_s = (now_us / 1_000_000) as u32 + 1;
    let name = Key::of(&question.name);
    let mut part = cache.of(question.hash);
    part.find(question.hash, &name, question.asked, now_s)?.hot(name.as_bytes().len(), now_us)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::name;

    /// Broke: of the questions that many asked for, those beyond the first thousand of a tick were forgotten, so
    /// that the front went on answering them.
    #[test]
    fn questions_that_are_not_taken_yet_wait() {
        let hot = Hot::default();
        let key = Key::of(&name::parse("www.example.org").expect("a name"));
        (0..1_500).for_each(|hash| hot.tell(&key, Asked { qtype: 1, qclass: 1, bits: 0 }, hash));
        let taken =
            [1_000, 1_000, 1_000].map(|most| hot.take(most).iter().map(|q| q.hash).collect::<Vec<_>>());
        assert_eq!(taken.concat(), (0..1_500).collect::<Vec<_>>());
        assert_eq!(taken.map(|part| part.len()), [1_000, 500, 0]);
    }
}
