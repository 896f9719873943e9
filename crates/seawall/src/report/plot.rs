//! The geometry of a chart, shared by all forms: which value falls where, and what it is called.

use super::figure;
use seawall_model::Timestamp;
use seawall_model::metric::{Metric, Unit};
use seawall_model::report::Series;
use seawall_model::time::SECOND_NS;

/// No measured rate is higher; more would only flatten the drawing.
const HIGHEST: f64 = 1e17;

/// Instants that a chart marks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks {
    pub onset: Option<Timestamp>,
    pub end: Option<Timestamp>,
    /// The change nearest to the onset.
    pub change: Option<Timestamp>,
}

/// A series over its time axis. Values that are no numbers or below zero count as zero.
#[derive(Clone, Copy, Debug)]
pub struct Axis<'a> {
    series: &'a Series,
    metric: Option<Metric>,
}

impl<'a> Axis<'a> {
    #[must_use]
    pub fn of(series: &'a Series) -> Self {
        let metric = Metric::ALL.iter().copied().find(|m| m.as_str() == series.metric);
        Self { series, metric }
    }

    /// What is shown, for people.
    #[must_use]
    pub fn title(&self) -> String {
        self.metric.map_or_else(|| self.series.metric.replace('-', " "), |m| m.title().to_owned())
    }

    #[must_use]
    pub fn metric(&self) -> Option<Metric> {
        self.metric
    }

    /// A value in its unit. The values of a series are means per second, so a count is a rate here.
    #[must_use]
    pub fn label(&self, x: f64) -> String {
        match self.metric {
            Some(m) if m.unit() == Unit::Count => format!("{}/s", figure::quantity(x)),
            Some(m) => figure::value(m, x),
            None => figure::quantity(x),
        }
    }

    /// What one value stands for: "mean of each 4 s".
    #[must_use]
    pub fn step(&self) -> String {
        format!("mean of each {}", figure::duration(self.series.step_ns as f64 / SECOND_NS as f64))
    }

    #[must_use]
    pub fn start(&self) -> Timestamp {
        self.series.start
    }

    /// End of the last step.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.series.start.plus_ns(self.series.step_ns.saturating_mul(self.series.values.len() as i64))
    }

    #[must_use]
    pub fn highest(&self) -> f64 {
        self.series.values.iter().map(|x| sane(*x)).fold(0.0, f64::max)
    }

    /// The index of the value that an instant falls on, and the number of values.
    #[must_use]
    pub fn step_of(&self, t: Timestamp) -> Option<(usize, usize)> {
        let n = self.series.values.len();
        self.place(t).map(|place| (((place * n as f64) as usize).min(n.saturating_sub(1)), n))
    }

    /// Where an instant falls, from 0 at the start to 1 at the end; `None` outside.
    #[must_use]
    pub fn place(&self, t: Timestamp) -> Option<f64> {
        let (start, end) = (self.start(), self.end());
        let inside = end > start && (start..=end).contains(&t);
        inside.then(|| t.since_ns(start) as f64 / end.since_ns(start) as f64)
    }

    /// The values in at most `n` steps: the highest of those that fall together, so that no peak
    /// is lost.
    #[must_use]
    pub fn highest_of(&self, n: usize) -> Vec<f64> {
        let values = &self.series.values;
        let n = n.min(values.len());
        (0..n)
            .map(|i| {
                let (from, to) = (i * values.len() / n, (i + 1) * values.len() / n);
                values[from..to].iter().map(|x| sane(*x)).fold(0.0, f64::max)
            })
            .collect()
    }
}

fn sane(x: f64) -> f64 {
    if x.is_finite() { x.clamp(0.0, HIGHEST) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: Vec<f64>) -> Series {
        Series { metric: "request-rate".into(), start: Timestamp(0), step_ns: SECOND_NS, values }
    }

    #[test]
    fn peaks_survive_and_nonsense_does_not() {
        let mut values = vec![f64::NAN; 1_000];
        values[501] = 9.0;
        values[3] = -4.0;
        let series = series(values);
        let seen = Axis::of(&series).highest_of(60);
        assert_eq!(seen.len(), 60);
        assert!(seen.contains(&9.0) && seen.iter().all(|x| (0.0..=9.0).contains(x)));
        assert!(Axis::of(&series).highest_of(0).is_empty());
    }

    #[test]
    fn instants_outside_have_no_place() {
        let series = series(vec![1.0; 10]);
        let axis = Axis::of(&series);
        assert_eq!(axis.place(Timestamp::from_seconds(5)), Some(0.5));
        assert_eq!(axis.place(Timestamp::from_seconds(11)), None);
        assert_eq!(axis.place(Timestamp(-1)), None);
    }
}
