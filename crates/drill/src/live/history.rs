//! What earlier drills showed: one line of JSON for each world that was played, kept in a folder, so
//! that a change for the worse is seen.
//!
//! A drill is compared with the last ten of its world. It is worse where it is worse than the worst
//! of those by more than they differ from run to run: so one slow run among many is not hidden, and
//! chance is not taken for a change. Drills of a starved machine are kept, and compared with nothing.

use super::card::Card;
use super::seen::Share;
use seawall_model::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const FILE: &str = "drills.jsonl";
/// So much of a history is read, from its end.
const MOST_BYTES: u64 = 16 << 20;
/// Drills of a world that a new one is compared with.
const COMPARED: usize = 10;
/// What times and shares may differ by without meaning anything.
const SLACK_S: f64 = 1.0;
const ANSWERED_SLACK: f64 = 0.01;
const REFUSED_SLACK: f64 = 0.002;

/// One of the times of a drill.
type Time = fn(&Past) -> Option<f64>;

/// One drill of one world. Seconds as in [`Card`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Past {
    pub at: Timestamp,
    /// Of the program.
    pub version: String,
    pub world: String,
    pub seed: u64,
    pub noticed_s: Option<f64>,
    pub named_s: Option<f64>,
    pub told_s: Option<f64>,
    pub contained_s: Option<f64>,
    pub released_s: Option<f64>,
    pub answered: Share,
    pub refused: Share,
    pub without: Option<Share>,
    /// Bars that were missed, by name.
    pub missed: Vec<String>,
    pub bars: usize,
    pub is_starved: bool,
}

/// Something that was better before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Worse {
    pub world: String,
    /// "named after 6.2 s, before at most 2.1 s in 4 drills".
    pub text: String,
}

/// All drills of a folder, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    path: PathBuf,
    pub past: Vec<Past>,
    /// Lines that are none of this version's, or damaged.
    pub unread: usize,
}

impl Past {
    /// What is kept of a card.
    #[must_use]
    pub fn of(card: &Card, at: Timestamp, version: &str) -> Self {
        Self {
            at,
            version: version.to_owned(),
            world: card.world.clone(),
            seed: card.seed,
            noticed_s: card.noticed_s,
            named_s: card.named_s,
            told_s: card.told_s,
            contained_s: card.contained_s,
            released_s: card.released_s,
            answered: card.answered_after,
            refused: card.wrongly_refused,
            without: card.answered_without,
            missed: card.bars.iter().filter(|b| !b.held).map(|b| b.name.clone()).collect(),
            bars: card.bars.len(),
            is_starved: card.machine.is_starved(),
        }
    }
}

impl History {
    /// Reads what a folder holds; nothing there is no history. Damage costs the lines that it is in.
    ///
    /// # Errors
    /// If the file is there and cannot be read.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join(FILE);
        let bytes = match newest(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                return Err(io::Error::new(
                    error.kind(),
                    format!("{} cannot be read: {error}", path.display()),
                ));
            }
        };
        let lines = bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty());
        let read: Vec<Option<Past>> = lines.map(|l| serde_json::from_slice(l).ok()).collect();
        let unread = read.iter().filter(|p| p.is_none()).count();
        Ok(Self { path, past: read.into_iter().flatten().collect(), unread })
    }

    /// Adds a drill, also to the file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn add(&mut self, past: Past) -> io::Result<()> {
        let line = serde_json::to_string(&past).map_err(io::Error::other)?;
        let mut file = File::options().create(true).read(true).append(true).open(&self.path)?;
        // A line that was cut short, by a full disk or a killed drill, must not take this one with it.
        let begin = if ends_within_a_line(&mut file)? { "\n" } else { "" };
        file.write_all(format!("{begin}{line}\n").as_bytes())?;
        self.past.push(past);
        Ok(())
    }

    /// What is worse in a drill than in the last ones of its world.
    #[must_use]
    pub fn worse(&self, now: &Past) -> Vec<Worse> {
        if now.is_starved {
            return Vec::new();
        }
        let is_like = |p: &&Past| p.world == now.world && !p.is_starved;
        let before: Vec<&Past> = self.past.iter().rev().filter(is_like).take(COMPARED).collect();
        if before.is_empty() {
            return Vec::new();
        }
        let drills = match before.len() {
            1 => "the drill before".to_owned(),
            n => format!("the {n} drills before"),
        };
        let mut worse = Vec::new();
        let mut add = |text: String| worse.push(Worse { world: now.world.clone(), text });
        let times: [(&str, Time); 4] = [
            ("noticed", |p| p.noticed_s),
            ("named", |p| p.named_s),
            ("contained", |p| p.contained_s),
            ("users told", |p| p.told_s),
        ];
        for (what, of) in times {
            let Some(limit) = before.iter().map(|p| of(p)).try_fold(0.0, |most: f64, s| Some(most.max(s?)))
            else {
                continue;
            };
            match of(now) {
                None => add(format!("{what} never; in {drills} after {limit:.1} s at most")),
                Some(s) if s > limit + SLACK_S => {
                    add(format!("{what} after {s:.1} s; in {drills} after {limit:.1} s at most"));
                }
                Some(_) => {}
            }
        }
        let least = before.iter().filter_map(|p| p.answered.value()).fold(1.0, f64::min);
        if let Some(share) = now.answered.value().filter(|s| *s < least - ANSWERED_SLACK) {
            let (share, least) = (100.0 * share, 100.0 * least);
            add(format!("{share:.1} % of people answered; in {drills} at least {least:.1} %"));
        }
        let most = before.iter().filter_map(|p| p.refused.value()).fold(0.0, f64::max);
        if let Some(share) = now.refused.value().filter(|s| *s > most + REFUSED_SLACK) {
            let (share, most) = (100.0 * share, 100.0 * most);
            add(format!("{share:.2} % of people refused; in {drills} at most {most:.2} %"));
        }
        worse
    }
}

