//! Reading single fields out of bytes: tokens, quoted text, numbers, addresses, hosts.

use memchr::memchr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A place in a line. Every step either consumes a field or leaves the place as it was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(line: &'a [u8]) -> Self {
        Self { line, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        &self.line[self.at..]
    }

    pub(super) fn is_done(&self) -> bool {
        self.at >= self.line.len()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    pub(super) fn skip(&mut self, bytes: usize) {
        self.at = (self.at + bytes).min(self.line.len());
    }

    pub(super) fn skip_spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    /// Consumes `literal` if it comes next.
    pub(super) fn eat(&mut self, literal: &[u8]) -> bool {
        let found = self.rest().starts_with(literal);
        if found {
            self.at += literal.len();
        }
        found
    }

    /// Text up to the next space or the end, then the spaces. `None` at the end of the line.
    pub(super) fn token(&mut self) -> Option<&'a [u8]> {
        if self.is_done() {
            return None;
        }
        let rest = self.rest();
        // Tokens are short: a plain loop is faster than setting up a vector search.
        let end = rest.iter().position(|&b| b == b' ').unwrap_or(rest.len());
        self.at += end;
        self.skip_spaces();
        Some(&rest[..end])
    }

    /// Text up to `stop`, which is consumed too. `None` if it does not come.
    pub(super) fn until(&mut self, stop: u8) -> Option<&'a [u8]> {
        let rest = self.rest();
        let end = memchr(stop, rest)?;
        self.at += end + 1;
        Some(&rest[..end])
    }

    /// Text between `"` and the next `"` that ends a field: not escaped by a backslash, and
    /// followed by a space or the end. Servers that do not escape quotes thus still read well.
    /// A quote that never closes (a line cut short) runs to the end. Then the spaces.
    pub(super) fn quoted(&mut self) -> Option<&'a [u8]> {
        self.quoted_before(|after| matches!(after.first(), None | Some(b' ')))
    }

    /// As [`Cursor::quoted`], with the test that decides whether a quote ends the field.
    pub(super) fn quoted_before(&mut self, ends: impl Fn(&[u8]) -> bool) -> Option<&'a [u8]> {
        if self.peek() != Some(b'"') {
            return None;
        }
        let text = &self.line[self.at + 1..];
        let mut from = 0;
        while let Some(step) = memchr(b'"', &text[from..]) {
            let end = from + step;
            if !is_escaped(text, end) && ends(&text[end + 1..]) {
                self.at += end + 2;
                self.skip_spaces();
                return Some(&text[..end]);
            }
            from = end + 1;
        }
        self.at = self.line.len();
        Some(text)
    }

    /// The next field: quoted, in square brackets, or a token.
    pub(super) fn field(&mut self) -> Option<&'a [u8]> {
        match self.peek()? {
            b'"' => self.quoted(),
            b'[' => {
                self.at += 1;
                let inside = self.until(b']').or_else(|| self.token());
                self.skip_spaces();
                inside
            }
            _ => self.token(),
        }
    }
}

fn is_escaped(text: &[u8], at: usize) -> bool {
    let backslashes = text[..at].iter().rev().take_while(|&&b| b == b'\\').count();
    backslashes % 2 == 1
}

/// `-` and blank mean "not given".
pub(super) fn given(text: &[u8]) -> &[u8] {
    if text == b"-" { b"" } else { text }
}

/// Without spaces and tabs at both ends.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

/// Decimal digits and nothing else; numbers over 64 bits saturate.
pub(super) fn integer(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 64 {
        return None;
    }
    let mut value = 0_u64;
    for &byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.saturating_mul(10).saturating_add(u64::from(digit));
    }
    Some(value)
}

/// A decimal number such as `12`, `0.250`, `.5` or `2.7e-05`, times ten to the power `scale`
/// (at most 9), rounded down; negative and other text gives `None`.
pub(super) fn decimal(text: &[u8], scale: u32) -> Option<u64> {
    plain_decimal(text, scale).or_else(|| any_decimal(text, scale))
}

