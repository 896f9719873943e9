//! Header compression (RFC 7541): a decoder with a bounded table, and an encoder that needs none.

use super::huffman;
use std::collections::VecDeque;

/// Bytes of the decoder's table, which is the protocol's default.
pub const TABLE_BYTES: usize = 4096;
/// What an entry counts beside its text (section 4.1), in the table and in a list's size.
pub const ENTRY_BYTES: usize = 32;

/// A block that cannot be decoded; the tables of both sides are no longer the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadBlock;

/// Decodes the header blocks of one connection, in their order.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The newest first.
    entries: VecDeque<Entry>,
    /// Text of the entries, the oldest first, after `dead` bytes of entries that are gone.
    text: Vec<u8>,
    dead: usize,
    /// Bytes that were cut off the front of `text` so far; places count from the very first byte.
    cut: usize,
    size: usize,
    /// How much smaller than [`TABLE_BYTES`] the other side wants the table.
    less: usize,
    scratch: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: usize,
    name: usize,
    value: usize,
}

impl Entry {
    fn size(&self) -> usize {
        self.name + self.value + ENTRY_BYTES
    }
}

impl Decoder {
    /// Decodes one whole block and hands out each field: name and value.
    ///
    /// # Errors
    /// If it is not what the standard says.
    pub fn block(&mut self, block: &[u8], take: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), BadBlock> {
        let (mut rest, mut is_begun) = (block, false);
        while let Some(first) = rest.first().copied() {
            match first {
                0x80.. => {
                    let index = integer(&mut rest, 7)?;
                    let (name, value) = self.field(index).ok_or(BadBlock)?;
                    take(name, value);
                }
                0x20..0x40 => {
                    // A change of the table's size comes first in its block (section 4.2).
                    let most = integer(&mut rest, 5)?;
                    if is_begun || most > TABLE_BYTES {
                        return Err(BadBlock);
                    }
                    self.less = TABLE_BYTES - most;
                    self.evict(most);
                    continue;
                }
                _ => self.literal(&mut rest, first & 0x40 != 0, take)?,
            }
            is_begun = true;
        }
        Ok(())
    }

    fn literal(
        &mut self,
        rest: &mut &[u8],
        is_kept: bool,
        take: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), BadBlock> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        match integer(rest, if is_kept { 6 } else { 4 })? {
            0 => string(rest, &mut scratch)?,
            index => scratch.extend_from_slice(self.field(index).ok_or(BadBlock)?.0),
        }
        let name = scratch.len();
        string(rest, &mut scratch)?;
        take(&scratch[..name], &scratch[name..]);
        if is_kept {
            self.insert(&scratch, name);
        }
        if scratch.capacity() <= 2 * TABLE_BYTES {
            self.scratch = scratch;
        }
        Ok(())
    }

    /// The field of an index in both tables (section 2.3.3).
    fn field(&self, index: usize) -> Option<(&[u8], &[u8])> {
        if let Some((name, value)) = STATIC.get(index.checked_sub(1)?) {
            return Some((name.as_bytes(), value.as_bytes()));
        }
        let entry = self.entries.get(index - 1 - STATIC.len())?;
        let (name, value) =
            self.text.get(entry.start - self.cut..)?.get(..entry.name + entry.value)?.split_at(entry.name);
        Some((name, value))
    }

    fn insert(&mut self, text: &[u8], name: usize) {
        let most = TABLE_BYTES - self.less;
        let size = text.len() + ENTRY_BYTES;
        // One that is larger than the table empties it, and is no error (section 4.4).
        self.evict(most.saturating_sub(size));
        if size > most {
            return;
        }
        if self.dead > TABLE_BYTES {
            self.text.drain(..self.dead);
            self.cut += self.dead;
            self.dead = 0;
        }
        self.entries.push_front(Entry { start: self.cut + self.text.len(), name, value: text.len() - name });
        self.text.extend_from_slice(text);
        self.size += size;
    }

    /// Drops the oldest entries until the others are no larger than `most`.
    fn evict(&mut self, most: usize) {
        while self.size > most
            && let Some(oldest) = self.entries.pop_back()
        {
            self.size -= oldest.size();
            self.dead += oldest.name + oldest.value;
        }
    }
}

