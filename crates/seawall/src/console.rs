//! What the terminal can show: width, colour, character set. Read once, handed down as data.

use std::ffi::OsString;
use std::io::IsTerminal;

/// Columns used where the output is no terminal.
pub const DEFAULT_WIDTH: usize = 80;
/// Lines longer than this are hard to read, however wide the terminal is.
pub const MAX_WIDTH: usize = 140;
const MIN_WIDTH: usize = 40;

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Also in a pipe.
    Always,
    /// Nowhere.
    Never,
}

/// What the process's standard streams can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Console {
    /// Columns of standard output.
    pub width: usize,
    pub color: bool,
    /// Whether the locale's character set is UTF-8.
    pub unicode: bool,
    /// Whether standard error is a terminal, so that progress may be drawn on it.
    pub progress: bool,
}

impl Console {
    /// A pipe in a UTF-8 locale.
    pub const PIPE: Self = Self { width: DEFAULT_WIDTH, color: false, unicode: true, progress: false };

    /// Reads the environment and the standard streams of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let width = if terminal { terminal_width() } else { None };
        Self {
            width: clamp_width(width.unwrap_or(DEFAULT_WIDTH)),
            color: terminal && may_color(|name| std::env::var_os(name)),
            unicode: is_utf8_locale(|name| std::env::var_os(name)),
            progress: std::io::stderr().is_terminal(),
        }
    }

    /// The same console with the user's wishes applied.
    #[must_use]
    pub fn with(mut self, color: ColorChoice, width: Option<usize>) -> Self {
        match color {
            ColorChoice::Auto => {}
            ColorChoice::Always => self.color = true,
            ColorChoice::Never => self.color = false,
        }
        if let Some(width) = width {
            self.width = clamp_width(width);
        }
        self
    }
}

fn clamp_width(width: usize) -> usize {
    width.clamp(MIN_WIDTH, MAX_WIDTH)
}

fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
}

/// NO_COLOR counts when present and not empty (no-color.org); a dumb terminal has no colours.
fn may_color(get: impl Fn(&str) -> Option<OsString>) -> bool {
    get("NO_COLOR").is_none_or(|v| v.is_empty()) && get("TERM").is_none_or(|v| v != "dumb")
}

/// POSIX: the first of these that is set and not empty decides the character set.
fn is_utf8_locale(get: impl Fn(&str) -> Option<OsString>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().filter_map(|name| get(name)).find(|v| !v.is_empty());
    let locale = locale.unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        move |name| pairs.iter().find(|(k, _)| *k == name).map(|(_, v)| OsString::from(v))
    }

    #[test]
    fn no_color_counts_only_when_not_empty() {
        assert!(may_color(environment(&[])));
        assert!(may_color(environment(&[("NO_COLOR", "")])));
        assert!(!may_color(environment(&[("NO_COLOR", "1")])));
        assert!(!may_color(environment(&[("TERM", "dumb")])));
    }

    #[test]
    fn the_first_locale_variable_that_is_set_decides() {
        assert!(is_utf8_locale(environment(&[("LANG", "de_DE.UTF-8")])));
        assert!(is_utf8_locale(environment(&[("LC_ALL", ""), ("LANG", "C.utf8")])));
        assert!(!is_utf8_locale(environment(&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")])));
        assert!(!is_utf8_locale(environment(&[])));
    }

    #[test]
    fn wishes_override_what_was_found() {
        let console = Console::PIPE.with(ColorChoice::Always, Some(10_000));
        assert!(console.color);
        assert_eq!(console.width, MAX_WIDTH);
    }
}
