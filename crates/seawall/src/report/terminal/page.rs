//! Lines for a terminal: styled, wrapped at the width, harmless, in the locale's characters.

use crate::console::Console;
use crate::report::text;

/// Names from the input beyond this length tell nothing more. Text to be pasted is never cut.
const LONGEST_TEXT: usize = 1_000;

/// How a piece of text stands out. Every style only adds to what the words already say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    #[default]
    Plain,
    Strong,
    Faint,
    Alarm,
    Caution,
    Good,
    Name,
}

impl Style {
    /// SGR parameters (ECMA-48 section 8.3.117), of the 8 colours that every theme maps legibly.
    fn codes(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "1",
            Self::Faint => "2",
            Self::Alarm => "1;31",
            Self::Caution => "1;33",
            Self::Good => "1;32",
            Self::Name => "36",
        }
    }
}

/// A piece of text in one style.
#[derive(Clone, Debug)]
pub struct Span {
    text: String,
    style: Style,
}

impl Span {
    #[must_use]
    pub fn new(style: Style, text: impl Into<String>) -> Self {
        Self { text: text.into(), style }
    }

    #[must_use]
    pub fn plain(text: impl Into<String>) -> Self {
        Self::new(Style::Plain, text)
    }

    #[must_use]
    pub fn faint(text: impl Into<String>) -> Self {
        Self::new(Style::Faint, text)
    }
}

/// The output as it grows. All text enters through here and is made harmless on the way.
pub struct Page {
    console: Console,
    out: String,
    /// How to see what was left out; empty: there is no way to.
    pub in_full: &'static str,
}

impl Page {
    #[must_use]
    pub fn new(console: &Console) -> Self {
        Self { console: *console, out: String::new(), in_full: " with --verbose" }
    }

    #[must_use]
    pub fn width(&self) -> usize {
        self.console.width
    }

    #[must_use]
    pub fn is_unicode(&self) -> bool {
        self.console.unicode
    }

    #[must_use]
    pub fn finish(self) -> String {
        self.out
    }

    pub fn blank(&mut self) {
        self.out.push('\n');
    }

    /// A section's title after an empty line.
    pub fn heading(&mut self, title: &str) {
        self.section(title, "");
    }

    /// A section's title with a note on how to read it.
    pub fn section(&mut self, title: &str, note: &str) {
        self.blank();
        self.cut(0, &[Span::new(Style::Strong, title.to_uppercase()), Span::faint(format!("  {note}"))]);
    }

    /// Text broken at spaces; `first` and `rest` are the indents of the first and further lines.
    pub fn wrapped(&mut self, first: usize, rest: usize, spans: &[Span]) {
        let mut line = Line::new(first);
        for span in spans {
            let shown = self.shown(&span.text);
            for (i, word) in shown.split(' ').enumerate() {
                line.gap += usize::from(i > 0);
                self.place(&mut line, rest, word, span.style);
            }
        }
        self.end(line);
    }

    /// One line cut at the width.
    pub fn cut(&mut self, indent: usize, spans: &[Span]) {
        let mut line = Line::new(indent);
        for span in spans {
            let room = self.console.width.saturating_sub(line.used);
            let clipped = self.clip(&self.shown(&span.text), room);
            line.push(&clipped, span.style, self.console.color);
        }
        self.end(line);
    }

    /// Text to be pasted: harmless, but neither broken nor cut.
    pub fn verbatim(&mut self, indent: usize, block: &str) {
        for row in text::visible_block(block).trim_end().lines() {
            let mut line = Line::new(indent);
            line.push(&self.in_charset(row.into()), Style::Plain, false);
            self.end(line);
        }
    }

    /// `text` made harmless, in the locale's characters, at most `limit` columns.
    #[must_use]
    pub fn fitted(&self, text: &str, limit: usize) -> String {
        self.clip(&self.shown(text), limit)
    }

    fn clip(&self, text: &str, limit: usize) -> String {
        text::clip_with(text, limit, if self.console.unicode { "…" } else { "..." })
    }

    fn shown(&self, text: &str) -> String {
        self.clip(&self.in_charset(text::visible(text)), LONGEST_TEXT)
    }

    /// Outside of UTF-8, the bytes of other characters could be read as controls.
    fn in_charset(&self, text: String) -> String {
        if self.console.unicode { text } else { ascii(&text) }
    }

