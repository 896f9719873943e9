//! Answers of upstreams that are not passed on, and why, in the operator's words: what two programs could
//! read differently would let one upstream's answer pass for another's.

use crate::http1::HeadLimits;

/// The largest head of an answer.
pub const LIMITS: HeadLimits = HeadLimits { head_bytes: 65_536, target_bytes: 65_536, fields: 1_000 };

/// The answer was 101, and nobody had asked for another protocol.
pub const SWITCH: &str = "switch";

/// What is wrong with an answer that was refused for this reason, as a clause.
#[must_use]
pub fn in_words(reason: &str) -> String {
    let words = match reason {
        "head-bytes" | "target-bytes" => "its head is larger than 65,536 bytes",
        "fields" => "its head has more than 1,000 fields",
        "bare-lf" | "bare-cr" => "a line of it ends in LF or CR alone",
        "space-before-colon" => "there is a space between the name of a field and its colon",
        "folded-line" => "a field goes on in a second line",
        "no-colon" | "field-name" => "a field has no name, or one that none may have",
        "field-value" => "a field has control characters in its value",
        "underscored-name" => "a field that tells of the body or the connection is written with `_`",
        "two-lengths" => "it has more than one Content-Length",
        "content-length" => "its Content-Length is no number",
        "upstream-framing" => "it has a length and chunks, or a Transfer-Encoding other than `chunked`",
        "connection-names" => "its Connection names a field that is not the connection's",
        "chunk-size" | "chunk-end" | "chunk-extensions" => "its chunks are not written as they should be",
        "trailer-bytes" => "its trailers are larger than 8,192 bytes",
        SWITCH => "it is 101, and the request had not asked for another protocol",
        _ => "it does not begin as an answer of HTTP/1.1 does",
    };
    format!("an answer was not passed on: {words}")
}
