//! Names that logs give to their fields, and the fields they mean.

use super::draft::{Field, Unit};

/// What a short name in `name=value` means.
pub(super) fn pair_field(name: &[u8]) -> Option<Field> {
    Some(match name {
        b"rt" | b"request_time" | b"req_time" | b"time" | b"dt" | b"duration" => {
            Field::Duration(Unit::Seconds)
        }
        b"urt" | b"upstream_response_time" | b"upstream_time" | b"ut" => Field::Upstream(Unit::Seconds),
        b"ua" | b"upstream_addr" | b"upstream" | b"us" => Field::Server,
        b"cs" | b"cache" | b"ucs" | b"upstream_cache_status" => Field::Cache,
        b"xff" | b"x_forwarded_for" | b"forwarded_for" | b"fwf" => Field::ForwardedFor,
        b"host" | b"h" | b"vhost" | b"sn" | b"server_name" => Field::Host,
        b"rl" | b"request_length" | b"req_len" => Field::RequestBytes,
        b"ja4" => Field::Ja4,
        _ => return None,
    })
}

/// Whether the text is `name=value` with a name of letters.
pub(super) fn is_pair(text: &[u8]) -> bool {
    let name = text.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    name > 0 && text[0].is_ascii_alphabetic() && text.get(name) == Some(&b'=')
}

/// Whether the text has the shape of a JA4 fingerprint: `t13d1516h2_8daaf6152771_02713d6af862`.
pub(super) fn is_ja4(text: &[u8]) -> bool {
    text.len() == 36
        && matches!(text[0], b't' | b'q' | b'd')
        && text[10] == b'_'
        && text[23] == b'_'
        && text[11..23].iter().chain(&text[24..]).all(u8::is_ascii_hexdigit)
}
