//! What all worlds that are played have in common: options, the clock of one drill, its folder, and
//! what is told while it goes on.

use super::guard::{Event, Guard};
use super::lab;
use super::people::{IN_TIME, Record};
use super::seen::{Share, good_share};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Seconds of a drill. Without protection: people alone, then with the attack; the first second of it
/// is not counted, because queues fill up.
pub(super) const ALONE_S: f64 = 0.5;
pub(super) const WITHOUT_S: f64 = 4.0;
pub(super) const FILLS_S: f64 = 1.0;
/// Behind a guard: before the attack, of the attack, at most until the measures are gone.
pub(super) const CALM_S: f64 = 13.0;
pub(super) const ATTACK_S: f64 = 13.0;
pub(super) const RELEASE_S: f64 = 12.0;
/// How often the drill looks at what goes on, and how often it tells of the people.
const LOOK: Duration = Duration::from_millis(50);
const TELL: Duration = Duration::from_millis(500);
/// People's requests of so many seconds make the share that is told.
const RECENT: Duration = Duration::from_secs(3);
/// The file by which a folder is known as one of drills.
const MARK: &str = ".seawall-drill";
/// Sockets and files of a whole drill.
const DESCRIPTORS: u64 = 16_384;

/// How to play.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The program whose `guard` is tried.
    pub program: &'a Path,
    pub seed: u64,
    /// Set from outside: end and clean up.
    pub stop: &'a AtomicBool,
    /// All times are multiplied by this: below 1 for a short look, which measures nothing.
    pub pace: f64,
    /// The guard's recording and write-ups stay in a folder of the world's name in this one.
    pub keep: Option<&'a Path>,
    /// Other programs that the same attack is tried on.
    pub peers: &'a [super::peer::Peer],
    /// In a lab ([`super::lab`]), in which this process must be; otherwise on loopback.
    pub in_lab: bool,
}

/// Something that is told while a world is played.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// The world, or what is wrong in it alone.
    pub name: &'static str,
    /// Seconds from the onset of the attack, once it has begun.
    pub at_s: Option<f64>,
    pub what: What,
}

/// What is told.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A stretch has begun.
    Stage(Stage),
    /// The guard has told something.
    Told(String),
    /// How the requests of people fared in the last seconds.
    People(Share),
}

/// The stretches of a drill, in their order.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// The service is set up and timed.
    Building,
    /// The attack on the service as it stands, so many requests a second.
    Without { per_s: f64 },
    /// The same with another program in front.
    Peer { name: String },
    /// People come through the guard, which learns what is normal.
    Calm,
    /// The attack, through the guard.
    Attack { per_s: f64 },
    /// Something else is wrong, and no attack.
    Trap,
    /// It has ended; measures are withdrawn. The next drill may begin.
    After,
}

/// The times of a drill, and what is told of it.
pub(super) struct Play<'a> {
    pub(super) options: Options<'a>,
    name: &'static str,
    folder: Folder,
    tell: &'a mut dyn FnMut(&Progress),
    onset: Option<Instant>,
    heard: usize,
    /// The people whose requests are told of.
    watched: Option<Record>,
    told: Instant,
}

impl<'a> Play<'a> {
    pub(super) fn new(
        name: &'static str,
        options: Options<'a>,
        tell: &'a mut dyn FnMut(&Progress),
    ) -> io::Result<Self> {
        raise_descriptors();
        let mut play = Self {
            options,
            name,
            folder: Folder::new(name, if options.in_lab { lab::files() } else { std::env::temp_dir() })?,
            tell,
            onset: None,
            heard: 0,
            watched: None,
            told: Instant::now(),
        };
        play.stage(Stage::Building);
        Ok(play)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder.0
    }

    /// Where the guard keeps its recording. What an earlier drill left there goes, and nothing else.
    pub(super) fn state_folder(&self) -> io::Result<PathBuf> {
        let Some(keep) = self.options.keep else { return Ok(self.folder().join("state")) };
        let folder = keep.join(self.name);
        emptied(&folder)?;
        Ok(folder)
    }

    pub(super) fn stage(&mut self, stage: Stage) {
        self.say(What::Stage(stage));
    }