/// The last lines of a file, whole but for the first.
fn newest(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MOST_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn ends_within_a_line(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(named_s: Option<f64>, answered: u64) -> Past {
        let card = Card {
            world: "library".into(),
            named_s,
            answered_after: Share { part: answered, of: 1_000 },
            wrongly_refused: Share { part: 0, of: 1_000 },
            ..Card::default()
        };
        Past::of(&card, Timestamp::from_seconds(7), "0.1.0")
    }

    fn history(past: Vec<Past>) -> History {
        History { past, ..History::default() }
    }

    #[test]
    fn a_drill_that_is_named_much_later_is_worse_and_one_within_the_usual_is_not() {
        let before = history(vec![past(Some(1.2), 1_000), past(Some(2.4), 998)]);
        assert_eq!(before.worse(&past(Some(3.2), 995)), []);
        let worse = before.worse(&past(Some(3.6), 980));
        assert_eq!(worse[0].text, "named after 3.6 s; in the 2 drills before after 2.4 s at most");
        assert!(worse[1].text.starts_with("98.0 % of people answered"), "{worse:?}");
        assert!(before.worse(&past(None, 1_000))[0].text.starts_with("named never"));
    }

    #[test]
    fn a_starved_machine_is_compared_with_nothing_and_nothing_with_it() {
        let starved = |p: Past| Past { is_starved: true, ..p };
        let before = history(vec![past(Some(1.0), 1_000)]);
        assert_eq!(before.worse(&starved(past(None, 0))), []);
        assert_eq!(history(vec![starved(past(Some(1.0), 1_000))]).worse(&past(None, 0)), []);
    }

    #[test]
    fn what_is_added_is_read_again_and_other_lines_are_counted() {
        let folder = std::env::temp_dir().join(format!("seawall-history-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut history = History::open(&folder).expect("none");
        history.add(past(Some(1.5), 999)).expect("added");
        history.add(past(None, 500)).expect("added");
        let mut file = File::options().append(true).open(folder.join(FILE)).expect("a file");
        writeln!(file, "{{\"of\": \"another version\"}}").expect("written");
        let read = History::open(&folder).expect("a history");
        std::fs::remove_dir_all(&folder).expect("removed");
        assert_eq!((&read.past, read.unread), (&history.past, 1));
    }

    /// A folder of its own for a test, gone with it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(of: &str) -> Self {
            let path = std::env::temp_dir().join(format!("seawall-history-{of}-{}", std::process::id()));
            std::fs::create_dir_all(&path).expect("a folder");
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_line_that_was_cut_short_takes_neither_the_next_nor_the_one_before_with_it() {
        let folder = Folder::new("cut");
        let mut history = History::open(&folder.0).expect("none");
        history.add(past(Some(1.5), 999)).expect("added");
        let mut file = File::options().append(true).open(folder.0.join(FILE)).expect("a file");
        file.write_all(b"{\"at\": 7, \"version\": \"0.1").expect("written");
        history.add(past(None, 500)).expect("added");
        let read = History::open(&folder.0).expect("a history");
        assert_eq!((&read.past, read.unread), (&history.past, 1));
    }

    #[test]
    fn bytes_that_are_no_text_cost_their_line_and_not_the_history() {
        let folder = Folder::new("bytes");
        std::fs::write(folder.0.join(FILE), b"\xFF\xFE\n").expect("written");
        let mut history = History::open(&folder.0).expect("a history");
        history.add(past(Some(1.5), 999)).expect("added");
        let read = History::open(&folder.0).expect("a history");
        assert_eq!((&read.past, read.unread), (&history.past, 1));
    }

    #[test]
    fn of_a_history_that_is_too_long_the_newest_drills_are_read() {
        let folder = Folder::new("long");
        let path = folder.0.join(FILE);
        std::fs::write(&path, vec![b' '; MOST_BYTES as usize]).expect("written");
        let mut history = History { path, ..History::default() };
        history.add(past(Some(1.5), 999)).expect("added");
        assert_eq!(History::open(&folder.0).expect("a history").past, history.past);
    }

    #[test]
    fn a_history_that_cannot_be_read_is_named() {
        let folder = Folder::new("named");
        std::fs::create_dir_all(folder.0.join(FILE)).expect("a folder");
        let error = History::open(&folder.0).expect_err("a folder is no history");
        assert!(error.to_string().contains(FILE), "{error}");
    }
}
