//! What wrong theories cost: five published postmortems of small teams, in own words. In all five
//! the alert came within 15 minutes; the hours went into finding the right name.

use seawall_model::Cause;

/// Where the figures come from.
pub const SOURCE: &str = "five published postmortems";

/// How long it took to name the cause.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Naming {
    /// Told by the team, from and to.
    Told { low_h: f64, high_h: f64 },
    /// Not told; it cannot be more than the whole outage.
    AtMost { hours: f64 },
}

/// One published outage that an attack caused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outage {
    pub service: &'static str,
    pub lasted_h: f64,
    pub naming: Naming,
    /// What the team believed first, as the causes that Seawall knows.
    pub believed: &'static [Cause],
}

/// The outages. Source: see [`SOURCE`].
pub const OUTAGES: [Outage; 5] = [
    Outage {
        service: "an electronic library",
        lasted_h: 4.0,
        naming: Naming::AtMost { hours: 4.0 },
        believed: &[Cause::Misconfiguration, Cause::ReleaseFault],
    },
    Outage {
        service: "company web servers behind a load balancer",
        lasted_h: 2.5,
        naming: Naming::Told { low_h: 1.5, high_h: 1.5 },
        believed: &[Cause::LoadBalancerFault],
    },
    Outage {
        service: "a shop",
        lasted_h: 13.5,
        naming: Naming::AtMost { hours: 13.5 },
        believed: &[Cause::Misconfiguration, Cause::FlashCrowd, Cause::SlowBackend, Cause::NetworkFault],
    },
    Outage {
        service: "a web application",
        lasted_h: 4.25,
        naming: Naming::Told { low_h: 3.0, high_h: 3.5 },
        believed: &[Cause::Misconfiguration, Cause::SlowBackend],
    },
    Outage {
        service: "name servers of a web application",
        lasted_h: 3.75,
        naming: Naming::Told { low_h: 2.5, high_h: 2.5 },
        believed: &[Cause::ReleaseFault, Cause::SlowBackend],
    },
];

/// What a wrong theory went with in the outages.
#[derive(Clone, Debug, PartialEq)]
pub struct TheoryCost {
    /// The outages in which it was believed.
    pub outages: Vec<&'static Outage>,
    /// Hours until the cause had its right name, over those outages.
    pub low_h: f64,
    pub high_h: f64,
    /// Whether the upper end is the whole outage, for want of a better figure.
    pub high_is_bound: bool,
}

/// The outages in which `theory` was believed; `None` if it was in none.
#[must_use]
pub fn cost_of(theory: Cause) -> Option<TheoryCost> {
    let outages: Vec<&Outage> = OUTAGES.iter().filter(|o| o.believed.contains(&theory)).collect();
    let (mut low_h, mut high_h, mut high_is_bound) = (f64::INFINITY, 0.0_f64, false);
    for outage in &outages {
        let (low, high, is_bound) = match outage.naming {
            Naming::Told { low_h, high_h } => (low_h, high_h, false),
            Naming::AtMost { hours } => (hours, hours, true),
        };
        low_h = low_h.min(low);
        if high > high_h {
            (high_h, high_is_bound) = (high, is_bound);
        }
    }
    (!outages.is_empty()).then_some(TheoryCost { outages, low_h, high_h, high_is_bound })
}

/// The theories that were believed first in the outages, the most frequent first.
#[must_use]
pub fn usual_theories() -> Vec<Cause> {
    let mut all: Vec<Cause> = OUTAGES.iter().flat_map(|o| o.believed).copied().collect();
    all.sort_unstable();
    all.dedup();
    all.sort_by_key(|theory| {
        std::cmp::Reverse(OUTAGES.iter().filter(|o| o.believed.contains(theory)).count())
    });
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outages_add_up_to_the_published_total() {
        let total: f64 = OUTAGES.iter().map(|o| o.lasted_h).sum();
        assert_eq!(total, 28.0);
    }

    #[test]
    fn a_theory_costs_what_its_outages_cost() {
        let balancer = cost_of(Cause::LoadBalancerFault).expect("believed once");
        assert_eq!((balancer.low_h, balancer.high_h, balancer.high_is_bound), (1.5, 1.5, false));
        let configuration = cost_of(Cause::Misconfiguration).expect("believed three times");
        assert_eq!(configuration.outages.len(), 3);
        assert_eq!((configuration.low_h, configuration.high_h), (3.0, 13.5));
        assert!(configuration.high_is_bound);
        assert_eq!(cost_of(Cause::SynFlood), None);
        assert_eq!(usual_theories().len(), 6);
    }
}
