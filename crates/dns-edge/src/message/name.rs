//! Names on the wire: lower case for comparing, hashed for finding, as text for counting.

use seawall_model::hash;

/// Bytes of a name on the wire (RFC 1035 section 3.1).
pub const NAME_BYTES: usize = 255;
/// Labels of a name, at most, the root's included.
pub const LABELS: usize = 128;

/// A name in lower case (RFC 4343) with its length, in wire form without compression.
#[derive(Clone, Copy)]
pub struct Key {
    bytes: [u8; NAME_BYTES + 1],
    length: u8,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&text(self.as_bytes()))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Key {}

impl Key {
    /// The key of a name in wire form; what is beyond 255 bytes is not taken.
    #[inline]
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        let mut bytes = [0; NAME_BYTES + 1];
        let length = name.len().min(NAME_BYTES);
        for (to, from) in bytes[..length].iter_mut().zip(name) {
            // Lengths of labels are below 64, so that they are never taken for letters.
            *to = from.to_ascii_lowercase();
        }
        Self { bytes, length: length as u8 }
    }

    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// The name's hash under a seed that nobody outside knows.
    #[inline]
    #[must_use]
    pub fn hash(&self, seed: u64) -> u64 {
        hash::dns_name(seed, self.as_bytes())
    }

    /// The name and all its parents, the root last.
    pub fn ancestors(&self) -> impl Iterator<Item = &[u8]> {
        ancestors(self.as_bytes())
    }
}

/// A well-formed name and all its parents in wire form, the root last.
pub fn ancestors(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(name);
    std::iter::from_fn(move || {
        let this = rest?;
        rest = match this.first() {
            Some(&length) if length > 0 => this.get(1 + usize::from(length)..),
            _ => None,
        };
        Some(this)
    })
}

/// The first label of a well-formed name; empty for the root.
#[must_use]
pub fn label(name: &[u8]) -> &[u8] {
    name.split_first().and_then(|(length, rest)| rest.get(..usize::from(*length))).unwrap_or_default()
}

/// The name without its first label; `None` for the root.
#[must_use]
pub fn parent(name: &[u8]) -> Option<&[u8]> {
    ancestors(name).nth(1)
}

/// Whether `name` is `suffix` or below it; both in lower case.
#[must_use]
pub fn is_within(name: &[u8], suffix: &[u8]) -> bool {
    ancestors(name).any(|a| a == suffix)
}

/// Reads a name as people write it, with or without a final dot; `None` if it is not one.
/// Escapes are not taken: an operator's zone has none.
#[must_use]
pub fn parse(text: &str) -> Option<Box<[u8]>> {
    let mut name = Vec::with_capacity(text.len() + 2);
    let text = text.strip_suffix('.').unwrap_or(text);
    if !text.is_empty() {
        for label in text.split('.') {
            let plain = label.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
            if label.is_empty() || label.len() > 63 || !plain {
                return None;
            }
            name.push(label.len() as u8);
            name.extend(label.bytes().map(|b| b.to_ascii_lowercase()));
        }
    }
    name.push(0);
    (name.len() <= NAME_BYTES).then(|| name.into_boxed_slice())
}

/// A well-formed name in presentation form, lower case, no final dot, empty for the root.
#[must_use]
pub fn text(name: &[u8]) -> String {
    let mut out = Vec::with_capacity(name.len());
    write_text(name, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// The same into a buffer that is cleared before.
pub fn write_text(name: &[u8], out: &mut Vec<u8>) {
    out.clear();
    for label in ancestors(name).filter_map(|n| n.get(1..1 + usize::from(*n.first()?))) {
        if label.is_empty() {
            break;
        }
        if !out.is_empty() {
            out.push(b'.');
        }
        let start = out.len();
        out.extend_from_slice(label);
        // Nearly every label is as it is written, and is copied whole.
        if label.iter().fold(true, |all, byte| all & is_plain(*byte)) {
            out[start..].make_ascii_lowercase();
        } else {
            out.truncate(start);
            label.iter().for_each(|byte| escape(*byte, out));
        }
    }
}

#[inline]
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() & (byte != b'.') & (byte != b'\\')
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'.' | b'\\' => out.extend([b'\\', byte]),
        0x21..=0x7E => out.push(byte.to_ascii_lowercase()),
        _ => out.extend([b'\\', b'0' + byte / 100, b'0' + byte / 10 % 10, b'0' + byte % 10]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_compared_and_written() {
        let name = parse("WWW.Example.org.").expect("a name");
        assert_eq!(&*name, b"\x03www\x07example\x03org\0");
        assert_eq!(text(&name), "www.example.org");
        assert_eq!(Key::of(b"\x03wWw\x07EXAMPLE\x03org\0").as_bytes(), &*name);
        assert_eq!(parse(".").as_deref(), Some(&b"\0"[..]));
        assert_eq!(text(b"\0"), "");
        for wrong in ["a..b", ".a", &"a".repeat(64), &"abcdefg.".repeat(32), "a\\.b"] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn parents_end_at_the_root() {
        let name = parse("a.b.c").expect("a name");
        let all: Vec<String> = ancestors(&name).map(text).collect();
        assert_eq!(all, ["a.b.c", "b.c", "c", ""]);
        assert!(is_within(&name, b"\x01b\x01c\0") && is_within(&name, b"\0"));
        assert!(!is_within(&name, b"\x01a\0"));
        assert_eq!(parent(b"\0"), None);
    }

    #[test]
    fn bytes_that_would_be_misread_are_escaped() {
        assert_eq!(text(b"\x03a.\xFF\x01\\\0"), "a\\.\\255.\\\\");
    }
}
