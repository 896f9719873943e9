//! The course of requests in steps of several seconds, watched beside that of single seconds.
//!
//! Computes: the same CUSUM as for seconds, on sums over [`STEP_S`] seconds. A visit comes as a
//! burst of a page and its assets, so that the seconds of a small site are mostly empty and
//! sometimes full, and no second of a crowd stands out; sums of some seconds do. Not in place of
//! the seconds, which see a flood sooner.
//!
//! Advanced by every second; silent seconds count as zero. Cold start: the first steps only teach.
//! Evaded by what grows more slowly than the mean follows. Innocent look-alikes: as for seconds.

use crate::episode::SecondValues;
use seawall_detection::Window;
use seawall_detection::detector::{Cusum, SERIES, Scale, Series, Shift};
use seawall_model::Timestamp;
use seawall_model::time::SECOND_NS;
use serde::{Deserialize, Serialize};

/// Seconds per step.
const STEP_S: i64 = 4;
/// What is watched in steps.
const COARSE: [Series; 3] = [Series::Requests, Series::Pages, Series::Clients];

/// Detectors of sums over steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Coarse {
    step: Option<Timestamp>,
    sums: Vec<f64>,
    /// Sums of the last whole step.
    last: Vec<f64>,
    detectors: Vec<Cusum>,
}

impl Default for Coarse {
    fn default() -> Self {
        Self {
            step: None,
            sums: vec![0.0; COARSE.len()],
            last: vec![0.0; COARSE.len()],
            detectors: COARSE.iter().map(|_| Cusum::new(Scale::Sum)).collect(),
        }
    }
}

impl Coarse {
    /// Takes a second; returns the series whose sums have risen, with their onsets.
    pub(crate) fn add(
        &mut self,
        second: Timestamp,
        window: &Window,
        learn: bool,
    ) -> Vec<(Series, Timestamp)> {
        if window.http.is_none() {
            return Vec::new();
        }
        let step = second.floor_to(STEP_S * SECOND_NS);
        let mut risen = Vec::new();
        if let Some(open) = self.step.filter(|open| *open < step) {
            risen = self.close(open, learn);
            let silent = (step.since_ns(open) / (STEP_S * SECOND_NS) - 1).max(0);
            if silent > 0 && learn {
                let silent = u32::try_from(silent).unwrap_or(u32::MAX);
                self.detectors.iter_mut().for_each(|d| d.learn_silence(silent));
            }
        }
        self.step = Some(step);
        for (sum, series) in self.sums.iter_mut().zip(COARSE) {
            *sum += series.value(window).unwrap_or(0.0);
        }
        risen
    }

    fn close(&mut self, step: Timestamp, learn: bool) -> Vec<(Series, Timestamp)> {
        self.last = std::mem::replace(&mut self.sums, vec![0.0; COARSE.len()]);
        let mut risen = Vec::new();
        for ((detector, series), sum) in self.detectors.iter_mut().zip(COARSE).zip(&self.last) {
            if detector.step(step, *sum, learn) == Shift::Up {
                risen.push((series, detector.up_since().unwrap_or(step)));
            }
        }
        risen
    }

    /// Whether the last whole step was what the series used to be.
    pub(crate) fn is_calm(&self, series: Series) -> bool {
        let at = COARSE.iter().position(|s| *s == series);
        at.is_none_or(|at| self.detectors[at].is_calm(self.last[at]))
    }

    /// Forgets the step under way: nobody saw the rest of it.
    pub(crate) fn pause(&mut self) {
        self.step = None;
        self.sums.fill(0.0);
    }

    /// Forgets the sums of surprises, so that a change must build up anew.
    pub(crate) fn settle(&mut self) {
        self.detectors.iter_mut().for_each(Cusum::settle);
    }

    /// Forgets what is normal.
    pub(crate) fn relearn(&mut self) {
        self.detectors.iter_mut().for_each(Cusum::relearn);
    }

    /// Teaches seconds that were watched as a change and turned out to be none.
    pub(crate) fn adopt(&mut self, seconds: &[SecondValues]) {
        for (detector, series) in self.detectors.iter_mut().zip(COARSE) {
            let Some(at) = SERIES.iter().position(|s| *s == series) else { continue };
            for step in seconds.chunks_exact(STEP_S as usize) {
                detector.adopt(step.iter().filter_map(|s| s.rates[at]).sum());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::observation::{Observation, Request};

    fn second(time: i64, requests: u64) -> Window {
        let mut window = Window::default();
        for n in 0..requests {
            let request =
                Request::new(Timestamp::from_seconds(time), std::net::IpAddr::from([192, 0, 2, n as u8]));
            window.observe(&Observation::Request(request), n);
        }
        window
    }

    #[test]
    fn a_crowd_on_a_site_of_bursts_is_seen() {
        let mut coarse = Coarse::default();
        // one visit of nine requests in five seconds, then thirty requests a second
        let course = |s: i64| if s < 40 { if s % 5 == 2 { 9 } else { 0 } } else { 30 };
        let risen = (0..60).find(|&s| {
            let time = Timestamp::from_seconds(s);
            !coarse.add(time, &second(s, course(s)), true).is_empty()
        });
        assert!(risen.is_some_and(|s| (44..=52).contains(&s)), "{risen:?}");
        assert!(!coarse.is_calm(Series::Requests));
    }
}
