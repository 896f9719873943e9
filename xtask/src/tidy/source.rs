//! How a file begins, how long it is, and what must not be in it.

use super::Problem;
use std::path::Path;

const MOST_LINES: usize = 700;

/// Left-overs of unfinished work, and why they are refused. Split, so that this file passes.
const LEFT_OVERS: &[(&str, &str)] = &[
    (concat!("todo", "!("), "unfinished code"),
    (concat!("unimplemented", "!("), "unfinished code"),
    (concat!("#[", "ignore"), "a test that does not run proves nothing"),
    (concat!("dbg", "!("), "debugging left behind"),
];

/// Folders of single machines. A path that begins with one works on that machine only.
const MACHINE_PATHS: &[&str] =
    &[concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/Use", "rs/")];

/// Checks one text file; `path` is relative to the root.
pub fn check(path: &Path, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut add = |line: usize, text: String| problems.push(Problem { path: path.to_owned(), line, text });
    let is_rust = path.extension().is_some_and(|e| e == "rs");
    if is_rust && text.lines().next().and_then(|l| l.strip_prefix("//! ")).is_none_or(|l| l.trim().is_empty())
    {
        add(1, "the first line must say what the file is for (`//! …`)".to_owned());
    }
    let lines = text.lines().count();
    if is_rust && lines > MOST_LINES {
        add(0, format!("{lines} lines, {MOST_LINES} are allowed"));
    }
    for (number, line) in text.lines().enumerate() {
        if is_rust {
            for (left_over, why) in LEFT_OVERS.iter().filter(|(l, _)| line.contains(l)) {
                add(number + 1, format!("`{left_over}`: {why}"));
            }
        }
        if let Some(folder) = MACHINE_PATHS.iter().find(|folder| names_folder(line, folder)) {
            add(number + 1, format!("a path of one machine (`{folder}`)"));
        }
        if line.ends_with([' ', '\t']) && is_rust {
            add(number + 1, "blanks at the end of the line".to_owned());
        }
    }
    problems
}

/// Whether a path in `line` begins with this folder; `/static/home/x` is another matter.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '.' | '_' | '-' | '}' | ')'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(path: &str, text: &str) -> Vec<String> {
        check(Path::new(path), text).into_iter().map(|p| p.to_string()).collect()
    }

    #[test]
    fn a_file_says_what_it_is_for() {
        assert_eq!(texts("a.rs", "//! Reads bytes.\n").len(), 0);
        assert_eq!(texts("a.rs", "use std::io;\n").len(), 1);
        assert_eq!(texts("a.rs", "//!\n").len(), 1);
        assert_eq!(texts("a.md", "text\n").len(), 0);
    }

    #[test]
    fn a_long_file_is_refused() {
        let long = format!("//! Long.\n{}", "\n".repeat(MOST_LINES));
        assert_eq!(
            texts("a.rs", &long),
            [format!("a.rs: {} lines, {MOST_LINES} are allowed", MOST_LINES + 1)]
        );
    }

    #[test]
    fn left_overs_and_machine_paths_are_refused_with_their_line() {
        let text = format!("//! A.\nfn a() {{ {} }}\n", concat!("todo", "!()"));
        assert_eq!(texts("a.rs", &text).len(), 1);
        assert!(texts("a.rs", &text)[0].starts_with("a.rs:2: "));
        let path = format!("read `{}me/someone/file`\n", "/ho");
        assert_eq!(texts("a.md", &path).len(), 1);
        let url = format!("GET /static{}me/page\n", "/ho");
        assert_eq!(texts("a.md", &url).len(), 0);
    }
}
