//! A request's fields as they come out of a header block, brought to the text that an HTTP/1
//! client would have sent (RFC 9113 section 8). What cannot be such text is malformed here; what
//! a request may say in it is judged by the reader of HTTP/1.

use super::hpack::ENTRY_BYTES;
use crate::http1::Refusal;
use crate::http1::field::is_token_byte;

const METHOD: usize = 0;
const SCHEME: usize = 1;
const AUTHORITY: usize = 2;
const PATH: usize = 3;

/// Why a block is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// Malformed in the sense of RFC 9113 section 8.1.1: the stream ends with an error.
    Malformed,
    /// A request that is answered, but not carried out.
    Refused(Refusal),
}

/// Gathers the fields of one block after the other; its memory is used again.
#[derive(Debug, Default)]
pub struct Gather {
    /// Values of the pseudo-fields, and where in it each is.
    pseudo: Vec<u8>,
    places: [Option<(usize, usize)>; 4],
    /// Regular fields as lines.
    lines: Vec<u8>,
    host: Option<(usize, usize)>,
    /// Cookies may come one by one; for HTTP/1 they are one field (section 8.2.3).
    cookie: Vec<u8>,
    length: Option<u64>,
    size: usize,
    is_malformed: bool,
    is_trailers: bool,
}

impl Gather {
    /// Begins with the next block.
    pub fn begin(&mut self, is_trailers: bool) {
        let Self { pseudo, lines, cookie, .. } = std::mem::take(self);
        *self = Self { pseudo, lines, cookie, is_trailers, ..Self::default() };
        self.pseudo.clear();
        self.lines.clear();
        self.cookie.clear();
    }

    /// Takes a field. Beyond `most_bytes` in all, by the protocol's way of counting, fields are
    /// only counted.
    pub fn take(&mut self, name: &[u8], value: &[u8], most_bytes: usize) {
        self.size = self.size.saturating_add(name.len() + value.len() + ENTRY_BYTES);
        if self.size > most_bytes || self.is_malformed {
            return;
        }
        self.is_malformed = !is_value(value) || !self.sort(name, value);
    }

    /// The trailers of a request, as lines.
    ///
    /// # Errors
    /// If the block is none.
    pub fn trailers(&self, most_bytes: usize) -> Result<&[u8], Bad> {
        let fits = self.size <= most_bytes;
        if self.is_malformed || !fits { Err(Bad::Malformed) } else { Ok(&self.lines) }
    }

    /// Writes the request as text, and returns the length of its body where it says so. `is_end`:
    /// no body follows.
    ///
    /// # Errors
    /// If the block is none.
    pub fn request(&self, is_end: bool, most_bytes: usize, out: &mut Vec<u8>) -> Result<Option<u64>, Bad> {
        if self.size > most_bytes {
            return Err(Bad::Refused(Refusal::with(431, "head-bytes")));
        }
        let of = |place: usize| self.places[place].map(|(start, end)| &self.pseudo[start..end]);
        let method = of(METHOD).ok_or(Bad::Malformed)?;
        let is_connect = method == b"CONNECT";
        let target = match of(PATH) {
            Some(path @ [b'/', ..]) if !is_connect => path,
            Some(b"*") if method == b"OPTIONS" => b"*",
            // The reader refuses it for what it is.
            None if is_connect && of(SCHEME).is_none() => b"/",
            _ => return Err(Bad::Malformed),
        };
        let is_wrong_length = is_end && self.length.is_some_and(|length| length > 0);
        // Whether it came over TLS we know by ourselves; a proxy before us may say either.
        let is_scheme = |s: &[u8]| s.eq_ignore_ascii_case(b"https") || s.eq_ignore_ascii_case(b"http");
        if self.is_malformed || is_wrong_length || (!is_connect && !of(SCHEME).is_some_and(is_scheme)) {
            return Err(Bad::Malformed);
        }
        let named = self.host.map(|(start, end)| &self.lines[start..end]);
        let host = match (of(AUTHORITY), named) {
            (Some(authority), Some(host)) if !host.eq_ignore_ascii_case(authority) => {
                return Err(Bad::Refused(Refusal::bad("host")));
            }
            (Some(authority), None) => authority,
            (_, Some(host)) => host,
            (None, None) => return Err(Bad::Refused(Refusal::bad("host"))),
        };
        for part in [method, b" ", target, b" HTTP/1.1\r\nhost: ", host, b"\r\n"] {
            out.extend_from_slice(part);
        }
        match self.host {
            None => out.extend_from_slice(&self.lines),
            Some((start, end)) => {
                out.extend_from_slice(&self.lines[..start - HOST.len()]);
                out.extend_from_slice(&self.lines[end + 2..]);
            }
        }
        if !self.cookie.is_empty() {
            line(out, b"cookie", &self.cookie);
        }
        if self.length.is_none() && !is_end {
            line(out, b"transfer-encoding", b"chunked");
        }
        out.extend_from_slice(b"\r\n");
        Ok(self.length)
    }

