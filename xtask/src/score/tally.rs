//! Counts of right and wrong answers by class and cause, as text for people and as rows for programs.

use super::{Answer, Case, Outcome};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The scored cases.
#[derive(Clone, Debug, PartialEq)]
pub struct Tally {
    answers: Vec<(Case, Answer)>,
}

impl Tally {
    #[must_use]
    pub fn new(answers: Vec<(Case, Answer)>) -> Self {
        Self { answers }
    }

    /// Runs that broke the contract of the command.
    #[must_use]
    pub fn crashes(&self) -> usize {
        self.answers.iter().filter(|(_, answer)| matches!(answer.outcome, Outcome::Crash(_))).count()
    }

    /// One line per case: right or wrong, name, label, answer, seconds.
    #[must_use]
    pub fn rows(&self) -> String {
        let mut text = String::from("right\tcase\tclasses\tcauses\tanswer\tseconds\tnote\n");
        for (case, answer) in &self.answers {
            text += &format!(
                "{}\t{}\t{}\t{}\t{}\t{:.2}\t{}\n",
                if answer.outcome.is_right(case) { "right" } else { "wrong" },
                case.name,
                case.classes.join(","),
                case.causes.join(","),
                said(&answer.outcome),
                answer.took.as_secs_f64(),
                case.note,
            );
        }
        text
    }

    /// Right answers and all, by the label that `label` takes from a case.
    fn shares(&self, label: impl Fn(&Case) -> Option<&String>) -> BTreeMap<String, (usize, usize)> {
        let mut shares = BTreeMap::new();
        for (case, answer) in &self.answers {
            let key = label(case).cloned().unwrap_or_else(|| "whichever".to_owned());
            let share: &mut (usize, usize) = shares.entry(key).or_default();
            share.0 += usize::from(answer.outcome.is_right(case));
            share.1 += 1;
        }
        shares
    }

    /// Cases in which nobody means harm: how many raised the alarm (exit status 1), and how many there are.
    fn innocents(&self) -> (usize, usize) {
        let innocent =
            |case: &Case| !case.classes.iter().any(|c| matches!(c.as_str(), "attack" | "abuse" | "any"));
        let all: Vec<_> = self.answers.iter().filter(|(case, _)| innocent(case)).collect();
        let alarmed = |outcome: &Outcome| matches!(outcome, Outcome::Verdict { alarm: true, .. });
        (all.iter().filter(|(_, answer)| alarmed(&answer.outcome)).count(), all.len())
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (case, answer) in &self.answers {
            if !answer.outcome.is_right(case) {
                writeln!(
                    f,
                    "wrong  {:<40} is {} ({}), called {}",
                    case.name,
                    case.classes.join(","),
                    case.causes.join(","),
                    said(&answer.outcome)
                )?;
            }
        }
        for (title, shares) in [
            ("class", self.shares(|case| case.classes.first())),
            ("cause", self.shares(|case| case.causes.first())),
        ] {
            writeln!(f, "\n{title:<24} right  of")?;
            for (name, (right, of)) in shares {
                writeln!(f, "{name:<24} {right:>5} {of:>3}  {:>3.0} %", percent(right, of))?;
            }
        }
        let right = self.answers.iter().filter(|(case, answer)| answer.outcome.is_right(case)).count();
        let of = self.answers.len();
        let (called, innocents) = self.innocents();
        let (named, with_vectors) = self.vectors();
        let took: Duration = self.answers.iter().map(|(_, answer)| answer.took).sum();
        writeln!(f, "\nright in all             {right:>5} of {of} ({:.1} %)", percent(right, of))?;
        writeln!(f, "innocents called attack  {called:>5} of {innocents}")?;
        writeln!(f, "vectors all named        {named:>5} of {with_vectors} right cases that have them")?;
        writeln!(f, "crashes                  {:>5}", self.crashes())?;
        writeln!(
            f,
            "time                     {:>7.1} s, the longest {:.1} s",
            took.as_secs_f64(),
            self.longest()
        )
    }
}

impl Tally {
    /// Of the right answers to labels with vectors: those that name all of them.
    fn vectors(&self) -> (usize, usize) {
        let right = self
            .answers
            .iter()
            .filter(|(case, answer)| !case.vectors.is_empty() && answer.outcome.is_right(case));
        let (full, all): (Vec<_>, Vec<_>) =
            right.map(|(case, answer)| (answer.outcome.missing_vectors(case).is_empty(), ())).unzip();
        (full.into_iter().filter(|&full| full).count(), all.len())
    }

    fn longest(&self) -> f64 {
        self.answers.iter().map(|(_, answer)| answer.took.as_secs_f64()).fold(0.0, f64::max)
    }
}

fn said(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Verdict { class, cause, vectors, confidence, alarm } => {
            let vectors =
                if vectors.is_empty() { String::new() } else { format!(" [{}]", vectors.join(",")) };
            let beside = if *alarm && class != "attack" { ", beside an attack" } else { "" };
            format!("{class}/{cause}{vectors} at {:.0} %{beside}", confidence * 100.0)
        }
        Outcome::Refused(message) => format!("nothing: {message}"),
        Outcome::Crash(message) => format!("CRASH {message}"),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of cases are small")]
fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 * 100.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::parse;

    fn answer(class: &str, cause: &str) -> Answer {
        let verdict = Outcome::Verdict {
            class: class.to_owned(),
            cause: cause.to_owned(),
            vectors: vec!["ntp".to_owned()],
            confidence: 0.9,
            alarm: class == "attack",
        };
        Answer { outcome: verdict, took: Duration::from_millis(500) }
    }

    #[test]
    fn counts_are_those_of_the_answers() {
        let text = "case\tfiles\tflags\tclass\tcauses\tvectors\tnote\n\
            a\ta.pcap\t\tattack\tamplification\tntp,dns\t\nb\tb.log\t\tnormal\tnormal\t\t\n\
            c\tc.log\t\tnormal\tnormal\t\t\nd\td.pcap\t\tany\t\t\t\n";
        let cases = parse(text).expect("a fine index");
        let crash = Answer { outcome: Outcome::Crash("ended by a signal".to_owned()), took: Duration::ZERO };
        let answers = vec![
            answer("attack", "amplification"),
            answer("attack", "udp-flood"),
            answer("normal", "normal"),
            crash,
        ];
        let tally = Tally::new(cases.into_iter().zip(answers).collect());
        assert_eq!(tally.crashes(), 1);
        assert_eq!(tally.innocents(), (1, 2));
        assert_eq!(tally.vectors(), (0, 1));
        let text = tally.to_string();
        assert!(text.contains("right in all                 2 of 4 (50.0 %)"), "{text}");
        assert!(text.contains("innocents called attack      1 of 2"), "{text}");
        assert!(text.contains("crashes                      1"), "{text}");
        assert_eq!(tally.rows().lines().filter(|line| line.starts_with("wrong\t")).count(), 2);
    }
}
