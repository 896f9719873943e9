//! Hostile text made harmless: names in logs and packets are chosen by attackers and must not
//! steer a terminal, reorder a line or hide in it.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Combining marks on one letter beyond this number paint over the neighbouring lines.
const MOST_MARKS: usize = 3;
/// Keeps a number and its unit on one line; painted as a plain space at the end.
pub const NO_BREAK_SPACE: char = '\u{a0}';

/// One line: everything that does not print as itself is spelt out as `\n`, `\x1b`, `\u{202e}`.
#[must_use]
pub fn visible(text: &str) -> String {
    escape(text, |_| false)
}

/// Several lines: as [`visible`], but line breaks stay and a tab becomes four spaces.
#[must_use]
pub fn visible_block(text: &str) -> String {
    escape(&text.replace("\r\n", "\n").replace('\t', "    "), |c| c == '\n')
}

/// Whether a character would act on the page instead of showing on it.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
            | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{10ffff}')
}

/// Columns that `text` takes on a terminal.
#[must_use]
pub fn columns(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Cuts `text` to at most `limit` columns, the last of them `…` where something was cut.
#[must_use]
pub fn clip(text: &str, limit: usize) -> String {
    clip_with(text, limit, "…")
}

/// Cuts `text` to at most `limit` columns, ending in `mark` where something was cut.
#[must_use]
pub fn clip_with(text: &str, limit: usize, mark: &str) -> String {
    if columns(text) <= limit {
        return text.into();
    }
    let room = limit.saturating_sub(columns(mark));
    let (head, _) = split_at_columns(text, room);
    format!("{}{mark}", head.trim_end())
}

/// The longest head of at most `limit` columns, and the rest.
#[must_use]
pub fn split_at_columns(text: &str, limit: usize) -> (&str, &str) {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > limit {
            return text.split_at(at);
        }
    }
    (text, "")
}

/// Replaces no-break spaces, once lines are broken, by plain ones that can be searched and pasted.
#[must_use]
pub fn plain_spaces(text: &str) -> String {
    text.replace(NO_BREAK_SPACE, " ")
}

/// The first letter in capitals, for the beginning of a sentence.
#[must_use]
pub fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// `a`, `a and b`, `a, b and c`.
#[must_use]
pub fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

fn escape(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut marks = 0;
    for c in text.chars() {
        marks = if c.width() == Some(0) { marks + 1 } else { 0 };
        if keep(c) || (!is_hidden(c) && marks <= MOST_MARKS) {
            shown.push(c);
        } else {
            shown.push_str(&spelt(c));
        }
    }
    shown
}

fn spelt(c: char) -> String {
    match c {
        '\n' => "\\n".into(),
        '\r' => "\\r".into(),
        '\t' => "\\t".into(),
        c if u32::from(c) < 0x100 => format!("\\x{:02x}", u32::from(c)),
        c => format!("\\u{{{:x}}}", u32::from(c)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_and_direction_marks_are_spelt_out() {
        assert_eq!(visible("a\x1b[31mb\r\n\u{9b}2J\u{7f}"), "a\\x1b[31mb\\r\\n\\x9b2J\\x7f");
        assert_eq!(visible("user\u{202e}gpj.exe\u{200b}"), "user\\u{202e}gpj.exe\\u{200b}");
        assert_eq!(visible("Grüße, 世界"), "Grüße, 世界");
    }

    #[test]
    fn every_character_shows_or_is_spelt() {
        for c in '\0'..=char::MAX {
            let shown = visible(&c.to_string());
            assert!(!shown.chars().any(is_hidden), "{:x}", u32::from(c));
            assert!(c == NO_BREAK_SPACE || columns(&shown) > 0 || c.width() == Some(0), "{:x}", u32::from(c));
        }
    }

    #[test]
    fn piles_of_marks_are_spelt_out() {
        let pile = format!("a{}", "\u{301}".repeat(50));
        assert!(visible(&pile).contains("\\u{301}"));
        assert_eq!(visible("e\u{301}"), "e\u{301}");
    }

    #[test]
    fn blocks_keep_their_lines() {
        assert_eq!(visible_block("a\r\n\tb\rc"), "a\n    b\\rc");
    }

    #[test]
    fn clipping_counts_columns() {
        assert_eq!(clip("abcdef", 6), "abcdef");
        assert_eq!(clip("abcdefg", 6), "abcde…");
        assert_eq!(clip("世界世界", 5), "世界…");
        assert_eq!(clip_with("abcdefg", 6, "..."), "abc...");
    }
}