/// Reads an integer with a prefix of so many bits (section 5.1). More than 28 bits are no length
/// and no index of ours.
fn integer(rest: &mut &[u8], prefix: u32) -> Result<usize, BadBlock> {
    let (first, mut after) = rest.split_first().ok_or(BadBlock)?;
    let most = (1_usize << prefix) - 1;
    let mut value = usize::from(*first) & most;
    if value == most {
        let mut shift = 0;
        loop {
            let (byte, next) = after.split_first().ok_or(BadBlock)?;
            after = next;
            if shift > 21 {
                return Err(BadBlock);
            }
            value += usize::from(byte & 0x7F) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    *rest = after;
    Ok(value)
}

/// Reads a string (section 5.2) and appends it.
fn string(rest: &mut &[u8], out: &mut Vec<u8>) -> Result<(), BadBlock> {
    let is_huffman = rest.first().is_some_and(|b| b & 0x80 != 0);
    let length = integer(rest, 7)?;
    let (text, after) = rest.split_at_checked(length).ok_or(BadBlock)?;
    *rest = after;
    if is_huffman {
        return huffman::decode(text, out).map_err(|_| BadBlock);
    }
    out.extend_from_slice(text);
    Ok(())
}

/// Tells the other side that no table is used; wanted at the start of a block after it has made
/// its table smaller (section 4.2).
pub fn encode_no_table(out: &mut Vec<u8>) {
    out.push(0x20);
}

/// Appends a status.
pub fn encode_status(out: &mut Vec<u8>, status: u16) {
    let index = match status {
        200 => 8,
        204 => 9,
        206 => 10,
        304 => 11,
        400 => 12,
        404 => 13,
        500 => 14,
        _ => {
            let digit = |n: u16| b'0' + (n % 10) as u8;
            out.extend_from_slice(&[0x08, 3, digit(status / 100), digit(status / 10), digit(status)]);
            return;
        }
    };
    out.push(0x80 | index);
}

/// Appends a field as a literal that goes into no table. Its name becomes lower case, as it must
/// be (RFC 9113 section 8.2).
pub fn encode(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let mut lower = [0; 32];
    let known = lower.get_mut(..name.len()).and_then(|lower| {
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        static_name(lower)
    });
    match known {
        Some(index) => encode_integer(out, 0, 4, usize::from(index)),
        None => {
            out.push(0);
            encode_integer(out, 0, 7, name.len());
            out.extend(name.iter().map(u8::to_ascii_lowercase));
        }
    }
    encode_integer(out, 0, 7, value.len());
    out.extend_from_slice(value);
}

/// Appends an integer with a prefix of so many bits, below the bits of `first`.
fn encode_integer(out: &mut Vec<u8>, first: u8, prefix: u32, value: usize) {
    let most = (1_usize << prefix) - 1;
    if value < most {
        out.push(first | value as u8);
        return;
    }
    out.push(first | most as u8);
    let mut left = value - most;
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

/// Index of a name of the static table that answers have.
fn static_name(lower: &[u8]) -> Option<u8> {
    Some(match lower {
        b"accept-ranges" => 18,
        b"access-control-allow-origin" => 20,
        b"age" => 21,
        b"allow" => 22,
        b"cache-control" => 24,
        b"content-disposition" => 25,
        b"content-encoding" => 26,
        b"content-language" => 27,
        b"content-length" => 28,
        b"content-location" => 29,
        b"content-range" => 30,
        b"content-type" => 31,
        b"date" => 33,
        b"etag" => 34,
        b"expires" => 36,
        b"last-modified" => 44,
        b"link" => 45,
        b"location" => 46,
        b"retry-after" => 53,
        b"server" => 54,
        b"set-cookie" => 55,
        b"strict-transport-security" => 56,
        b"vary" => 59,
        b"via" => 60,
        b"www-authenticate" => 61,
        _ => return None,
    })
}

/// Appendix A.
#[rustfmt::skip]
const STATIC: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"),
    (":path", "/index.html"), (":scheme", "http"), (":scheme", "https"), (":status", "200"),
    (":status", "204"), (":status", "206"), (":status", "304"), (":status", "400"),
    (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""),
    ("accept", ""), ("access-control-allow-origin", ""), ("age", ""), ("allow", ""),
    ("authorization", ""), ("cache-control", ""), ("content-disposition", ""),
    ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""),
    ("date", ""), ("etag", ""), ("expect", ""), ("expires", ""), ("from", ""), ("host", ""),
    ("if-match", ""), ("if-modified-since", ""), ("if-none-match", ""), ("if-range", ""),
    ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""), ("location", ""),
    ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""),
    ("via", ""), ("www-authenticate", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<(String, String)>, BadBlock> {
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        let mut fields = Vec::new();
        decoder.block(block, &mut |name, value| fields.push((text(name), text(value)))).map(|()| fields)
    }

    fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn the_examples_of_the_standard_are_read_with_their_table() {
        // RFC 7541, appendix C.4: three requests on one connection.
        let mut decoder = Decoder::default();
        let first = [
            0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4,
            0xff,
        ];
        let host =
            [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")];
        assert_eq!(decoded(&mut decoder, &first), Ok(pairs(&host)));
        let second = [0x82, 0x86, 0x84, 0xbe, 0x58, 0x86, 0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf];
        let with_cache = [&host[..], &[("cache-control", "no-cache")]].concat();
        assert_eq!(decoded(&mut decoder, &second), Ok(pairs(&with_cache)));
        let third = [
            0x82, 0x87, 0x85, 0xbf, 0x40, 0x88, 0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xa9, 0x7d, 0x7f, 0x89, 0x25,
            0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf,
        ];
        let custom = [
            (":method", "GET"),
            (":scheme", "https"),
            (":path", "/index.html"),
            (":authority", "www.example.com"),
            ("custom-key", "custom-value"),
        ];
        assert_eq!(decoded(&mut decoder, &third), Ok(pairs(&custom)));
        assert_eq!(decoder.size, 164);
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let (mut out, mut decoder) = (Vec::new(), Decoder::default());
        encode_no_table(&mut out);
        encode_status(&mut out, 200);
        encode_status(&mut out, 429);
        let long = "v".repeat(5_000);
        let name = "X-".repeat(100);
        for (name, value) in
            [("Content-Type", "text/html"), ("X-Own", ""), ("Set-Cookie", &long), (&name, "1")]
        {
            encode(&mut out, name.as_bytes(), value.as_bytes());
        }
        let expected = [
            (":status", "200"),
            (":status", "429"),
            ("content-type", "text/html"),
            ("x-own", ""),
            ("set-cookie", &long),
            (&name.to_lowercase(), "1"),
        ];
        assert_eq!(decoded(&mut decoder, &out), Ok(pairs(&expected)));
        assert!(decoder.entries.is_empty());
    }

    #[test]
    fn every_name_that_is_known_is_the_static_tables() {
        for (at, (name, _)) in STATIC.iter().enumerate() {
            if let Some(index) = static_name(name.as_bytes()) {
                assert_eq!(usize::from(index), at + 1, "{name}");
            }
        }
        assert_eq!(static_name(b"content-length"), Some(28));
    }

    #[test]
    fn the_table_never_holds_more_than_its_limit() {
        let mut decoder = Decoder::default();
        for round in 0..2_000_usize {
            let value = vec![b'a' + (round % 26) as u8; round * 7 % 4_200];
            let mut block = vec![0x40, 1, b'x'];
            encode_integer(&mut block, 0, 7, value.len());
            block.extend_from_slice(&value);
            decoder.block(&block, &mut |_, _| {}).expect("a block");
            assert!(decoder.size <= TABLE_BYTES && decoder.text.len() <= 3 * TABLE_BYTES);
            let fits = value.len() + 1 + ENTRY_BYTES <= TABLE_BYTES;
            let newest = decoder.field(62).map(|(_, v)| v.to_vec());
            assert_eq!(newest, fits.then_some(value), "round {round}");
        }
        decoder.block(&[0x20], &mut |_, _| {}).expect("an update");
        assert_eq!((decoder.size, decoder.entries.len()), (0, 0));
        decoder.block(&[0x40, 1, b'x', 1, b'y'], &mut |_, _| {}).expect("a block");
        assert!(decoder.entries.is_empty(), "a table of no size takes nothing");
    }

    #[test]
    fn blocks_that_are_wrong_are_refused() {
        for block in [
            // Index 0; an index of an empty table; integers that do not end, or are too large.
            &[0x80][..],
            &[0xBE],
            &[0xFF],
            &[0xFF, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
            // A literal that is cut short: in its name, its length, its value.
            &[0x40],
            &[0x40, 2, b'x'],
            &[0x40, 1, b'x'],
            &[0x40, 1, b'x', 2, b'y'],
            &[0x7F],
            // A table larger than ours; an update after a field.
            &[0x3F, 0xE2, 0x1F],
            &[0x82, 0x20],
            // A Huffman string with bad padding.
            &[0x00, 0x81, 0x1E, 0x00],
        ] {
            assert_eq!(decoded(&mut Decoder::default(), block), Err(BadBlock), "{block:x?}");
        }
        assert_eq!(decoded(&mut Decoder::default(), &[0x3F, 0xE1, 0x1F, 0x82]).map(|f| f.len()), Ok(1));
    }
}
