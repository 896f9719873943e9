//! Changes: what people and machines did to the service (deploys, reloads, scaling), the first
//! question of any incident.

use crate::Timestamp;
use serde::{Deserialize, Serialize};

/// One change, given with `--changes` or seen by a sensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub time: Timestamp,
    pub kind: ChangeKind,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// New code went live.
    Deploy,
    /// A configuration was changed or reloaded.
    Configuration,
    /// A load balancer was changed or reloaded, or a member went in or out.
    LoadBalancer,
    /// Capacity was added or removed.
    Scaling,
    /// A database migration, index or maintenance job.
    Database,
    /// Routing, DNS, firewall or provider work.
    Network,
    /// A sale, a mailing, a broadcast: people were asked to come.
    Campaign,
    /// A test that puts load on the service.
    LoadTest,
    Other,
}

/// What people call such a test when they write that there is one.
const LOAD_TESTS: [&str; 8] = [
    "load test",
    "load-test",
    "loadtest",
    "stress test",
    "performance test",
    "load testing",
    "benchmark",
    "lasttest",
];

impl Change {
    /// Whether it says that somebody puts load on the service to see what it bears.
    #[must_use]
    pub fn announces_load(&self) -> bool {
        let text = self.text.to_lowercase();
        self.kind == ChangeKind::LoadTest || LOAD_TESTS.iter().any(|words| text.contains(words))
    }
}

impl ChangeKind {
    /// Every kind, by the name that it is told under.
    pub const NAMES: [&str; 9] = [
        "deploy",
        "configuration",
        "load-balancer",
        "scaling",
        "database",
        "network",
        "campaign",
        "load-test",
        "other",
    ];

    /// Reads the kind by its name or a common synonym, ignoring case; unknown words are `Other`.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        Self::named(word).unwrap_or(Self::Other)
    }

    /// The same, where an unknown word is a mistake.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "deploy" | "deployment" | "release" | "rollout" => Self::Deploy,
            "configuration" | "config" | "reload" | "configuration-reload" => Self::Configuration,
            "load-balancer" | "loadbalancer" | "balancer" | "lb" => Self::LoadBalancer,
            "scaling" | "scale" | "autoscale" => Self::Scaling,
            "database" | "migration" | "db" => Self::Database,
            "network" | "firewall" | "dns" | "routing" => Self::Network,
            "campaign" | "sale" | "mailing" | "marketing" | "event" => Self::Campaign,
            "load-test" | "loadtest" | "load" | "test" | "benchmark" => Self::LoadTest,
            "other" | "" => Self::Other,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_that_is_offered_is_taken() {
        let kinds = ChangeKind::NAMES.map(ChangeKind::named);
        assert!(kinds.iter().all(Option::is_some));
        assert!(kinds.windows(2).all(|pair| pair[0] < pair[1]), "each once, in their order");
        assert_eq!((ChangeKind::named("deplyo"), ChangeKind::parse("deplyo")), (None, ChangeKind::Other));
    }
}
