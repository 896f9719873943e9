//! `seawall guard` as a program before a small site: people with browsers, attacks, and the
//! innocent twins, all over real sockets from sources in 127.0.0.0/8.
//!
//! The scenes last half a minute of real time each, so that they are built only when asked for:
//! `cargo test --release -p seawall --features live-scenes --test guard scenes -- --test-threads 1`.

#![allow(clippy::disallowed_methods, reason = "tests over real sockets wait in real time")]

#[cfg(feature = "live-scenes")]
mod attack;
#[cfg(feature = "live-scenes")]
mod browser;
#[cfg_attr(not(feature = "live-scenes"), allow(dead_code, reason = "some of it is for the scenes alone"))]
mod guard;
mod orders;
mod reload;
#[cfg(feature = "live-scenes")]
mod scene;
#[cfg(feature = "live-scenes")]
mod scenes;
#[cfg(feature = "live-scenes")]
mod site;
