//! The families of episodes: for each cause one or more generators, and their benign twins.

mod http_base;
mod http_demand;
mod http_flood;
mod http_normal;
mod packet_base;
mod packet_flood;
mod packet_normal;

use crate::episode::Family;
use seawall_model::Cause;

const fn family(name: &'static str, cause: Cause, build: fn(u64) -> crate::episode::Draft) -> Family {
    Family { name, cause, evaluation_only: false, build }
}

/// Every family.
static CATALOGUE: &[Family] = &[
    family("http-normal", Cause::Normal, http_normal::site),
    family("crowd-referred", Cause::FlashCrowd, http_demand::referred),
    family("http-flood-loud", Cause::HttpFlood, http_flood::loud),
    family("http-flood-mimic", Cause::HttpFlood, http_flood::mimic),
    family("cache-busting", Cause::CacheBusting, http_flood::cache_busting),
    family("packet-normal", Cause::Normal, packet_normal::mixed),
    family("syn-flood-spoofed", Cause::SynFlood, packet_flood::syn_spoofed),
    family("amplification", Cause::Amplification, packet_flood::amplification),
];

/// Every family of episodes, in a fixed order.
#[must_use]
pub fn catalogue() -> &'static [Family] {
    CATALOGUE
}
