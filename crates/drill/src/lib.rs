//! Exercises for whatever watches traffic: seeded episodes of every trouble and of its benign
//! twin under virtual time, and the scoring of what the watcher said.
//!
//! Nothing here comes from the detector, and the detector takes nothing from here: the two meet in
//! the [`Subject`] trait and in the words of `seawall_model`, so that the detector can be judged.
//!
//! ```text
//! seed → Family → Episode → observations (with hidden origin) → Subject → Outcome
//!                    └─────────────── truth ────────────────────→ EpisodeScore → Summary
//! ```
//!
//! Some families are for evaluation only ([`Family::evaluation_only`]): they differ in structure
//! from all others, and nothing may be tuned on them. [`Selection::Open`] leaves them out. They
//! are: `http-flood-headless`, `http-flood-within-a-crowd`, `cache-busting-everywhere`,
//! `syn-flood-carpet`, `udp-flood-carpet-pulses`, `amplification-mixed`, `dns-coined-subdomain`,
//! `scraping-spread`, `release-fault-retries`, `slow-backend-stalls`, `load-balancer-flapping`,
//! `crowd-tickets`, `crawlers-together`, `http-behind-a-proxy`, `packet-one-sided` and
//! `dns-mail-lookups`.

mod dns;
mod episode;
mod families;
mod http;
#[allow(clippy::disallowed_methods, reason = "a live drill happens in real time")]
pub mod live;
mod logins;
mod matching;
mod net;
mod render;
mod rng;
mod run;
mod score;
mod simulate;
mod subject;
mod world;

pub use episode::{Episode, Family, MAX_OBSERVATIONS, Origin, Truth};
pub use families::catalogue;
pub use matching::matches;
pub use run::{EpisodeScore, FilterScore, TICK_NS, run};
pub use score::{Bin, CauseScore, Cell, FamilyScore, Figures, Quantiles, Summary, summarise};
pub use simulate::{Options, Selection, draw, scores, simulate};
pub use subject::{Outcome, Subject};
