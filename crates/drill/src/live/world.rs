//! The worlds, as data: how big the site is, who visits, what happens, and which traps go with
//! it. A seed varies every number within limits, so that nothing can be fitted to a world.

use super::lab::Forged;
use seawall_model::Cause;

/// What people ask a site for, in parts of a hundred pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Habits {
    pub(crate) item: u64,
    pub(crate) search: u64,
    /// Forms that are sent: baskets, settings.
    pub(crate) save: u64,
    /// Calls of the page's own script that answer with JSON.
    pub(crate) api: u64,
}

/// What an attack asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Searches for several common beginnings of words at once: dear.
    DearSearches,
    /// Pages that everybody reads.
    Pages,
    /// Pages with a query that nobody asked before, and baskets.
    OneTimePages,
    /// Pages and calls, over and over.
    PagesAndCalls,
    /// Pages that a site was found to have, with a query that nobody asked before.
    FoundPages,
    /// Addresses of names that nobody has, of a name server.
    UnknownNames,
}

/// The attack of an outage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Flood {
    pub(crate) wanted: Wanted,
    /// Requests a second, in times of what the site can do.
    pub(crate) times: f64,
    /// Addresses that it comes from.
    pub(crate) sources: u64,
    /// Seconds after which other addresses take over; 0: never.
    pub(crate) changes_after_s: u64,
    /// Connections that send a header a byte at a time, beside the requests.
    pub(crate) slow_connections: u32,
    /// Names that are right.
    pub(crate) causes: &'static [Cause],
}

/// A wrong theory made true: alone, or as much of it as a trap beside an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trap {
    /// A configuration is loaded that refuses what used to work.
    Misconfiguration,
    /// A release fails.
    Release,
    /// A balancer is reconfigured and sends a part of all requests nowhere.
    Balancer,
    /// The database is slow.
    SlowDatabase,
    /// A sale, and people come.
    Demand,
    /// The network between the guard and the site is set up anew, and loses packets.
    Network,
}

impl Trap {
    pub const ALL: [Self; 6] = [
        Self::Misconfiguration,
        Self::Release,
        Self::Balancer,
        Self::SlowDatabase,
        Self::Demand,
        Self::Network,
    ];

    /// Its name on the command line and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Misconfiguration => "misconfiguration",
            Self::Release => "release",
            Self::Balancer => "balancer",
            Self::SlowDatabase => "slow-database",
            Self::Demand => "demand",
            Self::Network => "network",
        }
    }

    /// Names that are right when it is alone.
    #[must_use]
    pub fn causes(self) -> &'static [Cause] {
        match self {
            Self::Misconfiguration => &[Cause::Misconfiguration],
            Self::Release => &[Cause::ReleaseFault],
            Self::Balancer => &[Cause::LoadBalancerFault],
            Self::SlowDatabase => &[Cause::SlowBackend],
            Self::Demand => &[Cause::FlashCrowd],
            Self::Network => &[Cause::NetworkFault],
        }
    }

    /// What is told to `seawall change`, and under which kind.
    #[must_use]
    pub fn told(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Misconfiguration => Some(("configuration", "reload of the server's configuration")),
            Self::Release => Some(("deploy", "deploy 2.7.0")),
            Self::Balancer => Some(("load-balancer", "load balancer reconfigured")),
            // Nobody announces that a database becomes slow.
            Self::SlowDatabase => None,
            Self::Demand => Some(("campaign", "campaign: sale begins")),
            Self::Network => Some(("network", "network settings of the servers changed")),
        }
    }
}

/// A service, its people, and what happens to them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct World {
    pub name: &'static str,
    /// Requests that the site works on at once.
    pub(crate) workers: usize,
    /// What each takes a worker beside the database, in milliseconds.
    pub(crate) wait_ms: u64,
    pub(crate) habits: Habits,
    /// Visits, or lookups of a name server.
    pub(crate) visits_per_s: f64,
    pub(crate) flood: Flood,
    /// Switched on in the same second as the attack.
    pub traps: &'static [Trap],
    /// Told to the guard in the same second; what they announce works.
    pub announced: &'static [Trap],
    /// Rehearsed without the attack, as what is really wrong.
    pub alone: &'static [Trap],
    /// In a lab, a balancer and two web servers stand before the application, not one web server.
    pub(crate) is_balanced: bool,
    /// Packets from forged addresses beside the attack, in a lab.
    pub(crate) forged: &'static [Forged],
}

impl World {
    /// Whether its service is name servers; otherwise it is a site.
    #[must_use]
    pub fn is_of_names(&self) -> bool {
        self.flood.wanted == Wanted::UnknownNames
    }
}

