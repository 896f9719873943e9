//! Regular expressions (PCRE) for request texts, built so that nothing in the text acts as an
//! operator: letters, digits and a few harmless marks stand as they are, any other byte is `\xHH`.

use std::fmt::Write;

/// Text as a pattern for itself. Logs write some bytes as `\xHH` or behind a backslash: such a place
/// matches the byte that was sent as well as what the log has.
pub(crate) fn literal(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut pattern = String::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if let Some((sent, length)) = escaped(&bytes[at..]) {
            let _ = write!(pattern, "(?:\\x{sent:02x}|");
            bytes[at..at + length].iter().for_each(|byte| push(&mut pattern, *byte));
            pattern.push(')');
            at += length;
        } else {
            push(&mut pattern, *byte);
            at += 1;
        }
    }
    pattern
}

fn push(pattern: &mut String, byte: u8) {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'_' | b'-' | b'=' | b',' | b':' => {
            pattern.push(char::from(byte));
        }
        _ => {
            let _ = write!(pattern, "\\x{byte:02x}");
        }
    }
}

/// The byte that a log's escape at the beginning of a text stands for, and the length of it.
fn escaped(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [b'\\', b'x', digits @ ..] => {
            let digits = digits.get(..2).filter(|d| d.iter().all(u8::is_ascii_hexdigit))?;
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 16).ok().map(|byte| (byte, 4))
        }
        [b'\\', byte @ (b'"' | b'\\'), ..] => Some((*byte, 2)),
        _ => None,
    }
}

/// A path template: `*` is any one segment that is not empty.
pub(crate) fn template(template: &str) -> String {
    let segments: Vec<String> =
        template.split('/').map(|s| if s == "*" { "[^/?]+".to_owned() } else { literal(s) }).collect();
    segments.join("/")
}

/// A query shape that is not empty: names in order, each with or without a value; `?` is any
/// bare word, `?=` a parameter of any name.
pub(crate) fn query(shape: &str) -> String {
    let parts: Vec<String> = shape
        .split('&')
        .map(|part| match part {
            "?" => "(?:[^=&]+|\\x3f=[^&]*)".to_owned(),
            "?=" => "[^=&]*=[^&]*".to_owned(),
            name => format!("{}(?:=[^&]*)?", literal(name)),
        })
        .collect();
    parts.join("&")
}

/// A referrer whose origin is the given one.
pub(crate) fn origin(origin: &str) -> String {
    if origin.is_empty() { String::new() } else { format!("{}(?:[/?#].*)?", literal(origin)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_become_bytes() {
        assert_eq!(
            literal("a.b*(c) \"d\"\\\n$;"),
            "a\\x2eb\\x2a\\x28c\\x29\\x20\\x22d\\x22\\x5c\\x0a\\x24\\x3b"
        );
        assert_eq!(literal("ev\\x22il \\\""), "ev(?:\\x22|\\x5cx22)il\\x20(?:\\x22|\\x5c\\x22)");
        assert_eq!(template("/item/*/a.b"), "/item/[^/?]+/a\\x2eb");
        assert_eq!(query("id&?"), "id(?:=[^&]*)?&(?:[^=&]+|\\x3f=[^&]*)");
    }
}
