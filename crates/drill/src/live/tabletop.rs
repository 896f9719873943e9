//! Rehearsals for people: what came in on the day, question after question, the decisions
//! recorded, and at the end what was missed, with the playbook's words.

use super::outage::{Outage, Theory};
use super::playbook::part;
use crate::rng::Rng;
use seawall_model::{Cause, Class};
use std::fmt::Write as _;
use std::io::{self, BufRead, Write};

/// One thing that comes in, and what is asked about it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Inject {
    /// On the clock of the day.
    minute: u32,
    comes_in: String,
    question: &'static str,
    /// The first one is right; they are shown in an order drawn by seed.
    answers: Vec<String>,
    /// Read in the debrief.
    lesson: String,
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Decision {
    given: String,
    is_right: bool,
}

/// Plays an outage with people: reads a letter for each question. Gives the debrief as Markdown.
/// An input that ends leaves the rest unanswered, which the debrief counts as gaps.
///
/// # Errors
/// If input or output fails.
pub fn tabletop(
    outage: &Outage,
    seed: u64,
    width: usize,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> io::Result<String> {
    let injects = injects(outage);
    let say =
        |out: &mut dyn Write, first: &str, text: &str| out.write_all(lines(first, text, width).as_bytes());
    say(out, "", &format!("{}: you keep a service: {}.", outage.world, outage.service))?;
    say(out, "", "Answer with the letter, after talking it over. Nothing is looked up for you.")?;
    writeln!(out)?;
    let mut rng = Rng::new(seed);
    let mut decisions = Vec::new();
    for inject in &injects {
        let clock = format!("[{:>2}:{:02}]  ", inject.minute / 60, inject.minute % 60);
        say(out, &clock, &inject.comes_in)?;
        say(out, "         ", inject.question)?;
        let mut order: Vec<usize> = (0..inject.answers.len()).collect();
        for at in (1..order.len()).rev() {
            order.swap(at, rng.index(at + 1));
        }
        for (letter, answer) in ('a'..).zip(&order) {
            say(out, &format!("           {letter}) "), &inject.answers[*answer])?;
        }
        decisions.push(decide(inject, &order, input, out)?);
        writeln!(out)?;
    }
    Ok(debrief(outage, &injects, &decisions))
}

/// Words after what begins the first line, broken between them; further lines stand below the first
/// word.
fn lines(first: &str, text: &str, width: usize) -> String {
    let (mut all, mut at) = (first.to_owned(), first.len());
    for (number, word) in text.split(' ').enumerate() {
        let columns = word.chars().count();
        if number > 0 && at + 1 + columns > width {
            let _ = write!(all, "\n{:1$}", "", first.len());
            at = first.len();
        } else if number > 0 {
            all.push(' ');
            at += 1;
        }
        all.push_str(word);
        at += columns;
    }
    all.push('\n');
    all
}

/// Asks until there is a letter, or the input has ended.
fn decide(
    inject: &Inject,
    order: &[usize],
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> io::Result<Option<Decision>> {
    loop {
        write!(out, "         > ")?;
        out.flush()?;
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let letter = line.trim().bytes().next().map(|b| b.to_ascii_lowercase().wrapping_sub(b'a'));
        let Some(answer) = letter.and_then(|l| order.get(usize::from(l))) else {
            writeln!(out, "         a letter from a to {}", char::from(b'a' + order.len() as u8 - 1))?;
            continue;
        };
        return Ok(Some(Decision { given: inject.answers[*answer].clone(), is_right: *answer == 0 }));
    }
}

fn injects(outage: &Outage) -> Vec<Inject> {
    let mut all = vec![Inject {
        minute: 0,
        comes_in: format!(
            "An alert: {}. {:.0} % of users are hit.",
            outage.first_signal,
            100.0 * outage.users_hit
        ),
        question: "What do you do in the first minute?",
        answers: vec![
            "One of us leads, one looks at what has changed in the traffic, one tells the users".into(),
            "Restart the servers, and see whether it helps".into(),
            "Wait for more alerts, so that we know what we are talking about".into(),
        ],
        lesson: "In all five outages the alert came in time, and hours went by without anybody who led."
            .into(),
    }];
    for (number, theory) in (1..).zip(outage.theories) {
        all.push(doubt(10 * number, theory, outage.cause));
    }
    let minute = 10 * (1 + outage.theories.len() as u32);
    all.push(naming(minute, outage.cause));
    all.push(measures(minute + 5, outage.cause));
    all.push(users(minute + 8, outage.cause));
    all.push(ending(minute + 40, outage.cause));
    all
}

fn doubt(minute: u32, theory: &Theory, real: Cause) -> Inject {
    let seen = part(theory.cause, PARTS_RECOGNISE).unwrap_or_default();
    let look = |cause: Cause| {
        format!(
            "We look whether this is so: {}",
            first_sentence(part(cause, PARTS_RECOGNISE).unwrap_or_default())
        )
    };
    // What would show something else is looked for as eagerly, on such a day.
    let another = [Cause::SlowBackend, Cause::NetworkFault].into_iter().find(|c| *c != theory.cause);
    Inject {
        minute,
        comes_in: format!("Somebody is sure: \"{}\".", theory.name),
        question: "By what would you know whether it is?",
        answers: [theory.cause, real]
            .into_iter()
            .chain(another)
            .map(look)
            .chain(["It has been that before: we work on it until it is solved".to_owned()])
            .collect(),
        lesson: format!("It would look like this: {seen}"),
    }
}

fn naming(minute: u32, cause: Cause) -> Inject {
    let others = [Cause::FlashCrowd, Cause::SlowBackend, Cause::ReleaseFault];
    let mut answers = vec![first_sentence(part(cause, PARTS_RECOGNISE).unwrap_or_default())];
    answers.extend(others.iter().map(|c| first_sentence(part(*c, PARTS_RECOGNISE).unwrap_or_default())));
    Inject {
        minute,
        comes_in: format!("Somebody has a name for it: \"{}\".", cause.title()),
        question: "By what would you know it?",
        answers,
        lesson: part(cause, PARTS_RECOGNISE).unwrap_or_default().to_owned(),
    }
}

fn measures(minute: u32, cause: Cause) -> Inject {
    Inject {
        minute,
        comes_in: "The name is agreed on. Somebody offers to add twice as many servers; somebody else has a list of \
                   addresses to block."
            .into(),
        question: "What is done first?",
        answers: vec![
            first_sentence(part(cause, "What Seawall does").unwrap_or_default()),
            "Twice as many servers: capacity is never wrong".into(),
            "The whole list at the firewall: whoever is innocent will complain".into(),
        ],
        lesson: part(cause, "What Seawall does").unwrap_or_default().to_owned(),
    }
}

fn users(minute: u32, cause: Cause) -> Inject {
    Inject {
        minute,
        comes_in: "Users write: is my data safe? When does it work again?".into(),
        question: "What do they read?",
        answers: vec![
            part(cause, "What to tell users").unwrap_or_default().to_owned(),
            "Nothing before everything is solved: half the truth makes it worse".into(),
            "\"There are no problems on our side.\"".into(),
        ],
        lesson: "Users are told within a minute, with a time at which they hear more.".into(),
    }
}

fn ending(minute: u32, cause: Cause) -> Inject {
    Inject {
        minute,
        comes_in: "The charts look as they did yesterday.".into(),
        question: "Is it over?",
        answers: vec![
            first_sentence(part(cause, "How it ends").unwrap_or_default()),
            "Yes: take every measure down and go home".into(),
            "No: leave every measure on for good".into(),
        ],
        lesson: part(cause, "How it ends").unwrap_or_default().to_owned(),
    }
}

const PARTS_RECOGNISE: &str = super::playbook::PARTS[0];

fn first_sentence(text: &str) -> String {
    match text.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => text.to_owned(),
    }
}

fn debrief(outage: &Outage, injects: &[Inject], decisions: &[Option<Decision>]) -> String {
    let mut out = String::new();
    let right = decisions.iter().flatten().filter(|d| d.is_right).count();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "# Tabletop: {}\n", outage.world);
    let _ = writeln!(
        out,
        "{right} of {} decisions as the playbooks have them. The team that lived through it needed {} hours; what \
         named it: {}; what ended it: {}.\n",
        injects.len(),
        outage.hours,
        outage.named_by,
        outage.ended_by
    );
    let class = match outage.cause.class() {
        Class::Attack | Class::Abuse => "an attack",
        _ => "no attack",
    };
    let _ = writeln!(out, "It was {class}: {} (`{}`).\n\n## Decisions\n", outage.cause.title(), outage.cause);
    for (inject, decision) in injects.iter().zip(decisions) {
        let given = decision.as_ref().map_or("no answer", |d| d.given.as_str());
        let _ = writeln!(out, "- {} min: {} {}", inject.minute, inject.comes_in, inject.question);
        let _ = writeln!(out, "  - decided: {given}");
    }
    let is_gap = |d: &Option<Decision>| !d.as_ref().is_some_and(|d| d.is_right);
    let gaps: Vec<&Inject> =
        injects.iter().zip(decisions).filter(|(_, d)| is_gap(d)).map(|(i, _)| i).collect();
    let _ = writeln!(out, "\n## Gaps\n");
    if gaps.is_empty() {
        let _ = writeln!(out, "None.");
    }
    for inject in gaps {
        let _ = writeln!(out, "- {} min: {}", inject.minute, inject.question);
        let _ = writeln!(out, "  - expected: {}", inject.answers.first().map_or("", String::as_str));
        let _ = writeln!(out, "  - why: {}", inject.lesson.replace('\n', " "));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::outage::OUTAGES;

    fn played(outage: &Outage, input: &str) -> (String, String) {
        let mut out = Vec::new();
        let debrief = tabletop(outage, 3, 1_000, &mut input.as_bytes(), &mut out).expect("played");
        (String::from_utf8(out).expect("text"), debrief)
    }

    #[test]
    fn who_answers_as_the_playbooks_do_has_no_gaps() {
        for outage in &OUTAGES {
            // The right letters are those under which the first answers are shown.
            let (shown, _) = played(outage, "");
            let (mut letters, mut lines) = (String::new(), shown.lines());
            for inject in injects(outage) {
                // What is right here may be wrong elsewhere.
                assert!(lines.by_ref().any(|l| l.ends_with(&inject.comes_in)), "{}", inject.comes_in);
                let is_right = |l: &&str| l.trim_start().get(3..) == Some(inject.answers[0].as_str());
                let line = lines.by_ref().find(is_right);
                letters.push_str(&line.expect("shown").trim_start()[..1]);
                letters.push('\n');
            }
            let (_, debrief) = played(outage, &letters);
            assert!(debrief.contains("## Gaps\n\nNone."), "{}: {debrief}", outage.world);
        }
    }

    #[test]
    fn an_input_that_ends_leaves_gaps_and_no_wait() {
        let (shown, debrief) = played(&OUTAGES[2], "z\n\n7\n");
        assert_eq!(shown.matches("a letter from a to c").count(), 3);
        let gaps = debrief.split("## Gaps").nth(1).expect("gaps");
        assert_eq!(gaps.matches("  - expected: ").count(), injects(&OUTAGES[2]).len());
        assert!(debrief.contains("0 of 10 decisions"), "{debrief}");
    }

    #[test]
    fn a_wrong_decision_is_a_gap_with_its_reason() {
        let (_, debrief) = played(&OUTAGES[0], "a\nb\nc\na\nb\nc\na\n");
        assert!(debrief.contains("  - decided: ") && debrief.contains("  - why: "));
    }

    #[test]
    fn no_line_of_a_question_is_wider_than_the_terminal_and_no_word_is_cut() {
        for outage in &OUTAGES {
            let mut out = Vec::new();
            tabletop(outage, 3, 60, &mut &b""[..], &mut out).expect("played");
            let text = String::from_utf8(out).expect("text");
            let widest = text.lines().map(|l| l.chars().count()).max();
            assert!(widest <= Some(60), "{text}");
        }
        assert_eq!(lines("a) ", "one two three", 10), "a) one two\n   three\n");
    }
}
