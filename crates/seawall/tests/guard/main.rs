//! `seawall guard` as a program before a small site: people with browsers, attacks, and the
//! innocent twins, all over real sockets from sources in 127.0.0.0/8.
//!
//! The scenes last half a minute of real time each, so that they run only when asked for:
//! `cargo test --release -p seawall --test guard -- --ignored --test-threads 1 --nocapture`.

#![allow(clippy::disallowed_methods, reason = "tests over real sockets wait in real time")]

mod attack;
mod browser;
mod guard;
mod orders;
mod scene;
mod scenes;
mod site;
