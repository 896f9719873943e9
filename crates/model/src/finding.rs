//! Findings: what was measured of the trouble, beside what was to be expected. A finding carries
//! its own evidence, so that later stages never reach back into windows.

use crate::Timestamp;
use crate::cause::Cause;
use crate::change::Change;
use crate::metric::Metric;
use crate::signature::Layer;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// One measured metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub metric: Metric,
    pub observed: f64,
    /// From the baseline; `None` where there is none.
    pub expected: Option<f64>,
    /// How far from expected, in the baseline's own spread; 0 where nothing is expected.
    pub surprise: f64,
    /// How much of the data the figure stands on (requests, packets, clients, …).
    pub support: f64,
    pub onset: Option<Timestamp>,
}

/// All that detection says of one disturbance; the whole input of diagnosis.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// Sorted by metric, at most one each.
    pub findings: Vec<Finding>,
    pub onset: Option<Timestamp>,
    pub end: Option<Timestamp>,
    /// Length of the disturbed part.
    pub duration_s: f64,
    /// Length of the quiet part that the expectations come from; 0: none.
    pub reference_s: f64,
    /// Changes near the onset, nearest first.
    pub changes: Vec<Change>,
    /// Refinements that the structure of the traffic gives, by the cause they belong to.
    pub vectors: Vec<(Cause, String)>,
    /// What the traffic of each layer is about: `10.10.10.10 tcp/25565`, a host name, a zone.
    pub targets: Vec<(Layer, String)>,
}

impl Findings {
    /// What trouble of this cause is about: a forged SYN has no zone, and normal traffic no target.
    #[must_use]
    pub fn target(&self, cause: Cause) -> Option<&str> {
        let layers: &[Layer] = match cause {
            Cause::Normal => &[],
            Cause::Undecided => &[Layer::Http, Layer::Dns, Layer::Packet],
            _ => match cause.layer() {
                Layer::Packet => &[Layer::Packet, Layer::Http],
                Layer::Http => &[Layer::Http, Layer::Packet],
                Layer::Dns => &[Layer::Dns, Layer::Packet],
            },
        };
        let of = |layer: &Layer| self.targets.iter().find(|(of, _)| of == layer);
        layers.iter().find_map(of).map(|(_, target)| target.as_str())
    }

    /// The finding of a metric, if it was measured.
    #[must_use]
    pub fn get(&self, metric: Metric) -> Option<&Finding> {
        self.findings.binary_search_by_key(&metric, |f| f.metric).ok().map(|i| &self.findings[i])
    }

    /// The observed value of a metric, if it was measured.
    #[must_use]
    pub fn observed(&self, metric: Metric) -> Option<f64> {
        self.get(metric).map(|f| f.observed)
    }

    /// Adds a finding, keeping the order; a second one for the same metric replaces the first.
    pub fn insert(&mut self, finding: Finding) {
        match self.findings.binary_search_by_key(&finding.metric, |f| f.metric) {
            Ok(i) => self.findings[i] = finding,
            Err(i) => self.findings.insert(i, finding),
        }
    }
}

/// A counted name in a ranking: a source, a network, a path, a port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    pub name: String,
    pub share: f64,
    /// Share in normal traffic, where there is a reference.
    pub baseline_share: Option<f64>,
}

/// Real sources listed, at most.
pub const PROVEN_LISTED: usize = 256;

/// Who and what, for people: the heaviest values of each dimension of the disturbed traffic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rankings {
    /// Dimension name (`source`, `client network`, `user agent`, `path`, `dns name`, …) to its
    /// heaviest values, heaviest first, at most ten.
    pub dimensions: Vec<(String, Vec<Ranked>)>,
    /// Addresses that completed a handshake, so that they are real: at most [`PROVEN_LISTED`].
    pub proven_sources: Vec<IpAddr>,
}

impl Rankings {
    /// The heaviest senders on a layer, by address; a client that hides behind a proxy has its name there.
    #[must_use]
    pub fn senders(&self, layer: Layer) -> &[Ranked] {
        self.of(match layer {
            Layer::Http => "client",
            Layer::Packet => "source",
            Layer::Dns => "dns client",
        })
    }

    /// The networks (/24, /48) of most on a layer; none were ranked for DNS.
    #[must_use]
    pub fn sender_networks(&self, layer: Layer) -> &[Ranked] {
        match layer {
            Layer::Http => self.of("client network"),
            Layer::Packet => self.of("source network"),
            Layer::Dns => &[],
        }
    }

    /// The heaviest values of a dimension; none where it was not ranked.
    #[must_use]
    pub fn of(&self, dimension: &str) -> &[Ranked] {
        self.dimensions.iter().find(|(name, _)| name == dimension).map_or(&[], |(_, ranked)| ranked)
    }
}
