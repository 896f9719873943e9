//! The edge over real sockets: small upstreams of our own, clients that write raw bytes.

#![allow(clippy::disallowed_methods, reason = "tests over real sockets wait in real time")]

mod ambiguous;
mod behind;
mod conformance;
mod desync;
mod harness;
mod http2;
mod limits;
mod messages;
mod names;
mod own_pages;
mod peers;
mod proxy;
mod stored;
mod tls;
mod upstreams;
