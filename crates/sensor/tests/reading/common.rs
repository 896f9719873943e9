//! What the tests of reading share: a tally that counts, and where the real captures are.

use seawall_model::Timestamp;
use seawall_model::change::Change;
use seawall_model::observation::{ConnectionEvent, FlowState, Observation};
use seawall_sensor::{InputReport, Options, Tally};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A folder for one test, gone when it ends.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        // Many small files are written: in memory, where the system has such a folder.
        let memory = PathBuf::from("/dev/shm");
        let root = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let path = root.join(format!("seawall-sensor-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_string_lossy().into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Counts observations by kind, and keeps those of the lowest priority, as a real tally would.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub packets: u64,
    pub packet_bytes: u64,
    pub requests: u64,
    pub dns: u64,
    pub flows: BTreeMap<&'static str, u64>,
    pub events: BTreeMap<ConnectionEvent, u64>,
    pub statuses: BTreeMap<u16, u64>,
    pub others: u64,
    pub samples: Vec<(u64, String)>,
}

const SAMPLES: usize = 4;

impl Tally for Count {
    fn observe(&mut self, observation: &Observation<'_>, priority: u64) {
        match observation {
            Observation::Packet(p) => {
                self.packets += 1;
                self.packet_bytes += u64::from(p.length_bytes);
                let name = match p.flow {
                    FlowState::Unknown => "unknown",
                    FlowState::New => "new",
                    FlowState::OneWay => "one-way",
                    FlowState::Answering => "answering",
                    FlowState::Asking => "asking",
                };
                *self.flows.entry(name).or_insert(0) += 1;
            }
            Observation::Connection(c) => *self.events.entry(c.event).or_insert(0) += 1,
            Observation::Request(r) => {
                self.requests += 1;
                *self.statuses.entry(r.status).or_insert(0) += 1;
            }
            Observation::Dns(_) => self.dns += 1,
            _ => self.others += 1,
        }
        let keeps = self.samples.len() < SAMPLES || self.samples.iter().any(|(p, _)| *p > priority);
        if keeps {
            self.samples.push((priority, format!("{observation:?}")));
            self.samples.sort();
            self.samples.truncate(SAMPLES);
        }
    }

    fn merge(&mut self, other: Self) {
        self.packets += other.packets;
        self.packet_bytes += other.packet_bytes;
        self.requests += other.requests;
        self.dns += other.dns;
        self.others += other.others;
        add(&mut self.flows, other.flows);
        add(&mut self.events, other.events);
        add(&mut self.statuses, other.statuses);
        self.samples.extend(other.samples);
        self.samples.sort();
        self.samples.truncate(SAMPLES);
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn add<K: Ord>(sums: &mut BTreeMap<K, u64>, more: BTreeMap<K, u64>) {
    for (key, count) in more {
        *sums.entry(key).or_insert(0) += count;
    }
}

/// All that reading some inputs gave.
#[derive(Debug, PartialEq)]
pub struct Everything {
    pub ticks: Vec<(Timestamp, i64, Count)>,
    pub changes: Vec<Change>,
    pub reports: Vec<InputReport>,
    pub total: Count,
}

pub fn read(paths: &[String], threads: usize) -> Result<Everything, seawall_sensor::ReadError> {
    let options = Options { threads, ..Options::default() };
    read_with(paths, &options)
}

pub fn read_with(paths: &[String], options: &Options) -> Result<Everything, seawall_sensor::ReadError> {
    let mut ticks = Vec::new();
    let mut changes = Vec::new();
    let mut total = Count::default();
    let reports = seawall_sensor::read(
        paths,
        options,
        Count::default,
        &mut |start, width_ns, tally: Count| {
            total.merge(tally.clone());
            ticks.push((start, width_ns, tally));
        },
        &mut |change| changes.push(change),
        &mut |_| {},
    )?;
    Ok(Everything { ticks, changes, reports, total })
}

/// A file of the shared material, or `None` with a line that says the test was skipped.
pub fn material(name: &str) -> Option<String> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/material")).join(name);
    if path.exists() {
        return Some(path.to_string_lossy().into_owned());
    }
    println!("skipped: no {name} in the shared material");
    None
}