/// Every world.
pub const WORLDS: [World; 5] = [
    World {
        name: "library",
        workers: 3,
        wait_ms: 8,
        habits: Habits { item: 60, search: 40, save: 0, api: 0 },
        visits_per_s: 4.0,
        flood: Flood {
            wanted: Wanted::DearSearches,
            times: 4.0,
            sources: 2_000,
            changes_after_s: 5,
            slow_connections: 0,
            causes: &[Cause::ExpensiveEndpoint, Cause::HttpFlood, Cause::CacheBusting],
        },
        traps: &[],
        announced: &[Trap::Release, Trap::Misconfiguration],
        alone: &[Trap::Misconfiguration, Trap::Release],
        is_balanced: false,
        forged: &[],
    },
    World {
        name: "phantom",
        workers: 6,
        wait_ms: 30,
        habits: Habits { item: 95, search: 0, save: 5, api: 0 },
        visits_per_s: 4.0,
        flood: Flood {
            wanted: Wanted::Pages,
            times: 4.0,
            sources: 30_000,
            changes_after_s: 0,
            slow_connections: 0,
            causes: &[Cause::HttpFlood, Cause::ConnectionFlood],
        },
        traps: &[],
        announced: &[Trap::Balancer],
        alone: &[Trap::Balancer],
        is_balanced: true,
        forged: &[Forged::Syn { per_s: 6_000 }],
    },
    World {
        name: "shop",
        workers: 8,
        wait_ms: 35,
        habits: Habits { item: 80, search: 8, save: 12, api: 0 },
        visits_per_s: 3.5,
        flood: Flood {
            wanted: Wanted::OneTimePages,
            times: 3.5,
            sources: 20_000,
            changes_after_s: 4,
            slow_connections: 0,
            causes: &[Cause::HttpFlood, Cause::CacheBusting, Cause::ExpensiveEndpoint],
        },
        traps: &[Trap::Demand],
        announced: &[Trap::Misconfiguration, Trap::Demand],
        alone: &[Trap::Demand, Trap::Network],
        is_balanced: false,
        forged: &[],
    },
    World {
        name: "webapp",
        workers: 8,
        wait_ms: 35,
        habits: Habits { item: 45, search: 5, save: 15, api: 35 },
        visits_per_s: 3.5,
        flood: Flood {
            wanted: Wanted::PagesAndCalls,
            times: 3.0,
            sources: 10_000,
            changes_after_s: 6,
            slow_connections: 150,
            causes: &[Cause::HttpFlood, Cause::SlowHttp, Cause::ConnectionFlood, Cause::ExpensiveEndpoint],
        },
        traps: &[Trap::SlowDatabase],
        announced: &[Trap::Misconfiguration],
        alone: &[Trap::SlowDatabase],
        is_balanced: true,
        forged: &[Forged::Syn { per_s: 4_000 }, Forged::Udp { per_s: 4_000 }],
    },
    World {
        name: "nameservers",
        workers: 1,
        wait_ms: 4,
        habits: Habits { item: 100, search: 0, save: 0, api: 0 },
        visits_per_s: 60.0,
        flood: Flood {
            wanted: Wanted::UnknownNames,
            times: 4.0,
            sources: 3_000,
            changes_after_s: 0,
            slow_connections: 0,
            causes: &[Cause::DnsRandomSubdomain, Cause::DnsFlood],
        },
        traps: &[],
        announced: &[Trap::Demand],
        alone: &[],
        is_balanced: false,
        forged: &[],
    },
];

/// The world of a name.
#[must_use]
pub fn world(name: &str) -> Option<&'static World> {
    WORLDS.iter().find(|w| w.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::outage::outage;
    use seawall_model::Class;

    #[test]
    fn every_world_rehearses_an_outage_and_its_traps_are_that_teams_wrong_theories() {
        for world in &WORLDS {
            let outage = outage(world.name).expect("an outage");
            for trap in world.traps.iter().chain(world.announced).chain(world.alone) {
                let is_theirs = |t: &crate::live::Theory| trap.causes().contains(&t.cause);
                assert!(outage.theories.iter().any(is_theirs), "{} {trap:?}", world.name);
            }
        }
    }

    #[test]
    fn every_trap_is_the_truth_of_some_world() {
        for trap in Trap::ALL {
            assert!(WORLDS.iter().any(|w| w.alone.contains(&trap)), "{trap:?}");
            assert!(trap.causes().iter().all(|c| !matches!(c.class(), Class::Attack | Class::Abuse)));
        }
    }

    #[test]
    fn habits_are_parts_of_a_hundred() {
        for world in &WORLDS {
            let h = world.habits;
            assert_eq!(h.item + h.search + h.save + h.api, 100, "{}", world.name);
        }
    }
}
