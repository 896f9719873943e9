//! What one packet costs in the program, without the network around it: `cost OBJECT` runs the
//! filter on one frame over and over, and with a source drawn for each (`benches/kernel/cold.c`).
//! `cost on INTERFACE` holds the same filter on an interface until its input ends, and says what it saw:
//! for `benches/kernel/place`.

use seawall_kernel::forge::Forged;
use seawall_kernel::{Act, Conjunction, DnsListener, Kind, KnownNames, Moment, Names, Rule, Said};
use seawall_kernel::{WHOLE_SHARE, XdpFilter};
use seawall_model::time::SECOND_NS;
use seawall_model::{Prefix, hash};
use std::error::Error;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

/// Blocked addresses, and prefixes of 24 bits beside them.
const ADDRESSES: u32 = 900_000;
const NETWORKS: u32 = 100_000;
/// As many as there may be of IPv6, each of 64 bits.
const NETWORKS_V6: u32 = 1 << 20;
/// Blocks of one plan after the other.
const MANY: u32 = 100_000;
/// As many as the guard has each processor take a second.
const SAMPLES_PER_S: u64 = 20_000;
const RUNS: u32 = 1_000_000;
const REPEATS: usize = 7;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["on", interface] => hold(interface),
        [object] => cost(&std::fs::read(object)?),
        _ => Err("usage: cost OBJECT, or cost on INTERFACE".into()),
    }
}

/// The full filter on an interface; samples are taken as the guard takes them.
fn hold(interface: &str) -> Result<(), Box<dyn Error>> {
    let mut filter = XdpFilter::load()?;
    fill(&mut filter, Moment::now())?;
    println!("{:?}", filter.attach(interface)?);
    let input = std::thread::spawn(|| std::io::stdin().read_to_end(&mut Vec::new()));
    while !input.is_finished() {
        while filter.next_sample().is_some() {}
        std::thread::sleep(Duration::from_millis(100));
    }
    let totals = filter.totals(false)?;
    println!("packets {} dropped {}", totals.packets, totals.dropped_by_block + totals.dropped_by_rule);
    Ok(())
}

/// Blocked addresses are spread like this, so that a number gives one.
fn spread(number: u32) -> Ipv4Addr {
    number.wrapping_mul(2_654_435_761).into()
}

/// Puts in force as much as there may be.
fn fill(filter: &mut XdpFilter, now: Moment) -> Result<(), Box<dyn Error>> {
    filter.protect(&["198.51.100.0/24".parse::<Prefix>()?, "192.0.2.53".parse()?])?;
    filter.apply(&rules(now), now)?;
    Ok(filter.sample(SAMPLES_PER_S)?)
}

fn cost(object: &[u8]) -> Result<(), Box<dyn Error>> {
    let programs =
        ["seawall", "seawall_canary", "draw_any", "cold_any", "cold_blocked", "plain_pass", "plain_drop"];
    let mut filter = XdpFilter::load_object(object, &programs)?;
    let frame = |source: Ipv4Addr| {
        let mut forged = Forged::udp(source.into(), Ipv4Addr::new(192, 0, 2, 1).into());
        forged.payload = vec![7; 32];
        forged.frame()
    };
    replace(&mut filter)?;
    let stranger = frame(Ipv4Addr::new(203, 0, 113, 9));
    println!("{:<44} {:>8} {:>8} {:>8}", "ns a packet (median, least, most)", "", "", "");
    let bare = measure(&mut filter, "plain, passes", "plain_pass", &stranger, 0)?;
    measure(&mut filter, "plain, drops", "plain_drop", &stranger, 0)?;
    measure(&mut filter, "filter, empty: passes", "seawall", &stranger, 0)?;
    let now = Moment::now();
    fill(&mut filter, now)?;
    let took_ms = (Moment::now().monotonic_ns - now.monotonic_ns) / 1_000_000;
    println!("applied {} blocks and 64 signatures in {took_ms} ms", ADDRESSES + NETWORKS);
    let drawing = measure(&mut filter, "drawing a source alone", "draw_any", &stranger, 0)?;
    let drawing = drawing.saturating_sub(bare);
    measure(&mut filter, "full, hot: passes", "seawall", &stranger, 0)?;
    measure(&mut filter, "full, hot: dropped, blocked", "seawall", &frame(spread(77)), 0)?;
    measure(&mut filter, "full, hot: dropped, by signature", "seawall", &attack(), 0)?;
    measure(&mut filter, "full, cold: random sources", "cold_any", &stranger, drawing)?;
    measure(&mut filter, "full, cold: blocked sources", "cold_blocked", &stranger, drawing)?;
    drop(filter);
    v6(object)?;
    names(&stranger)
}

