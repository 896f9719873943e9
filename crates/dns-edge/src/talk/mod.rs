//! Talking to name servers as their client, away from the hot path: messages are written and read
//! with the `domain` crate, and signed where a key is shared (TSIG, RFC 8945).

pub mod exchange;
pub mod key;
pub mod request;

pub use exchange::{Failure, Peer, Reply};
pub use key::{BadKey, Key, Signed, Untrusted};
pub use request::{Record, Request};
