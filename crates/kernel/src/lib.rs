//! The kernel filter: drops at the first instruction what a plan names, and sees packets.
//!
//! ```text
//! Approved plan → compile → rules → XDP program (xdp)
//!                                 → nftables, where that cannot be loaded (nft)
//!                                 → model of the program (for tests, and for readers)
//! ```
//!
//! The program lies in `bpf/`, one file per concern, with the object that `bpf/build` makes of it.
//! Everything fails open: what cannot be read, loaded or written lets traffic pass.

mod buckets;
mod canary;
mod clock;
mod compile;
mod cookies;
mod dns;
mod error;
mod filter;
pub mod forge;
mod interface;
mod key;
mod layout;
pub mod model;
mod names;
mod nft;
mod rule;
mod sieve;
mod slots;
mod status;
mod tables;
mod xdp;

pub use clock::Moment;
pub use compile::{Refusal, compile, concerns_packets, conjunction, is_about_questions};
pub use dns::{
    DNS_NAME_BYTES, DNS_RECORDS_BYTES, DnsAnswer, DnsAnswers, DnsListener, DnsQuestion, DnsSample, DnsTotals,
};
pub use error::KernelError;
pub use filter::{Applied, Carrier, Hits, KernelFilter, Settings};
pub use interface::number as interface_number;
pub use layout::{Counts, Totals};
pub use names::{KnownNames, NAMES_LIMIT, NameSample, Names, Said};
pub use rule::{Act, Asks, Conjunction, Cookies, Kind, RULE_LIMIT, Rule, WHOLE_SHARE, rate};
pub use status::{RuleStatus, Status, running};
pub use xdp::{Attachment, Deviations, Sample, XdpFilter};
