//! The state folder: what survives the program, also if it is killed.
//!
//! ```text
//! lock                         held by the program that works with the folder
//! protected                    clients that are protected by order, one to a line
//! flight/000017.swr            inputs of the engine, in segments; the oldest are removed
//! incidents/2026-11-21T150312/ report.json, done.json (by whose hand) and users.txt, kept up to date
//!                              recording.swr, postmortem.md and postmortem.html when it has ended
//! ```
//!
//! Files are written beside their place and moved there, so that each is whole or not there. An
//! incident without a postmortem was cut off: it gets one at the next start. Of those that have one the
//! oldest are removed when all take more room than there is for them.

use super::incident::Told;
use crate::config;
use crate::pipeline::TriageError;
use crate::pipeline::recording::{Recorder, Writer};
use crate::report;
use anyhow::{Context, bail};
use rustix::fs::OFlags;
use seawall_engine::{Effect, Engine, Input};
use seawall_http_edge::files;
use seawall_incident::status::{Notice, notice};
use seawall_incident::{Entry, Event, Ledger};
use seawall_model::policy::Policy;
use seawall_model::report::TriageReport;
use seawall_model::{Prefix, Timestamp};
use std::collections::VecDeque;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Steps of one segment of the recording: two a second, ten minutes.
const SEGMENT_STEPS: u32 = 1_200;
/// Steps without a recording, after one could not be written, until it is tried again: a minute.
const RETRY_STEPS: u32 = 120;
/// Segments kept, the present one not counted.
const SEGMENTS_KEPT: usize = 3;
/// A segment is old after as long as the kept ones hold together; until then there may be more.
const OLD: Duration = Duration::from_secs(30 * 60);
const MOST_SEGMENTS: usize = 64;
/// A report is kept up to so long after the last input of its segment.
const KEPT_WITHIN: Duration = Duration::from_secs(2);
/// Write-ups of incidents that wait for the folder to be writable again; the oldest go.
const MOST_UNWRITTEN: usize = 16;
/// Largest report that is read back.
const LARGEST_REPORT_BYTES: u64 = 64 << 20;
/// What is written when an incident has ended.
const POSTMORTEM: &str = "postmortem.md";
/// What was done about an incident, and by whom.
const DONE: &str = "done.json";
/// Clients that are protected by order.
const PROTECTED: &str = "protected";
/// A list of them that is longer was not written by a guard.
const LARGEST_PROTECTED_BYTES: u64 = 1 << 20;

/// Where a guard keeps things, and how much of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateFolder {
    pub path: PathBuf,
    /// For incidents that have ended; beyond, the oldest go.
    pub incidents_bytes: u64,
}

/// The folder, and the segment that is being written.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    incidents_bytes: u64,
    policy: Policy,
    segment: u64,
    steps: u32,
    recorder: Option<Recorder>,
    /// Incidents that have ended and could not be written up.
    unwritten: VecDeque<WriteUp>,
    /// Something could not be written last, and that was told.
    is_failing: bool,
    /// Held for as long as the store lives: two programs would write over each other.
    _lock: File,
}

/// All that is left to know of an incident that has ended.
#[derive(Debug)]
pub struct WriteUp {
    pub name: String,
    pub report: Box<TriageReport>,
    pub done: Ledger,
}

/// Whom a guard was ordered to protect.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Protected {
    pub prefixes: Vec<Prefix>,
    /// Lines that make no sense, and why.
    pub unread: Vec<String>,
}

