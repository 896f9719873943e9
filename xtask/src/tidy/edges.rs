//! Which crate may depend on which. The stages of the flow do not know each other; only the
//! engine puts them together, and only the world below touches files.

use super::Problem;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// What one crate may use.
struct Allowed {
    /// Folder under `crates/`; its package is called `seawall-` and this, or `seawall`.
    name: &'static str,
    uses: &'static [&'static str],
    /// Pure: no clock, no I/O, no threads. Such a crate may use nothing from outside but [`PURE`].
    pure: bool,
}

const fn pure(name: &'static str, uses: &'static [&'static str]) -> Allowed {
    Allowed { name, uses, pure: true }
}

const fn world(name: &'static str, uses: &'static [&'static str]) -> Allowed {
    Allowed { name, uses, pure: false }
}

/// Every crate. An edge that is missing here forbids something: add one only with a reason.
const CRATES: &[Allowed] = &[
    pure("model", &[]),
    pure("wire", &["model"]),
    pure("detection", &["model"]),
    pure("diagnosis", &["model"]),
    pure("signature", &["model"]),
    pure("planning", &["model", "signature"]),
    pure("incident", &["model"]),
    pure("engine", &["model", "detection", "diagnosis", "signature", "planning"]),
    world("sensor", &["model", "wire"]),
    // It counts what it sees and does what a plan says; it does not diagnose, plan or decide.
    world("http-edge", &["model", "wire", "detection", "signature"]),
    // It drops what a plan says and hands up what it saw; it does not diagnose, plan or decide.
    world("kernel", &["model", "planning", "wire"]),
    // It answers by what it knows of names; it does not diagnose, plan or decide.
    world("dns-edge", &["model", "detection"]),
    world("ports", &[]),
    // It judges the detector, so it knows nothing of it.
    world("drill", &["model", "ports"]),
    world(
        "seawall",
        &[
            "model",
            "wire",
            "detection",
            "diagnosis",
            "signature",
            "planning",
            "incident",
            "engine",
            "sensor",
            "http-edge",
            "dns-edge",
            "kernel",
            "drill",
        ],
    ),
];

/// Edges that only tests may use, where a stage is tried on what another one really makes.
const TESTS: &[(&str, &str)] = &[
    ("signature", "wire"),
    ("http-edge", "drill"),
    ("http-edge", "ports"),
    ("dns-edge", "ports"),
    ("planning", "ports"),
    ("seawall", "ports"),
];

/// Outside crates that are pure themselves: they compute, and touch no file, clock or thread.
const PURE: &[&str] = &["aho-corasick", "libm", "memchr", "serde", "serde_json", "sha2"];

/// Compares every `Cargo.toml` under `crates/` with the table.
pub fn check(root: &Path) -> io::Result<Vec<Problem>> {
    let mut problems = Vec::new();
    let architecture = std::fs::read_to_string(root.join("docs/ARCHITECTURE.md")).unwrap_or_default();
    for entry in std::fs::read_dir(root.join("crates"))? {
        let folder = entry?.path();
        let Some(name) = folder.file_name().and_then(|n| n.to_str()).map(str::to_owned) else { continue };
        let path = PathBuf::from("crates").join(&name).join("Cargo.toml");
        let Ok(manifest) = std::fs::read_to_string(root.join(&path)) else { continue };
        let found = dependencies(&manifest)
            .map_or_else(|error| vec![format!("cannot be read: {error}")], |used| judge(&name, &used));
        problems.extend(found.into_iter().map(|text| Problem { path: path.clone(), line: 0, text }));
        if !architecture.contains(&format!("`{name}`")) {
            let text = format!("does not say what the crate `{name}` is for");
            problems.push(Problem { path: "docs/ARCHITECTURE.md".into(), line: 0, text });
        }
    }
    Ok(problems)
}

/// Names of all packages that a manifest depends on, and whether only tests do.
fn dependencies(manifest: &str) -> Result<BTreeMap<String, bool>, toml::de::Error> {
    let table: toml::Table = manifest.parse()?;
    let mut used = BTreeMap::new();
    let mut take = |table: &toml::Table| {
        for (section, only_tests) in
            [("dev-dependencies", true), ("dependencies", false), ("build-dependencies", false)]
        {
            for (key, value) in table.get(section).and_then(toml::Value::as_table).into_iter().flatten() {
                let package = value.get("package").and_then(toml::Value::as_str).unwrap_or(key);
                used.insert(package.to_owned(), only_tests);
            }
        }
    };
    take(&table);
    for target in table.get("target").and_then(toml::Value::as_table).into_iter().flatten() {
        target.1.as_table().into_iter().for_each(&mut take);
    }
    Ok(used)
}

fn judge(name: &str, used: &BTreeMap<String, bool>) -> Vec<String> {
    let Some(allowed) = CRATES.iter().find(|c| c.name == name) else {
        return vec![format!(
            "the crate `{name}` is not in the table of allowed edges (xtask/src/tidy/edges.rs)"
        )];
    };
    let mut problems = Vec::new();
    for (package, only_tests) in used {
        let inner = package.strip_prefix("seawall-");
        match inner {
            Some(inner) if *only_tests && TESTS.contains(&(name, inner)) => {}
            Some(inner) if !allowed.uses.contains(&inner) => {
                problems.push(format!("`{name}` must not depend on `{inner}`"));
            }
            None if allowed.pure && !only_tests && !PURE.contains(&package.as_str()) => {
                problems.push(format!("`{name}` is pure, and `{package}` is not known to be"));
            }
            _ => {}
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(name: &str, manifest: &str) -> Vec<String> {
        judge(name, &dependencies(manifest).expect("valid manifest"))
    }

    #[test]
    fn an_edge_that_is_not_in_the_table_is_refused() {
        let wrong = "[dependencies]\nseawall-model.workspace = true\nseawall-detection.workspace = true\n";
        assert_eq!(judged("diagnosis", wrong), ["`diagnosis` must not depend on `detection`"]);
        assert!(judged("engine", wrong).is_empty());
    }

    #[test]
    fn tests_follow_the_edges_too_but_may_use_outside_crates() {
        let manifest = "[dev-dependencies]\nseawall-sensor.workspace = true\nproptest = \"1\"\n";
        assert_eq!(judged("wire", manifest), ["`wire` must not depend on `sensor`"]);
    }

    #[test]
    fn a_renamed_dependency_is_known_by_its_package() {
        let manifest = "[dependencies]\nwords = { package = \"seawall-sensor\", path = \"../sensor\" }\n";
        assert_eq!(judged("incident", manifest), ["`incident` must not depend on `sensor`"]);
    }

    #[test]
    fn a_pure_crate_takes_nothing_impure_from_outside() {
        let manifest = "[target.'cfg(unix)'.dependencies]\ntokio = \"1\"\n[dependencies]\nserde = \"1\"\n";
        assert_eq!(judged("detection", manifest), ["`detection` is pure, and `tokio` is not known to be"]);
        assert!(judged("sensor", manifest).is_empty());
    }

    #[test]
    fn a_crate_that_is_not_in_the_table_is_refused() {
        assert_eq!(judged("misc", "").len(), 1);
    }
}
