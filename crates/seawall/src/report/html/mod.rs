//! The postmortem as one self-contained HTML file: no script, nothing loaded from elsewhere,
//! readable in print, in the dark and on a phone.

mod builder;
mod chart;
mod drawing;
mod drill;
mod section;

use super::account;
use super::story::Story;
use super::words;
use builder::Html;
pub use drill::{DrillReport, drill_html};
use seawall_incident::Postmortem;
use seawall_model::report::TriageReport;

const STYLE: &str = include_str!("style.css");
/// Nothing may be loaded or run, whatever text the document holds.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The postmortem as a document; `report` gives the charts, the rules and the inputs.
#[must_use]
pub fn postmortem_html(postmortem: &Postmortem, report: &TriageReport) -> String {
    let story = Story::of(report);
    let mut html = Html::default();
    html.literal("<!doctype html>\n");
    html.within("html", &[("lang", "en")], |html| {
        html.within("head", &[], |html| head(html, postmortem));
        html.within("body", &[], |html| {
            html.within("main", &[("class", postmortem.verdict.class.as_str())], |html| {
                body(html, postmortem, &story);
            });
        });
    });
    html.literal("\n");
    html.finish()
}

fn head(html: &mut Html, postmortem: &Postmortem) {
    html.void("meta", &[("charset", "utf-8")]);
    html.void("meta", &[("http-equiv", "Content-Security-Policy"), ("content", POLICY)]);
    html.void("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")]);
    html.void("meta", &[("name", "color-scheme"), ("content", "light dark")]);
    html.element("title", &[], &format!("{}: {}", account::kind(postmortem), account::title(postmortem)));
    html.within("style", &[], |html| html.literal(STYLE));
}

fn body(html: &mut Html, postmortem: &Postmortem, story: &Story<'_>) {
    html.within("header", &[], |html| section::summary(html, postmortem, story));
    section::charts(html, story);
    section::impact(html, postmortem);
    section::timeline(html, postmortem, story);
    section::root_cause(html, postmortem);
    section::in_common(html, postmortem);
    section::who_and_what(html, story);
    section::resolution(html, postmortem, story);
    section::theories(html, postmortem);
    section::measures(html, postmortem);
    section::not_known(html, postmortem);
    section::data(html, story);
    html.within("footer", &[], |html| {
        let label = words::label(postmortem.verdict.class).to_lowercase();
        html.text(&format!(
            "Written by Seawall from the data named above; every figure was measured on it. Verdict: {label}. \
             Times are UTC."
        ));
    });
}
