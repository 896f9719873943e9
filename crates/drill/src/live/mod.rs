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
//! addresses and those of a [`lab`], and every rate is bounded by [`MOST_PER_S`]. The guard is a
//! process of its own, met through its command line, its events and its admin socket alone.

mod address;
mod attack;
mod beside;
mod browser;
mod card;
mod catalogue;
mod dns;
mod force;
mod guard;
mod history;
pub mod lab;
mod machine;
mod message;
mod nameservers;
mod outage;
mod peer;
mod people;
mod play;
mod playbook;
mod probe;
mod seen;
mod siege;
mod site;
mod stage;
mod tabletop;
mod way;
mod worker;
mod world;

pub use address::{Door, NotLoopback};
pub use attack::MOST_PER_S;
pub use beside::{Contender, Setting, Showing, beside};
pub use card::{Bar, Card, LabShare, Refutation, SCHEMA, TrapCard, median_cards};
pub use history::{History, Past, Worse};
pub use machine::Machine;
pub use outage::{OUTAGES, Outage, Theory, outage};
pub use peer::{Peer, PeerScore};
pub use play::{Options, Progress, Stage, What};
pub use playbook::{PARTS, part, playbook};
pub use probe::{PROBE_S, PROBE_SCHEMA, ProbeCard, Target, probe};
pub use seen::{Moment, Second, Share};
pub use siege::Siege;
pub use stage::{expected_s, play, play_all, play_traps};
pub use tabletop::tabletop;
pub use world::{Trap, WORLDS, World, world};
