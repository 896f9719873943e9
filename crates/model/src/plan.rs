//! Plans: immutable sets of measures that leave the enforcers no choices, and the report of why.

use crate::Timestamp;
use crate::address::Prefix;
use crate::cause::Cause;
use crate::signature::{ShareEstimate, Signature};
use serde::{Deserialize, Serialize};

/// What a rate limit counts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RateKey {
    Source,
    /// /24 for IPv4, /48 for IPv6.
    Network,
    Destination,
    Path,
    /// Everything that matches, together.
    Total,
}

/// What traffic a measure applies to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Everything to the target.
    All,
    /// What the signature matches.
    Signature(Signature),
    /// These sources, proven not to be forged.
    Sources(Vec<Prefix>),
}

/// One mitigation, by its place on the ladder: from reversible and mild to blunt. Alternatives that were never
/// worked out have zeros for the numbers that nobody knows; those are not written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Action {
    /// Fair place in line on a light page; for crowds.
    WaitingRoom {
        #[serde(default, skip_serializing_if = "is_unknown")]
        admitted_per_s: f64,
    },
    /// Short caching of what is cacheable, also when stale.
    ServeStale {
        seconds: u32,
    },
    /// Refuse the surplus early, unknown clients first.
    Shed {
        #[serde(default, skip_serializing_if = "is_uncounted")]
        max_concurrency: u32,
    },
    RateLimit {
        key: RateKey,
        #[serde(default, skip_serializing_if = "is_unknown")]
        per_s: f64,
        #[serde(default, skip_serializing_if = "is_unknown")]
        burst: f64,
    },
    /// Proof of work or a timed refresh before the request is served.
    Challenge,
    /// Close connections whose request is not complete in time.
    HeaderDeadline {
        seconds: u32,
        connections_per_source: u32,
    },
    /// Answer truncated, so that real resolvers come back over TCP.
    DnsTruncate,
    SynCookies,
    /// Refuse with a status, or close silently where `status` is 0.
    Block {
        status: u16,
    },
    /// Drop at the first instruction.
    DropInKernel,
    /// Ask the neighbouring network to drop or limit (RFC 8955).
    FlowSpec {
        limit_bytes_per_s: Option<f64>,
    },
    /// Ask the neighbouring network to drop everything to the victim (RFC 7999).
    Blackhole,
    /// Switch the CDN's or provider's protection mode on.
    ProviderMode,
    ScaleOut,
    /// Take back the named change.
    RollBack {
        change: String,
    },
    /// A person must look; the text says at what.
    Investigate {
        what: String,
    },
}

fn is_unknown(number: &f64) -> bool {
    *number == 0.0
}

fn is_uncounted(number: &u32) -> bool {
    *number == 0
}

impl Action {
    /// The stable name, such as `rate-limit`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::WaitingRoom { .. } => "waiting-room",
            Self::ServeStale { .. } => "serve-stale",
            Self::Shed { .. } => "shed",
            Self::RateLimit { .. } => "rate-limit",
            Self::Challenge => "challenge",
            Self::HeaderDeadline { .. } => "header-deadline",
            Self::DnsTruncate => "dns-truncate",
            Self::SynCookies => "syn-cookies",
            Self::Block { .. } => "block",
            Self::DropInKernel => "drop-in-kernel",
            Self::FlowSpec { .. } => "flowspec",
            Self::Blackhole => "blackhole",
            Self::ProviderMode => "provider-mode",
            Self::ScaleOut => "scale-out",
            Self::RollBack { .. } => "roll-back",
            Self::Investigate { .. } => "investigate",
        }
    }

    /// Whether some traffic waits, proves something or is refused under it.
    #[must_use]
    pub fn holds_back(&self) -> bool {
        !matches!(
            self,
            Self::ServeStale { .. }
                | Self::ProviderMode
                | Self::ScaleOut
                | Self::RollBack { .. }
                | Self::Investigate { .. }
        )
    }
}

/// What enforcers read back of a measure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The measure's id.
    pub measure: String,
    /// Requests that it held back: refused, challenged or sent to wait; not those that it only slowed down.
    pub requests: u64,
    /// Packets that it dropped in the kernel.
    pub packets: u64,
}

/// One measure of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Unique in the plan, such as `m1`.
    pub id: String,
    pub action: Action,
    pub scope: Scope,
    /// Destination that it protects, where one is known.
    pub target: Option<String>,
    /// Share of the unwanted traffic that it stops.
    pub predicted_effect: ShareEstimate,
    /// Share of normal traffic that it would hit; `None`: no normal traffic to measure on.
    pub predicted_harm: Option<ShareEstimate>,
    pub expires: Timestamp,
    /// Share of matching traffic that it applies to at first; raised to 1 by health gates.
    pub initial_share: f64,
}

/// An immutable set of measures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub generation: u64,
    pub parent: Option<u64>,
    pub cause: Cause,
    pub created: Timestamp,
    pub expires: Timestamp,
    pub measures: Vec<Measure>,
}

/// Why a considered measure is not in the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Against the policy or the safety rules, or useless.
    Rejected,
    /// In reserve; the reason says what it waits on.
    Waiting,
}

/// A considered alternative.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alternative {
    pub action: Action,
    /// The scope in words.
    pub scope: String,
    pub standing: Standing,
    pub reason: String,
}

/// Why these measures; which alternatives were rejected or wait, and on what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[must_use]
pub struct PlanReport {
    /// One reason per measure, by id.
    pub reasons: Vec<(String, String)>,
    pub alternatives: Vec<Alternative>,
}

/// A measure as text for a program that the operator runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderedRule {
    /// `nftables`, `haproxy`, `nginx`, `dnsdist`, `flowspec`, …
    pub program: String,
    /// Where it belongs: "in the frontend section", "nft -f FILE", ….
    pub place: String,
    pub text: String,
    /// Ids of the measures that it renders.
    pub measures: Vec<String>,
}
