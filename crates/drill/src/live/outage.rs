//! What five real teams lived through, from their postmortems: the figures that a drill is held
//! against. Times are the teams' own.

use seawall_model::Cause;

/// A name that people gave the trouble before they found the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theory {
    /// As the team put it.
    pub name: &'static str,
    /// What it would have been, had it been true.
    pub cause: Cause,
}

/// One outage as its team told it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outage {
    /// The world that rehearses it.
    pub world: &'static str,
    pub service: &'static str,
    pub hours: f64,
    /// Share of users hit.
    pub users_hit: f64,
    pub first_signal: &'static str,
    /// What it really was, by the name that a playbook has.
    pub cause: Cause,
    /// In the order in which they were believed.
    pub theories: &'static [Theory],
    pub named_by: &'static str,
    pub ended_by: &'static str,
}

const fn theory(name: &'static str, cause: Cause) -> Theory {
    Theory { name, cause }
}

/// All five.
pub const OUTAGES: [Outage; 5] = [
    Outage {
        world: "library",
        service: "electronic library: search and reading",
        hours: 4.0,
        users_hit: 0.75,
        first_signal: "response times are high",
        cause: Cause::ExpensiveEndpoint,
        theories: &[
            theory("server misconfiguration", Cause::Misconfiguration),
            theory("software bug", Cause::ReleaseFault),
        ],
        named_by: "senior engineers and security, after escalation",
        ended_by: "rate limiting, address blocking, traffic filtering",
    },
    Outage {
        world: "phantom",
        service: "company web servers behind a load balancer",
        hours: 2.5,
        users_hit: 0.70,
        first_signal: "traffic volume is far above normal",
        cause: Cause::HttpFlood,
        theories: &[theory("load-balancer configuration", Cause::LoadBalancerFault)],
        named_by: "traffic analysis, after 90 minutes",
        ended_by: "rate limiting, address rules, more servers, filtering",
    },
    Outage {
        world: "shop",
        service: "e-commerce platform",
        hours: 13.5,
        users_hit: 0.35,
        first_signal: "a spike in traffic, then in response times",
        cause: Cause::HttpFlood,
        theories: &[
            theory("misconfiguration", Cause::Misconfiguration),
            theory("real demand", Cause::FlashCrowd),
            theory("application logs: a bug", Cause::ReleaseFault),
            theory("server performance", Cause::SlowBackend),
            theory("network settings", Cause::NetworkFault),
        ],
        named_by: "security team and provider, from many addresses and patterns",
        ended_by: "filtering and rate limiting at the provider",
    },
    Outage {
        world: "webapp",
        service: "primary web application",
        hours: 4.25,
        users_hit: 0.75,
        first_signal: "a spike in requests",
        cause: Cause::HttpFlood,
        theories: &[
            theory("misconfiguration", Cause::Misconfiguration),
            theory("database overload", Cause::SlowBackend),
        ],
        named_by: "suspicious patterns in network logs",
        ended_by: "rate limiting and filtering rules, a protection service",
    },
    Outage {
        world: "nameservers",
        service: "web application, brought down through its DNS servers",
        hours: 3.75,
        users_hit: 0.40,
        first_signal: "latency and error rates are high",
        cause: Cause::DnsRandomSubdomain,
        theories: &[
            theory("load from a feature release", Cause::FlashCrowd),
            theory("slow database queries", Cause::SlowBackend),
        ],
        named_by: "unusual outbound traffic, after 2.5 hours",
        ended_by: "DNS rerouted through a protection service, scrubbing rules",
    },
];

/// The outage that a world rehearses.
#[must_use]
pub fn outage(world: &str) -> Option<&'static Outage> {
    OUTAGES.iter().find(|o| o.world == world)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::Class;

    #[test]
    fn the_five_together_are_28_hours() {
        assert_eq!(OUTAGES.iter().map(|o| o.hours).sum::<f64>(), 28.0);
    }

    #[test]
    fn what_it_was_is_a_name_that_its_world_takes_for_right() {
        for outage in &OUTAGES {
            let world = crate::live::world(outage.world).expect("a world");
            assert!(world.flood.causes.contains(&outage.cause), "{}", outage.world);
        }
    }

    #[test]
    fn no_wrong_theory_is_an_attack() {
        let wrong = OUTAGES.iter().flat_map(|o| o.theories);
        assert!(wrong.clone().count() >= 10);
        assert!(wrong.into_iter().all(|t| !matches!(t.cause.class(), Class::Attack | Class::Abuse)));
    }
}
