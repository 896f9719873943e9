//! Damaged samples of every log format through the whole program: whatever a flipped bit makes of a
//! name, a number or a time, there is a report in every form, and nothing in it steers a terminal.

use seawall::console::Console;
use seawall::pipeline::{TriageRequest, triage};
use seawall::report;
use std::path::{Path, PathBuf};

/// Of the cuts and flipped bits every so many go the whole way; the reader takes all of them in its
/// own test.
const EVERY: usize = 23;

fn folder() -> PathBuf {
    // Many small files are written: in memory, where the system has such a folder.
    let memory = PathBuf::from("/dev/shm");
    let root = if memory.is_dir() { memory } else { std::env::temp_dir() };
    root.join(format!("seawall-damaged-{}", std::process::id()))
}

fn judge(path: &Path, what: &str, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("writable");
    let request = TriageRequest { files: vec![path.into()], ..TriageRequest::default() };
    let report = match triage(&request, &mut |_| {}) {
        Ok(report) => report,
        Err(error) => {
            let text = error.to_string();
            assert!(!text.is_empty() && !text.chars().any(char::is_control), "{what}: {text:?}");
            return;
        }
    };
    let postmortem = seawall_incident::postmortem(&report, None);
    let forms = [
        report::terminal(&report, &Console::PIPE, true),
        report::markdown(&report),
        report::json(&report).expect("plain data"),
        report::postmortem_markdown(&postmortem, &report),
        report::postmortem_html(&postmortem, &report),
    ];
    for text in forms {
        let hidden = text.chars().find(|c| *c != '\n' && report::text::is_hidden(*c));
        // Rules to paste are indented with tabs.
        assert!(hidden.is_none_or(|c| c == '\t'), "{what}: {hidden:?}");
    }
}

#[test]
fn damaged_logs_of_every_format_end_in_a_report_or_a_reason() {
    let folder = folder();
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let path = folder.join("damaged.log");
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/log");
    let mut samples: Vec<PathBuf> =
        std::fs::read_dir(corpus).expect("the corpus").map(|entry| entry.expect("a file").path()).collect();
    samples.sort();
    assert!(samples.len() > 20);
    for sample in samples {
        let bytes = std::fs::read(&sample).expect("readable");
        let name = sample.display();
        for length in (0..bytes.len()).step_by(EVERY) {
            judge(&path, &format!("{name} cut at {length}"), &bytes[..length]);
        }
        for bit in (0..bytes.len() * 8).step_by(EVERY) {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            judge(&path, &format!("{name} with bit {bit} flipped"), &flipped);
        }
    }
    std::fs::remove_dir_all(&folder).expect("removable");
}
