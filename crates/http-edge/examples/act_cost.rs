//! What a decision costs, in CPU time: `cargo run --release -p seawall-http-edge --example act_cost`.
//! For instructions, run it under `valgrind --tool=callgrind` with one name and few rounds:
//! `act_cost decide/10000-addresses 10000`.

use seawall_http_edge::Request;
use seawall_http_edge::act::{
    Answer, Clearance, CompileContext, Gate, Limits, Memory, Priority, Room, RuleTable, Shedder, Standing,
    TokenKeys, TokenSecrets,
};
use seawall_model::observation::Method;
use seawall_model::plan::{Action, Measure, Plan, RateKey, Scope};
use seawall_model::policy::{Mode, Policy};
use seawall_model::signature::{Layer, ShareEstimate, Signature, Test};
use seawall_model::time::SECOND_NS;
use seawall_model::{Cause, Prefix, Timestamp, hash};
use std::hint::black_box;
use std::net::IpAddr;

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);
const NONE: ShareEstimate = ShareEstimate { share: 0.0, low: 0.0, high: 0.0 };

fn main() {
    let mut arguments = std::env::args().skip(1);
    let only = arguments.next();
    let rounds = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(2_000_000);
    let meter = Meter { only, rounds };
    meter.run("nothing", |n| {
        black_box(request(n));
    });
    tables(&meter);
    parts(&meter);
}

struct Meter {
    /// The one case to run; `None`: all.
    only: Option<String>,
    rounds: u64,
}

impl Meter {
    fn run(&self, name: &str, mut work: impl FnMut(u64)) {
        if self.only.as_deref().is_some_and(|only| only != name) {
            return;
        }
        let before = cpu_ns();
        for n in 0..self.rounds {
            work(n);
        }
        println!("{name:<28} {:>8.1} ns", (cpu_ns() - before) as f64 / self.rounds as f64);
    }
}

fn tables(meter: &Meter) {
    let cases = [
        ("decide/empty", Vec::new()),
        ("decide/10-addresses", vec![addresses(10)]),
        ("decide/10000-addresses", vec![addresses(10_000)]),
        ("decide/limit-per-source", vec![limit(RateKey::Source)]),
        ("decide/limit-total", vec![limit(RateKey::Total)]),
        ("decide/20-signatures", (0..20).map(signature).collect()),
        ("decide/challenge", vec![measure("c", Action::Challenge, Scope::All)]),
    ];
    for (name, measures) in cases {
        let table = table(measures);
        let limits = Limits::new(16 << 20, 3);
        meter.run(name, |n| {
            let now = NOW.plus_ns(n as i64 * 10_000);
            let _ = black_box(table.decide(&limits, now, &request(n), Standing::Unknown));
        });
    }
}

fn parts(meter: &Meter) {
    let gate = Gate::new(TokenKeys::new(&TokenSecrets::new([1; 32], NOW)));
    let pass = gate.ticket(&request(1), 5, NOW);
    let cookie = format!("theme=dark; seawall={}; lang=en", pass.as_str());
    let later = NOW.plus_ns(SECOND_NS);
    meter.run("token/verify", |_| {
        let request = Request { cookie: cookie.as_bytes(), ..request(1) };
        black_box(gate.clearance(&request, later));
    });
    let memory = Memory::new(16 << 20, 30, 3, NOW);
    meter.run("memory/sight+admit", |n| {
        let sighting = memory.sight(&request(n % 100_000), Clearance::None, later);
        memory.admit(&sighting, later);
        black_box(sighting);
    });
    let shedder = Shedder::new(64, 1_000, NOW);
    meter.run("shed/ask+done", |n| {
        let now = NOW.plus_ns(n as i64 * 10_000);
        if shedder.ask(Priority::from(Standing::Known), 3, now) == Room::Go {
            shedder.done(&Answer { part: 3, latency_ns: 25_000_000, failed: false }, now);
        }
    });
}

fn request(n: u64) -> Request<'static> {
    Request {
        method: Method::Get,
        host: b"shop.example",
        path: b"/item/8731/photos",
        query: Some(b"page=2"),
        user_agent:
            b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/131.0 Safari/537.36",
        referrer: b"https://shop.example/item/8731",
        accept: b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        accept_language: b"en",
        header_order: 7,
        ..Request::new(IpAddr::from((hash::mix(n) as u32).to_be_bytes()))
    }
}

fn table(measures: Vec<Measure>) -> RuleTable {
    let policy = Policy { mode: Mode::Enforce, ..Policy::default() };
    let expires = NOW.plus_ns(600 * SECOND_NS);
    let plan = Plan { generation: 1, parent: None, cause: Cause::HttpFlood, created: NOW, expires, measures };
    RuleTable::compile(&plan, &policy, &CompileContext { now: NOW, seed: 5 }).expect("a good plan")
}

fn measure(id: &str, action: Action, scope: Scope) -> Measure {
    Measure {
        id: id.into(),
        action,
        scope,
        target: None,
        predicted_effect: NONE,
        predicted_harm: Some(NONE),
        expires: NOW.plus_ns(600 * SECOND_NS),
        initial_share: 1.0,
    }
}

fn addresses(count: u32) -> Measure {
    let host = |n: u32| Prefix::host(IpAddr::from((0x0B00_0000 + n * 7).to_be_bytes()));
    measure("a", Action::Block { status: 403 }, Scope::Sources((0..count).map(host).collect()))
}

fn limit(key: RateKey) -> Measure {
    measure("l", Action::RateLimit { key, per_s: 1e5, burst: 1e5 }, Scope::All)
}

fn signature(n: u32) -> Measure {
    let tests = vec![
        Test::PathTemplate("/item/*/photos".into()),
        Test::UserAgent(format!("Mozilla/5.0 (variant {n})")),
        Test::HeaderOrder(7),
    ];
    let signature = Signature {
        layer: Layer::Http,
        tests,
        attack: NONE,
        baseline: None,
        baseline_clients: None,
        examples: Vec::new(),
    };
    measure(&format!("s{n}"), Action::Block { status: 403 }, Scope::Signature(signature))
}

/// CPU time of this process so far, from the kernel's account of this thread.
fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
}
