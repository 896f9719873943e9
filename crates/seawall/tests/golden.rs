//! The forms of the fixture reports, compared with the texts that were looked at and found good.
//! `SEAWALL_BLESS=1 cargo test` rewrites those texts; the change is then reviewed as a diff.

mod fixtures;

use seawall::console::Console;
use seawall::report;
use std::path::{Path, PathBuf};

#[test]
fn terminal_at_80_columns() {
    for (name, triage) in fixtures::all() {
        compare(&format!("{name}.80.txt"), &report::terminal(&triage, &Console::PIPE, false));
    }
}

#[test]
fn terminal_verbose_at_120_columns() {
    let console = Console { width: 120, ..Console::PIPE };
    for (name, triage) in fixtures::all() {
        compare(&format!("{name}.verbose.txt"), &report::terminal(&triage, &console, true));
    }
}

#[test]
fn markdown() {
    for (name, triage) in fixtures::all() {
        compare(&format!("{name}.md"), &report::markdown(&triage));
    }
}

#[test]
fn postmortem_as_markdown() {
    for (name, triage) in fixtures::all() {
        let postmortem = seawall_incident::postmortem(&triage, None);
        compare(&format!("{name}.postmortem.md"), &report::postmortem_markdown(&postmortem, &triage));
    }
}

#[test]
fn json() {
    for (name, triage) in fixtures::all() {
        compare(&format!("{name}.json"), &report::json(&triage).expect("plain data"));
    }
}

fn compare(name: &str, text: &str) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("SEAWALL_BLESS").is_some() {
        std::fs::write(&path, text).expect("writable");
        return;
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == text, "{name} differs from its golden text; it is now:\n{text}");
}
