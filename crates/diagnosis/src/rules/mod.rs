//! The knowledge: which metric speaks for or against which cause, as data.
//!
//! One table per kind of traffic. Each row is `metric shape weight "reason"`: the weight is in
//! natural log-odds (1 is weak, 3 is strong), negative where the evidence speaks against, and the
//! reason completes the sentence "this speaks for (against) it, because …".

mod changes;
mod dns;
mod http;
mod net;
mod quiet;

pub use changes::{change_evidence, is_announced_load};

use crate::shape::Shape;
use seawall_model::cause::Cause;
use seawall_model::diagnosis::{Direction, Evidence};
use seawall_model::finding::Findings;
use seawall_model::metric::Metric;

/// One row: a metric's say on a cause.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub metric: Metric,
    pub shape: Shape,
    /// Natural log-odds at full strength; negative: against.
    pub weight: f64,
    pub reason: &'static str,
}

impl Rule {
    /// The evidence that findings give by this rule, if it is measurable and not nothing.
    #[must_use]
    pub fn apply(&self, findings: &Findings) -> Option<Evidence> {
        let finding = findings.get(self.metric)?;
        let weight = self.shape.strength(finding)? * self.weight;
        (weight.abs() > 0.01).then(|| Evidence {
            group: self.metric.group(),
            metric: self.metric,
            observed: finding.observed,
            expected: finding.expected,
            weight: weight.abs(),
            direction: if weight > 0.0 { Direction::For } else { Direction::Against },
            reason: self.reason.to_owned(),
        })
    }
}

/// Everything known of one cause.
#[derive(Clone, Copy, Debug)]
pub struct CauseRules {
    pub cause: Cause,
    /// Log-odds before any evidence.
    pub prior: f64,
    /// Conditions that must each be met by one of their alternatives.
    pub necessary: &'static [&'static [(Metric, Shape)]],
    pub rules: &'static [Rule],
}

impl CauseRules {
    /// How well the necessary conditions are met, 0 to 1: as well as the least of them, each as
    /// well as the best of its alternatives.
    #[must_use]
    pub fn gate(&self, findings: &Findings) -> f64 {
        let met = |alternatives: &[(Metric, Shape)]| {
            alternatives
                .iter()
                .filter_map(|(metric, shape)| shape.strength(findings.get(*metric)?))
                .fold(0.0, f64::max)
        };
        self.necessary.iter().map(|alternatives| met(alternatives)).fold(1.0, f64::min)
    }
}

/// Writes a table of causes.
macro_rules! causes {
    ($($cause:ident prior $prior:literal $(needs [$($need:ident $need_shape:expr),+])* {
        $($metric:ident $shape:expr, $weight:literal $reason:literal;)*
    })*) => {
        &[$($crate::rules::CauseRules {
            cause: seawall_model::cause::Cause::$cause,
            prior: $prior,
            necessary: &[$(&[$((seawall_model::metric::Metric::$need, $need_shape)),+]),*],
            rules: &[$($crate::rules::Rule {
                metric: seawall_model::metric::Metric::$metric,
                shape: $shape,
                weight: $weight,
                reason: $reason,
            }),*],
        }),*]
    };
}
pub(crate) use causes;

const TABLES: [&[CauseRules]; 4] = [net::TABLE, http::TABLE, dns::TABLE, quiet::TABLE];

/// Every cause's rules.
pub static ALL: std::sync::LazyLock<Vec<CauseRules>> = std::sync::LazyLock::new(|| TABLES.concat());

/// Whether two causes are about different traffic, so that both can hold at once.
#[must_use]
pub fn independent(a: Cause, b: Cause) -> bool {
    // Some causes show in several kinds of traffic.
    let in_one = |t: &&[CauseRules]| [a, b].iter().all(|c| t.iter().any(|r| r.cause == *c));
    let flood =
        [Cause::Amplification, Cause::SynFlood, Cause::IcmpFlood, Cause::TcpReflection, Cause::UdpFlood];
    // Requests that never end are none of those that a flood is made of.
    let requests = [Cause::HttpFlood, Cause::CacheBusting, Cause::ExpensiveEndpoint];
    let beside_slow = |slow: Cause, other: Cause| slow == Cause::SlowHttp && requests.contains(&other);
    !TABLES.iter().any(in_one)
        || (flood.contains(&a) && flood.contains(&b))
        || beside_slow(a, b)
        || beside_slow(b, a)
}
