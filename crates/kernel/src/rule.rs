//! What the kernel filter is told to do: blocks and conjunctions, as plain data that both back
//! ends and the model of the program read.

use crate::names::Names;
use seawall_model::observation::Fragment;
use seawall_model::plan::RateKey;
use seawall_model::{Prefix, Timestamp};

/// Shares of flows are counted in this many parts.
pub const WHOLE_SHARE: u16 = 1024;
/// Conjunctions that one generation may have.
pub const RULE_LIMIT: usize = 64;
/// Bytes at the start of the payload that a rule may name.
pub const PAYLOAD_LIMIT_BYTES: usize = 16;
/// Bytes of a name in wire form that a rule may be about the names below.
pub const SUFFIX_LIMIT_BYTES: usize = 64;

/// One measure in the kernel's terms.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The measure's id in its plan.
    pub measure: String,
    /// What it is about, in words, for whoever looks at the filter.
    pub words: String,
    pub kind: Kind,
    pub expires: Timestamp,
    /// Parts of [`WHOLE_SHARE`] of the matching flows that it applies to.
    pub share: u16,
    /// Whether it drops. A rule that only observes counts what it would drop.
    pub enforce: bool,
}

/// What a rule is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Everything from these sources.
    Block(Vec<Prefix>),
    Match(Conjunction, Act),
    /// Openings of connections are answered with a cookie before the host sees them.
    Cookies(Cookies),
    /// Questions for names that are not known are answered in a name server's place, or dropped.
    Names(Names),
}

/// How openings are answered in the host's place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cookies {
    /// Ports of this host; none: all that it serves.
    pub ports: Vec<u16>,
    /// The largest segments that this host takes.
    pub segment_v4_bytes: u16,
    pub segment_v6_bytes: u16,
    /// Whether the host's TCP timestamps can be foretold, in which cookies carry window scale and
    /// selective acknowledgement; without, a connection has neither.
    pub timestamps: bool,
    /// What the host's windows are shifted by.
    pub window_scale: u8,
}

/// What happens to packets for which a conjunction holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Act {
    Drop,
    /// What is beyond `per_s` packets a second is dropped, after `burst` packets at once.
    Limit {
        key: RateKey,
        per_s: f64,
        burst: f64,
    },
}

/// Tests that must all hold. `None`: any. Ranges are inclusive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conjunction {
    pub source: Option<Prefix>,
    pub destination: Option<Prefix>,
    pub protocol: Option<u8>,
    pub source_port: Option<(u16, u16)>,
    pub destination_port: Option<(u16, u16)>,
    pub length_bytes: Option<(u32, u32)>,
    pub ttl: Option<(u8, u8)>,
    /// The six lower flags, exactly.
    pub tcp_flags: Option<u8>,
    pub tcp_window: Option<u16>,
    /// Hash of the kinds of options in order; 0: none.
    pub tcp_options: Option<u64>,
    pub fragment: Option<Fragment>,
    pub icmp_type: Option<u8>,
    /// First bytes of the transport payload, at most [`PAYLOAD_LIMIT_BYTES`], which it must have;
    /// `None`: this one may be any. Empty: any payload.
    pub payload: Vec<Option<u8>>,
    pub asks: Option<Asks>,
}

/// A question of DNS over UDP, alone in its message (RFC 1035 section 4.1). `None`: any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asks {
    /// What the name is or ends with, label by label: in wire form and lower case, with the root label, at
    /// most [`SUFFIX_LIMIT_BYTES`]; empty: any name.
    pub suffix: Vec<u8>,
    pub dns_type: Option<u16>,
    pub recursion_desired: Option<bool>,
}

impl Conjunction {
    /// Whether a test asks for ports.
    #[must_use]
    pub fn has_ports(&self) -> bool {
        self.source_port.is_some() || self.destination_port.is_some()
    }

    /// Whether a test asks for a field of TCP.
    #[must_use]
    pub fn has_tcp(&self) -> bool {
        self.tcp_flags.is_some() || self.tcp_window.is_some() || self.tcp_options.is_some()
    }

    /// Whether it has no test at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Time that one packet takes of a limit, and how far ahead a burst may run (the generic cell rate
/// algorithm, ITU-T I.371), both in nanoseconds.
#[must_use]
pub fn rate(per_s: f64, burst: f64) -> (u64, u64) {
    /// An hour a packet, and as long a burst: beyond, nothing is worth a limit.
    const LONGEST_NS: f64 = 3.6e12;
    let interval_ns = (1e9 / per_s.max(1e-9)).clamp(1.0, LONGEST_NS);
    let burst_ns = (interval_ns * (burst.max(1.0) - 1.0)).min(LONGEST_NS);
    (interval_ns as u64, burst_ns as u64)
}
