//! Text without an allocation per piece: an arena of bytes, spans into it, and words to coin
//! names and paths from.

use crate::rng::Rng;

/// A piece of a [`Text`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    length: u32,
}

/// An arena of bytes.
#[derive(Clone, Debug, Default)]
pub struct Text {
    bytes: Vec<u8>,
}

impl Text {
    pub fn add(&mut self, text: &str) -> Span {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(text.as_bytes());
        Span { start, length: text.len() as u32 }
    }

    #[inline]
    #[must_use]
    pub fn get(&self, span: Span) -> &[u8] {
        &self.bytes[span.start as usize..(span.start + span.length) as usize]
    }
}

/// Plain words for paths, products, searches and host names.
pub const WORDS: [&str; 96] = [
    "about", "account", "album", "apple", "archive", "art", "autumn", "bike", "blue", "board", "book",
    "bread", "bridge", "camera", "cart", "castle", "chair", "city", "clock", "coat", "coffee", "contact",
    "cotton", "course", "desk", "dinner", "dress", "events", "family", "field", "film", "forest", "garden",
    "glass", "green", "guide", "harbour", "help", "history", "home", "house", "index", "island", "jacket",
    "journal", "kitchen", "lamp", "leather", "letter", "library", "light", "linen", "market", "member",
    "metal", "moon", "mountain", "museum", "music", "news", "night", "north", "ocean", "office", "orange",
    "paper", "people", "photo", "piano", "plan", "press", "project", "radio", "recipe", "red", "report",
    "river", "road", "room", "school", "service", "shirt", "silver", "spring", "station", "stone", "story",
    "summer", "table", "team", "travel", "water", "white", "window", "winter", "wood",
];

/// Appends a word that a machine drew: letters, letters and digits, or hexadecimal.
pub fn random_word(rng: &mut Rng, style: u8, length: usize, out: &mut Vec<u8>) {
    const LETTERS: &[u8; 26] = b"abcdefghijklmnopqrstuvwxyz";
    const UPPER: &[u8; 26] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const MIXED: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    const HEX: &[u8; 16] = b"0123456789abcdef";
    const DIGITS: &[u8; 10] = b"0123456789";
    let alphabet: &[u8] = match style % 5 {
        0 => LETTERS,
        1 => UPPER,
        2 => MIXED,
        3 => HEX,
        _ => DIGITS,
    };
    let mut bits = rng.next();
    for i in 0..length {
        if i % 8 == 7 {
            bits = rng.next();
        }
        out.push(alphabet[((bits & 0xFF) as usize * alphabet.len()) >> 8]);
        bits >>= 8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_give_back_what_was_added() {
        let mut text = Text::default();
        let a = text.add("/one");
        let b = text.add("");
        let c = text.add("/two");
        assert_eq!((text.get(a), text.get(b), text.get(c)), (&b"/one"[..], &b""[..], &b"/two"[..]));
    }

    #[test]
    fn random_words_have_their_length() {
        let mut out = Vec::new();
        for style in 0..5 {
            out.clear();
            random_word(&mut Rng::new(1), style, 21, &mut out);
            assert_eq!(out.len(), 21);
        }
    }
}
