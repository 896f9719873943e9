//! What came of each input: how much was read, what was not understood, what was odd.

pub use seawall_model::report::InputReport;

/// Lines of an input that its report quotes as not understood.
pub const SAMPLE_LIMIT: usize = 5;
/// Characters of each such line.
pub const SAMPLE_CHARACTERS: usize = 200;

/// Quotes a line that was not understood, unless enough are quoted.
pub fn quote(report: &mut InputReport, line: &[u8]) {
    if report.malformed_samples.len() < SAMPLE_LIMIT {
        report.malformed_samples.push(printable(line, SAMPLE_CHARACTERS));
    }
}

/// At most `limit` characters of some bytes, safe to print on a terminal.
#[must_use]
pub fn printable(bytes: &[u8], limit: usize) -> String {
    // A character is at most four bytes.
    let head = &bytes[..bytes.len().min(limit * 4)];
    let mut text = String::new();
    let mut count = 0;
    for c in String::from_utf8_lossy(head).chars() {
        let hidden = c.is_control() || is_directional(c);
        let width = if hidden { c.escape_default().count() } else { 1 };
        if count + width > limit {
            break;
        }
        count += width;
        if hidden {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    text
}

/// Characters that reorder or hide the text around them on a terminal.
fn is_directional(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_cut_and_safe_to_print() {
        let text = printable(b"\x1b[31mred\x00\xff\n", 200);
        assert_eq!(text, "\\u{1b}[31mred\\u{0}\u{FFFD}\\n");
        assert_eq!(printable(&[b'a'; 10_000], 200).len(), 200);
        assert_eq!(printable("\u{202E}x".as_bytes(), 200), "\\u{202e}x");
    }

    #[test]
    fn only_the_first_lines_are_quoted() {
        let mut report = InputReport::default();
        for n in 0..100 {
            quote(&mut report, format!("line {n}").as_bytes());
        }
        assert_eq!(report.malformed_samples.len(), SAMPLE_LIMIT);
        assert_eq!(report.malformed_samples[0], "line 0");
    }
}
