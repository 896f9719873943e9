//! Made-up names that were asked for before anything was known: what was there from the first second
//! is no rise, so that the structure of the traffic must speak alone, as it does at an input's end.
//!
//! Of this cause only. Names that nobody asks for twice, that do not exist, hundreds of them a second
//! below one zone, are no name server's everyday; most others are told by what was before.

use super::{COLD_START_S, Engine};
use crate::episode::{Episode, Watched};
use seawall_detection::{Window, measure};
use seawall_diagnosis::diagnose;
use seawall_model::{Cause, Timestamp};

/// So many of the last seconds are judged together, and no fewer than these.
const LOOKED_AT: usize = 5;
const LEAST: usize = 2;
/// A second belongs to it that has so large a part of the last one's messages.
const LIKE_THE_LAST: f64 = 0.5;

impl Engine {
    /// The series that have shifted, with their onsets. What is usual is not learnt from what began with
    /// made-up names, but from what comes after them.
    pub(super) fn shifted(&mut self, second: Timestamp, window: &Window) -> Vec<(Watched, Timestamp)> {
        if self.episode.as_ref().is_some_and(|episode| is_from_start(episode)) {
            return Vec::new();
        }
        let Some(since) = self.begins_with_made_up_names(second, window) else {
            return self.watch(second, window);
        };
        self.forget_usual();
        vec![(Watched::MadeUpNames, since)]
    }

    /// While hardly anything is known: since when made-up names are asked for, if they are.
    fn begins_with_made_up_names(&self, second: Timestamp, window: &Window) -> Option<Timestamp> {
        let is_known = self.quiet.seconds() + self.ring.len() as f64 > COLD_START_S;
        if self.baseline.is_some() || self.episode.is_some() || is_known || messages(window) == 0.0 {
            return None;
        }
        let least = LIKE_THE_LAST * messages(window);
        let before = self.ring.iter().rev().take(LOOKED_AT - 1);
        let before: Vec<_> = before.take_while(|(_, past)| messages(past) >= least).collect();
        if before.len() + 1 < LEAST {
            return None;
        }
        let onset = before.last().map_or(second, |(time, _)| *time);
        let mut together = window.clone();
        before.iter().for_each(|(_, past)| together.merge(past));
        self.asks_for_made_up_names(&together).then_some(onset)
    }

    /// Whether that is what the traffic of a window is, by its structure.
    pub(super) fn asks_for_made_up_names(&self, window: &Window) -> bool {
        let onset = window.span.map(|span| span.first);
        let found = diagnose(&measure::findings(window, None, onset), &self.policy).verdict;
        found.class.is_named() && found.cause == Cause::DnsRandomSubdomain
    }
}

/// Whether an episode began so: what is usual is then learnt after it.
fn is_from_start(episode: &Episode) -> bool {
    episode.moved.iter().any(|(watched, _)| *watched == Watched::MadeUpNames)
}

