//! The state folder: what survives the program, also if it is killed.
//!
//! ```text
//! flight/000017.swr            inputs of the engine, in segments; the oldest are removed
//! incidents/2026-11-21T150312/ report.json, kept up to date while it lasts
//!                              recording.swr, postmortem.md and postmortem.html when it has ended
//! ```
//!
//! Files are written beside their place and moved there, so that each is whole or not there. An
//! incident without a postmortem was cut off: it gets one at the next start.

use crate::pipeline::recording::Recorder;
use crate::report;
use anyhow::Context;
use seawall_engine::Input;
use seawall_model::Timestamp;
use seawall_model::policy::Policy;
use seawall_model::report::TriageReport;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Steps of one segment of the recording: two a second, ten minutes.
const SEGMENT_STEPS: u32 = 1_200;
/// Segments kept, the present one not counted.
const SEGMENTS_KEPT: usize = 3;
/// Largest report that is read back.
const LARGEST_REPORT_BYTES: u64 = 64 << 20;

/// The folder, and the segment that is being written.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    policy: Policy,
    segment: u64,
    steps: u32,
    recorder: Option<Recorder>,
}

impl Store {
    /// Opens the folder, makes it where it is missing, and writes up incidents that were cut off.
    /// Also returns what these are called.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn open(folder: &Path, policy: &Policy) -> anyhow::Result<(Self, Vec<String>)> {
        for part in ["flight", "incidents"] {
            let path = folder.join(part);
            fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        }
        let last = segments(folder).last().map_or(0, |(number, _)| *number);
        let mut store = Self {
            folder: folder.to_owned(),
            policy: policy.clone(),
            segment: last,
            steps: 0,
            recorder: None,
        };
        let cut_off = store.write_up_cut_off()?;
        store.next_segment()?;
        Ok((store, cut_off))
    }

    /// Records an input before the engine gets it. `reference` gives what is normal, to begin a
    /// segment with.
    ///
    /// # Errors
    /// If the segment cannot be written.
    pub fn record(
        &mut self,
        now: Timestamp,
        input: &Input,
        reference: impl FnOnce() -> Option<Input>,
    ) -> anyhow::Result<()> {
        if self.steps >= SEGMENT_STEPS {
            self.next_segment()?;
            if let (Some(reference), Some(recorder)) = (reference(), &mut self.recorder) {
                recorder.step(now, &reference)?;
            }
        }
        self.steps += 1;
        if let Some(recorder) = &mut self.recorder {
            recorder.step(now, input)?;
            recorder.flush()?;
        }
        Ok(())
    }

    /// Writes the report of an incident as it stands.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep(&self, name: &str, report: &TriageReport) -> anyhow::Result<()> {
        let folder = self.incident(name)?;
        write_whole(&folder.join("report.json"), report::json(report)?.as_bytes())
    }

    /// Writes all that is left to know of an incident that has ended. Returns its folder.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(&mut self, name: &str, report: &TriageReport) -> anyhow::Result<PathBuf> {
        self.keep(name, report)?;
        let folder = self.incident(name)?;
        // The segment that holds its end; what came before it is still in `flight`.
        let present = self.segment_path(self.segment);
        self.next_segment()?;
        fs::copy(&present, folder.join("recording.swr"))
            .with_context(|| format!("cannot copy {}", present.display()))?;
        write_up(&folder, report)?;
        Ok(folder)
    }

    /// Names of the incidents, oldest first, and whether each has ended.
    #[must_use]
    pub fn incidents(&self) -> Vec<(String, bool)> {
        let Ok(entries) = fs::read_dir(self.folder.join("incidents")) else { return Vec::new() };
        let mut all: Vec<(String, bool)> = entries
            .flatten()
            .filter_map(|e| {
                Some((e.file_name().into_string().ok()?, e.path().join("postmortem.md").exists()))
            })
            .collect();
        all.sort();
        all
    }

    fn incident(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.join("incidents").join(name);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }

    fn write_up_cut_off(&self) -> anyhow::Result<Vec<String>> {
        let mut written = Vec::new();
        for (name, ended) in self.incidents() {
            let folder = self.folder.join("incidents").join(&name);
            let path = folder.join("report.json");
            let is_small = fs::metadata(&path).is_ok_and(|m| m.len() <= LARGEST_REPORT_BYTES);
            if ended || !is_small {
                continue;
            }
            let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            // A report of another version stays as it is.
            if let Ok(report) = serde_json::from_slice::<TriageReport>(&text) {
                write_up(&folder, &report)?;
                written.push(name);
            }
        }
        Ok(written)
    }

    fn next_segment(&mut self) -> anyhow::Result<()> {
        self.segment += 1;
        self.steps = 0;
        self.recorder = Some(Recorder::begin(&self.segment_path(self.segment), &self.policy)?);
        let all = segments(&self.folder);
        for (_, path) in all.iter().take(all.len().saturating_sub(SEGMENTS_KEPT + 1)) {
            fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(())
    }

    fn segment_path(&self, number: u64) -> PathBuf {
        self.folder.join("flight").join(format!("{number:06}.swr"))
    }
}

/// The segments of a folder by number.
fn segments(folder: &Path) -> Vec<(u64, PathBuf)> {
    let Ok(entries) = fs::read_dir(folder.join("flight")) else { return Vec::new() };
    let mut all: Vec<(u64, PathBuf)> = entries
        .flatten()
        .filter_map(|e| {
            let name = e.file_name().into_string().ok()?;
            Some((name.strip_suffix(".swr")?.parse().ok()?, e.path()))
        })
        .collect();
    all.sort();
    all
}

fn write_up(folder: &Path, report: &TriageReport) -> anyhow::Result<()> {
    let postmortem = seawall_incident::postmortem(report, None);
    write_whole(&folder.join("postmortem.html"), report::postmortem_html(&postmortem, report).as_bytes())?;
    // Last, because it says that the rest is there.
    write_whole(&folder.join("postmortem.md"), report::postmortem_markdown(&postmortem, report).as_bytes())
}

/// Writes a file so that it is there whole or not at all, also after a loss of power.
fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let beside = path.with_extension("new");
    let write = || {
        // It tells who the clients were, so that nobody but its owner may read it.
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
