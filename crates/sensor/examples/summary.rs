//! Prints what reading some files gives: reports, and counts by kind of observation.
//!
//! `cargo run --release -p seawall-sensor --example summary -- FILE…`

use seawall_model::observation::{ConnectionEvent, FlowState, Observation};
use seawall_sensor::{Options, Tally};
use std::collections::BTreeMap;

#[derive(Default)]
struct Counts(BTreeMap<String, u64>);

impl Tally for Counts {
    fn observe(&mut self, observation: &Observation<'_>, _priority: u64) {
        let name = match observation {
            Observation::Packet(p) => packet_name(p.flow),
            Observation::Connection(c) => event_name(c.event),
            Observation::Request(r) => format!("request {:?} {}", r.version, r.status),
            Observation::Dns(d) if d.is_response => {
                format!("dns response, unsolicited: {}, malformed: {}", d.unsolicited, d.malformed)
            }
            Observation::Dns(d) => format!("dns query, malformed: {}", d.malformed),
            Observation::Login(l) => format!("login {} {}", l.service, l.succeeded),
            Observation::Backend(_) => "backend event".to_owned(),
        };
        *self.0.entry(name).or_insert(0) += 1;
    }

    fn merge(&mut self, other: Self) {
        for (name, count) in other.0 {
            *self.0.entry(name).or_insert(0) += count;
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn packet_name(state: FlowState) -> String {
    format!("packet {state:?}")
}

fn event_name(event: ConnectionEvent) -> String {
    format!("connection {event:?}")
}

fn main() {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let mut sum = Counts::default();
    let mut ticks = 0u64;
    let read = seawall_sensor::read(
        &paths,
        &Options::default(),
        Counts::default,
        &mut |_, _, tally: Counts| {
            ticks += 1;
            sum.merge(tally);
        },
        &mut |change| println!("change {} {:?} {}", change.time, change.kind, change.text),
        &mut |_| {},
    );
    match read {
        Err(error) => println!("{error}"),
        Ok(reports) => {
            for report in reports {
                println!("{report:#?}");
            }
            println!("{ticks} ticks");
            for (name, count) in sum.0 {
                println!("{count:>10}  {name}");
            }
        }
    }
}
