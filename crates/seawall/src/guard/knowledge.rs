//! What a guard knows, written down for the one that comes after it: what is normal, who its clients
//! are, and, for a program that takes over, the incident that is open and what is in force.
//!
//! ```text
//! STATE/known     once a minute, every few seconds of an incident, and at the end; a guard that starts
//!                 within the hour goes on with what is normal and who is known, and one that starts
//!                 within the minute with the incident that was cut off as well
//! …/known        at an upgrade, in a folder made for it: everything
//! ```
//!
//! The form is this build's own. What another build wrote is left aside, and said so.

use super::control;
use crate::pipeline::frames::{FrameError, FrameReader, FrameWriter};
use crate::pipeline::layout;
use anyhow::Context;
use seawall_engine::Engine;
use seawall_http_edge::Kept;
use seawall_http_edge::act::TokenSecrets;
use seawall_model::policy::Policy;
use seawall_model::{Timestamp, hash};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// First line of such a file.
const KIND: &str = "seawall known 2";
/// What is older than this says little of now: traffic differs by the time of day.
const LONGEST_S: f64 = 3_600.0;
/// An incident that was cut off is gone on with for so long: what has begun since may be another.
const GAP_S: f64 = 60.0;
/// Numbers of one frame, so that no frame is too long to be read back.
const FRAME_WORDS: usize = 250_000;

/// What a guard knows.
#[derive(Clone, Debug)]
pub struct Knowledge {
    pub saved: Timestamp,
    pub engine: Engine,
    pub edge: Kept,
    pub control: control::Kept,
}

#[derive(Serialize, Deserialize)]
struct Header {
    layout: u64,
    saved: Timestamp,
    secret: [u8; 32],
    tokens: TokenSecrets,
    sites: Vec<(String, Vec<u64>)>,
    /// JSON, because plans name their kinds in it.
    control: String,
}

/// Where a guard with this state folder leaves what it knows.
#[must_use]
pub fn file(folder: &Path) -> PathBuf {
    folder.join("known")
}

