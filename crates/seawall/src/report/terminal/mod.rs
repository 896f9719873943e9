//! The report on a terminal: the verdict, what to do and the reasons, for a tired person.

mod chart;
mod drill;
mod page;
mod section;

use super::figure;
use super::plot::Axis;
use super::story::{self, Story};
use super::words;
use crate::console::Console;
pub use drill::{drill, drill_history, probe};
pub(super) use drill::{ground, lab, percent, released, ruled_out, seconds, starved};
use page::{Page, Span, Style};
use seawall_model::cause::Class;
use seawall_model::report::TriageReport;

/// The report as lines. Without `verbose` at most about sixty.
#[must_use]
pub fn terminal(report: &TriageReport, console: &Console, verbose: bool) -> String {
    let story = Story::of(report);
    let mut page = Page::new(console);
    verdict(&mut page, &story);
    charts(&mut page, &story, verbose);
    section::in_common(&mut page, &story, verbose);
    section::what_to_do(&mut page, &story, verbose);
    section::why(&mut page, &story, verbose);
    section::why_not(&mut page, &story, verbose);
    section::who_and_what(&mut page, &story, verbose);
    section::course(&mut page, &story, verbose);
    section::episodes(&mut page, &story);
    section::not_known(&mut page, &story, verbose);
    section::inputs(&mut page, &story, verbose);
    page.finish()
}

/// What a running guard tells when it has a name: the verdict, the reasons, and who it is. What to
/// do it does itself, and tells apart.
#[must_use]
pub fn named(report: &TriageReport, console: &Console) -> String {
    let story = Story::of(report);
    let mut page = Page::new(console);
    // The guard goes on; what was left out is in its write-up.
    page.in_full = "";
    verdict(&mut page, &story);
    section::in_common(&mut page, &story, false);
    section::why(&mut page, &story, false);
    section::why_not(&mut page, &story, false);
    section::who_and_what(&mut page, &story, false);
    page.finish()
}

fn verdict(page: &mut Page, story: &Story<'_>) {
    let verdict = &story.report.verdict;
    let style = match verdict.class {
        Class::Attack | Class::Abuse => Style::Alarm,
        Class::Fault | Class::Demand | Class::Undecided => Style::Caution,
        Class::Normal => Style::Good,
    };
    let label = words::label(verdict.class);
    let indent = label.len() + 2;
    let facts = story.verdict_facts().join(" · ");
    page.wrapped(0, indent, &[Span::new(style, label), Span::new(Style::Strong, format!("  {facts}"))]);
    if verdict.class != Class::Attack {
        page.wrapped(indent, indent, &[Span::plain(words::meaning(verdict.class))]);
    }
    for also in &story.report.also {
        let text = format!(
            "and at the same time: {} ({})",
            words::verdict(also),
            words::label(also.class).to_lowercase()
        );
        page.wrapped(indent, indent, &[Span::new(Style::Strong, text)]);
    }
    for finding in story.key_findings() {
        page.wrapped(indent, indent, &[Span::plain(story::compared(finding))]);
    }
    for change in story.nearest_changes() {
        page.wrapped(indent, indent, &[Span::plain(change)]);
    }
    if verdict.class == Class::Undecided {
        let likely: Vec<String> = story
            .report
            .hypotheses
            .iter()
            .take(3)
            .map(|h| format!("{} ({})", h.cause.title(), figure::confidence(h.confidence)))
            .collect();
        if !likely.is_empty() {
            page.wrapped(indent, indent, &[Span::plain(format!("most likely: {}", likely.join(", then ")))]);
        }
    }
}

fn charts(page: &mut Page, story: &Story<'_>, verbose: bool) {
    let marks = story.marks();
    let shown = if verbose { usize::MAX } else { 1 };
    for series in story.series().into_iter().take(shown) {
        page.blank();
        chart::draw(page, &Axis::of(series), &marks, story.clock);
    }
}
