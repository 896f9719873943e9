//! Time of one mining over 1,024 unwanted and 1,024 normal records, for each kind of record:
//! `cargo bench -p seawall-signature`. The bound is 5 ms for requests.

#[path = "../tests/population/mod.rs"]
#[allow(dead_code, reason = "a bench uses a part of the populations")]
mod population;

use population::{Normal, Random};
use seawall_model::Cause;
use seawall_model::record::RequestRecord;
use seawall_signature::{Contrast, Limits, Sample, mine};
use std::hint::black_box;

const RECORDS: usize = 1_024;
const ROUNDS: u32 = 50;

fn main() {
    let mut random = Random::new(1);
    let visitors = Normal::new(&mut random);
    let normal: Vec<_> = (0..RECORDS).map(|_| visitors.request(&mut random)).collect();
    let random_paths: Vec<_> = (0..RECORDS)
        .map(|i| RequestRecord {
            path: format!("/{}/{}", random.letters(8), random.letters(6)),
            query: Some(format!("{}={}", random.letters(6), random.letters(9))),
            user_agent: format!("Mozilla/5.0 (X11; like Gecko) Browser/{}.0", i % 300),
            client: random.address(),
            ..visitors.request(&mut random)
        })
        .collect();
    let mimics: Vec<_> = (0..RECORDS)
        .map(|_| RequestRecord { client: random.address(), ..visitors.request(&mut random) })
        .collect();
    let reflected: Vec<_> = (0..RECORDS).map(|_| population::monlist(&mut random)).collect();
    let sessions: Vec<_> = (0..RECORDS).map(|_| population::session_packet(&mut random)).collect();
    let subdomains: Vec<_> = (0..RECORDS)
        .map(|_| population::query(&mut random, |r| format!("{}.a.example.net", r.letters(9))))
        .collect();
    let names: Vec<_> = (0..RECORDS)
        .map(|_| population::query(&mut random, |r| format!("www.s{}.org", r.below(99))))
        .collect();
    for (name, unwanted, normal, normal_share, cause) in [
        (
            "requests, random text",
            Sample::Requests(&random_paths),
            Sample::Requests(&normal),
            0.1,
            Cause::HttpFlood,
        ),
        ("requests, mimicry", Sample::Requests(&mimics), Sample::Requests(&normal), 0.5, Cause::HttpFlood),
        (
            "packets, reflected",
            Sample::Packets(&reflected),
            Sample::Packets(&sessions),
            0.1,
            Cause::Amplification,
        ),
        (
            "packets, no reference",
            Sample::Packets(&reflected),
            Sample::Packets(&[]),
            0.0,
            Cause::Amplification,
        ),
        ("dns, random names", Sample::Dns(&subdomains), Sample::Dns(&names), 0.1, Cause::DnsRandomSubdomain),
    ] {
        let contrast = Contrast { unwanted, normal, normal_share, cause, networks: None };
        measure(name, &contrast);
    }
}

#[allow(clippy::disallowed_methods, reason = "a bench reads the clock; the crate does not")]
fn measure(name: &str, contrast: &Contrast<'_>) {
    let limits = Limits::default();
    black_box(mine(contrast, &limits));
    let start = std::time::Instant::now();
    for _ in 0..ROUNDS {
        black_box(mine(black_box(contrast), &limits));
    }
    println!("{name:24} {:8.2} ms", start.elapsed().as_secs_f64() * 1_000.0 / f64::from(ROUNDS));
}
