//! Nanoseconds per access-log line, per format, on one core: `cargo bench --bench log_parse`.
//!
//! Lines are generated from a fixed seed; the median of several runs is printed.
#![allow(clippy::disallowed_methods, reason = "a benchmark measures with the clock")]

use seawall_model::hash;
use seawall_wire::log::{Format, Line, Parser, detect};
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::SystemTime;

const LINES: u64 = 200_000;
const RUNS: usize = 9;
const SEED: u64 = 42;

const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0",
    "curl/8.5.0",
];

fn main() {
    run("combined", combined, "");
    run("combined, time and forwarded-for", combined, " 0.123 \"203.0.113.9, 10.0.0.1\"");
    run("common", common, "");
    run("haproxy", haproxy, "");
    run("caddy json", caddy, "");
    run("nginx template", combined, "template");
}

fn run(name: &str, line: fn(u64) -> String, extra: &str) {
    // `cargo bench --bench log_parse -- json` runs those whose name holds "json".
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    if wanted.is_some_and(|word| !name.contains(&word)) {
        return;
    }
    let template = extra == "template";
    let mut text = String::new();
    for index in 0..LINES {
        text.push_str(&line(index));
        text.push_str(if template { "" } else { extra });
        text.push('\n');
    }
    let bytes = text.as_bytes();
    let format = if template {
        Format::from_apache("combined").expect("a named format")
    } else {
        detect(&bytes[..bytes.len().min(256 * 1024)]).expect("generated lines are known")
    };
    let label = format.name();
    let mut times: Vec<u64> = (0..RUNS).map(|_| pass(&format, bytes)).collect();
    times.sort_unstable();
    let (low, middle) = (times[0] / LINES, times[RUNS / 2] / LINES);
    let line_bytes = bytes.len() as u64 / LINES;
    println!(
        "{name:36} {label:12} {line_bytes:4} bytes/line  median {middle:5} ns/line  best {low:5} ns/line"
    );
}

/// Reads all lines once; nanoseconds.
fn pass(format: &Format, bytes: &[u8]) -> u64 {
    let mut parser = Parser::new(format.clone());
    let start = on_processor_ns();
    let mut read = 0_u64;
    let mut from = 0;
    for end in memchr::memchr_iter(b'\n', bytes) {
        if let Ok(Line::Observation(observation)) = parser.parse(&bytes[from..end]) {
            black_box(&observation);
            read += 1;
        }
        from = end + 1;
    }
    let spent = on_processor_ns().saturating_sub(start);
    assert_eq!(read, LINES, "every generated line is read");
    spent
}

/// Nanoseconds that this thread has been on a processor, so that other programs on the machine do
/// not count; elsewhere than on Linux the time of day.
fn on_processor_ns() -> u64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let first = told.as_deref().and_then(|text| text.split(' ').next()?.parse().ok());
    first.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(0)
    })
}

fn stamp(index: u64) -> String {
    // Three hundred requests a second.
    let second = index / 300;
    format!("01/May/2024:{:02}:{:02}:{:02}", 8 + second / 3_600, second / 60 % 60, second % 60)
}

fn client(index: u64) -> String {
    let bits = hash::mix(SEED ^ (index % 5_000));
    format!("{}.{}.{}.{}", 11 + bits % 90, bits >> 8 & 255, bits >> 16 & 255, bits >> 24 & 255)
}

fn request(index: u64) -> String {
    let bits = hash::mix(SEED + index);
    format!(
        "GET /products/category-{}/item-{}.html?page={}&sort=price HTTP/1.1",
        bits % 40,
        bits >> 8 & 4095,
        bits >> 20 & 15
    )
}

fn combined(index: u64) -> String {
    let bits = hash::mix(SEED + 2 * index);
    let mut line = common(index);
    let agent = AGENTS[(bits % 4) as usize];
    write!(line, " \"https://www.example.com/products/{}\" \"{agent}\"", bits >> 32 & 255)
        .expect("writes to a string");
    line
}

fn common(index: u64) -> String {
    let bits = hash::mix(SEED + 3 * index);
    format!("{} - - [{} +0000] \"{}\" 200 {}", client(index), stamp(index), request(index), bits & 0xFFFF)
}

fn haproxy(index: u64) -> String {
    let bits = hash::mix(SEED + 4 * index);
    format!(
        "May  1 08:00:00 lb haproxy[12]: {}:{} [{}.{:03}] front~ app/web{} 0/0/1/{}/{} 200 {} - - ---- 120/110/40/20/0 0/0 {{www.example.com}} \"{}\"",
        client(index),
        bits >> 48,
        stamp(index),
        bits % 1_000,
        bits & 3,
        bits >> 8 & 255,
        bits >> 8 & 511,
        bits & 0xFFFF,
        request(index)
    )
}

fn caddy(index: u64) -> String {
    let bits = hash::mix(SEED + 5 * index);
    let (client, agent) = (client(index), AGENTS[(bits % 4) as usize]);
    format!(
        "{{\"level\":\"info\",\"ts\":{}.{:06},\"logger\":\"http.log.access\",\"msg\":\"handled request\",\"request\":{{\"remote_ip\":\"{client}\",\"remote_port\":\"{}\",\"client_ip\":\"{client}\",\"proto\":\"HTTP/2.0\",\"method\":\"GET\",\"host\":\"www.example.com\",\"uri\":\"/item/{}?p=1\\u00262\",\"headers\":{{\"User-Agent\":[\"{agent}\"],\"Accept\":[\"*/*\"],\"Accept-Language\":[\"en\"]}}}},\"bytes_read\":0,\"user_id\":\"\",\"duration\":0.00{},\"size\":{},\"status\":200,\"resp_headers\":{{\"Server\":[\"Caddy\"],\"Content-Type\":[\"text/html\"]}}}}",
        1_714_550_400 + index / 300,
        bits % 1_000_000,
        bits >> 48,
        bits >> 20 & 4_095,
        bits >> 12 & 1_023,
        bits & 0xFFFF
    )
}
