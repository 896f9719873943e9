//! The postmortem as one self-contained HTML file.

use super::markdown::postmortem_markdown;
use seawall_incident::Postmortem;
use seawall_model::report::TriageReport;

/// The postmortem as a document.
#[must_use]
pub fn postmortem_html(postmortem: &Postmortem, report: &TriageReport) -> String {
    let body = postmortem_markdown(postmortem, report).replace('&', "&amp;").replace('<', "&lt;");
    format!("<!doctype html><meta charset=\"utf-8\"><title>Postmortem</title><pre>{body}</pre>\n")
}
