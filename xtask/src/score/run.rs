//! One run of the program on one case, under a limit of time, and what its answer is worth.

use super::Case;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A run that takes longer counts as a crash.
const LIMIT: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(20);

/// What the program said, and how long it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub outcome: Outcome,
    pub took: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Verdict {
        class: String,
        cause: String,
        vectors: Vec<String>,
        confidence: f64,
        /// Exit status 1: the verdict is an attack, or an attack is named beside it.
        alarm: bool,
    },
    /// It ended by itself with "could not run" and its message.
    Refused(String),
    /// A panic, a signal, an exit status out of the contract, output that is not the contract's, no end.
    Crash(String),
}

impl Outcome {
    /// Whether the label accepts this.
    #[must_use]
    pub fn is_right(&self, case: &Case) -> bool {
        let holds = |list: &[String], word: &String| list.iter().any(|accepted| accepted == word);
        match self {
            Self::Verdict { class, cause, .. } => {
                is_robustness(case)
                    || (holds(&case.classes, class) && (case.causes.is_empty() || holds(&case.causes, cause)))
            }
            Self::Refused(_) => is_robustness(case),
            Self::Crash(_) => false,
        }
    }

    /// Vectors of the label that the answer does not name.
    #[must_use]
    pub fn missing_vectors<'a>(&self, case: &'a Case) -> Vec<&'a str> {
        let Self::Verdict { vectors, .. } = self else { return Vec::new() };
        case.vectors.iter().filter(|vector| !vectors.contains(vector)).map(String::as_str).collect()
    }
}

/// A label that asks for nothing but an orderly end.
fn is_robustness(case: &Case) -> bool {
    case.classes.iter().any(|class| class == "any")
}

/// Runs `PROGRAM triage --format json` on a case.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the score reports how long runs take")]
pub fn run(program: &Path, folder: &Path, case: &Case) -> Answer {
    let begun = std::time::Instant::now();
    let outcome = match start(program, folder, case) {
        Ok(child) => finish(child, begun),
        Err(error) => Outcome::Crash(format!("cannot start {}: {error}", program.display())),
    };
    Answer { outcome, took: begun.elapsed() }
}

fn start(program: &Path, folder: &Path, case: &Case) -> std::io::Result<Child> {
    let mut command = Command::new(program);
    command.args(["triage", "--format", "json"]);
    for flag in &case.flags {
        if flag.starts_with("--") {
            command.arg(flag);
        } else {
            command.arg(folder.join(flag));
        }
    }
    command.arg("--").args(case.files.iter().map(|file| folder.join(file)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

fn finish(mut child: Child, begun: std::time::Instant) -> Outcome {
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    // Both pipes are drained while the program runs, or a long report would stop it.
    let said = std::thread::spawn(move || drain(stdout.as_mut()));
    let complained = std::thread::spawn(move || drain(stderr.as_mut()));
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if begun.elapsed() < LIMIT => std::thread::sleep(POLL),
            Ok(None) => {
                // Both fail only if it has just ended.
                let _gone = child.kill().and_then(|()| child.wait());
                return Outcome::Crash(format!("no end after {} s", LIMIT.as_secs()));
            }
            Err(error) => return Outcome::Crash(error.to_string()),
        }
    };
    let said = said.join().unwrap_or_default();
    let complained = complained.join().unwrap_or_default();
    judge(status.code(), &said, &complained)
}

fn drain(pipe: Option<&mut impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What came before an error of the pipe is judged.
        let _cut = pipe.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Holds exit status and output to the contract: 0 no attack, 1 attack, 2 could not run.
fn judge(code: Option<i32>, said: &str, complained: &str) -> Outcome {
    let last_line = complained.lines().last().unwrap_or_default().to_owned();
    match code {
        None => Outcome::Crash(format!("ended by a signal: {last_line}")),
        Some(2) => Outcome::Refused(last_line),
        Some(code @ (0 | 1)) => match verdict(said, code == 1) {
            Some(Outcome::Verdict { class, .. }) if class == "attack" && code == 0 => {
                Outcome::Crash("exit status 0 for an attack".to_owned())
            }
            Some(outcome) => outcome,
            None => Outcome::Crash("output without a verdict".to_owned()),
        },
        Some(code) => Outcome::Crash(format!("exit status {code}: {last_line}")),
    }
}

fn verdict(said: &str, alarm: bool) -> Option<Outcome> {
    let report: serde_json::Value = serde_json::from_str(said).ok()?;
    let verdict = report.get("verdict")?;
    let text = |name: &str| Some(verdict.get(name)?.as_str()?.to_owned());
    let vectors =
        verdict.get("vectors")?.as_array()?.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect();
    Some(Outcome::Verdict {
        class: text("class")?,
        cause: text("cause")?,
        vectors,
        confidence: verdict.get("confidence")?.as_f64()?,
        alarm,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str =
        r#"{"verdict":{"class":"attack","cause":"syn-flood","vectors":["spoofed"],"confidence":0.9}}"#;

    fn case(classes: &[&str], causes: &[&str]) -> Case {
        let own = |words: &[&str]| words.iter().map(|&w| w.to_owned()).collect();
        Case {
            name: "one".to_owned(),
            files: vec!["a.pcap".to_owned()],
            flags: Vec::new(),
            classes: own(classes),
            causes: own(causes),
            vectors: own(&["spoofed", "carpet"]),
            note: String::new(),
        }
    }

    #[test]
    fn a_verdict_is_held_to_class_and_cause() {
        let outcome = judge(Some(1), SAID, "");
        assert!(outcome.is_right(&case(&["attack"], &["udp-flood", "syn-flood"])));
        assert!(outcome.is_right(&case(&["attack"], &[])));
        assert!(!outcome.is_right(&case(&["attack"], &["udp-flood"])));
        assert!(!outcome.is_right(&case(&["normal"], &["syn-flood"])));
        assert_eq!(outcome.missing_vectors(&case(&["attack"], &[])), ["carpet"]);
    }

    #[test]
    fn what_breaks_the_contract_is_a_crash() {
        for (code, said) in [(None, SAID), (Some(101), SAID), (Some(0), SAID), (Some(1), "{}"), (Some(1), "")]
        {
            let outcome = judge(code, said, "thread 'main' panicked");
            assert!(matches!(outcome, Outcome::Crash(_)), "{code:?} {said} gave {outcome:?}");
            assert!(!outcome.is_right(&case(&["any"], &[])));
        }
    }

    #[test]
    fn a_refusal_is_right_only_where_nothing_but_an_orderly_end_is_asked() {
        let outcome = judge(Some(2), "", "seawall: a.pcap: no packets");
        assert!(outcome.is_right(&case(&["any"], &[])));
        assert!(!outcome.is_right(&case(&["normal"], &["normal"])));
    }
}
