//! Knowing what exists: zones that were transferred in, and names that answered before.

pub mod learnt;
pub mod lesson;
pub mod ranges;
pub mod transfer;
pub mod zone;

pub use learnt::Learnt;
pub use lesson::Lesson;
pub use ranges::Ranges;
pub use zone::{Existence, KnownZone, Zone, Zones};
