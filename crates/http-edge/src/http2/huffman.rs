//! The Huffman code of HPACK (RFC 7541 section 5.2 and appendix B), several bits a step.

/// Bits of each byte's code, and last of the end mark's. The code is canonical: the codes of one
/// length follow each other in the order of their bytes, so that the lengths say it all.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8,
    7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7,
    7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23,
    24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22,
    23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25,
    26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24,
    20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27,
    27, 27, 27, 26, 30,
];

const END_MARK: u16 = 256;
const LONGEST: usize = 30;
/// Codes of up to so many bits are found in one step; they are those of all common bytes.
const FAST_BITS: usize = 10;

/// A string is not what the code can mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadString;

/// Appends what a string stands for. It grows at most by 8 bytes for 5.
///
/// # Errors
/// If it holds the end mark, or its padding is not what section 5.2 says.
pub fn decode(string: &[u8], out: &mut Vec<u8>) -> Result<(), BadString> {
    // The next bits, from the highest on.
    let (mut bits, mut have, mut rest) = (0_u64, 0_usize, string);
    loop {
        while have <= 56
            && let Some((byte, after)) = rest.split_first()
        {
            bits |= u64::from(*byte) << (56 - have);
            have += 8;
            rest = after;
        }
        let entry = TABLES.fast[(bits >> (64 - FAST_BITS)) as usize];
        let (symbol, length) = if entry.1 > 0 { entry } else { long(bits).ok_or(BadString)? };
        if usize::from(length) > have {
            break;
        }
        let byte = u8::try_from(symbol).map_err(|_| BadString)?;
        out.push(byte);
        bits <<= length;
        have -= usize::from(length);
    }
    let is_padding = have < 8 && bits.leading_ones() as usize >= have;
    if is_padding { Ok(()) } else { Err(BadString) }
}

/// A code of more bits than are looked up at once.
fn long(bits: u64) -> Option<(u16, u8)> {
    (FAST_BITS + 1..=LONGEST).find_map(|length| {
        let nth = ((bits >> (64 - length)) as u32).checked_sub(TABLES.first_code[length])?;
        let is_one = nth < TABLES.codes[length];
        is_one.then(|| (TABLES.symbols[(TABLES.first_symbol[length] + nth) as usize], length as u8))
    })
}

struct Tables {
    /// Symbol and length by the next bits; length 0: a longer code.
    fast: [(u16, u8); 1 << FAST_BITS],
    /// By length: the first code, how many there are, and the place of the first one's symbol.
    first_code: [u32; LONGEST + 1],
    codes: [u32; LONGEST + 1],
    first_symbol: [u32; LONGEST + 1],
    /// By code.
    symbols: [u16; 257],
}

static TABLES: Tables = tables();

const fn tables() -> Tables {
    let mut tables = Tables {
        fast: [(0, 0); 1 << FAST_BITS],
        first_code: [0; LONGEST + 1],
        codes: [0; LONGEST + 1],
        first_symbol: [0; LONGEST + 1],
        symbols: [0; 257],
    };
    let (mut length, mut code, mut placed) = (1, 0_u32, 0_u32);
    while length <= LONGEST {
        code <<= 1;
        tables.first_code[length] = code;
        tables.first_symbol[length] = placed;
        let mut symbol = 0_u16;
        while symbol <= END_MARK {
            if LENGTHS[symbol as usize] as usize == length {
                tables.symbols[placed as usize] = symbol;
                let (mut at, shift) = (0, FAST_BITS.saturating_sub(length));
                while length <= FAST_BITS && at < 1 << shift {
                    tables.fast[((code as usize) << shift) + at] = (symbol, length as u8);
                    at += 1;
                }
                code += 1;
                placed += 1;
            }
            symbol += 1;
        }
        tables.codes[length] = placed - tables.first_symbol[length];
        length += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(string: &[u8]) -> Result<Vec<u8>, BadString> {
        let mut out = Vec::new();
        decode(string, &mut out).map(|()| out)
    }

    /// The code of each symbol, made from the lengths in another way than the tables are.
    fn encoded(text: &[u8]) -> Vec<u8> {
        let mut order: Vec<u16> = (0..257).collect();
        order.sort_by_key(|s| (LENGTHS[usize::from(*s)], *s));
        let (mut code, mut before, mut codes) = (0_u64, 0, [0_u64; 257]);
        for symbol in order {
            let length = LENGTHS[usize::from(symbol)];
            code <<= length - before;
            before = length;
            codes[usize::from(symbol)] = code;
            code += 1;
        }
        let (mut bits, mut have, mut out) = (0_u64, 0, Vec::new());
        for byte in text {
            let length = LENGTHS[usize::from(*byte)];
            bits = bits << length | codes[usize::from(*byte)];
            have += length;
            while have >= 8 {
                have -= 8;
                out.push((bits >> have) as u8);
            }
        }
        if have > 0 {
            out.push(((bits << (8 - have)) as u8) | (0xFF_u16 >> have) as u8);
        }
        out
    }

    #[test]
    fn the_examples_of_the_standard_are_read() {
        // RFC 7541, appendices C.4 and C.6.
        let table: [(&[u8], &str); 4] = [
            (&[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff], "www.example.com"),
            (&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf], "no-cache"),
            (&[0x64, 0x02], "302"),
            (
                &[
                    0xd0, 0x7a, 0xbe, 0x94, 0x10, 0x54, 0xd4, 0x44, 0xa8, 0x20, 0x05, 0x95, 0x04, 0x0b, 0x81,
                    0x66, 0xe0, 0x82, 0xa6, 0x2d, 0x1b, 0xff,
                ],
                "Mon, 21 Oct 2013 20:13:21 GMT",
            ),
        ];
        for (string, text) in table {
            assert_eq!(decoded(string), Ok(text.as_bytes().to_vec()), "{text}");
        }
    }

    #[test]
    fn every_byte_comes_back_beside_every_other() {
        for first in 0..=255 {
            let text: Vec<u8> = (0..=255).flat_map(|second| [first, second]).collect();
            assert_eq!(decoded(&encoded(&text)), Ok(text));
        }
    }

    #[test]
    fn bad_padding_and_the_end_mark_are_refused() {
        // Padding of 8 ones, padding with a zero, 24 bits of ones, the end mark within.
        for string in [&[0x1F, 0xFF][..], &[0x1E], &[0xFF; 3], &[0xFF, 0xFF, 0xFF, 0xFC, 0x1F]] {
            assert_eq!(decoded(string), Err(BadString), "{string:x?}");
        }
        assert_eq!((decoded(&[]), decoded(&[0x1F])), (Ok(Vec::new()), Ok(b"a".to_vec())));
    }
}
