//! A look at a second that is not over: who defends has no second to lose.
//!
//! A second is filed and watched when it is over, as if nobody had looked; only an episode may begin, or
//! get a name, sooner.

use super::{Effect, Engine};
use crate::episode::Watched;
use seawall_detection::Window;
use seawall_detection::detector::{Cusum, SERIES, Scale};
use seawall_diagnosis::diagnose;
use seawall_model::cause::Class;
use seawall_model::time::Timestamp;

/// A second under way counts as no shorter than this, in seconds.
const GLANCE_LEAST_S: f64 = 0.05;
/// In a second that is not over, so many series that are so far above the usual, in spreads, are a rise.
const TOGETHER: usize = 2;
const HIGH_TOGETHER: f64 = 8.0;
/// So far, they are one if what came can be named an attack at once, with this confidence: bursts of
/// visitors reach it too.
const STIR_TOGETHER: f64 = 4.5;
const STIR_CONFIDENCE: f64 = 0.9;

impl Engine {
    /// Whether a second that is not over, of which this has been seen beside what the engine has been given
    /// of it, or the second that ends now is unlike before already: an [`Input::Glance`] may open a
    /// disturbance.
    #[must_use]
    pub fn is_rising(&self, part: &Window, last_second: &[f64]) -> bool {
        let given = self.second.as_ref().map(|(_, given)| given);
        let parts = [Some(part), given];
        self.episode.is_none() && !self.risen(&parts, last_second, STIR_TOGETHER).is_empty()
    }

    /// Whether a second that is not over, of which this has been seen, says already that the present
    /// disturbance has begun again.
    #[must_use]
    pub fn is_loud_again(&self, part: &Window) -> bool {
        let Some(episode) = &self.episode else { return false };
        let mut counts = self.detectors.iter().zip(SERIES).filter(|(_, s)| s.scale() == Scale::Count);
        counts.any(|(detector, series)| {
            let has_moved = episode.moved.iter().any(|(watched, _)| *watched == Watched::Rate(series));
            has_moved && series.value(part).is_some_and(|value| detector.is_high(value))
        })
    }

    /// Series of which the parts of a second, or the last second, are more than a whole one may hold.
    /// Counts only grow, so that the whole second will say the same. What one series says alone takes
    /// more than what several say, which are `together` spreads above the usual.
    fn risen(
        &self,
        parts: &[Option<&Window>],
        last_second: &[f64],
        together: f64,
    ) -> Vec<(Watched, Option<Timestamp>)> {
        let (mut risen, mut high) = (Vec::new(), Vec::new());
        for (at, (detector, series)) in self.detectors.iter().zip(SERIES).enumerate() {
            if series.scale() != Scale::Count {
                continue;
            }
            let so_far: f64 = parts.iter().flatten().filter_map(|part| series.value(part)).sum();
            let height = detector.height(so_far.max(last_second.get(at).copied().unwrap_or(0.0)));
            let found = (Watched::Rate(series), detector.up_since());
            if detector.would_rise(so_far) || height > Cusum::LEAP {
                risen.push(found);
            } else if height > together {
                high.push(found);
            }
        }
        if risen.len() + high.len() >= TOGETHER {
            risen.append(&mut high);
        }
        risen
    }

    /// Looks at the second under way.
    pub(super) fn glance(&mut self, now: Timestamp, last_second: &[f64], effects: &mut Vec<Effect>) {
        let Some((_, part)) = &self.second else { return };
        if self.episode.is_some() {
            return self.name_so_far(now, effects);
        }
        let risen = self.risen(&[Some(part)], last_second, HIGH_TOGETHER);
        if !risen.is_empty() {
            return self.open_at_once(now, risen, effects);
        }
        let stirred = self.risen(&[Some(part)], last_second, STIR_TOGETHER);
        if !stirred.is_empty() {
            self.open_if_attack(now, stirred, effects);
        }
    }

    /// An episode that begins in the second under way, with the name that it has so far.
    fn open_at_once(
        &mut self,
        now: Timestamp,
        risen: Vec<(Watched, Option<Timestamp>)>,
        effects: &mut Vec<Effect>,
    ) {
        let second = self.second.as_ref().map_or(now, |(second, _)| *second);
        let risen = risen.into_iter().map(|(watched, since)| (watched, since.unwrap_or(second)));
        self.episode = Some(Box::new(self.begin_episode(second, risen.collect(), effects)));
        self.name_so_far(now, effects);
    }

    /// The same where the rise alone says too little: if it is no attack, nothing has begun.
    fn open_if_attack(
        &mut self,
        now: Timestamp,
        stirred: Vec<(Watched, Option<Timestamp>)>,
        effects: &mut Vec<Effect>,
    ) {
        let (mut opened, mut told) = (self.clone(), Vec::new());
        opened.open_at_once(now, stirred, &mut told);
        let verdict = opened.diagnosis().map(|diagnosis| &diagnosis.verdict);
        if verdict.is_some_and(|v| v.class == Class::Attack && v.confidence >= STIR_CONFIDENCE) {
            *self = opened;
            effects.append(&mut told);
        }
    }

    /// Names the present disturbance by what has been seen of it, with the second under way.
    fn name_so_far(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some((second, mut part)) = self.second.clone() else { return };
        let Some(mut episode) = self.episode.take() else { return };
        part.seal(now.since_s(second).clamp(GLANCE_LEAST_S, 1.0));
        let mut so_far = episode.during.clone();
        so_far.merge(&part);
        let diagnosis = diagnose(&self.findings_of(&episode, &so_far), &self.policy);
        if diagnosis.verdict.class.is_named() {
            if episode.diagnosis.as_ref().is_none_or(|d| d.verdict.cause != diagnosis.verdict.cause) {
                episode.named = Some(now);
                effects.push(Effect::Diagnosed(Box::new(diagnosis.clone())));
            }
            episode.diagnosis = Some(diagnosis);
            episode.glance = Some(so_far);
        }
        self.episode = Some(episode);
    }
}
