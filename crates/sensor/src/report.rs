//! What came of each input: how much was read, what was not understood, what was odd.

use seawall_model::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Lines of an input that its report quotes as not understood.
pub const SAMPLE_LIMIT: usize = 5;
/// Characters of each such line.
pub const SAMPLE_CHARACTERS: usize = 200;

/// The account of one input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputReport {
    pub path: String,
    /// What the content is: `combined`, `pcap, Ethernet`, `combined in gzip`, `empty`.
    pub kind: String,
    /// Lines or packets that were understood.
    pub records: u64,
    /// Lines or packet records that were not.
    pub malformed: u64,
    /// Bytes of content, unpacked.
    pub bytes: u64,
    /// Earliest and latest time stamp.
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    /// Some of the lines not understood, cut, control characters escaped.
    pub samples_of_malformed: Vec<String>,
    /// What was odd, by name, with how often.
    pub oddities: BTreeMap<String, u64>,
    /// Records that came too late for their tick and were counted into a later one.
    pub out_of_order: u64,
    /// Records alone in time by more than a day, and places where the clock was set back.
    pub time_jumps: u64,
    /// Why reading ended before the end of the file.
    pub cut_short: Option<String>,
}

impl InputReport {
    /// Widens the span of time to hold `time`.
    pub fn saw(&mut self, time: Timestamp) {
        self.first = Some(self.first.map_or(time, |t| t.min(time)));
        self.last = Some(self.last.map_or(time, |t| t.max(time)));
    }

    /// Quotes a line that was not understood, unless enough are quoted.
    pub fn quote(&mut self, line: &[u8]) {
        if self.samples_of_malformed.len() < SAMPLE_LIMIT {
            self.samples_of_malformed.push(printable(line, SAMPLE_CHARACTERS));
        }
    }

    /// Counts an oddity.
    pub fn odd(&mut self, name: &str, count: u64) {
        if count == 0 {
            return;
        }
        if let Some(sum) = self.oddities.get_mut(name) {
            *sum += count;
        } else {
            self.oddities.insert(name.to_owned(), count);
        }
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
            report.quote(format!("line {n}").as_bytes());
        }
        assert_eq!(report.samples_of_malformed.len(), SAMPLE_LIMIT);
        assert_eq!(report.samples_of_malformed[0], "line 0");
    }
}
