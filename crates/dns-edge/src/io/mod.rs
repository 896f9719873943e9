//! Sockets, threads and clocks: everything that the rest of the crate does not touch.

pub mod batch;
mod client;
pub mod clock;
mod keeper;
mod link;
mod ports;
pub mod socket;
pub mod thread;
mod upstream;
mod zones;

pub use keeper::keep;
pub use zones::follow;
