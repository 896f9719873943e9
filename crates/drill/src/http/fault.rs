//! Our own faults: errors and slowness that have nothing to do with how many people come.

use super::site::Work;

/// What a fault touches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scope {
    Everything,
    /// Everything that is not a static file.
    Dynamic,
    Work(Work),
    /// Pages whose index leaves this remainder.
    Pages {
        every: u32,
        remainder: u32,
    },
    /// One server of the pool.
    Server(u32),
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trouble {
    /// This share of requests fails at once with the status.
    Fails { status: u16, share: f64 },
    /// Work takes this many times as long, reached within `rise_s`.
    Slow { factor: f64, rise_s: f64 },
    /// The server answers nothing: refused at once, or a gateway time-out.
    Dead { refuses: bool },
    /// The network loses packets: transfers take longer, and clients give up with this probability.
    Lossy { factor: f64, gives_up: f64 },
}

/// A fault in [from, to).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    pub from_s: f64,
    pub to_s: f64,
    pub scope: Scope,
    pub trouble: Trouble,
}

impl Fault {
    #[inline]
    #[must_use]
    pub fn is_active(&self, t_s: f64) -> bool {
        t_s >= self.from_s && t_s < self.to_s
    }
}
