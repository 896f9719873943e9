//! The report and the postmortem as Markdown (CommonMark with the tables of GFM), to send or to
//! paste into a ticket.

mod document;
mod postmortem;
mod triage;

use super::figure;
use document::Document;
pub use postmortem::postmortem_markdown;
use seawall_model::report::SignatureReport;
pub use triage::markdown;

/// What is in common, with how much of either traffic it matches.
fn signatures(document: &mut Document, signatures: &[SignatureReport]) {
    let row = |(i, s): (usize, &SignatureReport)| {
        let normal = s.signature.baseline.map_or_else(|| "not known".into(), figure::estimate);
        vec![format!("signature {}: {}", i + 1, s.expression), figure::estimate(s.signature.attack), normal]
    };
    let rows: Vec<Vec<String>> = signatures.iter().enumerate().map(row).collect();
    document.table(&["signature", "of the disturbance", "of normal traffic"], &[false, true, true], &rows);
}
