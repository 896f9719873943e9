//! One target per decoder. A target returns for any bytes; it panics where a decoder breaks a
//! promise: a panic of its own, a cursor past the end, no progress.

mod edge;
mod files;
mod logs;
mod names;
mod packets;

/// A decoder under test.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Also the name of its folder under `fuzz/corpus`.
    pub name: &'static str,
    pub run: fn(&[u8]),
    /// How many times dearer than a cheap one a run is; the smoke run spends its time evenly.
    pub cost: u32,
    /// Inputs beside those of the corpus: of formats that change with the program.
    pub made: fn() -> Vec<Vec<u8>>,
}

const fn target(name: &'static str, run: fn(&[u8]), cost: u32) -> Target {
    Target { name, run, cost, made: Vec::new }
}

/// Every decoder.
pub const TARGETS: &[Target] = &[
    target("capture", packets::capture, 2),
    target("frame", packets::frame, 1),
    target("dns", packets::dns, 1),
    target("export", packets::export, 1),
    target("dnstap", packets::dnstap, 1),
    target("dns-edge", names::dns_edge, 1),
    target("tls", packets::tls, 1),
    target("http1", packets::http1, 1),
    target("http2", packets::http2, 1),
    target("http2-edge", edge::http2, 2),
    target("log", logs::log, 4),
    target("template", logs::template, 4),
    target("json-map", logs::json_map, 2),
    target("time", logs::time, 1),
    target("config", files::config, 2),
    Target { name: "recording", run: files::recording, cost: 150, made: files::recordings },
    target("input", files::input, 40),
];

/// The target of a name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|t| t.name == name)
}
