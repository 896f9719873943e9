//! Scores `seawall triage` on a labelled corpus: runs it on every case of an index and counts how often
//! its class and cause are among those that the label accepts. How cases are made: `corpus/README.md`.

mod index;
mod run;
mod tally;

pub use index::{Case, parse};
pub use run::{Answer, Outcome};
pub use tally::Tally;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What to score, from the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The program.
    pub program: PathBuf,
    /// The folder that the index's file names are relative to.
    pub folder: PathBuf,
    /// The index; `INDEX.tsv` in the folder unless given.
    pub index: PathBuf,
    /// Cases that run at a time.
    pub jobs: usize,
    /// Only cases of this class.
    pub class: Option<String>,
    /// Only cases whose name contains this.
    pub only: Option<String>,
    /// Where to write one line per case as well.
    pub tsv: Option<PathBuf>,
}

impl Options {
    /// Reads `BIN DIR [--index FILE] [--jobs N] [--class C] [--only TEXT] [--tsv FILE]`.
    ///
    /// # Errors
    /// A text for the user: what is missing or not understood.
    pub fn parse(words: &[&str]) -> Result<Self, String> {
        let [program, folder, rest @ ..] = words else {
            return Err("corpus score: name the program and the folder of the corpus".to_owned());
        };
        let folder = PathBuf::from(folder);
        let mut options = Self {
            program: PathBuf::from(program),
            index: folder.join("INDEX.tsv"),
            folder,
            jobs: 1,
            class: None,
            only: None,
            tsv: None,
        };
        for pair in rest.chunks(2) {
            let [name, value] = pair else {
                return Err(format!("corpus score: `{}` needs a value", pair[0]));
            };
            match *name {
                "--index" => options.index = named_index(&options.folder, value),
                "--jobs" => {
                    options.jobs =
                        value.parse().ok().filter(|n| (1..=64).contains(n)).ok_or_else(|| {
                            format!("corpus score: `--jobs {value}` is no number from 1 to 64")
                        })?;
                }
                "--class" => options.class = Some((*value).to_owned()),
                "--only" => options.only = Some((*value).to_owned()),
                "--tsv" => options.tsv = Some(PathBuf::from(value)),
                other => return Err(format!("corpus score: unknown option `{other}`")),
            }
        }
        Ok(options)
    }

    fn wants(&self, case: &Case) -> bool {
        self.class.as_ref().is_none_or(|class| case.classes.first() == Some(class))
            && self.only.as_ref().is_none_or(|text| case.name.contains(text.as_str()))
    }
}

/// An index is looked for where the user stands, then in the folder of the corpus.
fn named_index(folder: &Path, name: &str) -> PathBuf {
    let here = PathBuf::from(name);
    if here.is_file() { here } else { folder.join(name) }
}

/// Runs the program on every case that the options want.
///
/// # Errors
/// A text for the user, if the index cannot be read or the list of cases cannot be written.
pub fn score(options: &Options) -> Result<Tally, String> {
    let text = std::fs::read_to_string(&options.index)
        .map_err(|error| format!("cannot read the index {}: {error}", options.index.display()))?;
    let cases: Vec<Case> = parse(&text)
        .map_err(|problem| format!("{}: {problem}", options.index.display()))?
        .into_iter()
        .filter(|case| options.wants(case))
        .collect();
    if cases.is_empty() {
        return Err(format!("no case of {} is wanted", options.index.display()));
    }
    let tally = Tally::new(judge(options, cases));
    if let Some(path) = &options.tsv {
        std::fs::write(path, tally.rows())
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(tally)
}

/// Answers in the order of the cases, whatever the number of jobs.
fn judge(options: &Options, cases: Vec<Case>) -> Vec<(Case, Answer)> {
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(vec![None; cases.len()]);
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.min(cases.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(at) else { break };
                    let answer = run::run(&options.program, &options.folder, case);
                    if let Ok(mut answers) = answers.lock() {
                        answers[at] = Some(answer);
                    }
                }
            });
        }
    });
    let answers = answers.into_inner().unwrap_or_default();
    cases.into_iter().zip(answers).filter_map(|(case, answer)| Some((case, answer?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_wrong_ones_are_named() {
        let options =
            Options::parse(&["seawall", "/lab", "--jobs", "2", "--class", "attack"]).expect("fine options");
        assert_eq!(options.index, PathBuf::from("/lab/INDEX.tsv"));
        assert_eq!((options.jobs, options.class.as_deref()), (2, Some("attack")));
        let problem = |words: &[&str]| Options::parse(words).expect_err("wrong options");
        assert!(problem(&["seawall"]).contains("name the program"));
        assert!(problem(&["seawall", "/lab", "--jobs", "0"]).contains("--jobs 0"));
        assert!(problem(&["seawall", "/lab", "--only"]).contains("needs a value"));
        assert!(problem(&["seawall", "/lab", "--fast", "1"]).contains("--fast"));
    }

    #[test]
    fn a_class_is_wanted_by_its_first_label() {
        let options = Options::parse(&["seawall", "/lab", "--class", "demand", "--only", "crawl"])
            .expect("fine options");
        let case = |name: &str, class: &str| {
            parse(&format!("{}\n{name}\ta.log\t\t{class}\tcrawler\t\t\n", index::HEAD))
                .expect("a fine index")
                .remove(0)
        };
        assert!(options.wants(&case("crawl-1", "demand,normal")));
        assert!(!options.wants(&case("crawl-1", "normal,demand")));
        assert!(!options.wants(&case("crowd", "demand")));
    }
}
