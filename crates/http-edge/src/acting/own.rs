//! Requests for addresses of our own: what a challenge and a place in line are made of, and what they
//! lead to.
//!
//! A page of ours stands for a request that was counted and decided about. What a browser fetches for it
//! belongs to it: no challenge or line stands before it, and no measure that was found in how a site is
//! asked for; only blocks and limits of the client itself. So whoever is challenged can pass. Whatever
//! is beyond that is a request like any other that we answer, and counts.

use super::{Acting, Asked, Entry};
use crate::Request;
use crate::act::limit::{Conformance, Rate};
use crate::act::page::Brought;
use crate::act::{Page, RuleTable, Sighting, Standing, Verdict};
use crate::counters::Counter;
use crate::thread::Thread;
use seawall_model::{Timestamp, hash};

/// Requests that one token brings about, at once and per second: the style sheet, the link, and each once
/// more.
const OF_ONE_PAGE: (f64, f64) = (4.0, 0.01);
/// Sets these counts apart from those of a plan.
const OWN: u64 = 0x0E8A_11CE;

impl Acting {
    /// Answers a request for an address of our own, unless a measure holds its client back.
    pub(super) fn own_page<'a>(
        &self,
        thread: &Thread,
        asked: &Asked<'_>,
        (page, brought): (Page, Brought),
        (rules, sighting): (&RuleTable, &Sighting),
        now: Timestamp,
    ) -> Entry<'a> {
        let is_part = matches!(brought, Brought::ByPage(token) if self.is_of_page(token, now));
        let decision = if is_part || brought == Brought::ByScript {
            // What others use up is not the client's.
            let plain = Request { path: b"", query: None, ..*asked.request };
            rules.decide(&self.limits, now, &plain, Standing::Known)
        } else {
            rules.decide(&self.limits, now, asked.request, Standing::Cleared)
        };
        if matches!(decision.verdict, Verdict::Refuse { .. } | Verdict::CloseSilently) {
            self.memory.refused(sighting, now);
        }
        let room = &thread.sites[asked.site].room;
        if let Some(entry) = self.hold(thread, (room, Standing::Known), rules, decision.verdict, asked, now) {
            return entry;
        }
        self.note_sale(&page, now);
        Entry::Own { page: Box::new(page), is_part }
    }

    /// Whether a request is for a host that its site does not answer for, and is refused for it (RFC 9110
    /// section 15.5.20).
    pub(super) fn is_misdirected(&self, thread: &Thread, asked: &Asked<'_>) -> bool {
        let is_other = !thread.settings.sites[asked.site].is_for(asked.request.host);
        thread.counters.add(Counter::misdirected, u64::from(is_other));
        is_other && thread.settings.enforce
    }

    fn is_of_page(&self, token: u64, now: Timestamp) -> bool {
        let charge = |rate| self.limits.charge(hash::combine(OWN, token), rate, now, 0);
        Rate::new(OF_ONE_PAGE.1, OF_ONE_PAGE.0).is_some_and(|rate| charge(rate) == Conformance::Conforms)
    }
}
