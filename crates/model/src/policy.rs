//! Policy: what the operator allows. Resolved and validated; the binary builds it from the
//! configuration file.

use crate::address::Prefix;
use serde::{Deserialize, Serialize};

/// Whether measures may be enforced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Measure, explain, propose; change nothing.
    #[default]
    Observe,
    Enforce,
}

/// What the operator allows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Policy {
    pub mode: Mode,
    /// Never blocked, challenged or limited by address.
    pub protected_clients: Vec<Prefix>,
    /// Prefixes we may announce routes for.
    pub owned_prefixes: Vec<Prefix>,
    /// Below this confidence the verdict is `undecided`.
    pub min_confidence: f64,
    /// Largest share of normal traffic that the measures together may hit.
    pub max_baseline_share: f64,
    /// Shortest prefix lengths that one address rule may have, IPv4 and IPv6.
    pub min_prefix_bits: (u8, u8),
    /// Largest number of addresses and prefixes in one plan.
    pub max_address_rules: usize,
    /// How long a measure lives without renewal.
    pub measure_lifetime_s: u32,
    /// Whether an upstream blackhole of a victim may be proposed (it gives up the victim).
    pub allow_blackhole: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            mode: Mode::Observe,
            protected_clients: Vec::new(),
            owned_prefixes: Vec::new(),
            min_confidence: 0.6,
            max_baseline_share: 0.01,
            min_prefix_bits: (16, 32),
            max_address_rules: 10_000,
            measure_lifetime_s: 600,
            allow_blackhole: false,
        }
    }
}