    /// Tells of these people from now on.
    pub(super) fn watch(&mut self, record: Option<&Record>) {
        self.watched = record.cloned();
    }

    /// What happens begins now.
    pub(super) fn begin(&mut self) -> Instant {
        *self.onset.insert(Instant::now())
    }

    /// Waits, and passes on what the guard tells.
    pub(super) async fn wait(&mut self, seconds: f64, guard: Option<&Guard>) -> io::Result<()> {
        let until = Instant::now() + Duration::from_secs_f64(seconds * self.options.pace);
        loop {
            if self.options.stop.load(Relaxed) {
                return Err(io::Error::new(io::ErrorKind::Interrupted, "the drill was stopped"));
            }
            if let Some(guard) = guard {
                self.hear(&guard.events());
            }
            let now = Instant::now();
            if now >= until {
                return Ok(());
            }
            if now - self.told >= TELL
                && let Some(record) = &self.watched
            {
                let share = good_share(&record.borrow(), now.checked_sub(RECENT).unwrap_or(now), now);
                self.told = now;
                self.say(What::People(share));
            }
            sleep(LOOK.min(until - now)).await;
        }
    }

    /// Passes on what has not been told yet.
    pub(super) fn hear(&mut self, events: &[Event]) {
        for event in events.iter().skip(self.heard) {
            let Some(text) = event.words() else { continue };
            let at_s = self.onset.map(|onset| event.since_s(onset));
            (self.tell)(&Progress { name: self.name, at_s, what: What::Told(text) });
        }
        self.heard = self.heard.max(events.len());
    }

    /// Until no measure is in force any more, or for as long as anybody waits for that.
    pub(super) async fn wait_for_release(&mut self, guard: &Guard) -> io::Result<()> {
        let begun = Instant::now();
        while begun.elapsed().as_secs_f64() < RELEASE_S * self.options.pace {
            self.wait(0.25, Some(guard)).await?;
            let events = guard.events();
            let last = events.iter().rfind(|e| e.is("measures") || e.is("withdrawn"));
            if last.is_none_or(|e| e.is("withdrawn")) && begun.elapsed() > IN_TIME {
                break;
            }
        }
        Ok(())
    }

    fn say(&mut self, what: What) {
        let at_s = self.onset.map(|onset| onset.elapsed().as_secs_f64());
        (self.tell)(&Progress { name: self.name, at_s, what });
    }
}

/// Makes a folder of drills, or empties it: if it bears the mark of one.
fn emptied(folder: &Path) -> io::Result<()> {
    let mark = folder.join(MARK);
    if mark.is_file() {
        std::fs::remove_dir_all(folder)?;
    } else if std::fs::read_dir(folder).is_ok_and(|mut all| all.next().is_some()) {
        let text = format!("{} holds what no drill has left there; name another folder", folder.display());
        return Err(io::Error::other(text));
    }
    std::fs::create_dir_all(folder)?;
    std::fs::write(mark, "")
}

/// A folder that goes with the drill.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, among: PathBuf) -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        let path = among.join(format!("seawall-drill-{}-{number}-{name}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is the system's to clean.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A drill holds some thousand connections: guard, site and people in one or two processes.
pub(super) fn raise_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(DESCRIPTORS, |most| most.min(DESCRIPTORS));
    if limit.current.is_none_or(|now| now >= wanted) {
        return;
    }
    limit.current = Some(wanted);
    // Fewer descriptors make a smaller drill, and no wrong one: what finds no socket is not sent.
    let _ = setrlimit(Resource::Nofile, limit);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_no_drills_is_not_emptied() {
        let folder = std::env::temp_dir().join(format!("seawall-emptied-{}", std::process::id()));
        emptied(&folder).expect("made");
        std::fs::write(folder.join("recording"), "of a drill").expect("written");
        emptied(&folder).expect("emptied");
        assert!(!folder.join("recording").exists());
        std::fs::write(folder.join("letters"), "of somebody").expect("written");
        std::fs::remove_file(folder.join(MARK)).expect("removed");
        let error = emptied(&folder).expect_err("refused");
        assert!(error.to_string().contains("name another folder"), "{error}");
        assert!(folder.join("letters").exists());
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
