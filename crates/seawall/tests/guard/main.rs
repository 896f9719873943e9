//! `seawall guard` as a program before a small site, over real sockets: what an operator can do with
//! it. What it does for people under attack is `seawall drill`'s to show.

#![allow(clippy::disallowed_methods, reason = "tests over real sockets wait in real time")]

mod checks;
#[path = "../contract/mod.rs"]
mod contract;
mod guard;
mod names;
mod orders;
mod reload;
mod state;
