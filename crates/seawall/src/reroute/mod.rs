//! Rerouting name service through a provider that was prepared beforehand: rehearsed, switched,
//! and switched back by `seawall reroute`, kept ready by the guard.

pub mod hook;
pub mod state;
pub mod steps;
pub mod watch;

use seawall_dns_edge::reroute::Zone;
use seawall_dns_edge::talk::Peer;

/// One zone with everything that rerouting it needs.
#[derive(Clone, Debug)]
pub struct Plan {
    pub zone: Zone,
    /// For each provider, the program that gives it the zone, where that is how it gets it.
    pub feeds: Vec<Option<Vec<String>>>,
    pub change: Change,
}

/// How the delegation is changed.
#[derive(Clone, Debug)]
pub enum Change {
    /// By a dynamic update of the parent zone.
    Update(Peer),
    /// By a program of the operator's.
    Command(Vec<String>),
}
