//! The HTTP edge: a reverse proxy that measures every request into windows, and acts on it by an
//! immutable table of rules that is swapped whole.
//!
//! It reads no clock but the runtime's, decides nothing by itself, and knows nothing of the
//! engine: windows go out, plans come in, and the program wires the two.

pub mod act;
pub mod http1;
pub mod request;

pub use request::Request;
