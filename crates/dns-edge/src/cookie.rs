//! DNS cookies (RFC 7873) in the interoperable form of RFC 9018: a client that shows a cookie of
//! ours got an earlier answer, so that its address is not forged.

use std::net::IpAddr;

/// Bytes of a client's part, and of a whole cookie.
const CLIENT_BYTES: usize = 8;
pub const COOKIE_BYTES: usize = 24;
/// A cookie older than this is not taken (RFC 9018 section 4.3).
const LIFETIME_S: i32 = 3_600;
/// A cookie older than this is taken, and replaced.
const RENEW_S: i32 = 1_800;
/// Clocks of servers that share a secret may differ by so much.
const AHEAD_S: i32 = 300;

/// What a client showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// No cookie option.
    Nothing,
    /// Not 8, nor 16 to 40 bytes (RFC 7873 section 5.2.2).
    Malformed,
    /// A client's part only, or a server's part that is not ours or too old. The cookie is the
    /// one to give.
    Unproven([u8; COOKIE_BYTES]),
    /// A cookie of ours. The cookie is the one to give: the same, or a newer one.
    Proven([u8; COOKIE_BYTES]),
}

/// Makes and checks cookies.
#[derive(Clone, Copy, Debug)]
pub struct Cookies {
    secret: [u64; 2],
}

impl Cookies {
    #[must_use]
    pub fn new(secret: [u8; 16]) -> Self {
        let half = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| secret[at + i]));
        Self { secret: [half(0), half(8)] }
    }

    /// What an option says of the client at `source`; `now_s`: seconds since 1970, cut to 32 bits.
    #[must_use]
    pub fn look(&self, option: Option<&[u8]>, source: IpAddr, now_s: u32) -> Shown {
        let Some(option) = option else { return Shown::Nothing };
        let Some(client) = option.first_chunk::<CLIENT_BYTES>() else { return Shown::Malformed };
        if !matches!(option.len(), 8 | 16..=40) {
            return Shown::Malformed;
        }
        if let Ok(shown) = <[u8; COOKIE_BYTES]>::try_from(option)
            && let Some(age_s) = self.age_s(&shown, source, now_s)
        {
            return Shown::Proven(if age_s > RENEW_S { self.make(client, source, now_s) } else { shown });
        }
        Shown::Unproven(self.make(client, source, now_s))
    }

    /// The age of a cookie, if it is ours, for this source, and to be taken.
    fn age_s(&self, shown: &[u8; COOKIE_BYTES], source: IpAddr, now_s: u32) -> Option<i32> {
        let time_s = u32::from_be_bytes([shown[12], shown[13], shown[14], shown[15]]);
        // Serial number arithmetic (RFC 1982), as RFC 9018 asks for.
        let age_s = now_s.wrapping_sub(time_s) as i32;
        let is_ours = shown[8] == 1 && self.hash(&shown[..16], source).to_le_bytes() == shown[16..];
        (is_ours && (-AHEAD_S..=LIFETIME_S).contains(&age_s)).then_some(age_s)
    }

    fn make(&self, client: &[u8; CLIENT_BYTES], source: IpAddr, now_s: u32) -> [u8; COOKIE_BYTES] {
        let mut cookie = [0; COOKIE_BYTES];
        cookie[..8].copy_from_slice(client);
        cookie[8] = 1;
        cookie[12..16].copy_from_slice(&now_s.to_be_bytes());
        let hash = self.hash(&cookie[..16], source);
        cookie[16..].copy_from_slice(&hash.to_le_bytes());
        cookie
    }

    fn hash(&self, start: &[u8], source: IpAddr) -> u64 {
        let mut input = [0; 32];
        input[..16].copy_from_slice(start);
        let length = match source {
            IpAddr::V4(v4) => {
                input[16..20].copy_from_slice(&v4.octets());
                20
            }
            IpAddr::V6(v6) => {
                input[16..].copy_from_slice(&v6.octets());
                32
            }
        };
        siphash24(self.secret, &input[..length])
    }
}

/// SipHash-2-4 (Aumasson and Bernstein 2012), which RFC 9018 names.
fn siphash24([k0, k1]: [u64; 2], input: &[u8]) -> u64 {
    let mut v = [
        k0 ^ 0x736F_6D65_7073_6575,
        k1 ^ 0x646F_7261_6E64_6F6D,
        k0 ^ 0x6C79_6765_6E65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let mut absorb = |word: u64| {
        v[3] ^= word;
        round(&mut v);
        round(&mut v);
        v[0] ^= word;
    };
    let (words, rest) = input.as_chunks::<8>();
    words.iter().for_each(|w| absorb(u64::from_le_bytes(*w)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    last[7] = input.len() as u8;
    absorb(u64::from_le_bytes(last));
    v[2] ^= 0xFF;
    (0..4).for_each(|_| round(&mut v));
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("hex")).collect()
    }

    /// RFC 9018, appendix A.1.
    #[test]
    fn the_cookie_of_the_rfc_is_made() {
        let cookies = Cookies::new(bytes("e5e973e5a6b2a43f48e7dc849e37bfcf").try_into().expect("16"));
        let source = IpAddr::from([198, 51, 100, 100]);
        let Shown::Unproven(made) = cookies.look(Some(&bytes("2464c4abcf10c957")), source, 1_559_731_985)
        else {
            panic!("a new client");
        };
        assert_eq!(made[..], bytes("2464c4abcf10c957010000005cf79f111f8130c3eee29480"));
    }

    #[test]
    fn a_cookie_proves_its_source_for_an_hour() {
        let cookies = Cookies::new([7; 16]);
        let (source, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let Shown::Unproven(given) = cookies.look(Some(&[1; 8]), source, 10_000) else { panic!("new") };
        let look = |source, now_s| cookies.look(Some(&given), source, now_s);
        assert_eq!(look(source, 10_100), Shown::Proven(given));
        assert!(matches!(look(source, 12_000), Shown::Proven(renewed) if renewed != given));
        assert!(matches!(look(source, 13_601), Shown::Unproven(_)));
        assert!(matches!(look(source, 9_600), Shown::Unproven(_)), "from the future");
        assert!(matches!(look(other, 10_100), Shown::Unproven(_)));
        assert!(matches!(Cookies::new([8; 16]).look(Some(&given), source, 10_100), Shown::Unproven(_)));
    }

    #[test]
    fn lengths_that_no_cookie_has_are_malformed() {
        let cookies = Cookies::new([7; 16]);
        for length in [0, 7, 9, 15, 41] {
            let shown = cookies.look(Some(&vec![1; length]), IpAddr::from([192, 0, 2, 1]), 1);
            assert_eq!(shown, Shown::Malformed, "{length}");
        }
        assert_eq!(cookies.look(None, IpAddr::from([192, 0, 2, 1]), 1), Shown::Nothing);
    }
}
