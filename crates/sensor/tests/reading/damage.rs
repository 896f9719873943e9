//! Every truncation and every single flipped bit of small samples of every format: each is read as
//! far as it goes, or refused with a reason, and never more is made of it than it holds.

use super::common::{Folder, read_with};
use seawall_sensor::Options;
use seawall_sensor::flow::Limits;
use std::path::Path;

/// The samples of a folder of the corpus, by name; of the folder of whole inputs those that are
/// packed, since the others are like those of the other folders.
fn samples(folder_name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(folder_name);
    let mut samples: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .expect("the corpus")
        .map(|entry| entry.expect("a file").path())
        .map(|path| (path.file_name().expect("a name").to_string_lossy().into_owned(), path))
        .map(|(name, path)| (name, std::fs::read(path).expect("readable")))
        .collect();
    samples.sort();
    samples.retain(|(name, _)| folder_name != "input" || name.contains('.'));
    assert!(samples.len() > 4);
    samples
}

/// Reads one damaged sample; returns how many records were understood.
fn judge(folder: &Folder, what: &str, bytes: &[u8]) -> u64 {
    let flow = Limits { pairs: 64, half_open: 64, connections: 64, queries: 64, held_bytes: 65_536 };
    let options = Options { flow, ..Options::default() };
    let path = folder.write("damaged", bytes);
    match read_with(std::slice::from_ref(&path), &options) {
        Ok(everything) => {
            let report = &everything.reports[0];
            let (held, understood) = (bytes.len() as u64, report.records);
            let is_packed = report.kind.contains(" in ");
            assert!(is_packed || understood + report.malformed <= held, "{what}: {report:?}");
            let quoted = report.malformed_samples.iter().flat_map(|s| s.chars());
            assert!(quoted.into_iter().all(|c| !c.is_control()), "{what}: {report:?}");
            let seen = everything.total.requests + everything.total.packets + everything.total.dns;
            assert!(seen <= 4 * understood, "{what}: {seen} of {understood}");
            understood
        }
        Err(error) => {
            let text = error.to_string();
            assert!(text.starts_with(&path) && !text.chars().any(char::is_control), "{what}: {text}");
            0
        }
    }
}

fn damage_all(name: &str) {
    let folder = Folder::new(&format!("damage-{name}"));
    for (sample, bytes) in samples(name) {
        let whole = judge(&folder, &sample, &bytes);
        assert!(whole > 0, "{sample} is a sample of something");
        let mut most_cut = 0;
        for length in 0..bytes.len() {
            most_cut = most_cut.max(judge(&folder, &format!("{sample} cut at {length}"), &bytes[..length]));
        }
        assert!(most_cut <= whole, "{sample}: {most_cut} of {whole}");
        let mut flipped = bytes.clone();
        for bit in 0..bytes.len() * 8 {
            flipped[bit / 8] ^= 1 << (bit % 8);
            judge(&folder, &format!("{sample} with bit {bit} flipped"), &flipped);
            flipped[bit / 8] = bytes[bit / 8];
        }
    }
}

#[test]
fn every_cut_and_flipped_bit_of_every_log_is_survived() {
    damage_all("log");
}

#[test]
fn every_cut_and_flipped_bit_of_every_capture_is_survived() {
    damage_all("capture");
}

#[test]
fn every_cut_and_flipped_bit_of_packed_inputs_is_survived() {
    damage_all("input");
}
