//! The postmortem as Markdown.

use super::document::Document;
use super::signatures;
use crate::report::account;
use crate::report::figure;
use crate::report::story::Story;
use crate::report::text::capitalised;
use crate::report::words;
use seawall_incident::Postmortem;
use seawall_model::cause::Class;
use seawall_model::report::TriageReport;

/// The postmortem as a document; `report` gives the rules and the inputs.
#[must_use]
pub fn postmortem_markdown(postmortem: &Postmortem, report: &TriageReport) -> String {
    let story = Story::of(report);
    let mut document = Document::default();
    summary(&mut document, postmortem, &story);
    timeline(&mut document, postmortem, &story);
    root_cause(&mut document, postmortem);
    resolution(&mut document, postmortem, &story);
    theories(&mut document, postmortem);
    measures(&mut document, postmortem);
    unknown(&mut document, postmortem, report);
    document.finish()
}

fn summary(document: &mut Document, postmortem: &Postmortem, story: &Story<'_>) {
    document.heading(1, &format!("{}: {}", account::kind(postmortem), account::title(postmortem)));
    document.heading(2, "Summary");
    document.paragraph(&account::summary(postmortem, story).join(" "));
    let figures: Vec<(String, String)> = account::figures(postmortem, story)
        .into_iter()
        .map(|(l, v)| (format!("{}:", capitalised(l)), v))
        .collect();
    document.items(&figures);
    if postmortem.impact.is_empty() || postmortem.verdict.class == Class::Normal {
        return;
    }
    document.heading(2, "Impact");
    let rows: Vec<Vec<String>> = postmortem
        .impact
        .iter()
        .map(|i| {
            let (what, normal, during) = account::impact_row(i);
            vec![what, normal, during, if i.is_worse { "worse".into() } else { String::new() }]
        })
        .collect();
    document.table(&["what", "normal", "during", ""], &[false, true, true, false], &rows);
}

fn timeline(document: &mut Document, postmortem: &Postmortem, story: &Story<'_>) {
    if postmortem.timeline.is_empty() {
        return;
    }
    document.heading(2, "Timeline");
    let rows: Vec<Vec<String>> = postmortem
        .timeline
        .iter()
        .map(|entry| {
            let moment = account::moment(entry, story);
            vec![moment.time, moment.who, moment.what]
        })
        .collect();
    document.table(&["time", "who", "what"], &[false, false, false], &rows);
}

fn root_cause(document: &mut Document, postmortem: &Postmortem) {
    let root = &postmortem.root_cause;
    document.heading(2, account::evidence_heading(postmortem));
    document.paragraph(&account::evidence_lead(postmortem));
    document.list(root.evidence.iter().map(account::weighed).collect::<Vec<_>>().iter().map(String::as_str));
    if !root.counter_evidence.is_empty() {
        document.paragraph("Against it:");
        document.list(
            root.counter_evidence.iter().map(account::weighed).collect::<Vec<_>>().iter().map(String::as_str),
        );
    }
    signatures(document, &root.signatures);
}

fn resolution(document: &mut Document, postmortem: &Postmortem, story: &Story<'_>) {
    let report = story.report;
    if postmortem.verdict.class == Class::Normal {
        return;
    }
    document.heading(2, "Resolution");
    document.paragraph(&account::resolution(postmortem, story.report));
    for (measure, reason) in &postmortem.resolution.proposed {
        let aim =
            if words::has_aim(measure) { format!("on {} · ", story.aim(measure)) } else { String::new() };
        let forecast = words::forecast(measure, report.plan.as_ref());
        let reason = reason.as_ref().map(|r| format!(" · {r}")).unwrap_or_default();
        document.lead(&capitalised(&words::action(&measure.action)), &format!("– {aim}{forecast}{reason}"));
    }
    for rule in &report.rules {
        document.lead(&rule.program, &format!("– {}", rule.place));
        document.code("", &rule.text);
    }
}

fn theories(document: &mut Document, postmortem: &Postmortem) {
    if postmortem.wrong_theories.is_empty() {
        return;
    }
    let (title, lead) = account::theories_lead(postmortem);
    document.heading(2, title);
    document.paragraph(lead);
    for theory in &postmortem.wrong_theories {
        document.lead(
            &capitalised(theory.cause.title()),
            &format!("– probability left: {}", account::left_to(theory)),
        );
        let mut lines = account::refutation(theory);
        lines.extend(theory.cost.as_ref().map(account::cost));
        document.list(lines.iter().map(String::as_str));
    }
}

fn measures(document: &mut Document, postmortem: &Postmortem) {
    for (title, list) in
        [("Corrective measures", postmortem.corrective), ("Preventive measures", postmortem.preventive)]
    {
        if !list.is_empty() {
            document.heading(2, title);
            document.list(list.iter().copied());
        }
    }
}

fn unknown(document: &mut Document, postmortem: &Postmortem, report: &TriageReport) {
    if !postmortem.missing.is_empty() {
        document.heading(2, "Not known");
        document.list(postmortem.missing.iter().map(String::as_str));
    }
    document.heading(2, "Data");
    let rows: Vec<Vec<String>> = report
        .inputs
        .iter()
        .map(|i| {
            vec![
                words::input(&i.path).into(),
                i.kind.clone(),
                figure::whole(i.records),
                figure::whole(i.malformed),
            ]
        })
        .collect();
    document.table(&["file", "kind", "records", "not understood"], &[false, false, true, true], &rows);
}