    /// Puts a field where it belongs; whether it may be there.
    fn sort(&mut self, name: &[u8], value: &[u8]) -> bool {
        if name.first() == Some(&b':') {
            return self.pseudo_field(name, value);
        }
        if name.is_empty() || !name.iter().all(|b| is_token_byte(*b) && !b.is_ascii_uppercase()) {
            return false;
        }
        match name {
            // What belongs before the body, said after it.
            b"host" | b"content-length" | b"te" if self.is_trailers => return false,
            b"connection" | b"proxy-connection" | b"keep-alive" | b"transfer-encoding" | b"upgrade" => {
                return false;
            }
            b"te" => {
                line(&mut self.lines, name, value);
                return value.eq_ignore_ascii_case(b"trailers");
            }
            b"cookie" if !self.is_trailers => {
                if !self.cookie.is_empty() {
                    self.cookie.extend_from_slice(b"; ");
                }
                self.cookie.extend_from_slice(value);
                return true;
            }
            b"host" => {
                // A second one stays among the lines, and is refused by the reader.
                let start = self.lines.len() + HOST.len();
                self.host.get_or_insert((start, start + value.len()));
            }
            b"content-length" => {
                // What is no number, or a second one, is refused by the reader.
                let number = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok());
                self.length = self.length.or(number).or(Some(0));
            }
            _ => {}
        }
        line(&mut self.lines, name, value);
        true
    }

    fn pseudo_field(&mut self, name: &[u8], value: &[u8]) -> bool {
        let place = match name {
            b":method" => METHOD,
            b":scheme" => SCHEME,
            b":authority" => AUTHORITY,
            b":path" => PATH,
            _ => return false,
        };
        let is_late = self.is_trailers || !self.lines.is_empty() || !self.cookie.is_empty();
        if is_late || self.places[place].is_some() {
            return false;
        }
        let start = self.pseudo.len();
        self.pseudo.extend_from_slice(value);
        self.places[place] = Some((start, self.pseudo.len()));
        // A blank in a method or a target would be the end of it in a line.
        place == AUTHORITY || !value.iter().any(|b| *b <= b' ')
    }
}

const HOST: &[u8] = b"host: ";

