//! What one packet costs in the program, without the network around it: `cost OBJECT` runs the
//! filter on one frame over and over, and with a source drawn for each (`benches/kernel/cold.c`).

use seawall_kernel::forge::Forged;
use seawall_kernel::{Act, Conjunction, Kind, Moment, Rule, WHOLE_SHARE, XdpFilter};
use seawall_model::Prefix;
use seawall_model::time::SECOND_NS;
use std::error::Error;
use std::net::Ipv4Addr;

/// Blocked addresses, and prefixes of 24 bits beside them.
const ADDRESSES: u32 = 900_000;
const NETWORKS: u32 = 100_000;
/// Blocks of one plan after the other.
const MANY: u32 = 100_000;
const RUNS: u32 = 1_000_000;
const REPEATS: usize = 7;

fn main() -> Result<(), Box<dyn Error>> {
    let object = std::fs::read(std::env::args().nth(1).ok_or("usage: cost OBJECT")?)?;
    let programs =
        ["seawall", "seawall_canary", "draw_any", "cold_any", "cold_blocked", "plain_pass", "plain_drop"];
    let mut filter = XdpFilter::load_object(&object, &programs)?;
    let spread = |n: u32| Ipv4Addr::from(n.wrapping_mul(2_654_435_761));
    let frame = |source: Ipv4Addr| {
        let mut forged = Forged::udp(source.into(), Ipv4Addr::new(192, 0, 2, 1).into());
        forged.payload = vec![7; 32];
        forged.frame()
    };
    replace(&mut filter, &spread)?;
    let stranger = frame(Ipv4Addr::new(203, 0, 113, 9));
    println!("{:<44} {:>8} {:>8} {:>8}", "ns a packet (median, least, most)", "", "", "");
    let bare = measure(&mut filter, "plain, passes", "plain_pass", &stranger, 0)?;
    measure(&mut filter, "plain, drops", "plain_drop", &stranger, 0)?;
    measure(&mut filter, "filter, empty: passes", "seawall", &stranger, 0)?;
    let now = Moment::now();
    filter.protect(&["198.51.100.0/24".parse::<Prefix>()?, "192.0.2.53".parse()?])?;
    let started = Moment::now().monotonic_ns;
    filter.apply(&rules(now, &spread), now)?;
    let took_ms = (Moment::now().monotonic_ns - started) / 1_000_000;
    println!("applied {} blocks and 64 signatures in {took_ms} ms", ADDRESSES + NETWORKS);
    filter.sample(10_000)?;
    let drawing = measure(&mut filter, "drawing a source alone", "draw_any", &stranger, 0)?;
    let drawing = drawing.saturating_sub(bare);
    measure(&mut filter, "full, hot: passes", "seawall", &stranger, 0)?;
    measure(&mut filter, "full, hot: dropped, blocked", "seawall", &frame(spread(77)), 0)?;
    measure(&mut filter, "full, hot: dropped, by signature", "seawall", &attack(), 0)?;
    measure(&mut filter, "full, cold: random sources", "cold_any", &stranger, drawing)?;
    measure(&mut filter, "full, cold: blocked sources", "cold_blocked", &stranger, drawing)?;
    Ok(())
}

/// How long it takes until 100,000 blocks are in force in place of as many others.
fn replace(filter: &mut XdpFilter, spread: &dyn Fn(u32) -> Ipv4Addr) -> Result<(), Box<dyn Error>> {
    let mut times = Vec::new();
    for turn in 0..REPEATS as u32 {
        let now = Moment::now();
        let prefixes = (turn * MANY..(turn + 1) * MANY).map(|n| Prefix::host(spread(n).into()));
        filter.apply(&[rule("blocks".to_owned(), Kind::Block(prefixes.collect()), now)], now)?;
        times.push((Moment::now().monotonic_ns - now.monotonic_ns) / 1_000_000);
    }
    times.sort_unstable();
    println!(
        "{MANY} blocks in place of others: {} ms (median; least {}, most {})",
        times[REPEATS / 2],
        times[0],
        times[REPEATS - 1]
    );
    filter.apply(&[], Moment::now())?;
    Ok(())
}

fn measure(
    filter: &mut XdpFilter,
    what: &str,
    program: &str,
    frame: &[u8],
    off: u64,
) -> Result<u64, Box<dyn Error>> {
    let mut times = Vec::new();
    for _ in 0..REPEATS {
        times.push(filter.run(program, frame, RUNS)?.1.saturating_sub(off));
    }
    times.sort_unstable();
    println!("{what:<44} {:>8} {:>8} {:>8}", times[REPEATS / 2], times[0], times[REPEATS - 1]);
    Ok(times[REPEATS / 2])
}

/// A packet that the last of the signatures is about.
fn attack() -> Vec<u8> {
    let mut forged = Forged::udp(Ipv4Addr::new(203, 0, 113, 9).into(), Ipv4Addr::new(192, 0, 2, 1).into());
    forged.ports = (1_063, 443);
    forged.ttl = 63;
    forged.payload = vec![63, 1, 2, 3];
    forged.frame()
}

/// A million blocked prefixes of mixed lengths, and 64 signatures of UDP alike but for their
/// values.
fn rules(now: Moment, spread: &dyn Fn(u32) -> Ipv4Addr) -> Vec<Rule> {
    let addresses = (0..ADDRESSES).map(|n| Prefix::host(spread(n).into()));
    let networks = (0..NETWORKS).filter_map(|n| Prefix::new(spread(n + (1 << 24)).into(), 24));
    let mut all = vec![rule("blocks".to_owned(), Kind::Block(addresses.chain(networks).collect()), now)];
    for n in 0..64_u8 {
        let conjunction = Conjunction {
            protocol: Some(17),
            source_port: Some((1_000 + u16::from(n), 1_000 + u16::from(n))),
            ttl: Some((n, n.saturating_add(30))),
            payload: vec![n, 1, 2, 3],
            ..Conjunction::default()
        };
        all.push(rule(format!("signature-{n}"), Kind::Match(conjunction, Act::Drop), now));
    }
    all
}

fn rule(measure: String, kind: Kind, now: Moment) -> Rule {
    Rule {
        words: measure.clone(),
        measure,
        kind,
        expires: now.wall.plus_ns(3_600 * SECOND_NS),
        share: WHOLE_SHARE,
        enforce: true,
    }
}
