//! Writes one episode as the file that a server would have left: an access log in Combined format
//! with the time taken, or a capture. `samples FAMILY SEED > access.log`; `samples FAMILY SEED
//! changes` writes its changes as `seawall triage --changes` reads them.

mod capture;
mod log;

use seawall_drill::{Episode, catalogue};
use seawall_model::observation::Observation;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some(name), Some(seed)) = (arguments.first(), arguments.get(1).and_then(|s| s.parse().ok())) else {
        eprintln!("usage: samples FAMILY SEED [changes]");
        return ExitCode::from(2);
    };
    let Some(family) = catalogue().iter().find(|f| f.name == name) else {
        eprintln!("there is no family '{name}'; the example `catalogue` lists them");
        return ExitCode::from(2);
    };
    let episode = family.episode(seed);
    let mut out = BufWriter::new(io::stdout().lock());
    let written = match arguments.get(2).map(String::as_str) {
        Some("changes") => changes(&episode, &mut out),
        _ => traffic(&episode, &mut out),
    };
    match written.and_then(|()| out.flush()) {
        Ok(()) => {
            eprintln!("{} from {} to {}", episode.truth.cause, episode.truth.onset, episode.truth.end);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("samples: {error}");
            ExitCode::from(2)
        }
    }
}

fn traffic(episode: &Episode, out: &mut impl Write) -> io::Result<()> {
    let mut result = Ok(());
    let mut writer = capture::Writer::default();
    episode.generate(&mut |observation, _| {
        if result.is_ok() {
            result = match observation {
                Observation::Request(request) => log::line(request, out),
                Observation::Packet(packet) => writer.packet(packet, out),
                Observation::Dns(message) => writer.dns(message, out),
                // A capture shows connections by their packets; logins have a log of their own.
                Observation::Connection(_) | Observation::Login(_) | Observation::Backend(_) => Ok(()),
            };
        }
    });
    result
}

fn changes(episode: &Episode, out: &mut impl Write) -> io::Result<()> {
    let row = |c: &seawall_model::change::Change| {
        let kind = serde_json::to_value(c.kind).unwrap_or_default();
        serde_json::json!({"time": c.time.to_string(), "kind": kind, "text": c.text})
    };
    let rows: Vec<_> = episode.changes.iter().map(row).collect();
    writeln!(out, "{}", serde_json::Value::from(rows))
}