impl Knowledge {
    /// Writes it, whole or not at all; only the file's owner may read it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let beside = path.with_extension("new");
        // Left by a program that was killed, or not there.
        let _ = fs::remove_file(&beside);
        let write = || -> anyhow::Result<()> {
            let file = File::options().write(true).create_new(true).mode(0o600).open(&beside)?;
            let mut frames = FrameWriter::begin(BufWriter::new(file), KIND)?;
            frames.put(&Header {
                layout: fingerprint(),
                saved: self.saved,
                secret: self.edge.secret,
                tokens: self.edge.tokens,
                sites: self.edge.sites.clone(),
                control: serde_json::to_string(&self.control)?,
            })?;
            frames.put(&self.engine)?;
            for words in self.edge.clients.chunks(FRAME_WORDS) {
                frames.put(&words)?;
            }
            frames.finish()?.flush()?;
            Ok(fs::rename(&beside, path)?)
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    /// Reads what a guard left; `None` where there is nothing.
    ///
    /// # Errors
    /// Why it cannot be used, as a clause.
    pub fn read(path: &Path) -> Result<Option<Self>, String> {
        let Ok(file) = File::open(path) else { return Ok(None) };
        let told = |error: FrameError| format!("is {error}");
        let mut frames = FrameReader::begin(BufReader::new(file), KIND).map_err(told)?;
        let header: Header = frames.next().map_err(told)?.ok_or("is empty")?;
        if header.layout != fingerprint() {
            return Err("was written by another version".to_owned());
        }
        let engine = frames.next().map_err(told)?.ok_or("ends too soon")?;
        let mut clients = Vec::new();
        while let Some(mut words) = frames.next::<Vec<u64>>().map_err(told)? {
            clients.append(&mut words);
        }
        let control = serde_json::from_str(&header.control).map_err(|e| format!("is damaged: {e}"))?;
        let edge = Kept { secret: header.secret, tokens: header.tokens, clients, sites: header.sites };
        Ok(Some(Self { saved: header.saved, engine, edge, control }))
    }

    /// The incident that was written up when the program ended, a moment ago: what is there now may be it.
    #[must_use]
    pub fn just_ended(&self, now: Timestamp, is_ended: impl Fn(&str) -> bool) -> Option<String> {
        let is_recent = (0.0..=GAP_S).contains(&now.since_s(self.saved));
        self.control.incident().filter(|name| is_recent && is_ended(name)).map(ToOwned::to_owned)
    }

    /// What of it is of use to a guard that starts now, after a time in which nobody watched: nothing
    /// that is too old, and of incidents the one that was cut off a moment ago.
    #[must_use]
    pub fn after_pause(self, now: Timestamp, is_ended: impl Fn(&str) -> bool) -> Option<Self> {
        let age_s = now.since_s(self.saved);
        let goes_on = age_s <= GAP_S && self.control.incident().is_some_and(|name| !is_ended(name));
        let is_young = (0.0..=LONGEST_S).contains(&age_s);
        if is_young && goes_on {
            let control = self.control.after_gap(self.saved, now);
            return Some(Self { engine: self.engine.after_gap(), control, ..self });
        }
        is_young.then(|| Self {
            engine: self.engine.after_pause(),
            control: control::Kept::default(),
            ..self
        })
    }
}

/// The same for two builds that write the same fields in the same order.
fn fingerprint() -> u64 {
    let engine = Engine::new(Policy::default(), None);
    let version = hash::bytes(env!("CARGO_PKG_VERSION").as_bytes());
    hash::combine(version, hash::combine(layout::fingerprint(), layout::of_names(&engine)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_detection::Window;
    use seawall_engine::{Effect, Input};
    use seawall_model::observation::{Observation, Request};
    use std::net::IpAddr;

    /// A second of requests, each from an address of its own; in calm times every other one for a
    /// part of a page.
    fn second(engine: &mut Engine, s: i64, requests: u32) -> Vec<Effect> {
        let mut window = Window::default();
        for n in 0..requests {
            let time = Timestamp::from_seconds(s).plus_ns(i64::from(n) * 500_000);
            let client = IpAddr::from((0x0A00_0000 + s as u32 * 5_000 + n).to_be_bytes());
            let path: &[u8] = if requests < 100 && n % 2 == 0 { b"/static/a.css" } else { b"/item/7" };
            let request = Request { path, status: 200, ..Request::new(time, client) };
            window.observe(&Observation::Request(request), u64::from(n));
        }
        let tick = Timestamp::from_seconds(s);
        engine.step(tick, Input::Window { tick, window: Box::new(window) })
    }

    fn known(seconds: i64) -> Knowledge {
        let mut engine = Engine::new(Policy::default(), None);
        for s in 0..seconds {
            assert_eq!(second(&mut engine, s, 18 + (s * 7 % 5) as u32), []);
        }
        let edge = Kept {
            clients: (0..600_000).collect(),
            sites: vec![("a".into(), vec![1])],
            ..Kept::new([3; 32], [4; 32], Timestamp::from_seconds(seconds))
        };
        Knowledge { saved: Timestamp::from_seconds(seconds), engine, edge, control: control::Kept::default() }
    }

    fn place(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("seawall-known-{}-{name}", std::process::id()))
    }

    #[test]
    fn what_is_written_is_read_again() {
        let (path, known) = (place("whole"), known(90));
        known.write(&path).expect("written");
        let again = Knowledge::read(&path).expect("good").expect("there");
        assert_eq!((&again.engine, &again.edge, again.saved), (&known.engine, &known.edge, known.saved));
        fs::remove_file(&path).expect("removed");
        assert!(Knowledge::read(&path).expect("nothing wrong").is_none());
    }

    #[test]
    fn a_file_of_another_kind_or_cut_short_is_left_aside() {
        let path = place("bad");
        fs::write(&path, "something else\n").expect("written");
        assert!(Knowledge::read(&path).is_err_and(|why| why.contains("another kind")));
        known(3).write(&path).expect("written");
        let whole = fs::read(&path).expect("read");
        fs::write(&path, &whole[..whole.len() / 2]).expect("written");
        assert!(Knowledge::read(&path).is_err_and(|why| why.contains("ends within a frame")));
        fs::remove_file(&path).expect("removed");
    }

    #[test]
    fn a_guard_that_starts_in_the_middle_of_an_attack_does_not_learn_it_as_normal() {
        let known = known(90).after_pause(Timestamp::from_seconds(120), |_| false).expect("young enough");
        let (mut knowing, mut new) = (known.engine, Engine::new(Policy::default(), None));
        let mut opened = [None, None];
        for s in 120..150 {
            for (engine, opened) in [&mut knowing, &mut new].into_iter().zip(&mut opened) {
                if !second(engine, s, 900).is_empty() {
                    opened.get_or_insert(s);
                }
            }
        }
        // The first second of it is over when the next begins.
        assert_eq!(opened[0], Some(121), "{opened:?}");
        assert!(opened[1].is_none_or(|s| s > 121), "who knows nothing takes longer: {opened:?}");
    }

    #[test]
    fn a_pause_is_no_silence_and_what_is_old_is_not_used() {
        let known = known(90);
        let mut engine =
            known.clone().after_pause(Timestamp::from_seconds(3_000), |_| false).expect("young").engine;
        for s in 3_000..3_030 {
            assert_eq!(second(&mut engine, s, 18 + (s * 7 % 5) as u32), [], "second {s}");
        }
        assert!(known.clone().after_pause(Timestamp::from_seconds(90 + 3_601), |_| false).is_none());
        assert!(
            known.after_pause(Timestamp::from_seconds(10), |_| false).is_none(),
            "a clock that was set back"
        );
    }
}
