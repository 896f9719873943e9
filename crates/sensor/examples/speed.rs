//! Measures reading: packets and lines a second, with a tally that only counts, on one thread
//! and on two. The input is made from a seed, so that any machine reads the same.
//!
//! Rates are by processor time, which other work on the machine does not change, and by the clock.
//!
//! `cargo run --release -p seawall-sensor --example speed -- [MILLIONS [CASE]]`

use seawall_model::hash;
use seawall_model::observation::Observation;
use seawall_sensor::{Options, Tally};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

#[derive(Default)]
struct Count(u64);

impl Tally for Count {
    fn observe(&mut self, _observation: &Observation<'_>, priority: u64) {
        self.0 += 1 + (priority == 0) as u64;
    }

    fn merge(&mut self, other: Self) {
        self.0 += other.0;
    }

    fn is_empty(&self) -> bool {
        self.0 == 0
    }
}

fn main() -> std::io::Result<()> {
    let millions: u64 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(4);
    let count = millions * 1_000_000;
    let folder = std::env::temp_dir();
    let cases: [(&str, Maker); 4] = [
        ("mixed.pcap", mixed_capture),
        ("synflood.pcap", syn_flood),
        ("udp.pcap", udp_flood),
        ("access.log", access_log),
    ];
    let only = std::env::args().nth(2);
    for (name, make) in cases {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let path = folder.join(format!("seawall-speed-{name}"));
        make(&path, count)?;
        for threads in [1, 2] {
            let before = processor_seconds();
            let taken = read(&path, threads);
            let used = processor_seconds() - before;
            let rate = |seconds: f64| count as f64 / seconds.max(1e-9) / 1e6;
            println!(
                "{name}: {threads} thread(s): {:.2} million records per second of processor, {:.2} by the clock",
                rate(used),
                rate(taken.as_secs_f64())
            );
        }
        std::fs::remove_file(&path)?;
    }
    Ok(())
}

type Maker = fn(&Path, u64) -> std::io::Result<()>;

#[allow(clippy::disallowed_methods, reason = "a measurement needs a clock")]
fn read(path: &Path, threads: usize) -> Duration {
    let paths = [path.to_string_lossy().into_owned()];
    let options = Options { threads, ..Options::default() };
    let mut total = 0;
    let start = std::time::Instant::now();
    let reports = seawall_sensor::read(
        &paths,
        &options,
        Count::default,
        &mut |_, _, tally: Count| total += tally.0,
        &mut |_| {},
        &mut |_| {},
    );
    let taken = start.elapsed();
    match reports {
        Ok(reports) => println!("  {} records, {total} observations", reports[0].records),
        Err(error) => println!("  {error}"),
    }
    taken
}

/// Processor time that this process has used (Linux; 0 elsewhere).
fn processor_seconds() -> f64 {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The fields after the name, which stands in brackets: user and system time are 12 and 13.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS_PER_SECOND
}

/// One Ethernet frame with an IPv4 packet, written as a pcap record.
struct Record {
    source: u32,
    destination: u32,
    ports: (u16, u16),
    flags: u8,
    sequence: u32,
    acknowledgement: u32,
    payload: Vec<u8>,
}

fn write_record(out: &mut impl Write, microseconds: u64, record: &Record, udp: bool) -> std::io::Result<()> {
    let transport = if udp { 8 } else { 20 };
    let total = 20 + transport + record.payload.len();
    let frame = 14 + total;
    out.write_all(&((1_700_000_000 + microseconds / 1_000_000) as u32).to_le_bytes())?;
    out.write_all(&((microseconds % 1_000_000) as u32).to_le_bytes())?;
    out.write_all(&(frame as u32).to_le_bytes())?;
    out.write_all(&(frame as u32).to_le_bytes())?;
    out.write_all(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0])?;
    out.write_all(&[0x45, 0])?;
    out.write_all(&(total as u16).to_be_bytes())?;
    out.write_all(&[0, 0, 0x40, 0, 64, if udp { 17 } else { 6 }, 0, 0])?;
    out.write_all(&record.source.to_be_bytes())?;
    out.write_all(&record.destination.to_be_bytes())?;
    out.write_all(&record.ports.0.to_be_bytes())?;
    out.write_all(&record.ports.1.to_be_bytes())?;
    if udp {
        out.write_all(&((8 + record.payload.len()) as u16).to_be_bytes())?;
        out.write_all(&[0, 0])?;
    } else {
        out.write_all(&record.sequence.to_be_bytes())?;
        out.write_all(&record.acknowledgement.to_be_bytes())?;
        out.write_all(&[0x50, record.flags, 0xFF, 0xFF, 0, 0, 0, 0])?;
    }
    out.write_all(&record.payload)
}

