//! Addresses of clients in what is handed on: cut or encrypted, in reports and in recordings.

use seawall::pipeline::{Addresses, Reading, ReplayRequest, TriageRequest, replay, triage};
use seawall::report;
use seawall_model::report::TriageReport;
use std::path::{Path, PathBuf};

fn scenario() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/http-flood-mimic/access.log.gz")
}

/// A log with a flood from one network, and lines that cannot be read.
fn flood() -> String {
    let mut log = String::new();
    for second in 0..40 {
        for n in 0..40 {
            log.push_str(&format!(
                "81.2.69.{} - - [12/Mar/2026:10:00:{second:02} +0000] \"GET /search?q={n} HTTP/1.1\" 200 512 \"-\" \"python-requests/2.31\"\n",
                n % 3 + 140
            ));
        }
        log.push_str("81.2.69.142 is what this line tells\n");
    }
    log
}

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("seawall-addresses-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&path).expect("a temporary folder");
    path
}

fn run(log: &Path, addresses: Addresses, record: Option<PathBuf>) -> TriageReport {
    let reading = Reading { addresses, ..Reading::default() };
    let request = TriageRequest { files: vec![log.into()], reading, record, ..TriageRequest::default() };
    triage(&request, &mut |_| {}).expect("a report")
}

#[test]
fn an_encrypted_report_has_the_same_verdict_and_none_of_the_addresses() {
    let full = run(&scenario(), Addresses::Full, None);
    let encrypted = run(&scenario(), Addresses::encrypted(b"a key for a test"), None);
    let (verdict, same) = (&encrypted.verdict, &full.verdict);
    assert_eq!((verdict.cause, &verdict.vectors, verdict.onset), (same.cause, &same.vectors, same.onset));
    // Which clients are looked at more closely is chosen by a hash of their address.
    assert!((verdict.confidence - same.confidence).abs() < 0.05, "{verdict:?} {same:?}");
    let clients = |r: &TriageReport| -> Vec<String> {
        let found = r.rankings.dimensions.iter().find(|(name, _)| name == "client");
        found.map(|(_, ranked)| ranked.iter().map(|r| r.name.clone()).collect()).unwrap_or_default()
    };
    assert_eq!(clients(&full).len(), clients(&encrypted).len());
    let text = report::json(&encrypted).expect("plain data");
    for told in clients(&full) {
        assert!(!text.contains(&told), "{told}");
    }
}

#[test]
fn reports_and_recordings_tell_no_address_when_asked_not_to() {
    let folder = folder("told");
    let log = folder.join("access.log");
    std::fs::write(&log, flood()).expect("writable");
    let full = report::json(&run(&log, Addresses::Full, None)).expect("plain data");
    assert!(full.contains("81.2.69.14"), "the test would show nothing");
    for addresses in [Addresses::Cut, Addresses::encrypted(b"a key for a test")] {
        let recording = folder.join("flood.swr");
        let now = run(&log, addresses, Some(recording.clone()));
        let text = report::json(&now).expect("plain data");
        assert!(!text.contains("81.2.69.14"), "{text}");
        let again = replay(&ReplayRequest { recording, policy: None }, &mut |_| {}).expect("a report");
        let again = report::json(&again).expect("plain data");
        assert!(!again.contains("81.2.69.14"), "{again}");
        assert_eq!(again, text, "a replay gives out no rules either");
    }
    std::fs::remove_dir_all(folder).expect("removable");
}

#[test]
fn a_rule_over_a_changed_address_is_not_given_out() {
    let folder = folder("rules");
    let log = folder.join("access.log");
    std::fs::write(&log, flood()).expect("writable");
    let texts = |r: &TriageReport| r.rules.iter().map(|rule| rule.text.clone()).collect::<Vec<_>>();
    let full = texts(&run(&log, Addresses::Full, None));
    assert!(full.iter().any(|text| text.contains("81.2.69.")), "the test would show nothing: {full:?}");
    let cut = texts(&run(&log, Addresses::Cut, None));
    assert_eq!(cut.len(), full.len());
    assert!(!cut.iter().any(|text| text.contains("81.2.69.")), "{cut:?}");
    std::fs::remove_dir_all(folder).expect("removable");
}
