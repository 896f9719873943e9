//! Tells machine-random words from words that people coined.
//!
//! What it computes: for letters, the log-likelihood of each pair of letters in coined words
//! against the uniform draw (a bigram model; plain entropy cannot tell `xkqzvw` from `planet`,
//! since both use six different letters once); for mixed text, how often it changes between
//! letters, digits and cases; for hexadecimal and decimal text, its length alone.
//!
//! The table of pairs was counted over the words of seventeen European languages, English software
//! documentation, names of places and of software packages. On those words (lower case, five
//! letters and more) about three in a hundred are called random; of uniformly drawn words 52 %
//! are caught at five letters, 72 % at six, 84 % at eight, 93 % at twelve. One word is weak
//! evidence: use it on many.
//!
//! Evaded by: words glued from a dictionary, pronounceable generators (consonant, vowel, …),
//! words under five letters. Innocent text that looks like it: abbreviations, transliterations
//! with few vowels, content hashes of assets (which are random, and harmless).

/// Fewest characters that can be judged.
const MIN_LETTERS: usize = 5;
/// Decimal numbers of this many digits and more are longer than counters people see.
const MIN_DIGITS: usize = 8;
const MIN_HEX: usize = 8;

/// Log-likelihood of the second letter after the first in coined words against a uniform draw,
/// in steps of a quarter nat: `o` is zero, `a` is -3.5.
const PAIRS: [&[u8; 26]; 26] = [
    b"lnppfinjninspuhnctqsmliflj",
    b"ullithihskgrjisjcqoksfhfld",
    b"telisfdurfqojhuiapmqodcaij",
    b"tjimwjiiuhhmjltjaookphhdjj",
    b"njppmlmimhmrouhmeusrhlimij",
    b"rgjksrifveephiujapnoqbgdja",
    b"tjhkvhnoreinkprjcrqmrghbjd",
    b"vegkuedithimkkthankpqfhajc",
    b"poqopmnfiimqpvpldorrgmdhfl",
    b"wghlvfgesgmnjlsiaipkrgfadh",
    b"vhhhuggmscnniktjaoqpqhjalb",
    b"uiinuiigvfjrkksiagnopidamd",
    b"vpikvggesagmnkrraimjpeecjd",
    b"sgosslthshljimqhagqsnjebmh",
    b"kmoojkmilhnrqumpbtqpponffk",
    b"ufkjthimqagqhhspctnppeecla",
    b"qgjikkjfnfepiikjjmlozhkhde",
    b"ujlnvhlhtfmlnmsiamppojhaki",
    b"rhphtihosbpmkjpofiqvpihbmm",
    b"ugkhvifnueiljiriaroppggcnf",
    b"pnnnomnhpknrqtkoassrjjgghk",
    b"vgigwffcubeihlrfallilfecmc",
    b"wikktihmubhjkorjboojkbhhof",
    b"qmqnrmhjscimpjmtfmnulhjpme",
    b"tlqmqjlkpimoqpqramrqnjlfkj",
    b"viilveiktfklkorjbikmoikaol",
];

/// Whether one word (no separators expected; others than letters and digits are ignored) looks
/// drawn by a machine: random letters, hexadecimal, a UUID, a long number.
#[must_use]
pub fn is_random_word(word: &str) -> bool {
    let bytes = word.as_bytes();
    if is_uuid(bytes) {
        return true;
    }
    let counts = Counts::of(bytes);
    if counts.other > 0 || counts.letters + counts.digits < MIN_LETTERS {
        return false;
    }
    if counts.letters == 0 {
        return counts.digits >= MIN_DIGITS;
    }
    if counts.is_hex && counts.digits > 0 && bytes.len() >= MIN_HEX {
        return true;
    }
    if counts.digits > 0 && bytes.len() >= 6 && class_changes(bytes) * 5 >= bytes.len() * 2 {
        return true;
    }
    let threshold = if counts.letters <= MIN_LETTERS { -3.0 } else { -2.0 };
    counts.letters >= MIN_LETTERS && pair_evidence(bytes) - odd_case_evidence(bytes) < threshold
}

