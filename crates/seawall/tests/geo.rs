//! Countries and networks from databases that the user names: who sends, what it has in common,
//! and what is said of a file that is no database.

#[path = "fixtures/mmdb.rs"]
mod mmdb;

use mmdb::{Network, database};
use seawall::pipeline::{ReplayRequest, TriageRequest, replay, triage};
use seawall_model::report::TriageReport;
use seawall_model::signature::Test;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Senders of the flood, one in each of 200 networks of one provider.
const FLOODERS: u32 = 200;
/// Visitors of a calm day, from three countries.
const VISITORS: u32 = 120;
const CALM_S: u32 = 120;
const FLOOD_S: u32 = 30;

/// A quiet site whose visitors fetch a page with its assets, then a flood for one page whose
/// senders differ in everything but the provider that they are at.
fn log() -> String {
    let mut log = String::new();
    let mut line = |second: u32, client: String, path: &str, agent: u32| {
        let (minute, second) = (second / 60, second % 60);
        writeln!(
            log,
            "{client} - - [12/Mar/2026:10:{minute:02}:{second:02} +0000] \"GET {path} HTTP/1.1\" 200 512 \"-\" \
             \"Mozilla/5.0 (X11; Linux x86_64; rv:{agent}.0) Gecko/20100101 Firefox/{agent}.0\""
        )
        .expect("memory");
    };
    for second in 0..CALM_S + FLOOD_S {
        let visitor = second % VISITORS;
        let client = format!("{}.{visitor}.7.9", [81, 93, 151][visitor as usize % 3]);
        for path in ["/", "/style.css", "/site.js", "/logo.png"] {
            line(second, client.clone(), path, 130 + visitor % 9);
        }
        if second >= CALM_S {
            for n in 0..FLOODERS {
                line(second, format!("45.{}.{}.{}", n, n * 7 % 256, n % 250), "/", 130 + n % 9);
            }
        }
    }
    log
}

fn networks() -> Vec<u8> {
    let of = |first, country, number| Network { first: [first, 0, 0, 0], bits: 8, country, number };
    database(
        6,
        &[
            of(45, Some("VN"), Some(64_511)),
            of(81, Some("NL"), Some(64_500)),
            of(93, Some("DE"), Some(64_501)),
            of(151, None, None),
        ],
    )
}

/// A folder of one test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("seawall-geo-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).expect("writable");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left behind if it cannot be removed; nothing depends on it.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn report(log: &Path, geo: &[PathBuf], record: Option<PathBuf>) -> TriageReport {
    let request =
        TriageRequest { files: vec![log.into()], geo: geo.to_vec(), record, ..TriageRequest::default() };
    triage(&request, &mut |_| {}).expect("a report")
}

fn share(report: &TriageReport, dimension: &str, name: &str) -> Option<(f64, Option<f64>)> {
    let (_, ranked) = report.rankings.dimensions.iter().find(|(d, _)| d == dimension)?;
    ranked.iter().find(|r| r.name == name).map(|r| (r.share, r.baseline_share))
}

fn names_a_place(report: &TriageReport) -> bool {
    let of_place =
        |t: &Test| *t == Test::SourceCountry("VN".into()) || *t == Test::SourceNetworkNumber(64_511);
    report.signatures.iter().flat_map(|s| &s.signature.tests).any(of_place)
}

#[test]
fn countries_and_networks_are_ranked_and_found_in_common() {
    let folder = Folder::new("common");
    let log = folder.write("access.log", log().as_bytes());
    let geo = [folder.write("networks.mmdb", &networks())];
    let report = report(&log, &geo, None);
    let (now, usual) = share(&report, "country", "VN").expect("the flood's country is ranked");
    assert!(now > 0.9 && usual == Some(0.0), "{now} {usual:?}");
    let (now, usual) = share(&report, "network number", "AS64511").expect("the flood's network is ranked");
    assert!(now > 0.9 && usual == Some(0.0), "{now} {usual:?}");
    assert!(names_a_place(&report), "{:?}", report.signatures);
}

#[test]
fn without_a_database_no_place_is_named() {
    let folder = Folder::new("without");
    let log = folder.write("access.log", log().as_bytes());
    let plain = report(&log, &[], None);
    assert!(!names_a_place(&plain));
    let ranked = |name: &str| plain.rankings.dimensions.iter().any(|(d, _)| d == name);
    assert!(!ranked("country") && !ranked("network number"));
    let elsewhere = Network { first: [9, 0, 0, 0], bits: 8, country: Some("US"), number: Some(64_502) };
    let geo = [folder.write("elsewhere.mmdb", &database(4, &[elsewhere]))];
    assert_eq!(report(&log, &geo, None), plain, "a database that knows none of the senders changes nothing");
}

#[test]
fn a_recording_needs_no_database_to_name_places_again() {
    let folder = Folder::new("recorded");
    let log = folder.write("access.log", log().as_bytes());
    let geo = [folder.write("networks.mmdb", &networks())];
    let recording = folder.0.join("flood.swr");
    let then = report(&log, &geo, Some(recording.clone()));
    std::fs::remove_file(&geo[0]).expect("removable");
    let again = replay(&ReplayRequest { recording, policy: None }, &mut |_| {}).expect("a report");
    assert_eq!(again, then);
}

#[test]
fn two_databases_add_up_and_the_first_is_believed() {
    let folder = Folder::new("two");
    let log = folder.write("access.log", log().as_bytes());
    let of = |country, number| database(4, &[Network { first: [45, 0, 0, 0], bits: 8, country, number }]);
    let geo = [
        folder.write("countries.mmdb", &of(Some("VN"), None)),
        folder.write("networks.mmdb", &of(Some("KP"), Some(64_511))),
    ];
    let report = report(&log, &geo, None);
    assert!(share(&report, "country", "VN").is_some() && share(&report, "country", "KP").is_none());
    assert!(share(&report, "network number", "AS64511").is_some());
}

#[test]
fn what_is_no_database_is_told_before_anything_is_read() {
    let folder = Folder::new("bad");
    let (log, empty) = (folder.write("access.log", log().as_bytes()), folder.write("empty.mmdb", b""));
    let cut = folder.write("cut.mmdb", &networks()[..100]);
    for (file, expected) in [
        (log.clone(), "is no MaxMind database of networks (.mmdb), or a damaged one"),
        (empty, "is no MaxMind database of networks (.mmdb), or a damaged one"),
        (cut, "is no MaxMind database of networks (.mmdb), or a damaged one"),
        (folder.0.join("missing.mmdb"), "no such file"),
        (folder.0.clone(), "is a directory"),
    ] {
        let request = TriageRequest {
            files: vec!["never-read.log".into()],
            geo: vec![file.clone()],
            ..TriageRequest::default()
        };
        let error = triage(&request, &mut |_| {}).expect_err("refused").to_string();
        assert!(error.starts_with(&file.display().to_string()) && error.contains(expected), "{error}");
    }
}