/// Writes one field as a line.
fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Whether a value may be one (RFC 9113 section 8.2.1).
fn is_value(value: &[u8]) -> bool {
    let is_blank = |b: Option<&u8>| matches!(b, Some(b' ' | b'\t'));
    !is_blank(value.first())
        && !is_blank(value.last())
        && !value.iter().any(|b| matches!(b, b'\0' | b'\r' | b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: [(&str, &str); 4] =
        [(":method", "GET"), (":scheme", "https"), (":authority", "a.example"), (":path", "/x?y")];

    fn gathered(fields: &[(&str, &str)], is_trailers: bool) -> Gather {
        let mut gather = Gather::default();
        gather.begin(is_trailers);
        fields.iter().for_each(|(name, value)| gather.take(name.as_bytes(), value.as_bytes(), 1_000));
        gather
    }

    fn text(fields: &[(&str, &str)], is_end: bool) -> Result<String, Bad> {
        let mut out = Vec::new();
        gathered(fields, false).request(is_end, 1_000, &mut out)?;
        Ok(String::from_utf8(out).expect("text"))
    }

    fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        [&START[..], more].concat()
    }

    #[test]
    fn a_request_becomes_the_text_of_an_http1_client() {
        let fields = with(&[("accept", "*/*"), ("cookie", "a=1"), ("x-y", "z"), ("cookie", "b=2")]);
        let expected =
            "GET /x?y HTTP/1.1\r\nhost: a.example\r\naccept: */*\r\nx-y: z\r\ncookie: a=1; b=2\r\n";
        assert_eq!(text(&fields, true), Ok(format!("{expected}\r\n")));
        assert_eq!(text(&fields, false), Ok(format!("{expected}transfer-encoding: chunked\r\n\r\n")));
        let with_length = with(&[("content-length", "5")]);
        assert!(text(&with_length, false).is_ok_and(|t| !t.contains("chunked")));
    }

    #[test]
    fn a_host_field_stands_for_a_missing_authority_and_may_not_differ() {
        let no_authority = [START[0], START[1], START[3], ("a", "b"), ("host", "h"), ("c", "d")];
        let expected = "GET /x?y HTTP/1.1\r\nhost: h\r\na: b\r\nc: d\r\n\r\n";
        assert_eq!(text(&no_authority, true).as_deref(), Ok(expected));
        assert!(text(&with(&[("host", "A.example")]), true).is_ok());
        let refused = Err(Bad::Refused(Refusal::bad("host")));
        assert_eq!(text(&with(&[("host", "b.example")]), true), refused);
        assert_eq!(text(&[START[0], START[1], START[3]], true), refused);
    }

    #[test]
    fn what_would_be_more_than_one_line_is_malformed() {
        for field in [
            ("x", "a\r\nb: c"),
            ("x", "a\nb"),
            ("x", "a\0b"),
            ("x", " a"),
            ("x", "a\t"),
            ("x:y", "z"),
            ("x y", "z"),
            ("x\r\ny", "z"),
            ("X", "y"),
            ("", "y"),
        ] {
            assert_eq!(text(&with(&[field]), true), Err(Bad::Malformed), "{field:?}");
        }
        for at in 0..4 {
            for value in ["a b", "a\r\nb", "a\nb", ""] {
                let mut fields = START;
                fields[at].1 = value;
                let is_refused = text(&fields, true);
                let is_harmless = at == 2 && (value == "a b" || value.is_empty());
                assert!(is_refused == Err(Bad::Malformed) || is_harmless || at == 0, "{fields:?}");
            }
        }
    }

    #[test]
    fn pseudo_fields_come_first_once_and_are_known() {
        for fields in [
            &START[1..],
            &with(&[(":path", "/")]),
            &with(&[(":status", "200")]),
            &with(&[(":protocol", "websocket")]),
            &[&[("a", "b")], &START[..]].concat(),
            &[&[("cookie", "b")], &START[..]].concat(),
            &[START[0], START[2], START[3]],
            &[START[0], (":scheme", "https://b/"), START[2], START[3]],
            &[START[0], (":scheme", "ftp"), START[2], START[3]],
            &START[..3],
            &with(&[("te", "gzip")]),
            &with(&[("connection", "close")]),
            &with(&[("content-length", "1")]),
        ] {
            assert_eq!(text(fields, true), Err(Bad::Malformed), "{fields:?}");
        }
    }

    #[test]
    fn a_list_beyond_its_size_is_refused_and_kept_nowhere() {
        let value = "v".repeat(400);
        let gather = gathered(&with(&[("a", &value), ("b", &value), ("c", &value)]), false);
        let refused = Err(Bad::Refused(Refusal::with(431, "head-bytes")));
        assert_eq!(gather.request(true, 1_000, &mut Vec::new()), refused);
        assert!(gather.lines.len() < 900);
    }

    #[test]
    fn trailers_have_no_pseudo_fields() {
        assert_eq!(gathered(&[("x-sum", "1")], true).trailers(1_000), Ok(&b"x-sum: 1\r\n"[..]));
        for field in [START[0], ("content-length", "1"), ("host", "b"), ("te", "trailers"), ("X", "y")] {
            assert_eq!(gathered(&[field], true).trailers(1_000), Err(Bad::Malformed), "{field:?}");
        }
    }
}
