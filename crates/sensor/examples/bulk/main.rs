//! Writes large inputs for measurements: `bulk CASE RECORDS > FILE`. The same case and count give
//! the same bytes on every machine.

mod capture;
mod hello;
mod log;

use seawall_model::hash;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

/// What writes a case: the number of records, and where to.
type Writer = fn(u64, &mut dyn Write) -> io::Result<()>;

/// Cases by name, and what they hold.
const CASES: [(&str, &str, Writer); 7] = [
    ("busy.log", "Combined log of a busy shop, 2,000 lines a second, a flood at the end", log::busy),
    ("quiet.log", "the same shop with 40 lines a second, over days", log::quiet),
    ("sources.log", "each line from another address", log::sources),
    ("mixed.pcap", "conversations: HTTP, TLS, DNS, UDP streams", capture::mixed),
    ("syn-flood.pcap", "SYNs from random sources", capture::syn_flood),
    ("udp-flood.pcap", "UDP answers nobody asked for, from random sources", capture::udp_flood),
    ("sources.pcap", "each packet from another address", capture::sources),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let case = arguments.first().and_then(|name| CASES.iter().find(|(case, _, _)| case == name));
    let records = arguments.get(1).and_then(|n| n.parse().ok());
    let (Some((_, _, write)), Some(records)) = (case, records) else {
        eprintln!("usage: bulk CASE RECORDS");
        CASES.iter().for_each(|(name, what, _)| eprintln!("  {name:<15} {what}"));
        return ExitCode::from(2);
    };
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    match write(records, &mut out).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bulk: {error}");
            ExitCode::from(2)
        }
    }
}

/// Random numbers by counting: the n-th is the hash of n.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(hash::mix(seed))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        hash::mix(self.0)
    }

    /// Evenly below `n`.
    fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// Below `n`, small numbers far more often: each doubling is as likely as the next.
    fn ranked(&mut self, n: u64) -> u64 {
        let doublings = u64::from(n.max(2).ilog2()) + 1;
        loop {
            let least = 1 << self.below(doublings);
            let rank = least - 1 + self.below(least);
            if rank < n {
                return rank;
            }
        }
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// The n-th of all IPv4 addresses in an order without repetition (an odd factor permutes).
fn nth_address(n: u64) -> u32 {
    (n as u32).wrapping_mul(0x9E37_79B1)
}
