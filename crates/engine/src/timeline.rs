//! The course of the charted series over the whole input, in a bounded number of steps: when they
//! run out, neighbouring steps are joined and the step doubles.

use seawall_detection::Window;
use seawall_detection::detector::SERIES;
use seawall_model::Timestamp;
use seawall_model::metric::Metric;
use seawall_model::report::Series;
use seawall_model::time::SECOND_NS;
use serde::{Deserialize, Serialize};

/// Steps kept; a chart shows fewer.
const STEPS: usize = 512;
const CHARTED: usize = 7;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Step {
    sums: [f64; CHARTED],
    counts: [u32; CHARTED],
}

/// Sums of the charted series per step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Timeline {
    start: Option<Timestamp>,
    step_ns: i64,
    steps: Vec<Step>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { start: None, step_ns: SECOND_NS, steps: Vec::new() }
    }
}

impl Timeline {
    /// Adds one second. Seconds before the first are counted to it.
    pub(crate) fn add(&mut self, second: Timestamp, window: &Window) {
        let start = *self.start.get_or_insert(second);
        let offset_ns = second.since_ns(start).max(0);
        while offset_ns / self.step_ns >= STEPS as i64 {
            self.halve();
        }
        let at = (offset_ns / self.step_ns) as usize;
        if at >= self.steps.len() {
            self.steps.resize(at + 1, Step::default());
        }
        let charted = SERIES.iter().filter(|s| s.charted().is_some());
        for (slot, series) in charted.enumerate() {
            if let Some(value) = series.value(window) {
                self.steps[at].sums[slot] += value;
                self.steps[at].counts[slot] += 1;
            }
        }
    }

    fn halve(&mut self) {
        self.step_ns *= 2;
        self.steps = self
            .steps
            .chunks(2)
            .map(|pair| {
                let mut joined = pair[0].clone();
                for other in &pair[1..] {
                    for slot in 0..CHARTED {
                        joined.sums[slot] += other.sums[slot];
                        joined.counts[slot] += other.counts[slot];
                    }
                }
                joined
            })
            .collect();
    }

    /// The charted series that have data, each as a mean per second (or a mean, for times).
    pub(crate) fn series(&self) -> Vec<Series> {
        let Some(start) = self.start else { return Vec::new() };
        let step_s = self.step_ns as f64 / SECOND_NS as f64;
        let charted = SERIES.iter().filter_map(|s| s.charted());
        let rises = |slot: usize| self.steps.iter().any(|s| s.sums[slot] > 0.0);
        let others_rise =
            charted.clone().enumerate().any(|(slot, metric)| !is_last_resort(metric) && rises(slot));
        charted
            .enumerate()
            .filter(|(slot, _)| self.steps.iter().any(|s| s.counts[*slot] > 0))
            .filter(|(_, metric)| !(is_last_resort(*metric) && others_rise))
            .map(|(slot, metric)| Series {
                metric: name(metric).to_owned(),
                start,
                step_ns: self.step_ns,
                values: self
                    .steps
                    .iter()
                    .map(|s| value(metric, s.sums[slot], s.counts[slot], step_s))
                    .collect(),
            })
            .collect()
    }
}

/// Whether a series is charted only where no other has anything to show: connections, in the log of a proxy
/// that knows no requests.
fn is_last_resort(metric: Metric) -> bool {
    metric == Metric::ConnectionRate
}

/// Errors are charted per second, not as the share that the metric of that name is.
fn name(metric: Metric) -> &'static str {
    match metric {
        Metric::ServerErrorShare => "server-error-rate",
        other => other.as_str(),
    }
}

fn value(metric: Metric, sum: f64, count: u32, step_s: f64) -> f64 {
    let value = match metric {
        Metric::DurationMedian => sum / f64::from(count.max(1)),
        // The series counts kilobytes.
        Metric::BitRate => sum * 8_000.0 / step_s,
        _ => sum / step_s,
    };
    seawall_model::math::round_significant(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::observation::{Connection, ConnectionEvent, Observation, Request};

    fn closed(second: i64) -> Connection {
        Connection {
            time: Timestamp::from_seconds(second),
            event: ConnectionEvent::Closed,
            client: [192, 0, 2, 1].into(),
            server: [198, 51, 100, 1].into(),
            client_port: 50_000,
            server_port: 3306,
            client_bytes: 0,
            server_bytes: 900,
            duration_us: 5_000,
            requests: 0,
            ja4: 0,
        }
    }

    fn second(requests: u64) -> Window {
        let mut window = Window::default();
        for n in 0..requests {
            let request = Request::new(Timestamp(0), std::net::IpAddr::from([192, 0, 2, 1]));
            window.observe(&Observation::Request(request), n);
        }
        window
    }

    #[test]
    fn a_long_input_keeps_its_sum_in_few_steps() {
        let mut timeline = Timeline::default();
        for s in 0..5_000 {
            timeline.add(Timestamp::from_seconds(s), &second(2));
        }
        let series = timeline.series();
        let requests = series.iter().find(|s| s.metric == "request-rate").unwrap();
        assert!(requests.values.len() <= STEPS);
        assert_eq!(requests.values[10], 2.0);
    }

    /// Broke: the chart of a balancer's log of TCP connections showed no packets per second.
    #[test]
    fn connections_are_charted_where_nothing_else_is_known() {
        let charted = |requests: u64| {
            let mut timeline = Timeline::default();
            for s in 0..5 {
                let mut window = second(requests);
                window.observe(&Observation::Connection(closed(s)), 0);
                timeline.add(Timestamp::from_seconds(s), &window);
            }
            let rising = |s: &Series| s.values.iter().any(|v| *v > 0.0);
            timeline.series().into_iter().filter(rising).map(|s| s.metric).collect::<Vec<_>>()
        };
        assert_eq!(charted(0), ["connection-rate"]);
        assert_eq!(charted(2), ["request-rate"]);
    }
}
