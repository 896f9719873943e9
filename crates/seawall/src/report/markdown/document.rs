//! A Markdown document as it grows. All text enters through here: harmless, and escaped so that
//! nothing in it is read as markup.

use crate::report::text;

/// Names from the input beyond this length tell nothing more.
const LONGEST_TEXT: usize = 400;

/// The document.
#[derive(Default)]
pub struct Document {
    out: String,
}

impl Document {
    #[must_use]
    pub fn finish(self) -> String {
        format!("{}\n", self.out.trim_end())
    }

    pub fn heading(&mut self, level: usize, title: &str) {
        self.out.push_str(&format!("{} {}\n\n", "#".repeat(level), inline(title)));
    }

    pub fn paragraph(&mut self, text: &str) {
        self.out.push_str(&format!("{}\n\n", inline(text)));
    }

    /// Bold words and the rest of the paragraph.
    pub fn lead(&mut self, bold: &str, rest: &str) {
        self.out.push_str(&format!("**{}** {}\n\n", inline(bold), inline(rest)));
    }

    /// A list; each item is a bold beginning (may be empty) and the rest.
    pub fn items(&mut self, items: &[(String, String)]) {
        for (bold, rest) in items {
            let bold = if bold.is_empty() { String::new() } else { format!("**{}** ", inline(bold)) };
            self.out.push_str(&format!("- {bold}{}\n", inline(rest)));
        }
        if !items.is_empty() {
            self.out.push('\n');
        }
    }

    /// A plain list.
    pub fn list<'a>(&mut self, items: impl IntoIterator<Item = &'a str>) {
        let items: Vec<(String, String)> = items.into_iter().map(|i| (String::new(), i.to_owned())).collect();
        self.items(&items);
    }

    /// A table; `right` says which columns hold figures.
    pub fn table(&mut self, header: &[&str], right: &[bool], rows: &[Vec<String>]) {
        if rows.is_empty() {
            return;
        }
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        self.out.push_str(&line(header.iter().map(|h| inline(h)).collect()));
        let rule = |i: usize| if right.get(i) == Some(&true) { "---:" } else { "---" };
        self.out.push_str(&line((0..header.len()).map(|i| rule(i).to_owned()).collect()));
        for row in rows {
            self.out.push_str(&line(row.iter().map(|cell| inline(cell)).collect()));
        }
        self.out.push('\n');
    }

    /// Text to be pasted elsewhere. The fence is longer than any in the text.
    pub fn code(&mut self, language: &str, block: &str) {
        let block = text::plain_spaces(&text::visible_block(block));
        let longest = block.split(|c| c != '`').map(str::len).max().unwrap_or(0);
        let fence = "`".repeat(longest.max(2) + 1);
        self.out.push_str(&format!("{fence}{language}\n{}\n{fence}\n\n", block.trim_end()));
    }
}

/// Text without markup, on one line.
#[must_use]
pub fn inline(raw: &str) -> String {
    let shown = text::clip(&text::visible(raw), LONGEST_TEXT);
    let mut escaped = String::with_capacity(shown.len());
    for (i, c) in shown.chars().enumerate() {
        let is_markup = matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '&' | '#' | '!')
            // Only at the beginning of a line: lists, rules, headings.
            || (i == 0 && matches!(c, '-' | '+' | '='));
        match c {
            text::NO_BREAK_SPACE => escaped.push(' '),
            // Autolinks of GFM need no markup at all; a broken scheme is no link.
            ':' if shown[..].contains("://") => escaped.push_str("&#58;"),
            '@' => escaped.push_str("&#64;"),
            'w' | 'W' if begins_www(&shown, i) => escaped.push_str(&format!("&#{};", u32::from(c))),
            c if is_markup => {
                escaped.push('\\');
                escaped.push(c);
            }
            c => escaped.push(c),
        }
    }
    number_list(&escaped)
}

fn begins_www(text: &str, at: usize) -> bool {
    let rest: String = text.chars().skip(at).take(4).collect();
    rest.eq_ignore_ascii_case("www.")
}

/// `1. text` at the beginning of a line would become a list; `1.5` is a number.
fn number_list(text: &str) -> String {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    let is_mark = rest.starts_with(['.', ')']) && rest[1..].chars().next().is_none_or(char::is_whitespace);
    if digits > 0 && is_mark { format!("{number}\\{rest}") } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_names_stays_text() {
        assert_eq!(inline("<img src=x>|`a`"), "\\<img src=x\\>\\|\\`a\\`");
        assert_eq!(inline("[x](javascript:1)"), "\\[x\\](javascript:1)");
        assert_eq!(inline("https://a.example"), "https&#58;//a.example");
        assert_eq!(inline("www.a.example"), "&#119;ww.a.example");
        assert_eq!(inline("- item"), "\\- item");
        assert_eq!(inline("1. item"), "1\\. item");
        assert_eq!(inline("82.9 to 99 %"), "82.9 to 99 %");
        assert_eq!(inline("a\nb\u{202e}"), "a\\\\nb\\\\u{202e}");
    }

    #[test]
    fn a_fence_in_the_text_does_not_end_the_block() {
        let mut document = Document::default();
        document.code("text", "a\n````\n<b>");
        assert_eq!(document.finish(), "`````text\na\n````\n<b>\n`````\n");
    }
}
