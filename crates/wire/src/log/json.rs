//! Lines of named values, JSON objects or logfmt (`status=200 path="/x"`), their keys given meaning
//! by a [`JsonMap`].
//!
//! A line is walked once, without building the object. Only strings that hold escapes are copied, to
//! a buffer that the parser keeps between lines.

use super::date::Dates;
use super::draft::{Draft, Field};
use super::json_map::JsonMap;
use super::{Line, LineError, envelope, sight};
use memchr::{memchr, memchr2};
use seawall_model::Timestamp;
use seawall_model::observation::{Observation, Presence};

/// Objects and arrays inside each other.
const DEPTH: usize = 24;
/// Values of one line that are kept.
const VALUES: usize = 64;

/// Buffers that outlive a line.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    /// Strings without their escapes.
    text: Vec<u8>,
    /// The path of keys to the value at hand, joined by points.
    path: Vec<u8>,
    /// For the line that a value holds.
    inner: Vec<u8>,
}

/// A value that is no object or array.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    /// Between quotes, escapes not yet taken out.
    Text(&'a [u8]),
    /// A number, `true` or `false`. `null` is not told of.
    Bare(&'a [u8]),
}

impl<'a> Value<'a> {
    pub(super) fn raw(self) -> &'a [u8] {
        match self {
            Self::Text(raw) | Self::Bare(raw) => raw,
        }
    }
}

/// Where a value's bytes are: in the line, or unescaped in the scratch buffer.
#[derive(Clone, Copy)]
enum Place<'a> {
    Line(&'a [u8]),
    Scratch(usize, usize),
}

/// Reads one line. An object that is no access record (a start-up message of the same program)
/// is nothing; one that holds a line of another format gives what that line says.
pub(super) fn read<'a>(
    dates: &mut Dates,
    map: &JsonMap,
    scratch: &'a mut Scratch,
    line: &'a [u8],
) -> Result<Line<'a>, LineError> {
    let (start, carried) = if line.first() == Some(&b'{') { (0, None) } else { opened(dates, map, line)? };
    let mut places = [(Field::Ignored, Place::Scratch(0, 0)); VALUES];
    let mut count = 0;
    let mut saw_headers = false;
    let watches_headers = map.has_all_headers();
    let Scratch { text, path, inner } = scratch;
    text.clear();
    path.clear();
    let walk = if map.is_logfmt() { walk_pairs } else { walk };
    walk(line, start, path, &mut |path: &[u8], value: Value<'a>| {
        saw_headers |= watches_headers && path.starts_with(b"request.headers.");
        let Some(field) = map.field(path) else { return };
        if count == VALUES || places[..count].iter().any(|(f, _)| *f == field) {
            return;
        }
        let place = match value {
            Value::Text(raw) if memchr(b'\\', raw).is_some() => {
                let from = text.len();
                unescape(raw, text);
                Place::Scratch(from, text.len())
            }
            value => Place::Line(value.raw()),
        };
        places[count] = (field, place);
        count += 1;
    })?;
    let text: &'a [u8] = text;
    let values = places[..count].iter().map(|&(field, place)| match place {
        Place::Line(raw) => (field, raw),
        Place::Scratch(from, to) => (field, &text[from..to]),
    });
    build(dates, values, carried, saw_headers, inner)
}

/// Where the values begin behind a carrier's words, and the carrier's date.
fn opened(dates: &mut Dates, map: &JsonMap, line: &[u8]) -> Result<(usize, Option<Timestamp>), LineError> {
    let envelope = envelope::open(dates, line);
    let before = line.len() - envelope.body.len();
    if map.is_logfmt() {
        return Ok((before, envelope.time));
    }
    let start = memchr(b'{', envelope.body).ok_or(LineError { reason: "no JSON object", at_byte: before })?;
    Ok((before + start, envelope.time))
}

fn build<'a>(
    dates: &mut Dates,
    values: impl Iterator<Item = (Field, &'a [u8])>,
    carried: Option<Timestamp>,
    saw_headers: bool,
    inner: &'a mut Vec<u8>,
) -> Result<Line<'a>, LineError> {
    let mut draft = Draft::new(dates);
    draft.time = carried;
    let mut message = None;
    let mut told = [false; 2];
    for (field, value) in values {
        match field {
            Field::Message => message = Some(value),
            Field::Peer | Field::Client | Field::ForwardedFor | Field::RealAddress => told[0] = true,
            Field::Status | Field::RequestLine | Field::Method | Field::Target => told[1] = true,
            _ => {}
        }
        draft.set(field, value, dates);
    }
    if let Some(message) = message
        && told != [true, true]
    {
        return Ok(sight::read(dates, inner, super::trimmed(message)).map_or(Line::Nothing, |(_, line)| line));
    }
    if told == [false, false] {
        return Ok(Line::Nothing);
    }
    if saw_headers {
        // All headers are in the line, so that one which is not there was not sent.
        let r = &mut draft.request;
        for presence in [&mut r.cookie, &mut r.accept_language] {
            if *presence == Presence::Unknown {
                *presence = Presence::Absent;
            }
        }
    }
    Ok(Line::Observation(Observation::Request(draft.finish()?)))
}

