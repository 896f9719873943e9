//! An episode: a seed, what really happened, and the traffic that follows from both.

use crate::dns::DnsScene;
use crate::http::HttpScene;
use crate::logins::LoginScene;
use crate::net::PacketScene;
use crate::world::Timing;
use seawall_model::change::Change;
use seawall_model::observation::Observation;
use seawall_model::{Cause, Class, Timestamp};

/// Observations after which every generator stops, whatever its scene says.
pub const MAX_OBSERVATIONS: u64 = 150_000;

/// The hidden truth about one observation; never shown to the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Would not be there without the trouble, and nobody wants it: hostile traffic, or the loop
    /// of a broken client.
    Unwanted,
    /// What our own side answers to unwanted traffic; counts as neither.
    Caused,
    Normal,
}

/// What really happened.
#[derive(Clone, Debug)]
pub struct Truth {
    pub class: Class,
    pub cause: Cause,
    /// Names that are right as well (a cache-busting flood is an HTTP flood); holds the cause.
    pub acceptable: Vec<Cause>,
    pub vectors: Vec<&'static str>,
    pub onset: Timestamp,
    pub end: Timestamp,
}

impl Truth {
    /// Truth of a disturbance in this frame.
    pub(crate) fn new(cause: Cause, timing: &Timing) -> Self {
        Self {
            class: cause.class(),
            cause,
            acceptable: vec![cause],
            vectors: Vec::new(),
            onset: timing.onset(),
            end: timing.end(),
        }
    }

    pub(crate) fn or(mut self, also: &[Cause]) -> Self {
        self.acceptable.extend_from_slice(also);
        self
    }

    pub(crate) fn vectors(mut self, vectors: &[&'static str]) -> Self {
        self.vectors.extend_from_slice(vectors);
        self
    }

    #[must_use]
    pub fn accepts(&self, cause: Cause) -> bool {
        self.acceptable.contains(&cause)
    }
}

/// What is on the wire or in the log.
#[derive(Clone, Debug)]
pub(crate) enum Scene {
    Http(Box<HttpScene>),
    Packets(Box<PacketScene>),
    Dns(Box<DnsScene>),
    Logins(Box<LoginScene>),
}

/// One episode of traffic under virtual time.
#[derive(Clone, Debug)]
pub struct Episode {
    pub name: String,
    pub family: &'static str,
    pub seed: u64,
    pub truth: Truth,
    /// Nothing may be tuned on it.
    pub evaluation_only: bool,
    /// Recorded changes, as an operator would give them; in time order.
    pub changes: Vec<Change>,
    pub start: Timestamp,
    /// First instant after the episode.
    pub stop: Timestamp,
    pub(crate) scene: Scene,
}

impl Episode {
    /// Plays the episode: every observation in time order with its hidden origin. The same
    /// episode plays the same way every time.
    pub fn generate(&self, sink: &mut dyn FnMut(&Observation<'_>, Origin)) {
        match &self.scene {
            Scene::Http(scene) => scene.play(sink),
            Scene::Packets(scene) => scene.play(sink),
            Scene::Dns(scene) => scene.play(sink),
            Scene::Logins(scene) => scene.play(sink),
        }
    }
}

/// What a family's builder makes of a seed.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) truth: Truth,
    pub(crate) timing: Timing,
    pub(crate) changes: Vec<Change>,
    pub(crate) scene: Scene,
}

/// A kind of episode; seeds vary everything within it.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Unique, such as `http-flood-mimic`.
    pub name: &'static str,
    /// The cause that all its episodes have.
    pub cause: Cause,
    /// Kept for judging: nothing may be tuned on it.
    pub evaluation_only: bool,
    pub(crate) build: fn(u64) -> Draft,
}

impl Family {
    /// The episode of a seed.
    #[must_use]
    pub fn episode(&self, seed: u64) -> Episode {
        let mut draft = (self.build)(seed);
        draft.changes.sort_by_key(|c| c.time);
        Episode {
            name: format!("{}-{seed}", self.name),
            family: self.name,
            seed,
            truth: draft.truth,
            evaluation_only: self.evaluation_only,
            changes: draft.changes,
            start: draft.timing.start,
            stop: draft.timing.at(draft.timing.length_s),
            scene: draft.scene,
        }
    }
}
