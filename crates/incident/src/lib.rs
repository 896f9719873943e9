//! Incidents: the life of one disturbance, from the first finding to the postmortem, as data.
//!
//! - [`lifecycle`]: where an open incident stands, and what can become of it.
//! - [`ledger`]: the append-only record of what happened, when, and by whose hand.
//! - [`remedy`]: what helps against each cause, now and for the next time.
//! - [`outage`]: what wrong theories cost in published outages.
//! - [`postmortem`]: what is left to learn when it is over.
//! - [`status`]: what the users are told.
//!
//! Pure: no clock, no I/O. Prose beyond fixed sentences is rendered at the edge.

pub mod ledger;
pub mod lifecycle;
pub mod outage;
pub mod postmortem;
pub mod remedy;
pub mod status;

pub use ledger::{Actor, Entry, Event, Ledger};
pub use lifecycle::Stage;
pub use postmortem::{Postmortem, postmortem};