/// Whether the text is `8-4-4-4-12` hexadecimal digits (RFC 9562 section 4).
#[must_use]
pub(crate) fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text
            .iter()
            .enumerate()
            .all(|(i, b)| if matches!(i, 8 | 13 | 18 | 23) { *b == b'-' } else { b.is_ascii_hexdigit() })
}

struct Counts {
    letters: usize,
    digits: usize,
    other: usize,
    is_hex: bool,
}

impl Counts {
    fn of(bytes: &[u8]) -> Self {
        let mut counts = Self { letters: 0, digits: 0, other: 0, is_hex: true };
        for b in bytes {
            match b {
                b'0'..=b'9' => counts.digits += 1,
                b'a'..=b'z' | b'A'..=b'Z' => counts.letters += 1,
                _ => counts.other += 1,
            }
            counts.is_hex &= b.is_ascii_hexdigit();
        }
        counts
    }
}

/// How often neighbours differ in being a letter or a digit.
fn class_changes(bytes: &[u8]) -> usize {
    bytes.windows(2).filter(|w| w[0].is_ascii_digit() != w[1].is_ascii_digit()).count()
}

/// Sum over neighbouring letters of the log-likelihood "coined" against "drawn", in nats.
fn pair_evidence(bytes: &[u8]) -> f64 {
    bytes.windows(2).filter_map(|w| pair(w[0], w[1])).sum()
}

fn pair(first: u8, second: u8) -> Option<f64> {
    let row = first.to_ascii_lowercase().checked_sub(b'a').filter(|i| *i < 26)?;
    let column = second.to_ascii_lowercase().checked_sub(b'a').filter(|i| *i < 26)?;
    Some(f64::from(PAIRS[usize::from(row)][usize::from(column)] - b'a') * 0.25 - 3.5)
}

/// Case that people do not write: `aXbK` changes at every letter, `camelCase` at every word.
fn odd_case_evidence(bytes: &[u8]) -> f64 {
    let short_runs = bytes
        .windows(3)
        .filter(|w| w[0].is_ascii_lowercase() && w[1].is_ascii_uppercase() && !w[2].is_ascii_lowercase())
        .count();
    0.75 * short_runs as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coined_words_are_not_random() {
        for word in [
            "index",
            "calendar",
            "kubernetes",
            "getUserById",
            "favicon",
            "wplogin",
            "Warenkorb",
            "impressum",
            "producto",
            "iPhone13",
            "graphql",
            "2024",
            "page2",
            "jquery",
            "bootstrap",
            "sitemap",
            "item",
            "xml",
        ] {
            assert!(!is_random_word(word), "{word}");
        }
    }

    #[test]
    fn drawn_words_are_random() {
        for word in [
            "UZQHZVX",
            "NGUHGC",
            "xkqzvw",
            "8890121518",
            "a1b2c3d4",
            "9f86d081884c7d65",
            "123e4567-e89b-12d3-a456-426614174000",
            "qX7bK2pZ",
            "wxcvbhjklq",
        ] {
            assert!(is_random_word(word), "{word}");
        }
    }

    #[test]
    fn uniformly_drawn_words_are_caught_at_the_documented_rate() {
        for (letters, least) in [(6_u64, 0.65), (8, 0.78), (12, 0.88)] {
            let caught = (0..2_000_u64)
                .filter(|n| {
                    let word: String = (0..letters)
                        .map(|i| char::from(b'a' + (crate::hash::mix(n * 64 + i) % 26) as u8))
                        .collect();
                    is_random_word(&word)
                })
                .count();
            assert!(caught as f64 / 2_000.0 >= least, "{letters} letters: {caught} of 2000");
        }
    }
}