/// The same with a million blocked networks of IPv6.
fn v6(object: &[u8]) -> Result<(), Box<dyn Error>> {
    let programs =
        ["seawall", "seawall_canary", "plain_pass", "draw_any_v6", "cold_any_v6", "cold_blocked_v6"];
    let mut filter = XdpFilter::load_object(object, &programs)?;
    let frame = |source: Ipv6Addr| {
        let mut forged = Forged::udp(source.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 1).into());
        forged.payload = vec![7; 32];
        forged.frame()
    };
    let network = |n: u32| Ipv6Addr::from(0x2001_0db8_u128 << 96 | u128::from(u32::from(spread(n))) << 64);
    let now = Moment::now();
    let prefixes = (0..NETWORKS_V6).filter_map(|n| Prefix::new(network(n).into(), 64));
    let blocks = rule("blocks".to_owned(), Kind::Block(prefixes.collect()), now);
    filter.apply(&[&[blocks], &signatures(now)[..]].concat(), now)?;
    let took_ms = (Moment::now().monotonic_ns - now.monotonic_ns) / 1_000_000;
    println!("applied {NETWORKS_V6} blocks of IPv6 and 64 signatures in {took_ms} ms");
    filter.sample(SAMPLES_PER_S)?;
    let stranger = frame(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9));
    let bare = measure(&mut filter, "IPv6: plain, passes", "plain_pass", &stranger, 0)?;
    let drawing = measure(&mut filter, "IPv6: drawing a source alone", "draw_any_v6", &stranger, 0)?;
    let drawing = drawing.saturating_sub(bare);
    measure(&mut filter, "IPv6: full, hot: passes", "seawall", &stranger, 0)?;
    measure(&mut filter, "IPv6: full, hot: dropped, blocked", "seawall", &frame(network(77)), 0)?;
    measure(&mut filter, "IPv6: full, cold: random sources", "cold_any_v6", &stranger, drawing)?;
    measure(&mut filter, "IPv6: full, cold: blocked sources", "cold_blocked_v6", &stranger, drawing)?;
    Ok(())
}

/// What rules about names cost: a zone of 100,000 names, whose made-up ones are dropped, because a
/// frame that is answered is no question the next time.
fn names(stranger: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut filter = XdpFilter::load_with_dns(64, [7; 2])?;
    let mut answers = filter.take_dns().ok_or("no tables of answers")?;
    let server = Ipv4Addr::new(192, 0, 2, 1).into();
    answers.listen(&[DnsListener { address: server, port: 53, front: 0 }])?;
    answers.turn(true)?;
    let question = |name: &str| {
        let mut forged = Forged::udp(Ipv4Addr::new(203, 0, 113, 9).into(), server);
        forged.ports.1 = 53;
        forged.payload = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        forged.payload.extend(wire(name));
        forged.payload.extend([0, 1, 0, 1]);
        forged.frame()
    };
    let program = "seawall_dns";
    let (made_up, real) = (question("a1b2c3d4e5.example.org"), question("host77.example.org"));
    measure(&mut filter, "with DNS: no question, passes", program, stranger, 0)?;
    measure(&mut filter, "with DNS: a question, passes", program, &made_up, 0)?;
    let now = Moment::now();
    filter.apply(&[rule("names".to_owned(), Kind::Names(zone(server)), now)], now)?;
    // The one that is answered before the limit is reached: an answer would take the place of the frame.
    filter.run(program, &made_up, 1)?;
    measure(&mut filter, "names held: no question, passes", program, stranger, 0)?;
    measure(&mut filter, "names held: a real one, passes", program, &real, 0)?;
    measure(&mut filter, "names held: a made-up one, dropped", program, &made_up, 0)?;
    Ok(())
}

fn wire(name: &str) -> Vec<u8> {
    let mut wire: Vec<u8> = name.split('.').flat_map(|l| [&[l.len() as u8], l.as_bytes()].concat()).collect();
    wire.push(0);
    wire
}

fn zone(server: IpAddr) -> Names {
    let apex = hash::child_name(hash::child_name(7, b"org"), b"example");
    let name = |n: u32| (hash::child_name(apex, format!("host{n}").as_bytes()), false);
    Names {
        front: 0,
        asked_at: (server, 53).into(),
        suffix: wire("example.org").into(),
        known: Arc::new(KnownNames { seed: 7, names: (0..MANY).map(name).collect(), lower_bits: 24 }),
        said: Said::NoSuchName,
        is_signed: false,
        answers_per_s: 1e-9,
    }
}

/// How long it takes until 100,000 blocks are in force in place of as many others.
fn replace(filter: &mut XdpFilter) -> Result<(), Box<dyn Error>> {
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

/// A million blocked prefixes of mixed lengths, and 64 signatures.
fn rules(now: Moment) -> Vec<Rule> {
    let addresses = (0..ADDRESSES).map(|n| Prefix::host(spread(n).into()));
    let networks = (0..NETWORKS).filter_map(|n| Prefix::new(spread(n + (1 << 24)).into(), 24));
    let blocks = rule("blocks".to_owned(), Kind::Block(addresses.chain(networks).collect()), now);
    [&[blocks], &signatures(now)[..]].concat()
}

/// Of UDP, alike but for their values.
fn signatures(now: Moment) -> Vec<Rule> {
    let mut all = Vec::new();
    for n in 0..64_u8 {
        let conjunction = Conjunction {
            protocol: Some(17),
            source_port: Some((1_000 + u16::from(n), 1_000 + u16::from(n))),
            ttl: Some((n, n.saturating_add(30))),
            payload: [n, 1, 2, 3].map(Some).to_vec(),
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