fn messages(window: &Window) -> f64 {
    window.dns.as_ref().map_or(0.0, |dns| dns.queries.max(dns.responses) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Effect, Input};
    use seawall_model::hash;
    use seawall_model::metric::Metric;
    use seawall_model::observation::{Dns, Observation};
    use seawall_model::policy::Policy;
    use std::net::IpAddr;

    const BEGIN_S: i64 = 1_700_000_000;

    /// As a code: the asker is told to come over TCP.
    const TRUNCATED: u8 = 16;

    /// A question and, where there is a code, its answer.
    fn ask(window: &mut Window, second: i64, n: u64, name: &str, code: Option<u8>) {
        let bits = hash::mix(hash::combine(second as u64, n));
        let asked = Dns {
            time: Timestamp::from_seconds(BEGIN_S + second).plus_ns(n as i64 * 100_000),
            client: IpAddr::from((0x0B00_0000 + (bits >> 44) as u32).to_be_bytes()),
            server: IpAddr::from([192, 0, 2, 53]),
            client_port: (bits >> 20) as u16,
            is_response: false,
            over_tcp: false,
            name: name.as_bytes(),
            query_type: 1,
            opcode: 0,
            response_code: 0,
            authoritative: false,
            truncated: false,
            recursion_desired: false,
            records: 0,
            message_bytes: 50,
            unsolicited: false,
            response_us: None,
            malformed: false,
        };
        window.observe(&Observation::Dns(asked), bits);
        if let Some(code) = code {
            let (response_code, truncated) = (code % TRUNCATED, code == TRUNCATED);
            let answer = Dns { is_response: true, response_code, truncated, response_us: Some(300), ..asked };
            window.observe(&Observation::Dns(answer), bits ^ 1);
        }
    }

    /// Real questions for forty names that exist.
    fn real(second: i64) -> Window {
        let mut window = Window::default();
        for n in 0..60 + hash::mix(second as u64) % 9 {
            let name = format!("h{}.example.org", hash::mix(n ^ second as u64) % 40);
            ask(&mut window, second, n, &name, Some(if n % 50 == 7 { 3 } else { 0 }));
        }
        window
    }

    /// Beside the real ones, for names that are drawn at random; `code`: what is said of them.
    fn random(second: i64, per_s: u64, code: Option<u8>) -> Window {
        let mut window = real(second);
        for n in 1_000..1_000 + per_s {
            let name = format!("{:013x}.example.org", hash::mix(hash::combine(n, second as u64)) >> 12);
            ask(&mut window, second, n, &name, code);
        }
        window
    }

    fn feed(engine: &mut Engine, second: i64, window: Window) -> Vec<Effect> {
        let tick = Timestamp::from_seconds(BEGIN_S + second);
        engine.step(tick, Input::Window { tick, window: Box::new(window) })
    }

    /// Broke: a guard that began while made-up names were asked for took them for normal, and never
    /// named them.
    #[test]
    fn made_up_names_from_the_first_second_on_are_named_and_are_over_when_they_end() {
        for (per_s, code) in [(5_000, Some(3)), (400, Some(3)), (2_000, None)] {
            let mut engine = Engine::new(Policy::default(), None);
            let mut named = None;
            for second in 0..30 {
                let _ = feed(&mut engine, second, random(second, per_s, code));
                let cause = engine.diagnosis().map(|d| d.verdict.cause);
                named = named.or((cause == Some(Cause::DnsRandomSubdomain)).then_some(second));
                assert!(named.is_none() || cause == Some(Cause::DnsRandomSubdomain), "{second}: {cause:?}");
            }
            assert!(named.is_some_and(|at| at <= 3), "{per_s} a second: {named:?}");
            let verdict = &engine.present().expect("it goes on").diagnosis.verdict;
            let begin = Timestamp::from_seconds(BEGIN_S);
            assert_eq!((verdict.target.as_deref(), verdict.onset), (Some("zone example.org"), Some(begin)));
            let closed = (30..150).find(|second| !feed(&mut engine, *second, real(*second)).is_empty());
            assert!(closed.is_some_and(|at| at <= 42), "{closed:?}");
            assert!((43..150).all(|second| feed(&mut engine, second, real(second)).is_empty()), "then calm");
        }
    }

    /// Broke: what a front cut short, because it had no room for names that nobody knew, counted as answers
    /// for names that exist, so that it took eight seconds to name the flood.
    #[test]
    fn answers_that_are_cut_short_do_not_say_that_a_name_exists() {
        let mut engine = Engine::new(Policy::default(), None);
        let named = (0..30).find(|second| {
            let mut window = random(*second, 400, Some(3));
            for n in 10_000..15_000 {
                let name = format!("{:013x}.example.org", hash::mix(hash::combine(n, *second as u64)) >> 12);
                ask(&mut window, *second, n, &name, Some(TRUNCATED));
            }
            let _ = feed(&mut engine, *second, window);
            engine.diagnosis().is_some_and(|d| d.verdict.cause == Cause::DnsRandomSubdomain)
        });
        let failed = engine.findings().and_then(|f| f.observed(Metric::DnsFailureShare));
        assert!(
            named.is_some_and(|at| at <= 3) && failed.is_some_and(|share| share > 0.8),
            "{named:?} {failed:?}"
        );
    }

    #[test]
    fn names_that_look_random_and_exist_are_no_flood_from_the_start() {
        let mut engine = Engine::new(Policy::default(), None);
        let calm = |second| feed(&mut engine, second, random(second, 500, Some(0))).is_empty();
        assert!((0..40).all(calm));
    }
}
