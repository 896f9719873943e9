//! The DNS edge: a front of name servers that keeps answering names that exist, whatever else is
//! asked, and counts every message into windows.
//!
//! It decides by what it knows (cache, zones, names that answered) and by what its back ends can
//! take; it knows nothing of the engine. No address is ever blocked: over UDP it may be forged.
//!
//! What it asks of servers for itself (zones, checks) is in `talk`, `exist` and `io`.
//!
//! A query's way: `io::thread` → `core::ask` → a back end → `core::reply`.

pub mod backend;
pub mod cache;
pub mod cookie;
pub mod core;
pub mod counters;
pub mod edge;
pub mod exist;
pub mod hot;
pub mod io;
pub mod limit;
pub mod message;
pub mod outbound;
mod random;
pub mod reroute;
pub mod sense;
pub mod settings;
pub mod talk;

pub use counters::Counter;
pub use edge::Edge;
pub use settings::{Backend, Limits, Pool, Settings, Tls, ZoneSource};
