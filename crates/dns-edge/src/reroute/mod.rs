//! Rerouting: a zone is served by somebody else for a while, who has been prepared beforehand.
//!
//! `feed` keeps a provider's copy the same where the provider does not fetch it, `parity` proves
//! that it is, `trust` that resolvers will believe its signatures, `delegation` says who is asked
//! now, changes it, and tells when the last resolver has moved.
//!
//! Everything here waits for servers; nothing decides when to reroute.

pub mod delegation;
pub mod feed;
pub mod parity;
pub mod trust;

pub use delegation::Delegation;
pub use parity::Parity;
pub use trust::Trust;

use crate::message::name;
use crate::talk::{Failure, Peer, Record};
use std::net::SocketAddr;

/// Records of one zone that are looked at.
pub const MOST_RECORDS: usize = 1_000_000;

/// A zone that can be rerouted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// In wire form, lower case.
    pub apex: Box<[u8]>,
    /// Where the zone is transferred from.
    pub primary: Peer,
    /// Servers of the parent zone.
    pub parents: Vec<SocketAddr>,
    pub providers: Vec<Provider>,
}

/// Somebody who can serve the zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    pub name: String,
    /// The names of its servers, as the delegation has them.
    pub hosts: Vec<Box<[u8]>>,
    pub servers: Vec<SocketAddr>,
    /// Its copy is kept the same by dynamic updates to this server (RFC 2136); without, it fetches
    /// the zone by itself.
    pub updates: Option<Peer>,
}

/// What went wrong, and with whom.
#[derive(Debug)]
pub struct Trouble {
    /// What was asked for.
    pub what: String,
    pub server: SocketAddr,
    pub why: Failure,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} from {}: {}", self.what, self.server, self.why)
    }
}

impl std::error::Error for Trouble {}

impl Trouble {
    fn new(what: impl Into<String>, server: SocketAddr, why: Failure) -> Self {
        Self { what: what.into(), server, why }
    }
}

/// Records of one owner and type, sorted: a record set.
fn sets(records: &[Record]) -> Vec<Vec<&Record>> {
    let mut all: Vec<&Record> = records.iter().collect();
    all.sort_by_key(|r| (&r.owner, r.kind, &r.data));
    all.dedup_by_key(|r| (r.owner.clone(), r.kind, r.data.clone()));
    all.chunk_by(|a, b| (&a.owner, a.kind) == (&b.owner, b.kind)).map(<[_]>::to_vec).collect()
}

/// How a record set is called in messages.
fn called(owner: &[u8], kind: u16) -> String {
    let owner = name::text(owner);
    let kind = domain::base::iana::Rtype::from_int(kind);
    format!("{} {kind}", if owner.is_empty() { "." } else { &owner })
}