impl Store {
    /// Opens the folder, makes it where it is missing, and writes up incidents that were cut off.
    /// `going_on`: the one that is open still. Also returns what these are called.
    ///
    /// # Errors
    /// If the folder cannot be written, or another program works with it.
    pub fn open(
        state: &StateFolder,
        policy: &Policy,
        going_on: Option<&str>,
    ) -> anyhow::Result<(Self, Vec<String>)> {
        let folder = &state.path;
        for path in [folder.clone(), folder.join("flight"), folder.join("incidents")] {
            make_private(&path).with_context(|| format!("cannot make {}", path.display()))?;
        }
        let lock = lock(folder)?;
        let last = segments(folder).last().map_or(0, |(number, _)| *number);
        let mut store = Self {
            folder: folder.clone(),
            incidents_bytes: state.incidents_bytes,
            policy: policy.clone(),
            segment: last,
            steps: 0,
            recorder: None,
            unwritten: VecDeque::new(),
            is_failing: false,
            _lock: lock,
        };
        let cut_off = store.write_up_cut_off(going_on)?;
        store.next_segment()?;
        Ok((store, cut_off))
    }

    /// As [`Store::open`], where a folder is given; a disk that is full leaves the guard without a store, and
    /// with the reason. Nobody goes without a guard for want of room to write it up.
    ///
    /// # Errors
    /// As [`Store::open`], for everything else.
    pub fn open_if_room(
        state: Option<&StateFolder>,
        policy: &Policy,
        going_on: Option<&str>,
    ) -> anyhow::Result<Opened> {
        let Some(state) = state else { return Ok(Opened::default()) };
        match Self::open(state, policy, going_on) {
            Ok((store, cut_off)) => Ok(Opened { store: Some(store), cut_off, no_room: None }),
            Err(error) if is_full(&error) => {
                let no_room = format!("{error:#}; nothing is recorded or written up until the next start");
                Ok(Opened { no_room: Some(no_room), ..Opened::default() })
            }
            Err(error) => Err(error),
        }
    }

    /// Whom an earlier guard was ordered to protect; `None` where it never was.
    ///
    /// # Errors
    /// If the list cannot be read.
    pub fn protected(&self) -> anyhow::Result<Option<Protected>> {
        let path = self.folder.join(PROTECTED);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = files::read(&path, LARGEST_PROTECTED_BYTES);
        let bytes = bytes.with_context(|| format!("cannot read {}", path.display()))?;
        let mut found = Protected::default();
        for (number, line) in (1..).zip(String::from_utf8_lossy(&bytes).lines()) {
            match config::protected(line.trim()) {
                _ if line.trim().is_empty() => {}
                Ok(prefix) => found.prefixes.push(prefix),
                Err(why) => found.unread.push(format!("{}, line {number}: {why}", path.display())),
            }
        }
        Ok(Some(found))
    }

