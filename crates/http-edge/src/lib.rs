//! The HTTP edge: a reverse proxy that measures every request into windows, and acts on it by an
//! immutable table of rules that is swapped whole.
//!
//! It reads no clock but the runtime's, decides nothing by itself, and knows nothing of the
//! engine: windows go out, plans come in, and the program wires the two.
//!
//! A connection's way: `accept` → `serve1` or `serve2` → `exchange` → an upstream.

mod accept;
mod access_log;
pub mod act;
mod acting;
mod addresses;
mod alarm;
mod buffer;
mod client;
mod clock;
pub mod counters;
mod crew;
pub mod edge;
mod exchange;
pub mod files;
mod forwarded;
mod gate;
mod generation;
mod health;
mod held_back;
pub mod http1;
pub mod http2;
pub mod inherited;
mod job;
mod kept;
mod link;
mod listeners;
mod multiplex;
mod nonsense;
mod proxy_protocol;
pub mod rate_limits;
pub mod request;
mod sense;
mod serve1;
mod serve2;
pub mod settings;
mod stored;
mod stream;
mod thread;
pub mod tls;
mod unfit;
mod upstream;
mod upstream2;
pub mod upstream_tls;
pub mod validity;
mod waiting;

pub use counters::Counter;
pub use edge::Edge;
pub use forwarded::TrustedField;
pub use kept::Kept;
pub use nonsense::Nonsense;
pub use request::Request;
pub use settings::{Limits, LogFormat, Settings, Site, Speaks, Upstream};
