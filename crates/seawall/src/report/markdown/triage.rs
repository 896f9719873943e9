//! The triage report as Markdown: what the terminal shows with `--verbose`, as a document.

use super::document::Document;
use super::signatures;
use crate::report::figure;
use crate::report::story::{self, Story};
use crate::report::text::capitalised;
use crate::report::words;
use seawall_model::diagnosis::{Direction, Evidence};
use seawall_model::finding::Ranked;
use seawall_model::report::TriageReport;

/// The report as a document.
#[must_use]
pub fn markdown(report: &TriageReport) -> String {
    let story = Story::of(report);
    let mut document = Document::default();
    verdict(&mut document, &story);
    in_common(&mut document, &story);
    what_to_do(&mut document, &story);
    why(&mut document, &story);
    why_not(&mut document, &story);
    who_and_what(&mut document, &story);
    course(&mut document, &story);
    not_known(&mut document, &story);
    inputs(&mut document, &story);
    document.finish()
}

fn verdict(document: &mut Document, story: &Story<'_>) {
    let verdict = &story.report.verdict;
    let title = format!("{}: {}", words::label(verdict.class), words::cause(verdict.cause, &verdict.vectors));
    document.heading(1, &title);
    document.paragraph(&format!("{}.", capitalised(&story.verdict_facts().join(" · "))));
    document.paragraph(&format!("{}.", capitalised(words::meaning(verdict.class))));
    let also = story.report.also.iter().map(|v| ("at the same time:".to_owned(), words::verdict(v)));
    let figures = story.key_findings().into_iter().map(|f| (String::new(), story::compared(f)));
    let others = story.report.episodes.iter().map(|e| story.other(&e.verdict));
    let episodes = others.map(|other| ("also in this input:".to_owned(), other));
    document.items(&figures.chain(also).chain(episodes).collect::<Vec<_>>());
}

fn what_to_do(document: &mut Document, story: &Story<'_>) {
    let measures = story.measures();
    let alternatives = &story.report.plan_report.alternatives;
    if measures.is_empty() && story.report.rules.is_empty() && alternatives.is_empty() {
        return;
    }
    document.heading(2, "What to do now");
    for (measure, reason) in measures {
        let aim =
            if words::has_aim(measure) { format!("– on {}", story.aim(measure)) } else { String::new() };
        document.lead(&capitalised(&words::action(&measure.action)), &aim);
        let forecast = words::forecast(measure, story.report.plan.as_ref());
        let reason = reason.map(|r| format!(" · {r}")).unwrap_or_default();
        document.paragraph(&format!("{}{reason}", capitalised(&forecast)));
    }
    for rule in &story.report.rules {
        document.lead(&rule.program, &format!("– {}", rule.place));
        document.code("", &rule.text);
    }
    let others: Vec<(String, String)> = alternatives
        .iter()
        .map(|a| {
            (
                words::standing(&a.standing).to_owned(),
                format!("{} ({}): {}", words::action(&a.action), a.scope, a.reason),
            )
        })
        .collect();
    document.items(&others);
}

fn why(document: &mut Document, story: &Story<'_>) {
    let (evidence_for, against) = (story.evidence(Direction::For), story.evidence(Direction::Against));
    if evidence_for.is_empty() && against.is_empty() {
        return findings(document, story);
    }
    document.heading(2, "Why");
    evidence_table(document, &evidence_for);
    if !against.is_empty() {
        document.paragraph("Against it:");
        evidence_table(document, &against);
    }
}

fn findings(document: &mut Document, story: &Story<'_>) {
    document.heading(2, "What was looked at");
    let rows: Vec<Vec<String>> = story
        .report
        .findings
        .iter()
        .map(|f| {
            vec![f.metric.title().into(), figure::value(f.metric, f.observed), expected(f.metric, f.expected)]
        })
        .collect();
    document.table(&["what", "measured", "normal"], &[false, true, true], &rows);
}

fn evidence_table(document: &mut Document, all: &[&Evidence]) {
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|e| {
            vec![
                e.metric.title().into(),
                figure::value(e.metric, e.observed),
                expected(e.metric, e.expected),
                figure::weight(e.weight),
                e.reason.clone(),
            ]
        })
        .collect();
    let header = ["what", "measured", "normal", "weight", "because"];
    document.table(&header, &[false, true, true, true, false], &rows);
}

fn why_not(document: &mut Document, story: &Story<'_>) {
    let rivals = story.rivals();
    if rivals.is_empty() {
        return;
    }
    document.heading(2, "Why not");
    let rows: Vec<Vec<String>> = rivals
        .iter()
        .map(|rival| {
            let (number, reason) = rival.refuted_by.map_or_else(
                || ("nothing rules it out, but less speaks for it".into(), String::new()),
                |e| (story::beside_expected(e), e.reason.clone()),
            );
            let hypothesis = rival.hypothesis;
            vec![hypothesis.cause.title().into(), figure::confidence(hypothesis.confidence), number, reason]
        })
        .collect();
    let header = ["cause", "left to it", "ruled out by", "because"];
    document.table(&header, &[false, true, false, false], &rows);
}

fn who_and_what(document: &mut Document, story: &Story<'_>) {
    for (who, title) in [(true, "Who"), (false, "What")] {
        let dimensions = story.rankings(who);
        if dimensions.is_empty() {
            continue;
        }
        document.heading(2, title);
        for (name, values) in dimensions {
            let rows: Vec<Vec<String>> = values.into_iter().map(ranked).collect();
            document.table(&[&words::dimension(name), "share", "normal"], &[false, true, true], &rows);
        }
    }
}

fn ranked(value: &Ranked) -> Vec<String> {
    let name = if value.name.is_empty() { "(none)".into() } else { value.name.clone() };
    let normal = value.baseline_share.map_or_else(|| "–".into(), figure::share);
    vec![name, figure::share(value.share), normal]
}

fn in_common(document: &mut Document, story: &Story<'_>) {
    if story.report.signatures.is_empty() {
        return;
    }
    document.heading(2, "What it has in common");
    signatures(document, &story.report.signatures);
}

fn course(document: &mut Document, story: &Story<'_>) {
    if story.report.timeline.is_empty() {
        return;
    }
    document.heading(2, "When");
    let rows: Vec<Vec<String>> =
        story.report.timeline.iter().map(|e| vec![story.clock.full(e.time), e.text.clone()]).collect();
    document.table(&["time", "what"], &[false, false], &rows);
}

fn not_known(document: &mut Document, story: &Story<'_>) {
    if story.report.missing.is_empty() {
        return;
    }
    document.heading(2, "Not known");
    document.list(story.report.missing.iter().map(String::as_str));
}

fn inputs(document: &mut Document, story: &Story<'_>) {
    document.heading(2, "Read");
    let time = |t: Option<seawall_model::Timestamp>| t.map_or_else(|| "–".into(), |t| story.clock.full(t));
    let rows: Vec<Vec<String>> = story
        .report
        .inputs
        .iter()
        .map(|i| {
            let (records, malformed) = (figure::whole(i.records), figure::whole(i.malformed));
            vec![
                words::input(&i.path).into(),
                i.kind.clone(),
                records,
                malformed,
                time(i.first),
                time(i.last),
            ]
        })
        .collect();
    let header = ["file", "kind", "records", "not understood", "first", "last"];
    document.table(&header, &[false, false, true, true, false, false], &rows);
}

fn expected(metric: seawall_model::metric::Metric, x: Option<f64>) -> String {
    x.map_or_else(|| "–".into(), |x| figure::value(metric, x))
}
