//! What the log tells: formats differ in what they leave out.

use crate::rng::Rng;

/// Families of log formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewKind {
    /// Client, time, request line, status, size.
    Common,
    /// And referrer and user agent.
    Combined,
    /// And host and durations.
    Timed,
    /// A balancer's log with timers, servers and how sessions ended, without user agents.
    Balancer,
    /// A proxy of our own that sees every header and the TLS fingerprint.
    Edge,
}

/// What is told of a request.
#[derive(Clone, Copy, Debug)]
pub struct View {
    pub kind: ViewKind,
    /// Time stamps are cut to the second.
    pub whole_seconds: bool,
    /// User agent and referrer.
    pub agents: bool,
    pub durations: bool,
    pub host: bool,
    /// Cookies, languages, header order.
    pub headers: bool,
    pub ja4: bool,
    pub cache: bool,
    /// Back end, server, queue time, open connections, endings.
    pub backend: bool,
}

impl View {
    #[must_use]
    pub fn of(kind: ViewKind) -> Self {
        let nothing = Self {
            kind,
            whole_seconds: true,
            agents: false,
            durations: false,
            host: false,
            headers: false,
            ja4: false,
            cache: false,
            backend: false,
        };
        match kind {
            ViewKind::Common => nothing,
            ViewKind::Combined => Self { agents: true, ..nothing },
            ViewKind::Timed => Self { agents: true, durations: true, host: true, ..nothing },
            ViewKind::Balancer => Self { whole_seconds: false, durations: true, backend: true, ..nothing },
            ViewKind::Edge => Self {
                whole_seconds: false,
                agents: true,
                durations: true,
                host: true,
                headers: true,
                ja4: true,
                cache: true,
                backend: true,
                ..nothing
            },
        }
    }

    /// Any format, by how common it is.
    pub fn any(rng: &mut Rng) -> Self {
        let mut view = Self::of(match rng.below(100) {
            0..=9 => ViewKind::Common,
            10..=44 => ViewKind::Combined,
            45..=69 => ViewKind::Timed,
            70..=79 => ViewKind::Balancer,
            _ => ViewKind::Edge,
        });
        view.ja4 &= rng.chance(0.7);
        view.host |= view.kind == ViewKind::Combined && rng.chance(0.15);
        if view.kind == ViewKind::Timed && rng.chance(0.4) {
            view.whole_seconds = false;
            view.cache = true;
        }
        view
    }

    /// A format that shows user agents.
    pub fn with_agents(rng: &mut Rng) -> Self {
        loop {
            let view = Self::any(rng);
            if view.agents {
                return view;
            }
        }
    }

    /// A format that shows durations.
    pub fn with_durations(rng: &mut Rng) -> Self {
        loop {
            let view = Self::any(rng);
            if view.durations {
                return view;
            }
        }
    }
}
