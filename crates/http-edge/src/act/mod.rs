//! Acting: what happens to a request, decided by a compiled plan and by what is remembered of its
//! client. Pure: no socket is touched here, and the clock is an argument.
//!
//! ```text
//! request ─→ Memory::sight ─→ RuleTable::decide ─→ Shedder ─→ upstream
//!            who is it?       what does the plan    is there
//!                             say?                  room?
//! ```

pub mod address_table;
mod arrivals;
pub mod cache;
mod compile;
pub mod decision;
pub mod gate;
pub mod limit;
mod line;
pub mod memory;
pub mod page;
mod parts;
mod price;
pub mod room;
pub mod rules;
pub mod shed;
pub mod token;

pub use cache::MicroCache;
pub use decision::{CompileError, CompileErrors, CompileFault, Decision, RuleIndex, Verdict};
pub use gate::{Gate, NotPassed};
pub use limit::Limits;
pub use memory::{Clearance, Memory, Sighting, Standing, is_navigation};
pub use page::Page;
pub use parts::part_of;
pub use price::Price;
pub use room::{Place, WaitingRoom};
pub use rules::{CompileContext, LimitKey, RuleTable, SiteMeasures};
pub(crate) use rules::{network_key, source_key};
pub use shed::{Answer, Priority, Queued, Room, Shedder};
pub use token::{TokenError, TokenKeys, TokenSecrets, TokenText};
