//! HTTP/1 on the wire (RFC 9112): heads read strictly, bodies found, heads written. No sockets.
//!
//! What two servers could read differently is refused here, because the one behind us may be the
//! other one: bare CR or LF, folded lines, space before a colon, two lengths, a length and
//! chunks, codings other than `chunked`, a target whose host is not the `Host` field's.

pub mod body;
pub mod field;
pub mod head;
pub mod write;

pub use body::{Body, Framing, Step};
pub use field::{Field, Kind};
pub use head::{RequestHead, ResponseHead};

/// Why a message is not taken: what the client is answered, and what the operator is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    /// Stable name, label of the metric `seawall_refused_total`.
    pub reason: &'static str,
}

impl Refusal {
    #[must_use]
    pub const fn bad(reason: &'static str) -> Self {
        Self { status: 400, reason }
    }

    #[must_use]
    pub const fn with(status: u16, reason: &'static str) -> Self {
        Self { status, reason }
    }
}

/// What one head may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// The whole head with all its line ends.
    pub head_bytes: usize,
    /// The request target.
    pub target_bytes: usize,
    pub fields: usize,
}
