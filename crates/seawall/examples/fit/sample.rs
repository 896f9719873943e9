//! A labelled sample: what was measured at a moment, and what it should be called.

use seawall_model::Cause;
use seawall_model::finding::Findings;
use serde::{Deserialize, Serialize};
use std::io::BufRead;

/// What was measured at one moment of one case.
#[derive(Serialize, Deserialize)]
pub struct Sample {
    /// Family or case, for people.
    pub name: String,
    /// Samples of one episode share a group, so that none is held out while its twin is fitted.
    pub group: u64,
    pub weight: f64,
    /// Names that are right.
    pub right: Vec<Cause>,
    pub findings: Findings,
}

impl Sample {
    pub fn print(&self) {
        if let Ok(line) = serde_json::to_string(self) {
            println!("{line}");
        }
    }
}

/// Reads files of samples, one JSON object a line.
pub fn read(files: &[&str]) -> Result<Vec<Sample>, String> {
    let mut samples = Vec::new();
    for file in files {
        let opened = std::fs::File::open(file).map_err(|e| format!("{file}: {e}"))?;
        for line in std::io::BufReader::new(opened).lines() {
            let line = line.map_err(|e| format!("{file}: {e}"))?;
            samples.push(serde_json::from_str(&line).map_err(|e| format!("{file}: {e}"))?);
        }
    }
    Ok(samples)
}
