//! Whether it is calm again: second by second, and over the seconds together.

use super::Engine;
use crate::episode::{Episode, Watched};
use seawall_detection::Window;
use seawall_detection::detector::{SERIES, SHARES, ShareCusum, ShareSeries};
use seawall_diagnosis::diagnose;
use seawall_model::Timestamp;

impl Engine {
    /// Whether seconds that look calm one by one are, taken together, still what the episode is named for; if
    /// so they belong to it. On a busy site what is wrong may be too little to show in a single second.
    pub(super) fn goes_on(&self, episode: &mut Episode, second: Timestamp) -> bool {
        let Some((cause, lately)) = episode.doubtful_calm() else { return false };
        let findings = self.findings_since(episode.onset, None, &lately);
        let goes_on = diagnose(&findings, &self.policy).verdict.cause == cause;
        if goes_on {
            episode.go_on(second);
        }
        goes_on
    }

    pub(super) fn is_calm(&self, watched: Watched, window: &Window) -> bool {
        match watched {
            Watched::Rate(series) => {
                let detector = SERIES.iter().position(|s| *s == series).map(|at| &self.detectors[at]);
                let value = series.value(window);
                detector.zip(value).is_none_or(|(d, v)| d.is_calm(v))
            }
            Watched::Sum(series) => self.coarse.is_calm(series),
            Watched::KindTimes => window.http.as_ref().is_none_or(|http| self.kind_times.is_calm(http)),
            Watched::MadeUpNames => !self.asks_for_made_up_names(window),
            Watched::Share(series) => {
                self.share(series, window).is_none_or(|(d, (hits, trials))| d.is_calm(hits, trials))
            }
        }
    }

    /// Whether a second says by itself that it goes on. A share of few is noise, which must not keep
    /// measures in force; that an episode is over takes more.
    pub(super) fn is_loud(&self, watched: Watched, window: &Window) -> bool {
        let Watched::Share(series) = watched else { return !self.is_calm(watched, window) };
        self.share(series, window).is_some_and(|(d, (hits, trials))| !d.is_near(hits, trials))
    }

    /// The detector of a share, with hits and trials of a second.
    fn share(&self, series: ShareSeries, window: &Window) -> Option<(&ShareCusum, (f64, f64))> {
        let detector = SHARES.iter().position(|s| *s == series).map(|at| &self.share_detectors[at]);
        detector.zip(series.value(window))
    }
}