/// What a walk tells of: the path of keys, and the value.
pub(super) type Visit<'v, 'a> = dyn FnMut(&[u8], Value<'a>) + 'v;

/// Walks `key=value` and `key="value"` pairs from `start` on; other words are passed over.
pub(super) fn walk_pairs<'a>(
    line: &'a [u8],
    start: usize,
    _path: &mut Vec<u8>,
    visit: &mut Visit<'_, 'a>,
) -> Result<(), LineError> {
    let mut walker = Walker { line, at: start };
    while walker.peek().is_some() {
        let rest = &line[walker.at..];
        let name = rest.iter().take_while(|b| !matches!(b, b'=' | b' ' | b'"')).count();
        walker.at += name;
        if name == 0 || rest.get(name) != Some(&b'=') {
            walker.at += usize::from(name == 0);
            continue;
        }
        walker.at += 1;
        let value = if rest.get(name + 1) == Some(&b'"') {
            Value::Text(walker.string()?)
        } else {
            let value = &rest[name + 1..];
            let length = memchr(b' ', value).unwrap_or(value.len());
            walker.at += length;
            Value::Bare(&value[..length])
        };
        visit(&rest[..name], value);
    }
    Ok(())
}

/// Walks the object that starts at `start`; tells every value with the path of its keys. The
/// elements of an array have the array's path.
pub(super) fn walk<'a>(
    line: &'a [u8],
    start: usize,
    path: &mut Vec<u8>,
    visit: &mut Visit<'_, 'a>,
) -> Result<(), LineError> {
    let mut walker = Walker { line, at: start };
    walker.value(path, visit, 0)
}

struct Walker<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Walker<'a> {
    fn error<T>(&self, reason: &'static str) -> Result<T, LineError> {
        Err(LineError { reason, at_byte: self.at })
    }

    /// The next byte that is no blank.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.line.get(self.at) {
            self.at += 1;
        }
        self.line.get(self.at).copied()
    }

    fn value(
        &mut self,
        path: &mut Vec<u8>,
        visit: &mut Visit<'_, 'a>,
        depth: usize,
    ) -> Result<(), LineError> {
        if depth > DEPTH {
            return self.error("JSON nested too deeply");
        }
        match self.peek() {
            Some(b'{') => self.object(path, visit, depth),
            Some(b'[') => self.array(path, visit, depth),
            Some(b'"') => {
                let text = self.string()?;
                visit(path, Value::Text(text));
                Ok(())
            }
            Some(_) => {
                let bare = self.bare()?;
                if bare != b"null" {
                    visit(path, Value::Bare(bare));
                }
                Ok(())
            }
            None => self.error("JSON ends early"),
        }
    }

    fn object(
        &mut self,
        path: &mut Vec<u8>,
        visit: &mut Visit<'_, 'a>,
        depth: usize,
    ) -> Result<(), LineError> {
        self.at += 1;
        let parent = path.len();
        loop {
            match self.peek() {
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b',') => self.at += 1,
                Some(b'"') => {
                    let key = self.string()?;
                    if self.peek() != Some(b':') {
                        return self.error("JSON key without a value");
                    }
                    self.at += 1;
                    if parent > 0 {
                        path.push(b'.');
                    }
                    path.extend_from_slice(key);
                    self.value(path, visit, depth + 1)?;
                    path.truncate(parent);
                }
                Some(_) => return self.error("JSON key is not quoted"),
                None => return self.error("JSON ends early"),
            }
        }
    }

    fn array(
        &mut self,
        path: &mut Vec<u8>,
        visit: &mut Visit<'_, 'a>,
        depth: usize,
    ) -> Result<(), LineError> {
        self.at += 1;
        loop {
            match self.peek() {
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b',') => self.at += 1,
                _ => self.value(path, visit, depth + 1)?,
            }
        }
    }

    fn string(&mut self) -> Result<&'a [u8], LineError> {
        let start = self.at + 1;
        let mut at = start;
        while let Some(step) = self.line.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
            at += step;
            if self.line[at] == b'"' {
                self.at = at + 1;
                return Ok(&self.line[start..at]);
            }
            at += 2;
        }
        self.error("JSON string does not end")
    }

    fn bare(&mut self) -> Result<&'a [u8], LineError> {
        let rest = &self.line[self.at..];
        let length =
            rest.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.')).count();
        if length == 0 {
            return self.error("JSON value that cannot be read");
        }
        self.at += length;
        Ok(&rest[..length])
    }
}

