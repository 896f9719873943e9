//! Requests for addresses of our own: what a challenge and a place in line are made of, and what they
//! lead to.
//!
//! A page of ours stands for a request that was counted and decided about. What a browser fetches for it
//! belongs to it: no challenge or line stands before it, and no measure that was found in how a site is
//! asked for; only blocks and limits of the client itself. So whoever is challenged can pass. Whatever
//! is beyond that is a request like any other that we answer, and counts.

use super::{Acting, Asked, Entry, Seen};
use crate::Request;
use crate::act::limit::{Conformance, Rate};
use crate::act::page::Brought;
use crate::act::{Page, RuleTable, Sighting, Standing, Verdict, page};
use crate::counters::Counter;
use crate::thread::Thread;
use seawall_model::{Timestamp, hash};

/// Requests that one token brings about, at once and per second: the style sheet, the link, and each once
/// more.
const OF_ONE_PAGE: (f64, f64) = (4.0, 0.01);
/// Sets these counts apart from those of a plan.
const OWN: u64 = 0x0E8A_11CE;

impl Acting {
    /// What is answered here whatever the site is: a request for another host, and one for an address of our
    /// own.
    pub(super) fn own_answer<'a>(
        &self,
        thread: &Thread,
        asked: &Asked<'_>,
        (rules, standing, sighting): (&RuleTable, Standing, &Sighting),
        seen: &Seen,
        now: Timestamp,
    ) -> Option<Entry<'a>> {
        if standing != Standing::Protected && is_misdirected(thread, asked) {
            return Some(Entry::Full(Box::new(Page::refusal(421, 0))));
        }
        let own = page::own(&self.gate.load(), asked.request, now)?;
        seen.is_repeat.set(false);
        Some(self.own_page(thread, asked, own, (rules, sighting), now))
    }

    /// Answers a request for an address of our own, unless a measure holds its client back.
    fn own_page<'a>(
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

    fn is_of_page(&self, token: u64, now: Timestamp) -> bool {
        let charge = |rate| self.limits.charge(hash::combine(OWN, token), rate, now, 0);
        Rate::new(OF_ONE_PAGE.1, OF_ONE_PAGE.0).is_some_and(|rate| charge(rate) == Conformance::Conforms)
    }
}

/// Whether a request is for a host that its site does not answer for, and is refused for it (RFC 9110
/// section 15.5.20).
fn is_misdirected(thread: &Thread, asked: &Asked<'_>) -> bool {
    if thread.settings.sites[asked.site].is_for(asked.request.host) {
        return false;
    }
    thread.counters.add(Counter::misdirected, 1);
    thread.settings.enforce
}
