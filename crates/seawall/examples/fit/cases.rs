//! Samples from labelled captures and logs, by the index that `xtask corpus` scores.

use crate::sample::Sample;
use seawall::pipeline::{TriageRequest, triage};
use seawall_model::finding::Findings;
use seawall_model::{Cause, Class, hash};
use std::path::{Path, PathBuf};

/// A real case counts as much as so many simulated ones.
const WEIGHT: f64 = 12.0;

/// Triages each case of an index and prints what was found under its label.
pub fn collect(index: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(index).map_err(|e| format!("{}: {e}", index.display()))?;
    let folder = index.parent().unwrap_or(Path::new(""));
    for line in text.lines().skip(1).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [name, files, flags, class, causes, ..] = columns.as_slice() else {
            return Err(format!("{}: fewer than five columns: {line}", index.display()));
        };
        let right = right(class, causes);
        if right.is_empty() {
            continue;
        }
        match triage(&request(folder, files, flags), &mut |_| {}) {
            Ok(report) => {
                let findings = Findings {
                    findings: report.findings,
                    onset: report.verdict.onset.or(report.inputs.iter().filter_map(|i| i.first).min()),
                    changes: report.changes,
                    ..Findings::default()
                };
                let group = hash::bytes(name.as_bytes());
                Sample { name: (*name).to_owned(), group, weight: WEIGHT, right, findings }.print();
            }
            Err(error) => eprintln!("{name}: {error}"),
        }
    }
    Ok(())
}

/// The acceptable causes; where only a class is given, all of it.
fn right(class: &str, causes: &str) -> Vec<Cause> {
    let named: Vec<Cause> =
        Cause::ALL.iter().copied().filter(|c| causes.split(',').any(|n| n.trim() == c.as_str())).collect();
    if !named.is_empty() {
        return named;
    }
    Cause::ALL
        .iter()
        .copied()
        .filter(|c| c.class().as_str() == class && c.class() != Class::Undecided)
        .collect()
}

fn request(folder: &Path, files: &str, flags: &str) -> TriageRequest {
    let paths = |text: &str| text.split([' ', ',']).map(|f| folder.join(f)).collect::<Vec<PathBuf>>();
    let mut request = TriageRequest { files: paths(files), ..TriageRequest::default() };
    let words: Vec<&str> = flags.split_whitespace().collect();
    for pair in words.chunks(2) {
        match pair {
            ["--changes", file] => request.changes = Some(folder.join(file)),
            ["--baseline", file] => request.baseline.push(folder.join(file)),
            ["--log-format", format] => request.reading.log_format = Some((*format).to_owned()),
            _ => eprintln!("left out: {}", pair.join(" ")),
        }
    }
    request
}
