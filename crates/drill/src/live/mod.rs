//! Live drills: a small world on loopback with a service that does real work, people who visit
//! it, and what happened to a real team; in front of it whatever protects it.
//!
//! ```text
//! people ──┐                     ┌─ workers ── SQLite
//!          ├──→ guard ──→ site ──┤
//! attack ──┘      │              └─ what is wrong with it
//!                 └─ events ──→ score card
//! ```
//!
//! Nothing leaves the machine: every connection goes through [`Door`], which only takes loopback
//! addresses, and every rate is bounded by [`MOST_PER_S`]. The guard is a process of its own, met
//! through its command line, its events and its admin socket alone.

mod address;
mod attack;
mod beside;
mod browser;
mod card;
mod catalogue;
mod dns;
mod guard;
mod message;
mod nameservers;
mod outage;
mod people;
mod playbook;
mod siege;
mod site;
mod stage;
mod table;
mod tabletop;
mod world;

pub use address::{Door, NotLoopback};
pub use attack::MOST_PER_S;
pub use beside::{Contender, Setting, Showing, beside};
pub use card::{Bar, Card, Refutation, SCHEMA, Share, TrapCard, median_cards};
pub use outage::{OUTAGES, Outage, Theory, outage};
pub use playbook::{PARTS, part, playbook};
pub use siege::Siege;
pub use stage::{Options, Progress, play, play_traps};
pub use table::table;
pub use tabletop::tabletop;
pub use world::{Trap, WORLDS, World, world};