    /// Writes down who is protected by order.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep_protected(&self, prefixes: &[Prefix]) -> anyhow::Result<()> {
        let lines: String = prefixes.iter().map(|prefix| format!("{prefix}\n")).collect();
        write_whole(&self.folder.join(PROTECTED), lines.as_bytes())
    }

    /// The policy of recordings that begin from now on.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Records an input before the engine gets it. `reference` gives what is normal, to begin a
    /// segment with. Guarding goes on where that cannot be written, and a new segment is tried after
    /// a while: this returns what to tell of it, once for each time that recording stops or goes on.
    pub fn record(
        &mut self,
        now: Timestamp,
        input: &Input,
        reference: impl FnOnce() -> Option<Input>,
    ) -> Option<String> {
        let was_recording = self.recorder.is_some();
        match self.try_record(now, input, reference) {
            Ok(()) if self.recorder.is_some() && !was_recording => Some("recording goes on".to_owned()),
            Ok(()) => None,
            Err(error) => {
                (self.recorder, self.steps) = (None, 0);
                was_recording.then(|| format!("{error:#}; recording stops until that can be written again"))
            }
        }
    }

    fn try_record(
        &mut self,
        now: Timestamp,
        input: &Input,
        reference: impl FnOnce() -> Option<Input>,
    ) -> anyhow::Result<()> {
        let most = if self.recorder.is_some() { SEGMENT_STEPS } else { RETRY_STEPS };
        if self.steps >= most {
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

    /// Writes the report of an incident as it stands, and what was done about it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep(&self, name: &str, report: &TriageReport, done: &Ledger) -> anyhow::Result<()> {
        let folder = self.incident(name)?;
        write_whole(&folder.join(DONE), &serde_json::to_vec(done)?)?;
        write_whole(&folder.join("report.json"), report::json(report)?.as_bytes())
    }

    /// Writes what the users are told of an incident. Returns its title and the file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn notify(
        &self,
        name: &str,
        report: &TriageReport,
        kind: Notice,
    ) -> anyhow::Result<(String, PathBuf)> {
        let notice = notice(kind, &seawall_incident::postmortem(report, None));
        let file = self.incident(name)?.join("users.txt");
        write_whole(&file, report::status(&notice).as_bytes())?;
        Ok((notice.title, file))
    }

    /// What is to be told of an attempt to write: the first that fails, and the first that does not.
    pub fn noted<T>(&mut self, outcome: &anyhow::Result<T>) -> Option<Told> {
        let was_failing = std::mem::replace(&mut self.is_failing, outcome.is_err());
        match outcome {
            Err(error) if !was_failing => {
                Some(Told::Failed(format!("{error:#}; it is kept in memory and tried again")))
            }
            Ok(_) if was_failing => Some(Told::Noted("the state folder can be written again".to_owned())),
            _ => None,
        }
    }

    /// Writes up an incident that has ended. Returns its folder, and what is to be told. What cannot be
    /// written is kept for [`Store::retry`].
    pub fn finish(&mut self, write_up: WriteUp) -> (Option<PathBuf>, Vec<Told>) {
        let outcome = self.try_finish(&write_up);
        let mut told: Vec<Told> = self.noted(&outcome).into_iter().collect();
        match outcome {
            Ok(_) => told.extend(self.forget_old(&write_up.name)),
            Err(_) => {
                self.unwritten.push_back(write_up);
                self.unwritten.truncate(MOST_UNWRITTEN);
            }
        }
        (outcome.ok(), told)
    }

    /// Removes incidents that have ended, the oldest first, where all take more room than there is for
    /// them; never the one that has just been written up. Returns what is to be told.
    fn forget_old(&self, newest: &str) -> Option<Told> {
        let path = |name: &str| self.folder.join("incidents").join(name);
        let all = self.incidents();
        let mut bytes: u64 = all.iter().map(|(name, _)| size_of_files(&path(name))).sum();
        let mut gone = Vec::new();
        for (name, _) in all.into_iter().filter(|(name, ended)| *ended && name != newest) {
            if bytes <= self.incidents_bytes {
                break;
            }
            let size = size_of_files(&path(&name));
            // One that cannot be removed stays, and is tried again with the next.
            if fs::remove_dir_all(path(&name)).is_ok() {
                bytes = bytes.saturating_sub(size);
                gone.push(name);
            }
        }
        let last = gone.last()?;
        let (count, mib) = (gone.len(), self.incidents_bytes >> 20);
        let are = if count == 1 { "incident is" } else { "incidents are" };
        Some(Told::Noted(format!(
            "incidents took more than the {mib} MiB of incidents-mib: the oldest {count} {are} removed, up to {last}"
        )))
    }

    /// Tries the oldest write-up again that could not be written. Returns what is to be told.
    pub fn retry(&mut self) -> Vec<Told> {
        let Some(write_up) = self.unwritten.pop_front() else { return Vec::new() };
        let outcome = self.try_finish(&write_up);
        let mut told: Vec<Told> = self.noted(&outcome).into_iter().collect();
        match outcome {
            Ok(folder) => {
                told.push(Told::Noted(format!(
                    "incident {} is written up in {}",
                    write_up.name,
                    folder.display()
                )));
                told.extend(self.forget_old(&write_up.name));
            }
            Err(_) => self.unwritten.push_front(write_up),
        }
        told
    }

    fn try_finish(&mut self, WriteUp { name, report, done }: &WriteUp) -> anyhow::Result<PathBuf> {
        self.keep(name, report, done)?;
        self.notify(name, report, Notice::Resolved)?;
        let folder = self.incident(name)?;
        write_up(&folder, report, done)?;
        if self.recorder.is_some() {
            // The segment that holds its end; what came before it is still in `flight`.
            let present = self.segment_path(self.segment);
            self.next_segment()?;
            copy(&present, &folder.join("recording.swr"))?;
        }
        Ok(folder)
    }

    /// Names of the incidents, oldest first, and whether each has ended.
    #[must_use]
    pub fn incidents(&self) -> Vec<(String, bool)> {
        let Ok(entries) = fs::read_dir(self.folder.join("incidents")) else { return Vec::new() };
        let mut all: Vec<(String, bool)> = entries
            .flatten()
            .filter_map(|e| Some((e.file_name().into_string().ok()?, e.path().join(POSTMORTEM).exists())))
            .collect();
        all.sort();
        all
    }

    fn incident(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.join("incidents").join(name);
        make_private(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }

    fn write_up_cut_off(&self, going_on: Option<&str>) -> anyhow::Result<Vec<String>> {
        let mut written = Vec::new();
        for (name, ended) in self.incidents() {
            let folder = self.folder.join("incidents").join(&name);
            let path = folder.join("report.json");
            let is_small = fs::metadata(&path).is_ok_and(|m| m.len() <= LARGEST_REPORT_BYTES);
            if ended || !is_small || going_on == Some(name.as_str()) {
                continue;
            }
            let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            // A report of another version stays as it is.
            if let Ok(report) = serde_json::from_slice::<TriageReport>(&text) {
                if let Some(segment) = self.segment_of(&path) {
                    copy(&segment, &folder.join("recording.swr"))?;
                }
                let done = fs::read(folder.join(DONE)).ok();
                // A guard of an earlier version has left none.
                let done = done.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
                write_up(&folder, &report, &done)?;
                written.push(name);
            }
        }
        Ok(written)
    }

    fn next_segment(&mut self) -> anyhow::Result<()> {
        self.segment += 1;
        self.steps = 0;
        self.recorder = Some(Recorder::begin(&self.segment_path(self.segment), &self.policy, Writer::Guard)?);
        self.remove_old()
    }

    /// Removes segments that are no longer needed: the oldest, once they are old. A program that is
    /// started again and again makes many that hold hardly anything; these go first.
    fn remove_old(&self) -> anyhow::Result<()> {
        let mut all = segments(&self.folder);
        // The present one stays.
        all.pop();
        while all.len() > SEGMENTS_KEPT {
            let is_old = modified(&all[0].1).and_then(|at| at.elapsed().ok()).is_none_or(|age| age > OLD);
            let size = |path: &Path| fs::metadata(path).map_or(0, |m| m.len());
            let smallest = (0..all.len()).min_by_key(|at| size(&all[*at].1)).unwrap_or(0);
            let gone = match is_old {
                true => 0,
                false if all.len() > MOST_SEGMENTS => smallest,
                false => break,
            };
            let (_, path) = all.remove(gone);
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(())
    }

    /// The segment that was written when a report was kept for the last time.
    fn segment_of(&self, report: &Path) -> Option<PathBuf> {
        let kept = modified(report)?;
        let holds = |path: &Path| modified(path).is_some_and(|at| at + KEPT_WITHIN >= kept);
        segments(&self.folder).into_iter().map(|(_, path)| path).find(|path| holds(path))
    }

    fn segment_path(&self, number: u64) -> PathBuf {
        self.folder.join("flight").join(format!("{number:06}.swr"))
    }
}

/// Makes a folder, with those above it, that only its owner may look into. One that is there stays
/// as it is: whoever made it may share it.
fn make_private(folder: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// A state folder as it was found at the start.
#[derive(Debug, Default)]
pub struct Opened {
    pub store: Option<Store>,
    /// Incidents that had been cut off.
    pub cut_off: Vec<String>,
    /// Why there is no store although one is wanted.
    pub no_room: Option<String>,
}

fn is_full(error: &anyhow::Error) -> bool {
    let cause = error.chain().find_map(|e| match e.downcast_ref::<TriageError>() {
        Some(TriageError::Write { source, .. }) => Some(source),
        _ => e.downcast_ref::<io::Error>(),
    });
    cause.is_some_and(|e| matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
}

/// Gives an engine an input, which is recorded where there is a store. What goes wrong with that is told.
pub fn recorded(
    store: &mut Option<Store>,
    engine: &mut Engine,
    (now, input): (Timestamp, Input),
    told: &mut Vec<Told>,
) -> Vec<Effect> {
    if let Some(store) = store {
        told.extend(store.record(now, &input, || normal(engine)).map(Told::Failed));
    }
    engine.step(now, input)
}

/// What an engine knows to be normal, as an input that a recording can begin with.
pub fn normal(engine: &Engine) -> Option<Input> {
    engine.known_normal().map(|window| Input::Baseline(Box::new(window.clone())))
}

/// Whether an incident of a state folder has been written up.
#[must_use]
pub fn is_ended(folder: &Path, name: &str) -> bool {
    folder.join("incidents").join(name).join(POSTMORTEM).exists()
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

/// Bytes of the files in a folder.
fn size_of_files(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum()
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|m| m.modified()).ok()
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(())
}

/// Makes the folder this program's. The file says whose it is; the lock ends with the program,
/// however it ends.
fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join("lock");
    // A link is not followed: nothing outside the folder is written to.
    let flags = OFlags::NOFOLLOW.bits() as i32;
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags);
    let open = options.open(&path);
    let mut file = open.with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            // It says why; without it the message only says less.
            let _ = file.read_to_string(&mut owner);
            let owner: String = owner.chars().filter(char::is_ascii_digit).collect();
            bail!(
                "another guard (process {owner}) works with the state folder {}; name another with --state",
                folder.display()
            );
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {}", path.display()));
        }
    }
    let written = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
    written.with_context(|| format!("cannot write {}", path.display()))?;
    Ok(file)
}

