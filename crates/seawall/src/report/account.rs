//! The sentences and rows of a postmortem, before any layout: Markdown and HTML say the same.

use super::figure;
use super::story::Story;
use super::text::capitalised;
use super::words;
use seawall_incident::outage::{self, TheoryCost};
use seawall_incident::postmortem::{Impact, WrongTheory};
use seawall_incident::{Actor, Entry, Event, Postmortem};
use seawall_model::cause::Class;
use seawall_model::diagnosis::Evidence;
use seawall_model::report::TriageReport;

/// A line of the timeline.
#[derive(Clone, Debug)]
pub struct Moment {
    pub time: String,
    pub who: String,
    pub what: String,
}

/// What the document is.
#[must_use]
pub fn kind(postmortem: &Postmortem) -> &'static str {
    if postmortem.verdict.class == Class::Normal { "Report" } else { "Postmortem" }
}

/// The heading of the section with the evidence.
#[must_use]
pub fn evidence_heading(postmortem: &Postmortem) -> &'static str {
    match postmortem.verdict.class {
        Class::Normal => "What was looked at",
        Class::Undecided => "What speaks for the most likely cause",
        _ => "Root cause",
    }
}

/// The beginning of that section.
#[must_use]
pub fn evidence_lead(postmortem: &Postmortem) -> String {
    let verdict = &postmortem.verdict;
    let cause = capitalised(&words::cause(verdict.cause, &verdict.vectors));
    let likely = match postmortem.root_cause.cause {
        Some(likely) if verdict.class == Class::Undecided => format!(" Most likely is: {}.", likely.title()),
        _ => String::new(),
    };
    format!("{cause}: {}.{likely} The measurements, heaviest first:", words::meaning(verdict.class))
}

/// The heading and the first sentence of the section with the rivals.
#[must_use]
pub fn theories_lead(postmortem: &Postmortem) -> (&'static str, &'static str) {
    if postmortem.verdict.class == Class::Undecided {
        ("What else it could be", "What fits less well, and the number that speaks against it.")
    } else {
        ("Wrong theories", "What it might have been taken for, and the number that rules it out.")
    }
}

/// The title of the document.
#[must_use]
pub fn title(postmortem: &Postmortem) -> String {
    let verdict = &postmortem.verdict;
    let cause = capitalised(&words::cause(verdict.cause, &verdict.vectors));
    let comma = if cause.contains(", ") { "," } else { "" };
    verdict.target.as_ref().map_or_else(|| cause.clone(), |target| format!("{cause}{comma} on {target}"))
}

/// What happened, in a few sentences.
#[must_use]
pub fn summary(postmortem: &Postmortem, story: &Story<'_>) -> Vec<String> {
    let verdict = &postmortem.verdict;
    let mut told = vec![opening(postmortem, story)];
    for finding in story.key_findings().into_iter().take(2) {
        told.push(format!("{}.", capitalised(&super::story::compared(finding))));
    }
    for also in &postmortem.also {
        told.push(format!("At the same time: {}.", words::verdict(also)));
    }
    for other in story.report.episodes.iter().map(|e| &e.verdict) {
        let order = if other.onset < verdict.onset { "Before it" } else { "Later" };
        told.push(format!("{order}: {}.", story.other(other)));
    }
    if let (Some(seconds), false) = (postmortem.time_to_name_s, verdict.class == Class::Undecided) {
        told.push(format!("From the onset the data needed {} to name it.", figure::duration(seconds)));
    }
    told
}

fn opening(postmortem: &Postmortem, story: &Story<'_>) -> String {
    let verdict = &postmortem.verdict;
    let target = verdict.target.as_deref().unwrap_or("the service");
    let lasted = match (lasted(postmortem), postmortem.ended) {
        (Some(lasted), Some(_)) => format!(" It lasted {lasted}."),
        (Some(lasted), None) => format!(" It had gone on for {lasted} when the data ended."),
        (None, _) => String::new(),
    };
    let began = postmortem.started.map(|t| format!(" from {}", story.clock.full(t))).unwrap_or_default();
    match verdict.class {
        Class::Normal => format!("No disturbance of {target} was found in the data."),
        Class::Undecided => {
            format!("Traffic to {target} was disturbed{began}; the data does not name one cause.{lasted}")
        }
        _ => {
            let cause = words::cause(verdict.cause, &verdict.vectors);
            let sure = figure::confidence(verdict.confidence);
            format!("Traffic to {target} was disturbed{began}. Cause: {cause} ({sure} sure).{lasted}")
        }
    }
}

/// `55 s, 22 s of them calm`.
fn lasted(postmortem: &Postmortem) -> Option<String> {
    let all = figure::duration(postmortem.duration_s?);
    Some(match postmortem.calm_s {
        0.0 => all,
        calm_s => format!("{all}, {} of them calm", figure::duration(calm_s)),
    })
}

