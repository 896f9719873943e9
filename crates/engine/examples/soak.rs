//! A day of attacks under virtual time: does the engine's memory stay flat?
//!
//! `cargo run --release -p seawall-engine --example soak [HOURS]` feeds an engine as a guard does:
//! people who come and return, and for twenty minutes of every half hour a flood of addresses that
//! were never seen before, its kind in turns. A line for each hour has the memory of the process and
//! what the engine named. Exit status 1: the memory went on growing after the first quarter.

use seawall_detection::Window;
use seawall_engine::{Effect, Engine, Input};
use seawall_model::Timestamp;
use seawall_model::hash::combine;
use seawall_model::observation::{Method, Observation, Request};
use seawall_model::policy::Policy;
use seawall_model::time::SECOND_NS;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;

const HOUR_S: u64 = 3_600;
const PEOPLE_PER_S: u64 = 30;
const FLOOD_PER_S: u64 = 400;
/// Of each half hour, so many seconds are calm, and the rest an attack.
const HALF_HOUR_S: u64 = 1_800;
const CALM_S: u64 = 600;
const BROWSER: &[u8] = b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
/// Memory may differ by so much from what it was after a quarter of the time.
const SLACK: f64 = 0.1;

/// The kinds of flood: path, whether each request has a query of its own, method.
const FLOODS: [(&str, bool, Method); 4] = [
    ("/", false, Method::Get),
    ("/search", true, Method::Get),
    ("/login", false, Method::Post),
    ("/export/report", false, Method::Get),
];

fn main() -> ExitCode {
    let hours = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(24);
    let mut engine = Engine::new(Policy::default(), None);
    let mut resident = Vec::new();
    println!("{:>4} {:>9} {:>9}  named", "hour", "MiB", "incidents");
    for hour in 0..hours {
        let told = watch(&mut engine, hour);
        resident.push(resident_mib());
        let mib = resident[resident.len() - 1];
        println!("{:>4} {mib:>9.1} {:>9}  {:?}", hour + 1, told.opened, told.names);
    }
    let settled = resident[resident.len() / 4];
    let most = resident.iter().skip(resident.len() / 4).fold(0.0, |a: f64, b| a.max(*b));
    println!("after a quarter {settled:.1} MiB, at most {most:.1} MiB from then on");
    if most > settled * (1.0 + SLACK) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What an hour brought.
#[derive(Default)]
struct Told {
    opened: u32,
    names: BTreeMap<String, u32>,
}

fn watch(engine: &mut Engine, hour: u64) -> Told {
    let mut told = Told::default();
    for second in hour * HOUR_S..(hour + 1) * HOUR_S {
        let window = Box::new(traffic(second));
        let tick = Timestamp::from_seconds(second as i64);
        let effects = engine.step(tick, Input::Window { tick, window });
        told.opened += effects.iter().filter(|e| matches!(e, Effect::Opened { .. })).count() as u32;
        if effects.iter().any(|e| matches!(e, Effect::Diagnosed(_)))
            && let Some(diagnosis) = engine.diagnosis()
        {
            *told.names.entry(diagnosis.verdict.cause.to_string()).or_default() += 1;
        }
    }
    told
}

/// One second: people, and from time to time a flood beside them.
fn traffic(second: u64) -> Window {
    let mut window = Window::default();
    let start = Timestamp::from_seconds(second as i64);
    for n in 0..PEOPLE_PER_S {
        let draw = combine(second, n);
        let time = start.plus_ns((n * 1_000_000_000 / PEOPLE_PER_S) as i64);
        let part = n % 3 != 0;
        let path = if part { format!("/static/{}.css", n) } else { format!("/item/{}", draw % 900) };
        let request = Request {
            path: path.as_bytes(),
            user_agent: BROWSER,
            referrer: if part { b"https://shop.example/" } else { b"" },
            status: 200,
            response_bytes: 2_000 + draw % 9_000,
            ..Request::new(time, address(10, draw % 20_000))
        };
        window.observe(&Observation::Request(request), draw);
    }
    if second % HALF_HOUR_S >= CALM_S {
        flood(&mut window, start, second);
    }
    window
}

fn flood(window: &mut Window, start: Timestamp, second: u64) {
    let (path, has_query, method) = FLOODS[(second / HALF_HOUR_S) as usize % FLOODS.len()];
    for n in 0..FLOOD_PER_S {
        let draw = combine(!second, n);
        let query = format!("q={draw:x}");
        let request = Request {
            path: path.as_bytes(),
            query: has_query.then_some(query.as_bytes()),
            method,
            user_agent: BROWSER,
            status: if draw.is_multiple_of(4) { 503 } else { 200 },
            response_bytes: 5_000,
            ..Request::new(start.plus_ns((n as i64) * SECOND_NS / FLOOD_PER_S as i64), address(0, draw))
        };
        window.observe(&Observation::Request(request), draw);
    }
}

/// An address in a /8, or with 0 anywhere.
fn address(first: u8, draw: u64) -> IpAddr {
    let [a, b, c, d] = (draw as u32).to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(if first == 0 { a % 200 + 11 } else { first }, b, c, d))
}

/// Memory of this process, in MiB.
fn resident_mib() -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap_or(0.0) / 1024.0
}
