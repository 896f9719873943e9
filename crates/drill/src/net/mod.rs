//! Packets as a capture at the protected network shows them: conversations in both directions,
//! floods, and what a bounded flow table makes of them.

mod amplifier;
mod flood;
mod inside;
pub mod payload;
mod scene;
mod table;
mod talk;

pub use amplifier::{AMPLIFIERS, Amplifier};
pub use flood::{Answer, Flood, FloodKind, PortPick, SizePick, Sources, Targets};
pub use scene::{PacketScene, Stream, StreamKind};
pub use talk::{Clients, Talk, TalkKind};