/// Appends `raw` to `out` without its escapes (RFC 8259 section 7). Wrong escapes stay as they
/// are, lone surrogates become U+FFFD.
pub(super) fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some(at) = memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let used = escape(&rest[at..], out);
        rest = &rest[at + used..];
    }
    out.extend_from_slice(rest);
}

/// Takes out one escape at the start of `text`; gives how many bytes it took.
fn escape(text: &[u8], out: &mut Vec<u8>) -> usize {
    let plain = match text.get(1) {
        Some(b'n') => b'\n',
        Some(b't') => b'\t',
        Some(b'r') => b'\r',
        Some(b'b') => 8,
        Some(b'f') => 12,
        Some(&byte @ (b'"' | b'\\' | b'/')) => byte,
        Some(b'u') => return unicode(text, out),
        _ => {
            out.push(b'\\');
            return 1;
        }
    };
    out.push(plain);
    2
}

fn unicode(text: &[u8], out: &mut Vec<u8>) -> usize {
    let Some(first) = hex4(text.get(2..6)) else {
        out.push(b'\\');
        return 1;
    };
    let second = if text.get(6..8) == Some(b"\\u") { hex4(text.get(8..12)) } else { None };
    let (code, used) = match second {
        Some(low) if (0xD800..0xDC00).contains(&first) && (0xDC00..0xE000).contains(&low) => {
            (0x1_0000 + ((first - 0xD800) << 10) + (low - 0xDC00), 12)
        }
        _ => (first, 6),
    };
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    used
}

fn hex4(text: Option<&[u8]>) -> Option<u32> {
    text?.iter().try_fold(0, |value, &byte| Some(value * 16 + char::from(byte).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walked(line: &str) -> Result<Vec<String>, LineError> {
        let mut told = Vec::new();
        walk(line.as_bytes(), 0, &mut Vec::new(), &mut |path, value| {
            told.push(format!("{}={}", String::from_utf8_lossy(path), String::from_utf8_lossy(value.raw())));
        })?;
        Ok(told)
    }

    #[test]
    fn values_are_told_with_their_path() {
        let told = walked(r#"{"a": 1.5e-3 ,"b":{"c":["x","y"],"d":null},"e":true,"f":"q\"r"}"#).unwrap();
        assert_eq!(told, ["a=1.5e-3", "b.c=x", "b.c=y", "e=true", "f=q\\\"r"]);
    }

    #[test]
    fn pairs_are_told_too() {
        let mut told = Vec::new();
        let line = br#"at=info method=GET path="/a \"b\"" junk  =x fwd= status=200"#;
        walk_pairs(line, 0, &mut Vec::new(), &mut |path: &[u8], value: Value<'_>| {
            told.push(format!("{}={}", String::from_utf8_lossy(path), String::from_utf8_lossy(value.raw())));
        })
        .unwrap();
        assert_eq!(told, ["at=info", "method=GET", r#"path=/a \"b\""#, "fwd=", "status=200"]);
    }

    #[test]
    fn broken_json_is_an_error_and_never_a_panic() {
        for (line, reason) in [
            ("{", "JSON ends early"),
            (r#"{"a"}"#, "JSON key without a value"),
            (r#"{"a":"b"#, "JSON string does not end"),
            (r#"{"a":}"#, "JSON value that cannot be read"),
            (r#"{a:1}"#, "JSON key is not quoted"),
            (r#"{"a":"b\"#, "JSON string does not end"),
        ] {
            assert_eq!(walked(line).unwrap_err().reason, reason, "{line}");
        }
        let deep = format!("{{\"a\":{}", "[".repeat(10_000));
        assert_eq!(walked(&deep).unwrap_err().reason, "JSON nested too deeply");
    }

    #[test]
    fn escapes_come_out() {
        for (raw, expected) in [
            (r#"a\"b\\c\/d\n"#, "a\"b\\c/d\n"),
            (r"\u0026\u00e9\ud83d\ude00", "&é😀"),
            (r"\ud83dx\u12", "\u{fffd}x\\u12"),
            (r"\q", "\\q"),
        ] {
            let mut out = Vec::new();
            unescape(raw.as_bytes(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected, "{raw}");
        }
    }
}
