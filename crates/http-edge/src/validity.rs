//! From when until when a certificate is good (RFC 5280 section 4.1.2.5), read from its DER. Whatever
//! the bytes are, there is an answer or none.

use crate::tls::element;
use seawall_model::Timestamp;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xA0;
/// Beyond this, times do not fit; certificates without an end say 9999.
const LAST_YEAR: u32 = 2261;

/// The time of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    pub begins: Timestamp,
    pub ends: Timestamp,
}

impl Validity {
    /// That of a certificate; `None` where the bytes are none.
    #[must_use]
    pub fn of(der: &[u8]) -> Option<Self> {
        let (certificate, _) = value(der, SEQUENCE)?;
        let (signed, _) = value(certificate, SEQUENCE)?;
        // Certificates of version 1 do not say so.
        let rest = value(signed, VERSION).map_or(signed, |(_, rest)| rest);
        let (_serial, rest) = value(rest, INTEGER)?;
        let (_algorithm, rest) = value(rest, SEQUENCE)?;
        let (_issuer, rest) = value(rest, SEQUENCE)?;
        let (times, _) = value(rest, SEQUENCE)?;
        let (begins, rest) = time(times)?;
        let (ends, _) = time(rest)?;
        Some(Self { begins, ends })
    }
}

/// The content of an element of this tag, and what follows it.
fn value(der: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, content, rest) = element(der)?;
    (tag == wanted).then_some((content, rest))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`, and what follows it.
fn time(der: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (tag, content, rest) = element(der)?;
    let text = std::str::from_utf8(content).ok().filter(|text| text.is_ascii())?;
    let digits = text.strip_suffix('Z').filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
    let (year, digits) = match (tag, digits.len()) {
        (UTC_TIME, 12) => {
            let year: u32 = digits[..2].parse().ok()?;
            (if year < 50 { 2_000 + year } else { 1_900 + year }, &digits[2..])
        }
        (GENERALIZED_TIME, 14) => (digits[..4].parse().ok()?, &digits[4..]),
        _ => return None,
    };
    let part = |at: usize| &digits[2 * at..2 * at + 2];
    let (month, day, hour, minute, second) = (part(0), part(1), part(2), part(3), part(4));
    let shown = year.min(LAST_YEAR);
    let written = format!("{shown:04}-{month}-{day}T{hour}:{minute}:{second}Z");
    Some((written.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    fn certificate(begins: (i32, u8, u8), ends: (i32, u8, u8)) -> Vec<u8> {
        let mut params = CertificateParams::new(["shop.example".to_owned()]).expect("a name");
        params.not_before = date_time_ymd(begins.0, begins.1, begins.2);
        params.not_after = date_time_ymd(ends.0, ends.1, ends.2);
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("signed").der().to_vec()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn the_times_of_a_certificate_are_read_in_both_forms() {
        for (begins, ends, expected) in [
            ((2020, 2, 29), (2026, 12, 31), ("2020-02-29T00:00:00Z", "2026-12-31T00:00:00Z")),
            // From 2050 on with four digits of the year.
            ((1999, 1, 1), (2077, 3, 4), ("1999-01-01T00:00:00Z", "2077-03-04T00:00:00Z")),
            ((2020, 1, 1), (9999, 12, 31), ("2020-01-01T00:00:00Z", "2261-12-31T00:00:00Z")),
        ] {
            let read = Validity::of(&certificate(begins, ends));
            assert_eq!(read, Some(Validity { begins: at(expected.0), ends: at(expected.1) }));
        }
    }

    #[test]
    fn whatever_is_cut_or_turned_there_is_an_answer_or_none() {
        let whole = certificate((2020, 1, 1), (2030, 1, 1));
        for length in 0..whole.len() {
            assert_eq!(Validity::of(&whole[..length]), None, "{length}: a certificate is whole or none");
        }
        let mut turned = whole.clone();
        for bit in 0..8 * whole.len() {
            turned[bit / 8] ^= 1 << (bit % 8);
            // Any answer will do, as long as there is one.
            let _ = Validity::of(&turned);
            turned[bit / 8] = whole[bit / 8];
        }
    }
}
