//! When an attack had ebbed away: what it consists of was no longer there, though something else that moved with
//! it (who comes, how long answers take) took longer to come back.
//!
//! Computes: the mean of a series over some seconds, beside what is usual of it and the most that there was.
//! Advanced by every second of an episode. Cold start: without a usual value it says nothing. Evaded by
//! ebbing slowly, which tells a later end, and no earlier one. Innocent look-alike: a lull between pulses, after
//! which the end is that of the last one.

use seawall_detection::Window;
use seawall_detection::detector::Series;
use seawall_model::cause::Cause;
use seawall_model::math;
use seawall_model::signature::Layer;
use seawall_model::time::{SECOND_NS, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Seconds that a mean is taken over.
const SECONDS: usize = 5;
/// It goes on while this part of the most is left on top of what is usual.
const STILL: f64 = 0.1;
/// And while it is so many spreads of chance above the usual; visits come in bursts, which is one more.
const SPREADS: f64 = 3.0;
const BURST: f64 = 1.0;
/// What was so many times more than chance makes is told apart from it.
const FAR: f64 = 2.0;

/// What attacks consist of, by their layer.
const CONSISTS_OF: [(Layer, Series); 3] =
    [(Layer::Http, Series::Pages), (Layer::Packet, Series::Packets), (Layer::Dns, Series::DnsQueries)];

/// The ebb of each series that an attack may consist of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ebbs([Ebb; CONSISTS_OF.len()]);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Ebb {
    usual_per_s: Option<f64>,
    lately: VecDeque<(Timestamp, f64)>,
    most_per_s: f64,
    last: Option<Timestamp>,
}

impl Ebbs {
    /// Beside what is usual in `reference`.
    pub(crate) fn beside(reference: Option<&Window>) -> Self {
        let usual = |series: Series| reference.map(|r| series.value(r).unwrap_or(0.0) / r.seconds().max(1.0));
        Self(CONSISTS_OF.map(|(_, series)| Ebb { usual_per_s: usual(series), ..Ebb::default() }))
    }

    /// As they were before anything was added.
    pub(crate) fn anew(&self) -> Self {
        Self(std::array::from_fn(|at| Ebb { usual_per_s: self.0[at].usual_per_s, ..Ebb::default() }))
    }

    /// Adds a second, in the order of time.
    pub(crate) fn add(&mut self, second: Timestamp, window: &Window) {
        for (ebb, (_, series)) in self.0.iter_mut().zip(CONSISTS_OF) {
            ebb.add(second, series.value(window).unwrap_or(0.0));
        }
    }

    /// The end of the last second of what an attack of this cause consists of, if that can be told.
    pub(crate) fn over(&self, cause: Cause) -> Option<Timestamp> {
        // What is slow, dear or kept open needs no number.
        use Cause::{ConnectionFlood, ExpensiveEndpoint, SlowHttp, TlsFlood};
        if matches!(cause, ConnectionFlood | ExpensiveEndpoint | SlowHttp | TlsFlood) {
            return None;
        }
        let at = CONSISTS_OF.iter().position(|(layer, _)| *layer == cause.layer())?;
        self.0[at].last().map(|last| last.plus_ns(SECOND_NS))
    }
}

impl Ebb {
    /// The last second in which it was there, if it was far more than chance makes.
    fn last(&self) -> Option<Timestamp> {
        let usual = self.usual_per_s?;
        self.last.filter(|_| self.most_per_s - usual >= FAR * chance(usual))
    }

    fn add(&mut self, second: Timestamp, value: f64) {
        let Some(usual) = self.usual_per_s else { return };
        self.lately.push_back((second, value));
        if self.lately.len() > SECONDS {
            self.lately.pop_front();
        }
        let mean = self.lately.iter().map(|(_, value)| value).sum::<f64>() / SECONDS as f64;
        self.most_per_s = self.most_per_s.max(mean);
        let still = usual + (STILL * (self.most_per_s - usual)).max(chance(usual));
        if mean > still {
            self.last = self.lately.iter().rev().find(|(_, value)| *value > still).map(|(at, _)| *at);
        }
    }
}

/// What chance adds to a mean of some seconds.
fn chance(usual_per_s: f64) -> f64 {
    SPREADS * math::sqrt(usual_per_s / SECONDS as f64) + BURST
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::observation::{Observation, Request};

    fn second(at: i64, pages: u64) -> (Timestamp, Window) {
        let (time, mut window) = (Timestamp::from_seconds(at), Window::default());
        for n in 0..pages {
            let client = std::net::IpAddr::from([192, 0, 2, n as u8]);
            let request = Request { path: b"/", status: 200, ..Request::new(time, client) };
            window.observe(&Observation::Request(request), n);
        }
        window.seal(1.0);
        (time, window)
    }

    fn over(pages: impl Fn(i64) -> u64) -> Option<Timestamp> {
        let mut reference = Window::default();
        (0..60).for_each(|at| reference.merge(&second(at, 2).1));
        let mut ebbs = Ebbs::beside(Some(&reference));
        for at in 100..400 {
            let (time, window) = second(at, pages(at));
            ebbs.add(time, &window);
        }
        ebbs.over(Cause::HttpFlood)
    }

    /// Broke: the end of a flood was told when the last answers were as fast as before, minutes later.
    #[test]
    fn an_attack_is_over_when_its_requests_stop() {
        let flood = |until: i64| move |at: i64| if (110..until).contains(&at) { 40 } else { 2 };
        assert_eq!(over(flood(200)), Some(Timestamp::from_seconds(200)));
        assert_eq!(over(flood(400)), Some(Timestamp::from_seconds(400)));
        let pulses = |at: i64| if (110..300).contains(&at) && at % 40 < 8 { 60 } else { 2 };
        assert_eq!(over(pulses), Some(Timestamp::from_seconds(288)));
        assert_eq!(over(|at| at as u64 % 5), None, "chance");
    }
}
