//! What an edge knows that the next one goes on with: whom it has seen, what its upstreams bear, and
//! the secret by which the tokens that clients hold are read.
//!
//! Of clients there are hashes only, and only those that showed something.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What outlives an edge. Plain numbers, in the form of whoever keeps them; what another version
/// cannot read is left out.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub secret: [u8; 32],
    /// See [`crate::act::Memory::kept`].
    pub clients: Vec<u64>,
    /// For each site, by the address where it listens: see [`crate::act::Shedder::kept`].
    pub sites: Vec<(String, Vec<u64>)>,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The secret is nobody's to read.
        f.debug_struct("Kept")
            .field("clients", &self.clients.len())
            .field("sites", &self.sites.len())
            .finish_non_exhaustive()
    }
}