/// [`decimal`] for what logs nearly always hold: few digits, no exponent. `None` for all else.
#[inline]
fn plain_decimal(text: &[u8], scale: u32) -> Option<u64> {
    // Ten digits times 10^9 stay within 64 bits.
    if text.is_empty() || text.len() > 10 {
        return None;
    }
    let mut value = 0_u64;
    let mut point_at = None;
    for (at, &byte) in text.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            value = value * 10 + u64::from(digit);
        } else if byte == b'.' && point_at.is_none() {
            point_at = Some(at);
        } else {
            return None;
        }
    }
    let places = point_at.map_or(0, |at| text.len() - at - 1) as u32;
    if text.len() == usize::from(point_at.is_some()) {
        return None;
    }
    Some(if scale >= places {
        value * POWERS[(scale - places) as usize & 15]
    } else {
        value / POWERS[(places - scale) as usize & 15]
    })
}

/// Powers of ten.
const POWERS: [u64; 16] = {
    let mut powers = [1; 16];
    let mut at = 1;
    while at < 16 {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

fn any_decimal(text: &[u8], scale: u32) -> Option<u64> {
    let (mantissa, exponent) = match text.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => (&text[..at], exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    if mantissa.is_empty() || mantissa.len() > 64 {
        return None;
    }
    let mut value = 0_u128;
    let mut places = 0_i32;
    let mut seen_point = false;
    let mut seen_digit = false;
    for &byte in mantissa {
        match byte {
            b'0'..=b'9' if value < 10_u128.pow(27) => {
                value = value * 10 + u128::from(byte - b'0');
                places += i32::from(seen_point);
                seen_digit = true;
            }
            b'0'..=b'9' => places -= i32::from(!seen_point),
            b'.' if !seen_point => seen_point = true,
            _ => return None,
        }
    }
    let shift = scale as i32 + exponent - places;
    let scaled = if shift >= 0 {
        value.saturating_mul(10_u128.saturating_pow(shift.unsigned_abs()))
    } else {
        value.checked_div(10_u128.saturating_pow(shift.unsigned_abs())).unwrap_or(0)
    };
    seen_digit.then(|| u64::try_from(scaled).unwrap_or(u64::MAX))
}

fn exponent(text: &[u8]) -> Option<i32> {
    let (negative, digits) = match text.first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let value = i32::try_from(integer(digits)?).ok().filter(|&v| v <= 40)?;
    Some(if negative { -value } else { value })
}

/// An address as logs write it: `192.0.2.1`, `2001:db8::1`, `[2001:db8::1]`, either with `:port`,
/// an IPv6 zone dropped, an IPv4-mapped address as IPv4.
pub(super) fn address(text: &[u8]) -> Option<IpAddr> {
    address_and_port(text).map(|(address, _)| address)
}

/// As [`address`], with the port (0 if there is none).
#[inline]
pub(super) fn address_and_port(text: &[u8]) -> Option<(IpAddr, u16)> {
    match text.first()? {
        b'0'..=b'9' => {
            if let Some((v4, used)) = ipv4_prefix(text) {
                let port = match text.get(used) {
                    None => 0,
                    Some(b':') => port(&text[used + 1..])?,
                    Some(_) => return None,
                };
                return Some((IpAddr::V4(v4), port));
            }
            ipv6(text).map(|a| (a, 0))
        }
        b'[' => {
            let end = memchr(b']', text)?;
            let port = match &text[end + 1..] {
                [] => 0,
                [b':', digits @ ..] => port(digits)?,
                _ => return None,
            };
            Some((ipv6(&text[1..end])?, port))
        }
        b':' | b'a'..=b'f' | b'A'..=b'F' => ipv6(text).map(|a| (a, 0)),
        _ => None,
    }
}

/// As [`address_and_port`], where a port always follows: HAProxy and others write it behind an IPv6
/// address without brackets, `2001:db8::7:4711`.
pub(super) fn address_then_port(text: &[u8]) -> Option<(IpAddr, u16)> {
    let (bare, port_text) = text.split_at(memchr::memrchr(b':', text)?);
    match (ipv6(bare), port(&port_text[1..])) {
        (Some(address), Some(port)) => Some((address, port)),
        _ => address_and_port(text),
    }
}

fn port(text: &[u8]) -> Option<u16> {
    u16::try_from(integer(text)?).ok()
}

/// IPv4 at the start of `text`, and how many bytes it took.
#[inline]
fn ipv4_prefix(text: &[u8]) -> Option<(Ipv4Addr, usize)> {
    let mut octets = [0_u8; 4];
    let mut at = 0;
    for (index, octet) in octets.iter_mut().enumerate() {
        if index > 0 {
            if text.get(at) != Some(&b'.') {
                return None;
            }
            at += 1;
        }
        let mut value = 0_u32;
        let mut digits = 0;
        while let Some(digit) = text.get(at).map(|b| b.wrapping_sub(b'0')).filter(|&d| d <= 9) {
            value = value * 10 + u32::from(digit);
            digits += 1;
            at += 1;
            if digits > 3 {
                return None;
            }
        }
        if digits == 0 {
            return None;
        }
        *octet = u8::try_from(value).ok()?;
    }
    Some((Ipv4Addr::from(octets), at))
}

fn ipv6(text: &[u8]) -> Option<IpAddr> {
    if text.len() > 64 {
        return None;
    }
    let end = memchr(b'%', text).unwrap_or(text.len());
    let v6: Ipv6Addr = std::str::from_utf8(&text[..end]).ok()?.parse().ok()?;
    Some(v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4))
}

/// Whether the text can be a host name or address with or without a port, as in a `Host` header.
pub(super) fn is_host(text: &[u8]) -> bool {
    !text.is_empty()
        && text.len() <= 260
        && text
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']'))
        && text.iter().any(u8::is_ascii_alphanumeric)
        && !matches!(text.last(), Some(b':' | b'['))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_scale_without_floating_point() {
        assert_eq!(decimal(b"0.250", 6), Some(250_000));
        assert_eq!(decimal(b"2.7e-05", 6), Some(27));
        assert_eq!(decimal(b"1711741827.9626286", 9), Some(1_711_741_827_962_628_600));
        assert_eq!(decimal(b".5", 3), Some(500));
        assert_eq!(decimal(b"12", 0), Some(12));
        assert_eq!(
            (decimal(b"9999999999", 9), decimal(b"1.23456789", 3)),
            (Some(9_999_999_999_000_000_000), Some(1_234))
        );
        for text in ["0", "7.", ".5", "0.001", "12.5", "123456789", "1.2345678", "0000000001"] {
            for scale in [0, 3, 6, 9] {
                let bytes = text.as_bytes();
                assert_eq!(plain_decimal(bytes, scale), any_decimal(bytes, scale), "{text} {scale}");
            }
        }
        assert_eq!(decimal(b"99999999999999999999999999999999999999", 9), Some(u64::MAX));
        for bad in [&b""[..], b"-1", b".", b"1.2.3", b"1e", b"1e99", b"abc"] {
            assert_eq!(decimal(bad, 6), None, "{}", String::from_utf8_lossy(bad));
        }
        assert_eq!(integer(b"99999999999999999999999"), Some(u64::MAX));
        assert_eq!(integer(b"1a"), None);
    }

    #[test]
    fn addresses_read_in_every_common_spelling() {
        let v4: IpAddr = "192.0.2.1".parse().unwrap();
        let v6: IpAddr = "2001:db8::1".parse().unwrap();
        assert_eq!(address_and_port(b"192.0.2.1"), Some((v4, 0)));
        assert_eq!(address_and_port(b"192.0.2.1:443"), Some((v4, 443)));
        assert_eq!(address_and_port(b"::ffff:192.0.2.1"), Some((v4, 0)));
        assert_eq!(address_and_port(b"2001:db8::1"), Some((v6, 0)));
        assert_eq!(address_and_port(b"[2001:db8::1]:8080"), Some((v6, 8080)));
        assert_eq!(address_and_port(b"[2001:db8::1]"), Some((v6, 0)));
        assert_eq!(address(b"fe80::1%eth0"), "fe80::1".parse().ok());
        for bad in [
            &b""[..],
            b"-",
            b"1.2.3",
            b"1.2.3.256",
            b"1.2.3.4.5",
            b"host",
            b"1.2.3.4:99999",
            b"[::1",
            b"[::1]x",
        ] {
            assert_eq!(address(bad), None, "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn quotes_end_where_a_field_ends() {
        let mut c = Cursor::new(br#""a \"b\" c" "alert("x")" "cut"#);
        assert_eq!(c.quoted(), Some(&br#"a \"b\" c"#[..]));
        assert_eq!(c.quoted(), Some(&br#"alert("x")"#[..]));
        assert_eq!(c.quoted(), Some(&b"cut"[..]));
        assert!(c.is_done());
        assert_eq!(c.quoted(), None);
    }
}
