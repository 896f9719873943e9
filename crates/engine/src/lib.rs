//! The engine: [`Engine::step`] takes what happened and returns what follows from it.
//!
//! It owns all state and is pure: no clock, no I/O, no threads. Live traffic, a capture from last
//! year, a recording, a drill and a test all drive this one function; only the source of the
//! inputs and the takers of the effects differ. The same inputs give the same effects, to the
//! byte, on any machine.
//!
//! ```text
//! Input → second → series → alarm? → episode → findings → diagnosis → signatures → Effect
//! ```

mod beside;
mod both;
mod coarse;
mod conclude;
mod ebb;
mod engine;
mod episode;
mod failing;
pub mod goodput;
mod hindsight;
mod last_second;
mod normal;
mod origin;
mod silence;
mod timeline;

pub use conclude::Conclusion;
pub use engine::{Effect, Engine, Input};
pub use episode::Concluded;
pub use last_second::LastSecond;
