//! Writes fitted weights into the tables' sources.

use crate::model::Weights;
use seawall_diagnosis::rules::ALL;
use std::path::{Path, PathBuf};

/// Rules that weigh less than this are struck out.
const NEGLIGIBLE: f64 = 0.1;

/// Rewrites the numbers of every table; everything else stays as it is.
pub fn write(weights: &Weights) -> Result<(), String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../diagnosis/src/rules");
    for file in ["net.rs", "http.rs", "dns.rs", "quiet.rs"] {
        rewrite(&folder.join(file), weights)?;
    }
    Ok(())
}

fn rewrite(path: &PathBuf, weights: &Weights) -> Result<(), String> {
    let source = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut out = String::with_capacity(source.len());
    let mut place: Option<(usize, usize)> = None;
    for line in source.lines() {
        let words = line.trim_start();
        if let Some((name, _)) = words.split_once(" prior ")
            && let Some(at) = ALL.iter().position(|c| format!("{:?}", c.cause) == name)
        {
            place = Some((at, 0));
            out.push_str(&with_prior(line, weights.priors[at]));
        } else if let Some((at, rule)) = place.as_mut()
            && words.ends_with("\";")
        {
            let weight = weights.rules[*at][*rule];
            *rule += 1;
            if weight.abs() < NEGLIGIBLE {
                continue;
            }
            out.push_str(&with_weight(line, weight).ok_or_else(|| format!("not a rule: {line}"))?);
        } else {
            if words.starts_with("};") {
                place = None;
            }
            out.push_str(line);
        }
        out.push('\n');
    }
    std::fs::write(path, out).map_err(|e| format!("{}: {e}", path.display()))
}

fn with_prior(line: &str, prior: f64) -> String {
    let Some((before, after)) = line.split_once(" prior ") else { return line.to_owned() };
    let rest = after.split_once(' ').map_or("", |(_, rest)| rest);
    let gap = if rest.is_empty() { "" } else { " " };
    format!("{before} prior {prior:.2}{gap}{rest}")
}

/// `Metric Shape(…), weight "reason";` with another weight.
fn with_weight(line: &str, weight: f64) -> Option<String> {
    let quote = line.find('"')?;
    let comma = line[..quote].rfind(',')?;
    Some(format!("{}, {weight:.2} {}", &line[..comma], &line[quote..]))
}