    fn place(&mut self, line: &mut Line, rest: usize, word: &str, style: Style) {
        let color = self.console.color;
        let mut word = word;
        if line.has_words && line.used + line.gap + text::columns(word) > self.console.width {
            let full = std::mem::replace(line, Line::new(rest));
            self.end(full);
        }
        // A word longer than a whole line is broken wherever the line ends.
        while text::columns(word) > self.console.width.saturating_sub(line.used + line.gap) {
            let room = self.console.width.saturating_sub(line.used + line.gap).max(2);
            let (head, tail) = text::split_at_columns(word, room);
            if head.is_empty() || tail.is_empty() {
                break;
            }
            line.push_word(head, style, color);
            let full = std::mem::replace(line, Line::new(rest));
            self.end(full);
            word = tail;
        }
        line.push_word(word, style, color);
    }

    fn end(&mut self, mut line: Line) {
        line.painted.truncate(line.painted.trim_end_matches(' ').len());
        line.switch_to(Style::Plain);
        self.out.push_str(&text::plain_spaces(&line.painted));
        self.out.push('\n');
    }
}

struct Line {
    painted: String,
    used: usize,
    /// Spaces due before the next word.
    gap: usize,
    has_words: bool,
    /// The style that is switched on at the end of `painted`.
    on: Style,
}

impl Line {
    fn new(indent: usize) -> Self {
        Self { painted: " ".repeat(indent), used: indent, gap: 0, has_words: false, on: Style::Plain }
    }

    fn push_word(&mut self, word: &str, style: Style, color: bool) {
        if word.is_empty() {
            return;
        }
        let gap = std::mem::take(&mut self.gap);
        if self.has_words {
            if color && style != self.on {
                self.switch_to(Style::Plain);
            }
            self.painted.push_str(&" ".repeat(gap));
            self.used += gap;
        }
        self.has_words = true;
        self.push(word, style, color);
    }

    fn push(&mut self, text: &str, style: Style, color: bool) {
        self.used += text::columns(text);
        if color && !text.trim().is_empty() {
            self.switch_to(style);
        }
        self.painted.push_str(text);
    }

    fn switch_to(&mut self, style: Style) {
        if self.on == style {
            return;
        }
        if self.on != Style::Plain {
            self.painted.push_str("\x1b[0m");
        }
        if style != Style::Plain {
            self.painted.push_str(&format!("\x1b[{}m", style.codes()));
        }
        self.on = style;
    }
}

/// The nearest ASCII for what Seawall itself writes; any other character is spelt out.
fn ascii(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_ascii() => shown.push(c),
            text::NO_BREAK_SPACE => shown.push(text::NO_BREAK_SPACE),
            '·' | '–' | '—' => shown.push('-'),
            '…' => shown.push_str("..."),
            'µ' => shown.push('u'),
            '×' => shown.push('x'),
            '≥' => shown.push_str(">="),
            '≤' => shown.push_str("<="),
            c => shown.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(width: usize, color: bool, unicode: bool) -> Page {
        Page::new(&Console { width, color, unicode, progress: false })
    }

    #[test]
    fn words_are_wrapped_and_long_ones_broken() {
        let mut page = page(10, false, true);
        page.wrapped(2, 4, &[Span::plain("one two three "), Span::plain("abcdefghijklmnop")]);
        assert_eq!(page.finish(), "  one two\n    three\n    abcdef\n    ghijkl\n    mnop\n");
    }

    #[test]
    fn a_no_break_space_holds_a_number_and_its_unit_together() {
        let mut page = page(8, false, true);
        page.wrapped(0, 0, &[Span::plain("about 97\u{a0}% sure")]);
        assert_eq!(page.finish(), "about\n97 %\nsure\n");
    }

    #[test]
    fn colour_wraps_only_its_words() {
        let mut page = page(40, true, true);
        page.wrapped(0, 0, &[Span::new(Style::Alarm, "ATTACK"), Span::new(Style::Strong, "  a flood")]);
        page.wrapped(0, 0, &[Span::plain("of "), Span::faint("requests")]);
        assert_eq!(
            page.finish(),
            "\x1b[1;31mATTACK\x1b[0m  \x1b[1ma flood\x1b[0m\nof \x1b[2mrequests\x1b[0m\n"
        );
    }

    #[test]
    fn ascii_locales_get_only_ascii() {
        let mut page = page(40, false, false);
        page.cut(0, &[Span::plain("a · b – ü \u{202e}")]);
        page.verbatim(2, "x\u{9b}");
        let text = page.finish();
        assert!(text.is_ascii(), "{text:?}");
        assert_eq!(text, "a - b - \\u{fc} \\u{202e}\n  x\\x9b\n");
    }

    #[test]
    fn cut_lines_keep_to_the_width() {
        let mut page = page(10, false, true);
        page.cut(2, &[Span::plain("0123456"), Span::plain("789")]);
        assert_eq!(page.finish(), "  0123456…\n");
    }
}
