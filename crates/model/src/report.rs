//! The triage report: everything that `seawall triage` says, as data. Its JSON form is the
//! contract `seawall.triage/1` (`docs/triage.schema.json`); terminal, Markdown and HTML are
//! rendered from it.

use crate::Timestamp;
use crate::change::Change;
use crate::diagnosis::{Hypothesis, Verdict};
use crate::finding::{Finding, Rankings};
use crate::plan::{Plan, PlanReport, RenderedRule};
use crate::signature::Signature;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The schema's name and version.
pub const SCHEMA: &str = "seawall.triage/1";

/// A signature with its expression spelt out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignatureReport {
    pub expression: String,
    pub attack_share: f64,
    pub baseline_share: Option<f64>,
    /// Flattened, so that its `examples` stand beside the expression.
    #[serde(flatten)]
    pub signature: Signature,
}

/// One input as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputReport {
    pub path: String,
    /// What it was recognised as, for people: "combined access log", "pcap, Ethernet".
    pub kind: String,
    /// Lines or packets that were understood.
    pub records: u64,
    /// Lines or packets that were not.
    pub malformed: u64,
    /// Bytes of content, unpacked.
    pub bytes: u64,
    /// Earliest and latest time stamp.
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    /// At most five lines that did not parse, cut and escaped.
    pub malformed_samples: Vec<String>,
    /// Peculiarities by name, counted.
    pub oddities: BTreeMap<String, u64>,
    /// Records that came too late for their tick and were counted into a later one.
    pub out_of_order: u64,
    /// Records alone in time by more than a day, and places where the clock was set back.
    pub time_jumps: u64,
    /// Why reading ended before the end of the input.
    pub cut_short: Option<String>,
}

/// The peculiarity that counts bytes of a capture that were passed over, because no record could be
/// read there.
pub const BYTES_UNREAD: &str = "bytes-unread";

impl InputReport {
    /// Widens the span of time to hold `time`.
    pub fn saw(&mut self, time: Timestamp) {
        self.first = Some(self.first.map_or(time, |t| t.min(time)));
        self.last = Some(self.last.map_or(time, |t| t.max(time)));
    }

    /// Counts a peculiarity.
    pub fn odd(&mut self, name: &str, count: u64) {
        if count == 0 {
            return;
        }
        if let Some(sum) = self.oddities.get_mut(name) {
            *sum += count;
        } else {
            self.oddities.insert(name.to_owned(), count);
        }
    }
}

/// The course of one rate over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Metric name, such as `request-rate`.
    pub metric: String,
    pub start: Timestamp,
    pub step_ns: i64,
    /// Mean per second in each step.
    pub values: Vec<f64>,
}

/// What happened when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimelineEntry {
    pub time: Timestamp,
    /// `first-record`, `change`, `onset`, `named`, `peak`, `end`, `last-record`, `backend`.
    pub kind: String,
    pub text: String,
}

/// A second, weaker or separate disturbance in the same input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    pub verdict: Verdict,
    pub findings: Vec<Finding>,
}

/// Everything that triage says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TriageReport {
    pub schema: String,
    pub verdict: Verdict,
    /// Other causes that hold at once.
    pub also: Vec<Verdict>,
    pub hypotheses: Vec<Hypothesis>,
    pub findings: Vec<Finding>,
    pub rankings: Rankings,
    pub signatures: Vec<SignatureReport>,
    pub plan: Option<Plan>,
    pub plan_report: PlanReport,
    pub rules: Vec<RenderedRule>,
    pub timeline: Vec<TimelineEntry>,
    pub series: Vec<Series>,
    pub changes: Vec<Change>,
    /// Other disturbances of the same input.
    pub episodes: Vec<Episode>,
    /// What would have helped, as clauses.
    pub missing: Vec<String>,
    pub inputs: Vec<InputReport>,
}
