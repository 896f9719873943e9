//! One hash with a fixed seed, so that any machine and any thread count the same things alike.
//!
//! Multiply and fold, 16 bytes a step. Not for tables that an attacker may fill with chosen keys
//! without a bound: those must be bounded by size as well.

const K0: u64 = 0x9E37_79B9_7F4A_7C15;
const K1: u64 = 0xD6E8_FEB8_6659_FD93;
const K2: u64 = 0xA076_1D64_78BD_642F;

/// Folds a 128-bit product to 64 bits.
#[inline]
#[must_use]
pub const fn fold(a: u64, b: u64) -> u64 {
    let product = (a as u128) * (b as u128);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Mixes one word. Two rounds: after one, neighbouring words spread too evenly, and counters
/// that rely on chance collisions overestimate.
#[inline]
#[must_use]
pub const fn mix(x: u64) -> u64 {
    fold(fold(x ^ K0, K1) ^ x, K2)
}

/// Combines two hashes; order matters.
#[inline]
#[must_use]
pub const fn combine(a: u64, b: u64) -> u64 {
    mix(fold(a ^ K2, b ^ K1))
}

/// Hashes bytes. Equal on every machine, independent of alignment.
#[inline]
#[must_use]
pub fn bytes(input: &[u8]) -> u64 {
    with_constants([K0, K1, K2], input)
}

/// Hashes bytes so that whoever does not know the key cannot choose two that collide: every constant
/// depends on it. (A key that is only mixed into the result of [`bytes`] would keep its collisions.)
#[inline]
#[must_use]
pub fn keyed(key: u64, input: &[u8]) -> u64 {
    mix(with_constants([combine(key, 0), combine(key, 1), combine(key, 2)], input))
}

#[inline]
fn with_constants([k0, k1, k2]: [u64; 3], input: &[u8]) -> u64 {
    let mut state = k2 ^ (input.len() as u64);
    let mut rest = input;
    while rest.len() > 16 {
        state = fold(word(rest) ^ k0, word(&rest[8..]) ^ state);
        rest = &rest[16..];
    }
    let (a, b) = tail(rest);
    fold(fold(a ^ k1, b ^ state), k0 ^ (input.len() as u64))
}

#[inline]
fn word(input: &[u8]) -> u64 {
    let mut buffer = [0; 8];
    buffer.copy_from_slice(&input[..8]);
    u64::from_le_bytes(buffer)
}

/// At most 16 bytes as two words; lengths are told apart by the caller mixing in the length.
#[inline]
fn tail(input: &[u8]) -> (u64, u64) {
    let n = input.len();
    if n >= 8 {
        (word(input), word(&input[n - 8..]))
    } else if n >= 4 {
        let low = u32::from_le_bytes([input[0], input[1], input[2], input[3]]);
        let high = u32::from_le_bytes([input[n - 4], input[n - 3], input[n - 2], input[n - 1]]);
        (u64::from(low), u64::from(high))
    } else if n > 0 {
        (u64::from(input[0]) << 16 | u64::from(input[n / 2]) << 8 | u64::from(input[n - 1]), 0)
    } else {
        (0, 0)
    }
}

/// The hash of a DNS name by its parent's and its first label, in lower case; that of the root is a
/// secret. So the hashes of all parents are steps on the way. The kernel filter's program computes the
/// same.
#[inline]
#[must_use]
pub fn child_name(parent: u64, label: &[u8]) -> u64 {
    sip(parent, label)
}

/// SipHash-1-3 (Aumasson and Bernstein 2012) with twice the same half of a key: who does not know the key
/// finds no two inputs that collide. Of multiplications alone, which cost less, two differences that
/// cancel each other are known whatever the key is.
#[inline]
fn sip(key: u64, input: &[u8]) -> u64 {
    let mut state =
        [0x736F_6D65_7073_6575, 0x646F_7261_6E64_6F6D, 0x6C79_6765_6E65_7261, 0x7465_6462_7974_6573]
            .map(|constant: u64| constant ^ key);
    let (words, rest) = input.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    last[7] = input.len() as u8;
    for word in words.iter().chain([&last]).map(|word| u64::from_le_bytes(*word)) {
        state[3] ^= word;
        sip_round(&mut state);
        state[0] ^= word;
    }
    state[2] ^= 0xFF;
    (0..3).for_each(|_| sip_round(&mut state));
    state[0] ^ state[1] ^ state[2] ^ state[3]
}

#[inline]
fn sip_round([a, b, c, d]: &mut [u64; 4]) {
    *a = a.wrapping_add(*b);
    *c = c.wrapping_add(*d);
    *b = b.rotate_left(13) ^ *a;
    *d = d.rotate_left(16) ^ *c;
    *a = a.rotate_left(32);
    *c = c.wrapping_add(*b);
    *a = a.wrapping_add(*d);
    *b = b.rotate_left(17) ^ *c;
    *d = d.rotate_left(21) ^ *a;
    *c = c.rotate_left(32);
}

/// The hash of a well-formed DNS name in wire form and lower case, from the root down
/// ([`child_name`]).
#[inline]
#[must_use]
pub fn dns_name(seed: u64, name: &[u8]) -> u64 {
    /// Labels of a name, at most (RFC 1035: 255 bytes).
    const LABELS: usize = 127;
    let mut starts = [0_u8; LABELS];
    let (mut count, mut at) = (0, 0);
    while count < LABELS
        && let Some(&length) = name.get(at)
        && length > 0
    {
        starts[count] = at as u8;
        count += 1;
        at += usize::from(length) + 1;
    }
    starts[..count].iter().rev().fold(seed, |parent, start| {
        let label = &name[usize::from(*start)..];
        child_name(parent, &label[1..(usize::from(label[0]) + 1).min(label.len())])
    })
}

/// Hashes the first `count` bytes (at most 16) of a little-endian word, as [`bytes`] does. Bytes
/// that were gathered one by one are hashed from a register: read back from memory in wider words,
/// they would have to wait until all of them are written.
#[inline]
#[must_use]
pub const fn packed(word: u128, count: usize) -> u64 {
    let n = if count > 16 { 16 } else { count };
    let (a, b) = if n >= 8 {
        (word as u64, (word >> (8 * (n - 8))) as u64)
    } else if n >= 4 {
        (word as u32 as u64, (word >> (8 * (n - 4))) as u32 as u64)
    } else if n > 0 {
        let (middle, last) = ((word >> (8 * (n / 2))) as u8, (word >> (8 * (n - 1))) as u8);
        ((word as u8 as u64) << 16 | (middle as u64) << 8 | last as u64, 0)
    } else {
        (0, 0)
    };
    fold(fold(a ^ K1, b ^ K2 ^ (n as u64)), K0 ^ (n as u64))
}

/// Hashes bytes as [`bytes`] hashes them with ASCII letters in lower case.
#[inline]
#[must_use]
pub fn lower_case(input: &[u8]) -> u64 {
    let mut state = K2 ^ (input.len() as u64);
    let mut rest = input;
    while rest.len() > 16 {
        state = fold(lower(word(rest)) ^ K0, lower(word(&rest[8..])) ^ state);
        rest = &rest[16..];
    }
    let (a, b) = tail(rest);
    fold(fold(lower(a) ^ K1, lower(b) ^ state), K0 ^ (input.len() as u64))
}

/// Eight bytes with ASCII letters in lower case.
#[inline]
const fn lower(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let low_bits = word & (0x7F * EACH);
    let from_a = low_bits + (0x80 - b'A' as u64) * EACH;
    let above_z = low_bits + (0x80 - b'Z' as u64 - 1) * EACH;
    // The highest bit of each byte: in 'A'..='Z', and ASCII.
    let capital = (from_a ^ above_z) & !word & (0x80 * EACH);
    word | capital >> 2
}

/// Hashes an address; IPv4 and its IPv6-mapped form are equal.
#[inline]
#[must_use]
pub fn address(ip: std::net::IpAddr) -> u64 {
    match ip {
        std::net::IpAddr::V4(v4) => mix(u64::from(u32::from(v4)) | 0xFFFF_0000_0000),
        std::net::IpAddr::V6(v6) => {
            let bits = u128::from(v6);
            if let Some(v4) = v6.to_ipv4_mapped() {
                return mix(u64::from(u32::from(v4)) | 0xFFFF_0000_0000);
            }
            combine(mix((bits >> 64) as u64), bits as u64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_names_hash_is_made_from_the_root_down_and_of_any_bytes() {
        let by_steps = [&b"org"[..], b"example", b"www"].into_iter().fold(7, child_name);
        assert_eq!(dns_name(7, b"\x03www\x07example\x03org\0"), by_steps);
        assert_eq!((dns_name(7, b"\0"), dns_name(7, b"")), (7, 7));
        let deepest = [1, b'a'].repeat(127);
        assert_eq!(dns_name(7, &deepest), (0..127).fold(7, |parent, _| child_name(parent, b"a")));
        let any = (0..=255).zip((0..=600).cycle().step_by(7)).map(|(byte, length)| vec![byte; length]);
        assert_eq!(any.map(|name| dns_name(7, &name)).fold(0, |count, _| count + 1), 256, "none panics");
    }

    /// Broke: names could be chosen that collided whatever the secret was.
    #[test]
    fn names_that_differ_in_their_highest_bits_do_not_collide() {
        let chosen = [0_u64, 1 << 63].map(|d| [d, d | d >> 29].map(|d| d ^ 0x6161_6161_6161_6161));
        let [one, other] = chosen.map(|words| words.map(u64::to_le_bytes).concat());
        assert!((0..10_000).all(|key| child_name(key, &one) != child_name(key, &other)));
    }

    #[test]
    fn the_hash_of_a_label_is_sip_hash() {
        let of = |length| child_name(0, &(0..length).collect::<Vec<u8>>());
        // As another program has them, with a key of zeroes.
        let known = [
            0xD1FB_A762_150C_532C,
            0x68A9_1412_8E01_E473,
            0x2F09_8AB0_C751_325A,
            0xEAD4_11E6_7EBE_2EEA,
            0x7592_7F9D_9512_4362,
            0x385D_3E39_E5F3_7359,
        ];
        assert_eq!([0, 1, 7, 8, 9, 63].map(of), known);
    }

    #[test]
    fn short_inputs_do_not_collide() {
        let mut seen: Vec<u64> = (0..=255u8).map(|b| bytes(&[b])).collect();
        seen.extend((0..=255u8).map(|b| bytes(&[b, 0])));
        seen.extend((0..65_536u32).map(|n| bytes(&n.to_le_bytes())));
        seen.push(bytes(b""));
        let total = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), total);
    }

    #[test]
    fn mix_spreads_sequential_words_evenly() {
        let mut buckets = [0u32; 64];
        for n in 0..64_000u64 {
            buckets[(mix(n) >> 58) as usize] += 1;
        }
        assert!(buckets.iter().all(|&b| (800..1200).contains(&b)), "{buckets:?}");
    }

    #[test]
    fn what_collides_under_one_key_does_not_under_others() {
        // The first eight bytes are the constant that they are combined with: whatever follows them
        // before the last step is lost.
        let chosen = |middle: u64| {
            let words = [1, 2, K0, middle, 3, 4];
            words.iter().flat_map(|w: &u64| w.to_le_bytes()).collect::<Vec<u8>>()
        };
        let (one, other) = (chosen(7), chosen(8));
        assert_eq!(bytes(&one), bytes(&other), "known to whoever reads the source");
        assert!((0..10_000).all(|key| keyed(key, &one) != keyed(key, &other)));
    }

    #[test]
    fn packed_bytes_hash_as_bytes_in_memory() {
        for count in 0..=16 {
            for seed in 0..100 {
                let word = u128::from(mix(seed)) << 64 | u128::from(mix(seed + 1_000));
                assert_eq!(packed(word, count), bytes(&word.to_le_bytes()[..count]), "{count} of {word:x}");
            }
        }
    }

    #[test]
    fn letters_hash_as_in_lower_case() {
        let all: Vec<u8> = (0..=255).collect();
        for length in 0..=40 {
            for from in 0..all.len() - length {
                let input = &all[from..from + length];
                assert_eq!(lower_case(input), bytes(&input.to_ascii_lowercase()), "{input:?}");
            }
        }
    }

    #[test]
    fn mapped_addresses_hash_as_ipv4() {
        let v4: std::net::IpAddr = "192.0.2.1".parse().unwrap();
        let v6: std::net::IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(address(v4), address(v6));
    }
}
