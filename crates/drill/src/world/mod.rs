//! What all three views of traffic share: where addresses come from, how rates move over time,
//! an agenda of who acts next, and when the trouble begins and ends.

mod address;
mod agenda;
mod envelope;
mod text;
mod timing;

pub use address::{Networks, internal_v4, public_v4};
pub use agenda::Agenda;
pub use envelope::Envelope;
pub use text::{Span, Text, WORDS, random_word};
pub use timing::Timing;
