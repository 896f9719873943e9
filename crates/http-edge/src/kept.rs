//! What an edge knows that the next one goes on with: whom it has seen, what its upstreams bear, and
//! the secrets by which the tokens that clients hold are read.
//!
//! Of clients there are hashes only, and only those that showed something.

use crate::act::TokenSecrets;
use seawall_model::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What outlives an edge. Plain numbers, in the form of whoever keeps them; what another version
/// cannot read is left out.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Keeps clients from choosing what collides; what is kept of them is hashed with it.
    pub secret: [u8; 32],
    pub tokens: TokenSecrets,
    /// See [`crate::act::Memory::kept`].
    pub clients: Vec<u64>,
    /// For each site, by the address where it listens: see [`crate::act::Shedder::kept`].
    pub sites: Vec<(String, Vec<u64>)>,
}

impl Kept {
    /// What an edge begins with that goes on with nothing. Both secrets must come from the system's
    /// source of randomness.
    #[must_use]
    pub fn new(secret: [u8; 32], tokens: [u8; 32], now: Timestamp) -> Self {
        Self { secret, tokens: TokenSecrets::new(tokens, now), ..Self::default() }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The secrets are nobody's to read.
        f.debug_struct("Kept")
            .field("clients", &self.clients.len())
            .field("sites", &self.sites.len())
            .finish_non_exhaustive()
    }
}
