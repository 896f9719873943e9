//! How people fare in a flood behind each edge, in virtual time:
//! `cargo run --release -p seawall-http-edge --example flood`.

#[path = "../tests/flood/mod.rs"]
mod flood;

use flood::edges::{Edge, Queue, Seawall};
use flood::scene::{Flood, Options, Outcome, quantile, run, start};

fn main() {
    println!("five seeds, the worst of each; people's requests from 3 s after the onset on");
    println!("floods send ten times the pages that the upstream can make");
    for kind in [Flood::Distributed, Flood::Mimics, Flood::Crafty, Flood::Crowd, Flood::None] {
        println!(
            "\n{kind:?}: ten times what the upstream can make; people's requests from 3 s after the onset on"
        );
        println!(
            "{:<34} {:>9} {:>9} {:>11} {:>11} {:>9} {:>9} {:>9}",
            "edge", "in 2 s", "refused", "first p99 s", "other p99 s", "calm p99", "flood in", "asked"
        );
        for edge in 0..4 {
            let outcomes: Vec<Outcome> =
                (1..=5).map(|seed| run(Options::new(seed, kind), &mut *made(edge))).collect();
            line(made(edge).name(), &outcomes);
        }
    }
}

fn made(edge: usize) -> Box<dyn Edge> {
    match edge {
        0 => Box::new(Queue::new(16, 10, 20_000, None)),
        1 => Box::new(Queue::new(16, 2, 200, Some((5.0, 20.0)))),
        2 => Box::new(Seawall::new(false, start())),
        _ => Box::new(Seawall::new(true, start())),
    }
}

fn line(name: &str, outcomes: &[Outcome]) {
    let worst = |f: &dyn Fn(&Outcome) -> f64, least: bool| {
        let values = outcomes.iter().map(f);
        if least { values.fold(f64::INFINITY, f64::min) } else { values.fold(0.0, f64::max) }
    };
    println!(
        "{name:<34} {:>8.2}% {:>8.2}% {:>11.2} {:>11.2} {:>9.2} {:>8.1}% {:>9}",
        100.0 * worst(&Outcome::share_in_time, true),
        100.0 * worst(&Outcome::share_refused, false),
        worst(&|o| quantile(&o.first_pages, 0.99), false),
        worst(&|o| quantile(&o.other_pages, 0.99), false),
        worst(&|o| quantile(&o.calm_pages, 0.99), false),
        100.0 * worst(&|o| o.flood_served, false),
        outcomes.iter().map(|o| o.asked).sum::<u64>(),
    );
}
