//! A triage report as text for a terminal, as Markdown, as HTML and as JSON.
//!
//! [`story`] decides what is told and in which order; the forms differ in layout alone. Names in
//! logs and packets are chosen by attackers, so each form has one entrance for text that makes it
//! harmless ([`text`] for all, then the form's own escaping).

mod account;
pub mod figure;
mod html;
mod json;
mod markdown;
pub mod moment;
mod plot;
mod story;
mod terminal;
pub mod text;
pub(crate) mod words;

pub use html::{DrillReport, drill_html, postmortem_html};
pub use json::{drill_json, json};
pub use markdown::{markdown, postmortem_markdown};
pub(crate) use story::beside_expected;
pub use terminal::{drill, drill_history, named, probe, terminal};

/// A notice for the status page as plain text.
#[must_use]
pub fn status(notice: &seawall_incident::status::StatusText) -> String {
    format!("{}\n\n{}\n", text::visible(&notice.title), text::visible_block(&notice.body))
}
