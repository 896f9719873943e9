//! Requests as lines of the Combined Log Format, followed by the time taken in seconds.

use seawall_model::observation::Request;
use std::io::{self, Write};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Writes one line, as a server with a clock in UTC would.
pub fn line(r: &Request<'_>, out: &mut impl Write) -> io::Result<()> {
    let t = r.time.civil();
    let month = MONTHS[usize::from(t.month) - 1];
    write!(
        out,
        "{} - - [{:02}/{month}/{}:{:02}:{:02}:{:02} +0000] \"{} ",
        r.client,
        t.day,
        t.year,
        t.hour,
        t.minute,
        t.second,
        r.method.as_str()
    )?;
    text(r.path, out)?;
    if let Some(query) = r.query {
        out.write_all(b"?")?;
        text(query, out)?;
    }
    write!(out, " {}\" {} {} \"", r.version.as_str(), r.status, r.response_bytes)?;
    text(or_dash(r.referrer), out)?;
    out.write_all(b"\" \"")?;
    text(or_dash(r.user_agent), out)?;
    out.write_all(b"\"")?;
    if let Some(us) = r.duration_us.or(r.upstream_us) {
        write!(out, " {}.{:03}", us / 1_000_000, us / 1_000 % 1_000)?;
    }
    out.write_all(b"\n")
}

fn or_dash(text: &[u8]) -> &[u8] {
    if text.is_empty() { b"-" } else { text }
}

/// As nginx writes it: quotes, backslashes and anything not printable as `\xHH`.
fn text(bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
    for &byte in bytes {
        match byte {
            b'"' | b'\\' | 0..=0x1F | 0x7F.. => write!(out, "\\x{byte:02X}")?,
            _ => out.write_all(&[byte])?,
        }
    }
    Ok(())
}
