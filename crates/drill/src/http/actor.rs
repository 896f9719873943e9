//! One client's state, and the request it wants to make next.

use super::agents::Agent;
use super::site::{Page, Work};
use crate::world::Span;
use seawall_model::observation::{Ending, Method};
use std::net::IpAddr;

/// The state of one client. What a field means depends on the part it plays.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Actor {
    pub(crate) group: u16,
    pub(crate) client: IpAddr,
    pub(crate) agent: Option<Agent>,
    pub(crate) version: u8,
    /// Family of its fingerprint where that is not the agent's.
    pub(crate) fingerprint: Option<u8>,
    /// Page being looked at, and the one before.
    pub(crate) page: u32,
    pub(crate) previous: Option<u32>,
    /// Assets of the page still to fetch: [next, end) of the frame, then of the page.
    pub(crate) asset_next: u32,
    pub(crate) asset_end: u32,
    pub(crate) left: u32,
    pub(crate) tries: u8,
    pub(crate) returning: bool,
    /// Frame assets are in its cache.
    pub(crate) warm: bool,
    pub(crate) flag: bool,
    /// A gap that this actor keeps.
    pub(crate) pace: f64,
}

/// A piece of text of the request: none, from the episode's text, or just written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Piece {
    #[default]
    None,
    Fixed(Span),
    Scratch(u32, u32),
}

/// One request as the actor wants it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) path: Piece,
    pub(crate) query: Option<Piece>,
    pub(crate) referrer: Piece,
    pub(crate) work: Work,
    pub(crate) page: u32,
    pub(crate) host: u8,
    pub(crate) cacheable: bool,
    pub(crate) bytes: f64,
    /// Status if the server does its part.
    pub(crate) status: u16,
    pub(crate) request_bytes: u64,
    pub(crate) cookie: bool,
    pub(crate) accept_language: bool,
    /// No valid HTTP.
    pub(crate) malformed: bool,
    /// Gives up after so long; infinite: never.
    pub(crate) patience_us: f64,
    /// Ends this way without the server's part, after so long.
    pub(crate) ends: Option<(Ending, f64)>,
}

impl Ask {
    /// A GET for a page of the site.
    pub(crate) fn page(number: u32, page: &Page) -> Self {
        Self {
            method: Method::Get,
            path: Piece::Fixed(page.path),
            query: page.query.map(Piece::Fixed),
            referrer: Piece::None,
            work: page.work,
            page: number,
            host: page.host,
            cacheable: page.is_cacheable(),
            bytes: f64::from(page.bytes),
            status: 200,
            request_bytes: 0,
            cookie: false,
            accept_language: true,
            malformed: false,
            patience_us: f64::INFINITY,
            ends: None,
        }
    }
}

/// How a request ended, for the actor's next step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) end_ns: i64,
    pub(crate) took_us: f64,
}

impl Reply {
    pub(crate) fn is_failure(&self) -> bool {
        self.status >= 500 || self.status == 499
    }
}
