//! The habits that no compiler checks: which crate may depend on which, how files begin, how long
//! they are, and what must not be in them.

mod edges;
mod source;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// One breach of a habit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Relative to the root.
    pub path: PathBuf,
    /// 1 is the first; 0: the file as a whole.
    pub line: usize,
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}", self.text)
    }
}

/// Checks the project under `root`; an empty list is a tidy project.
///
/// # Errors
/// If a file or folder of the project cannot be read.
pub fn check(root: &Path) -> io::Result<Vec<Problem>> {
    let mut problems = edges::check(root)?;
    for path in files(root)? {
        let name = path.strip_prefix(root).unwrap_or(&path).to_owned();
        let bytes = std::fs::read(&path)?;
        // Sample inputs are data, whatever their bytes.
        let Ok(text) = String::from_utf8(bytes) else { continue };
        problems.extend(source::check(&name, &text));
    }
    problems.sort();
    Ok(problems)
}

/// Folders that hold the project's own text.
const FOLDERS: [&str; 7] = ["crates", "xtask", "fuzz", "docs", "scenarios", "benches", ".ci"];

/// Every text file of the project that people write: its folders, and the files at the root.
fn files(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root)? {
        let path = entry?.path();
        if path.is_file() && path.file_name().is_some_and(|name| name != "Cargo.lock" && name != ".git") {
            found.push(path);
        }
    }
    let mut folders: Vec<PathBuf> =
        FOLDERS.iter().map(|name| root.join(name)).filter(|p| p.is_dir()).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                if path
                    .file_name()
                    .is_none_or(|name| name != "target" && name != "corpus" && name != "artifacts")
                {
                    folders.push(path);
                }
            } else if is_text(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn is_text(path: &Path) -> bool {
    let by_ending = path
        .extension()
        .and_then(|e| e.to_str())
        .is_some_and(|e| matches!(e, "rs" | "toml" | "md" | "json" | "sh" | "c" | "html" | "css" | "js"));
    by_ending || path.file_name().is_some_and(|name| name == "run")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_is_tidy() {
        let problems = check(&crate::root()).expect("the project can be read");
        let list: Vec<String> = problems.iter().map(Problem::to_string).collect();
        assert!(list.is_empty(), "{}", list.join("\n"));
    }

    #[test]
    fn the_walk_finds_this_file() {
        let files = files(&crate::root()).expect("the project can be read");
        assert!(files.iter().any(|f| f.ends_with("xtask/src/tidy/mod.rs")));
        assert!(files.iter().any(|f| f.ends_with("crates/model/src/lib.rs")));
        assert!(!files.iter().any(|f| f.components().any(|c| c.as_os_str() == "target")));
    }
}
