//! Regular expressions (PCRE) for request texts, built so that nothing in the text acts as an
//! operator: letters, digits and a few harmless marks stand as they are, any other byte is `\xHH`.

use std::fmt::Write;

/// Text as a pattern for itself.
pub(crate) fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'_' | b'-' | b'=' | b',' | b':' => {
                pattern.push(char::from(byte));
            }
            _ => {
                let _ = write!(pattern, "\\x{byte:02x}");
            }
        }
    }
    pattern
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
        assert_eq!(template("/item/*/a.b"), "/item/[^/?]+/a\\x2eb");
        assert_eq!(query("id&?"), "id(?:=[^&]*)?&(?:[^=&]+|\\x3f=[^&]*)");
    }
}
