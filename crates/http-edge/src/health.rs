//! Where a server is, and whether it takes requests, as all threads know it. Three things are counted
//! apart, because none says anything of the others: whether it can be connected to, whether it answers,
//! and whether the page is good that its check asks for.
//!
//! Requests take a server out; only its check brings it back, or an answer that came after all.

use crate::addresses::Addresses;
use crate::link::Trouble;
use crate::unfit;
use seawall_model::observation::BackendEventKind;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Failures of a kind in a row after which a server is left out.
const FAILURES_DOWN: u32 = 3;

/// Checks for which a server is left out that takes connections and answers nothing, where the check
/// asks for no page and so cannot see that it is well again. Then one request tries it.
const CHECKS_OF_REST: u32 = 10;

/// What a check has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    Unreachable,
    /// It takes connections; no page is asked for.
    Reachable,
    /// The page is not as it should be, or late.
    Bad,
    Good,
}

/// Failures in a row.
#[derive(Debug, Default)]
struct Failures(AtomicU32);

impl Failures {
    fn is_down(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= FAILURES_DOWN
    }

    /// Returns whether this was the one too many.
    fn add(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed).wrapping_add(1) == FAILURES_DOWN
    }

    /// Returns whether they had been too many.
    fn clear(&self) -> bool {
        // Mostly it is 0: reading does not fight over the cache line.
        self.0.load(Ordering::Relaxed) != 0 && self.0.swap(0, Ordering::Relaxed) >= FAILURES_DOWN
    }

    /// Clears them unless they are too many already.
    fn forgive(&self) {
        let present = self.0.load(Ordering::Relaxed);
        if present != 0 && present < FAILURES_DOWN {
            // Where another thread was faster, its word is the newer one.
            let _ = self.0.compare_exchange(present, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

/// What is wrong with a server that cannot be connected to, as a clause.
const UNREACHABLE: &str = "it takes no connections";

/// What all threads know of one server.
#[derive(Debug, Default)]
pub struct Health {
    pub addresses: Arc<Addresses>,
    connects: Failures,
    answers: Failures,
    checks: Failures,
    /// Checks since it was left out because it did not answer.
    rest: AtomicU32,
    /// Why it could not be spoken to when that was tried last, as a clause.
    trouble: Mutex<Option<String>>,
    /// Why answers of it were not passed on, each reason once.
    unfit: Mutex<Vec<&'static str>>,
}

impl Health {
    /// Whether nothing speaks against it.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.counts().into_iter().all(|failures| !failures.is_down())
    }

    /// Whether it takes connections: where no server is up, one of these is better than none.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        !self.connects.is_down()
    }

    /// A request has got no connection. Returns what this changed.
    pub fn connect_failed(&self) -> Option<BackendEventKind> {
        self.down(self.connects.add())
    }

    /// A request has got a connection, which says nothing of answers.
    pub fn connected(&self) {
        self.connects.forgive();
    }

    /// A request has got no answer. Returns what this changed.
    pub fn unanswered(&self) -> Option<BackendEventKind> {
        let is_out = self.answers.add();
        if is_out {
            self.rest.store(0, Ordering::Relaxed);
        }
        self.down(is_out)
    }

    /// A request has got an answer, whatever it says. Returns what this changed.
    pub fn answered(&self) -> Option<BackendEventKind> {
        self.up(self.answers.clear())
    }

    /// The server was looked at. Returns what this changed.
    pub fn looked(&self, found: Looked) -> Option<BackendEventKind> {
        match found {
            Looked::Unreachable => self.down(self.connects.add()),
            // It is there again, and stays out until its page is good.
            Looked::Bad if self.connects.clear() => {
                self.checks.0.store(FAILURES_DOWN, Ordering::Relaxed);
                None
            }
            Looked::Bad => self.down(self.checks.add()),
            Looked::Reachable => self.up(self.connects.clear() | self.checks.clear() | self.has_rested()),
            Looked::Good => self.up(self.counts().into_iter().fold(false, |was, f| was | f.clear())),
        }
    }

    /// Whether it is time for a request to try a server that did not answer; the next failure takes it
    /// out again.
    fn has_rested(&self) -> bool {
        let is_over = self.answers.is_down()
            && self.rest.fetch_add(1, Ordering::Relaxed).wrapping_add(1) >= CHECKS_OF_REST;
        if is_over {
            self.answers.0.store(FAILURES_DOWN - 1, Ordering::Relaxed);
        }
        is_over
    }

    fn counts(&self) -> [&Failures; 3] {
        [&self.connects, &self.answers, &self.checks]
    }

    fn down(&self, is_out: bool) -> Option<BackendEventKind> {
        let is_first = || self.counts().into_iter().filter(|f| f.is_down()).count() == 1;
        (is_out && is_first()).then_some(BackendEventKind::ServerDown)
    }

    fn up(&self, was_out: bool) -> Option<BackendEventKind> {
        (was_out && self.is_up()).then_some(BackendEventKind::ServerUp)
    }

    /// Why it cannot be spoken to, and why answers of it were not passed on.
    #[must_use]
    pub fn troubles(&self) -> Vec<String> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let trouble = trouble.or_else(|| (!self.is_reachable()).then(|| UNREACHABLE.to_owned()));
        let unfit = self.unfit.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.into_iter().chain(unfit.iter().map(|reason| unfit::in_words(reason))).collect()
    }

    /// An answer was not passed on because of its form.
    pub fn sent_unfit(&self, reason: &'static str) {
        let mut all = self.unfit.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains(&reason) {
            all.push(reason);
        }
    }

    /// Notes what has come of connecting.
    pub fn note(&self, trouble: Option<&Trouble>) {
        let why = match trouble {
            Some(Trouble::Unfit(why)) => Some(why.clone()),
            Some(Trouble::Refused) | None => None,
        };
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use BackendEventKind::{ServerDown, ServerUp};

    /// Broke: each connection that a request got cleared the failures of the check.
    #[test]
    fn a_bad_page_takes_a_server_out_while_requests_get_connections() {
        let health = Health::default();
        let mut told = Vec::new();
        for _ in 0..FAILURES_DOWN {
            told.push(health.looked(Looked::Bad));
            health.connected();
            assert_eq!(health.answered(), None);
        }
        assert_eq!(told, [None, None, Some(ServerDown)]);
        assert!(!health.is_up() && health.is_reachable());
        assert_eq!(health.looked(Looked::Good), Some(ServerUp));
        assert!(health.is_up());
    }

    /// Broke: who had named a wrong port was told nothing, while every visitor got an error.
    #[test]
    fn that_a_server_takes_no_connections_is_told_until_it_does() {
        let health = Health::default();
        let told: Vec<_> = (0..4).map(|_| (health.looked(Looked::Unreachable), health.troubles())).collect();
        let is_told: Vec<_> = told.iter().map(|(_, troubles)| !troubles.is_empty()).collect();
        assert_eq!(is_told, [false, false, true, true]);
        health.note(Some(&Trouble::Unfit("it speaks no TLS".to_owned())));
        assert_eq!(health.troubles(), ["it speaks no TLS"], "once it is known better");
        health.note(None);
        health.looked(Looked::Reachable);
        assert!(health.troubles().is_empty());
    }

    #[test]
    fn a_server_that_was_gone_is_back_when_its_page_is_good_and_not_when_its_port_is_open() {
        let health = Health::default();
        let told: Vec<_> = (0..4).filter_map(|_| health.connect_failed()).collect();
        assert_eq!(told, [ServerDown]);
        health.connected();
        assert_eq!(health.looked(Looked::Bad), None);
        assert!(!health.is_up() && health.is_reachable());
        assert_eq!(health.looked(Looked::Good), Some(ServerUp));
    }

    #[test]
    fn without_a_page_a_server_that_does_not_answer_rests_and_is_tried_with_one_request() {
        let health = Health::default();
        let told: Vec<_> = (0..4).filter_map(|_| health.unanswered()).collect();
        assert_eq!(told, [ServerDown]);
        for _ in 0..2 {
            let told: Vec<_> = (0..CHECKS_OF_REST).map(|_| health.looked(Looked::Reachable)).collect();
            assert_eq!(told.iter().flatten().count(), 1);
            assert_eq!(told.last(), Some(&Some(ServerUp)), "it rests for {CHECKS_OF_REST} checks");
            assert_eq!(health.unanswered(), Some(ServerDown), "one request is enough");
        }
        assert_eq!(health.answered(), Some(ServerUp), "an answer that came after all");
    }
}