fn create(path: &Path) -> std::io::Result<std::io::BufWriter<std::fs::File>> {
    let mut out = std::io::BufWriter::with_capacity(1 << 20, std::fs::File::create(path)?);
    out.write_all(&[0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0])?;
    Ok(out)
}

/// Connections of twelve packets with one small request each, a thousand at a time.
fn mixed_capture(path: &Path, count: u64) -> std::io::Result<()> {
    const STEPS: u64 = 12;
    const AT_A_TIME: u64 = 1_000;
    let mut out = create(path)?;
    for n in 0..count {
        let round = n / (STEPS * AT_A_TIME);
        let step = n % (STEPS * AT_A_TIME) / AT_A_TIME;
        let number = round * AT_A_TIME + n % AT_A_TIME;
        let random = hash::mix(number);
        let client = 0x0B00_0000 | (random as u32 & 0xFF_FFFF);
        let port = 1_024 + (random >> 40) as u16 % 60_000;
        let (upward, flags, payload, sequence, acknowledgement) = step_of(step, number);
        let (source, destination, ports) =
            if upward { (client, 0xC633_6401, (port, 80)) } else { (0xC633_6401, client, (80, port)) };
        let record = Record { source, destination, ports, flags, sequence, acknowledgement, payload };
        write_record(&mut out, n, &record, false)?;
    }
    out.flush()
}

/// Direction, flags, payload and numbers of one step of a connection.
fn step_of(step: u64, number: u64) -> (bool, u8, Vec<u8>, u32, u32) {
    let request = || {
        format!("GET /item/{number} HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: speed/1\r\n\r\n")
            .into_bytes()
    };
    let length = request().len() as u32;
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n".to_vec();
    let after_head = 501 + head.len() as u32;
    match step {
        0 => (true, 2, Vec::new(), 100, 0),
        1 => (false, 0x12, Vec::new(), 500, 101),
        2 => (true, 0x10, Vec::new(), 101, 501),
        3 => (true, 0x18, request(), 101, 501),
        4 => (false, 0x10, Vec::new(), 501, 101 + length),
        5 => (false, 0x18, head, 501, 101 + length),
        6 => (false, 0x10, vec![b'x'; 1_000], after_head, 101 + length),
        7 => (false, 0x18, vec![b'x'; 1_000], after_head + 1_000, 101 + length),
        8 => (true, 0x10, Vec::new(), 101 + length, after_head + 2_000),
        9 => (true, 0x11, Vec::new(), 101 + length, after_head + 2_000),
        10 => (false, 0x11, Vec::new(), after_head + 2_000, 102 + length),
        _ => (true, 0x10, Vec::new(), 102 + length, after_head + 2_001),
    }
}

fn syn_flood(path: &Path, count: u64) -> std::io::Result<()> {
    let mut out = create(path)?;
    for n in 0..count {
        let random = hash::mix(n);
        let record = Record {
            source: random as u32,
            destination: 0xC633_6401,
            ports: ((random >> 32) as u16, 80),
            flags: 2,
            sequence: (random >> 16) as u32,
            acknowledgement: 0,
            payload: Vec::new(),
        };
        write_record(&mut out, n, &record, false)?;
    }
    out.flush()
}

fn udp_flood(path: &Path, count: u64) -> std::io::Result<()> {
    let mut out = create(path)?;
    for n in 0..count {
        let random = hash::mix(n);
        let record = Record {
            source: random as u32,
            destination: 0xC633_6401,
            ports: (123, (random >> 32) as u16),
            flags: 0,
            sequence: 0,
            acknowledgement: 0,
            payload: vec![0x17; 440],
        };
        write_record(&mut out, n, &record, true)?;
    }
    out.flush()
}

fn access_log(path: &Path, count: u64) -> std::io::Result<()> {
    let mut out = std::io::BufWriter::with_capacity(1 << 20, std::fs::File::create(path)?);
    for n in 0..count {
        let r = hash::mix(n);
        let second = n / 10_000;
        writeln!(
            out,
            "{}.{}.{}.{} - - [10/Oct/2023:{:02}:{:02}:{:02} +0000] \"GET /shop/item/{}?ref={} HTTP/1.1\" {} {} \
             \"https://shop.example/list/{}\" \"Mozilla/5.0 (X11; Linux x86_64; rv:{}.0) Gecko/20100101 \
             Firefox/{}.0\"",
            11 + r % 100,
            r >> 8 & 255,
            r >> 16 & 255,
            r >> 24 & 255,
            second / 3600 % 24,
            second / 60 % 60,
            second % 60,
            r >> 32 & 0xFFF,
            r >> 44 & 0xFF,
            if r & 15 == 0 { 404 } else { 200 },
            r >> 20 & 0xFFFF,
            r >> 36 & 0xFF,
            100 + (r >> 52 & 15),
            100 + (r >> 52 & 15),
        )?;
    }
    out.flush()
}
