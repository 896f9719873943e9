//! The report and the postmortem as Markdown (CommonMark with the tables of GFM), to send or to
//! paste into a ticket.

mod document;
mod postmortem;
mod triage;

pub use postmortem::postmortem_markdown;
pub use triage::markdown;