/// The figures at the head of the document, each with its label.
#[must_use]
pub fn figures(postmortem: &Postmortem, story: &Story<'_>) -> Vec<(&'static str, String)> {
    let verdict = &postmortem.verdict;
    let mut all = vec![("verdict", words::label(verdict.class).to_lowercase())];
    if verdict.class != Class::Undecided {
        all.push(("confidence", figure::confidence(verdict.confidence)));
    }
    all.extend(postmortem.started.map(|t| ("began", story.clock.full(t))));
    if postmortem.started.is_some() {
        let ended = postmortem.ended.map_or_else(|| "not within the data".into(), |t| story.clock.full(t));
        all.push(("ended", ended));
    }
    all.extend(lasted(postmortem).map(|lasted| ("lasted", lasted)));
    all.extend(postmortem.time_to_name_s.map(|s| ("named after", figure::duration(s))));
    all
}

/// `answers 5xx`, `0.1 %`, `31 %`.
#[must_use]
pub fn impact_row(impact: &Impact) -> (String, String, String) {
    let normal = impact.normal.map_or_else(|| "not known".into(), |x| figure::value(impact.metric, x));
    (impact.metric.title().into(), normal, figure::value(impact.metric, impact.during))
}

/// One line of the timeline.
#[must_use]
pub fn moment(entry: &Entry, story: &Story<'_>) -> Moment {
    let who = match &entry.actor {
        Actor::Seawall => "Seawall".into(),
        Actor::Person(name) => name.clone(),
        Actor::Observed => "seen in the data".into(),
    };
    let what = match &entry.event {
        Event::Onset { text } => with("the disturbance began", text),
        Event::Detected => "noticed".into(),
        Event::Changed { kind, text } => format!("change ({}): {text}", words::change(*kind)),
        Event::Named { cause, vectors, confidence } => {
            format!("named: {}, {} sure", words::cause(*cause, vectors), figure::confidence(*confidence))
        }
        Event::Peak { text } => with("the peak", text),
        Event::Note { text } => text.clone(),
        Event::Applied { measure, text } => format!("measure {measure} applied: {text}"),
        Event::ReadBack(outcome) => {
            format!("measure {} {}", outcome.measure, words::held_back(outcome.requests, outcome.packets))
        }
        Event::Withdrawn { measure, reason } => format!("measure {measure} taken back: {reason}"),
        Event::Acknowledged => "acknowledged".into(),
        Event::Resumed { calm_s } => format!("it began again, after {} of calm", figure::duration(*calm_s)),
        Event::Ended { text } => with("the disturbance ended", text),
        Event::Closed { reason } => format!("closed: {reason}"),
    };
    Moment { time: story.clock.full(entry.time), who, what }
}

/// How it ended.
#[must_use]
pub fn resolution(postmortem: &Postmortem, report: &TriageReport) -> String {
    let resolution = &postmortem.resolution;
    if !resolution.applied.is_empty() {
        return "These measures were applied, as the timeline tells. What the plan says of them:".into();
    }
    if report.inputs.iter().any(|i| i.path == "live") {
        return "Seawall watched as it happened; which measures were in force, and when, its log tells. The plan says of them:".into();
    }
    if resolution.proposed.is_empty() {
        return "The data was read afterwards; Seawall applied no measure and proposes none.".into();
    }
    "The data was read afterwards; Seawall applied no measure. It proposes:".into()
}

/// `assets fetched per page: 0.1, expected 6.2 – a person's browser fetches assets (weight 2.3)`.
#[must_use]
pub fn weighed(evidence: &Evidence) -> String {
    let reason = if evidence.reason.is_empty() { String::new() } else { format!(" – {}", evidence.reason) };
    format!(
        "{}{reason} (weight {})",
        super::story::beside_expected(evidence),
        figure::weight(evidence.weight)
    )
}

/// What is left to a wrong theory.
#[must_use]
pub fn left_to(theory: &WrongTheory) -> String {
    theory.confidence.map_or_else(|| "nothing".into(), figure::confidence)
}

/// What rules a theory out, heaviest first; never empty.
#[must_use]
pub fn refutation(theory: &WrongTheory) -> Vec<String> {
    if !theory.refuted_by.is_empty() {
        return theory.refuted_by.iter().map(weighed).collect();
    }
    vec![match theory.confidence {
        Some(_) => "nothing rules it out, but less speaks for it than for the cause found".into(),
        None => "nothing that was measured speaks for it".into(),
    }]
}

/// What believing it cost others.
#[must_use]
pub fn cost(cost: &TheoryCost) -> String {
    let (low, high) = (figure::quantity(cost.low_h), figure::quantity(cost.high_h));
    let span = match (cost.high_is_bound, cost.low_h == cost.high_h) {
        (true, true) => format!("at most {high} h"),
        (false, true) => format!("{high} h"),
        (true, false) => format!("{low} h to at most {high} h"),
        (false, false) => format!("{low} h to {high} h"),
    };
    let services: Vec<String> = cost.outages.iter().map(|o| o.service.to_owned()).collect();
    format!(
        "believed first in {} of {} ({}), where the right name took {span}",
        in_words(cost.outages.len()),
        outage::SOURCE,
        services.join("; "),
    )
}

fn with(what: &str, text: &str) -> String {
    if text.is_empty() { what.into() } else { format!("{what}: {text}") }
}

/// A small number as a word.
fn in_words(n: usize) -> String {
    let small = ["none", "one", "two", "three", "four", "five"];
    small.get(n).map_or_else(|| n.to_string(), |word| (*word).to_owned())
}