fn write_up(folder: &Path, report: &TriageReport, done: &Ledger) -> anyhow::Result<()> {
    let is_name = |e: &Entry| matches!(e.event, Event::Named { cause, .. } if cause == report.verdict.cause);
    // What the operator was told counts: the report knows only when it got the name for the last time.
    let is_told = done.first(is_name).is_some();
    let seen = Ledger::from_report(report);
    let mut ledger = Ledger::default();
    for entry in seen.entries().iter().filter(|e| !is_told || !is_name(e)).chain(done.entries()) {
        ledger.append(entry.time, entry.actor.clone(), entry.event.clone());
    }
    let postmortem = seawall_incident::postmortem(report, Some(&ledger));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(folder: &Path, incidents_bytes: u64) -> Store {
        let state = StateFolder { path: folder.to_owned(), incidents_bytes };
        Store::open(&state, &Policy::default(), None).expect("a store").0
    }

    fn write_up(name: &str) -> WriteUp {
        let golden = include_str!("../../tests/golden/http-flood.json");
        let report = serde_json::from_str(golden).expect("a report");
        WriteUp { name: name.to_owned(), report, done: Ledger::default() }
    }

    /// Broke: the state folder grew with every incident, for as long as there was a disk.
    #[test]
    fn the_oldest_incidents_make_room_for_new_ones() {
        let folder = std::env::temp_dir().join(format!("seawall-old-incidents-{}", std::process::id()));
        let mut store = opened(&folder, 0);
        store.keep("0-open", &write_up("0-open").report, &Ledger::default()).expect("kept");
        assert_eq!(store.finish(write_up("1")).1, [], "the newest stays, however large it is");
        store.incidents_bytes = u64::MAX;
        for name in ["2", "3"] {
            assert_eq!(store.finish(write_up(name)).1, []);
        }
        let ended = folder.join("incidents").join("3");
        let open = folder.join("incidents").join("0-open");
        store.incidents_bytes = 2 * size_of_files(&ended) + size_of_files(&open);
        let (_, told) = store.finish(write_up("4"));
        let left: Vec<String> = store.incidents().into_iter().map(|(name, _)| name).collect();
        assert_eq!(left, ["0-open", "3", "4"]);
        assert!(matches!(&told[..], [Told::Noted(text)] if text.ends_with("removed, up to 2")), "{told:?}");
        drop(store);
        fs::remove_dir_all(&folder).expect("it is there");
    }

    /// Broke: of an incident that ended while the state folder could not be written only the failure was
    /// told, and no write-up came of it when it could be again.
    #[test]
    fn an_incident_that_cannot_be_written_up_is_when_it_can() {
        let folder = std::env::temp_dir().join(format!("seawall-write-up-{}", std::process::id()));
        let mut store = opened(&folder, u64::MAX);
        fs::rename(folder.join("incidents"), folder.join("away")).expect("moved");
        File::create(folder.join("incidents")).expect("in its place");
        let (written, told) = store.finish(write_up("one"));
        assert!(written.is_none() && matches!(told[..], [Told::Failed(_)]), "{told:?}");
        assert_eq!(store.retry(), [], "told once");
        fs::remove_file(folder.join("incidents")).expect("removed");
        fs::rename(folder.join("away"), folder.join("incidents")).expect("moved back");
        let told = store.retry();
        assert!(matches!(&told[..], [Told::Noted(_), Told::Noted(text)] if text.contains("one")), "{told:?}");
        assert!(is_ended(&folder, "one"));
        drop(store);
        fs::remove_dir_all(&folder).expect("it is there");
    }

    /// Broke: one byte of the list that a disk or an editor had spoilt took its protection from everybody on it.
    #[test]
    fn a_spoilt_line_takes_protection_from_nobody_else() {
        let folder = std::env::temp_dir().join(format!("seawall-protected-{}", std::process::id()));
        let store = opened(&folder, u64::MAX);
        assert_eq!(store.protected().expect("readable"), None);
        fs::write(folder.join(PROTECTED), b"192.0.2.7/32\n192.0.2.\xFF/32\n\n2001:db8::/32\n")
            .expect("written");
        let Protected { prefixes, unread } = store.protected().expect("readable").expect("a list");
        assert_eq!(
            prefixes.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["192.0.2.7/32", "2001:db8::/32"]
        );
        assert!(unread.len() == 1 && unread[0].contains("protected, line 2: "), "{unread:?}");
        drop(store);
        fs::remove_dir_all(&folder).expect("it is there");
    }

    #[test]
    fn a_recording_that_cannot_be_written_goes_on_when_it_can() {
        let folder = std::env::temp_dir().join(format!("seawall-store-{}", std::process::id()));
        let mut store = opened(&folder, u64::MAX);
        let steps = |store: &mut Store, count: u32| -> Vec<String> {
            let told = (0..count)
                .filter_map(|s| store.record(Timestamp::from_seconds(i64::from(s)), &Input::Finish, || None));
            told.collect()
        };
        assert_eq!(steps(&mut store, SEGMENT_STEPS), Vec::<String>::new());
        fs::rename(folder.join("flight"), folder.join("away")).expect("moved");
        let told = steps(&mut store, 3 * RETRY_STEPS);
        assert!(told.len() == 1 && told[0].contains("recording stops"), "told once: {told:?}");
        fs::rename(folder.join("away"), folder.join("flight")).expect("moved back");
        assert_eq!(steps(&mut store, 2 * RETRY_STEPS), ["recording goes on"]);
        drop(store);
        fs::remove_dir_all(&folder).expect("it is there");
    }
}
