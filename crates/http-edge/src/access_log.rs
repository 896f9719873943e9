//! Lines of the access log: Combined as Apache and nginx write it, or JSON.

use crate::Request;
use crate::sense::Outcome;
use crate::settings::LogFormat;
use seawall_model::Timestamp;
use seawall_model::observation::Ending;
use std::io::Write;

/// Appends one line.
pub fn line(out: &mut Vec<u8>, format: LogFormat, request: &Request<'_>, outcome: &Outcome<'_>) {
    match format {
        LogFormat::Combined => combined(out, request, outcome),
        LogFormat::Json => json(out, request, outcome),
    }
    out.push(b'\n');
}

fn combined(out: &mut Vec<u8>, request: &Request<'_>, outcome: &Outcome<'_>) {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{} - - [", request.client);
    common_date(out, outcome.time.seconds());
    out.extend_from_slice(b"] \"");
    out.extend_from_slice(request.method.as_str().as_bytes());
    out.push(b' ');
    escaped(out, request.path);
    if let Some(query) = request.query {
        out.push(b'?');
        escaped(out, query);
    }
    let status = if outcome.status == 0 { 499 } else { outcome.status };
    let _ = write!(out, " {}\" {} {} \"", request.version.as_str(), status, outcome.response_bytes);
    or_dash(out, request.referrer);
    out.extend_from_slice(b"\" \"");
    or_dash(out, request.user_agent);
    out.push(b'"');
}

fn json(out: &mut Vec<u8>, request: &Request<'_>, outcome: &Outcome<'_>) {
    let _ = write!(out, "{{\"time\":\"{}\",\"client\":\"{}\"", outcome.time, request.client);
    let mut text = |name: &str, value: &[u8]| {
        let _ = write!(out, ",\"{name}\":\"");
        json_text(out, value);
        out.push(b'"');
    };
    text("method", request.method.as_str().as_bytes());
    text("host", request.host);
    text("path", request.path);
    if let Some(query) = request.query {
        text("query", query);
    }
    text("version", request.version.as_str().as_bytes());
    text("referrer", request.referrer);
    text("user_agent", request.user_agent);
    text("ja4", request.ja4);
    text("upstream", outcome.server.as_bytes());
    text("ending", ending(outcome.ending).as_bytes());
    let _ = write!(
        out,
        ",\"status\":{},\"response_bytes\":{},\"request_bytes\":{},\"duration_us\":{}",
        outcome.status, outcome.response_bytes, outcome.request_bytes, outcome.duration_us
    );
    if let Some(upstream_us) = outcome.upstream_us {
        let _ = write!(out, ",\"upstream_us\":{upstream_us}");
    }
    out.push(b'}');
}

fn ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Normal => "normal",
        Ending::ClientAborted => "client-aborted",
        Ending::ClientTimedOut => "client-timed-out",
        Ending::ClientInvalid => "client-invalid",
        Ending::Denied => "denied",
        Ending::UpstreamFailed => "upstream-failed",
        Ending::AnswerRefused => "answer-refused",
        Ending::UpstreamTimedOut => "upstream-timed-out",
        Ending::QueueTimedOut => "queue-timed-out",
        Ending::NoUpstream => "no-upstream",
        Ending::TlsFailed => "tls-failed",
    }
}

fn or_dash(out: &mut Vec<u8>, text: &[u8]) {
    if text.is_empty() { out.push(b'-') } else { escaped(out, text) }
}

/// As nginx escapes: quotes, backslashes and what is not printable as `\xHH`.
fn escaped(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        if byte == b'"' || byte == b'\\' || !(b' '..0x7F).contains(&byte) {
            let _ = write!(out, "\\x{byte:02X}");
        } else {
            out.push(byte);
        }
    }
}

/// Text within a JSON string (RFC 8259 section 7); bytes that are not UTF-8 are replaced, and what would
/// act on the terminal of whoever follows the log is escaped.
fn json_text(out: &mut Vec<u8>, text: &[u8]) {
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            '"' | '\\' => {
                out.push(b'\\');
                out.push(character as u8);
            }
            c if acts_on_terminals(c) => {
                // None of them is beyond the basic plane: four digits are enough.
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Controls (C0, DEL, C1), breaks of lines and paragraphs, and what turns the direction of text
/// (Unicode's Bidi_Control).
fn acts_on_terminals(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `10/Oct/2000:13:55:36 +0000`.
fn common_date(out: &mut Vec<u8>, seconds: i64) {
    let c = Timestamp::from_seconds(seconds).civil();
    let name = c.month_name();
    let (day, year, hour, minute, second) = (c.day, c.year, c.hour, c.minute, c.second);
    let _ = write!(out, "{day:02}/{name}/{year}:{hour:02}:{minute:02}:{second:02} +0000");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome() -> Outcome<'static> {
        Outcome {
            time: Timestamp::from_seconds(971_186_136),
            status: 200,
            response_bytes: 2326,
            request_bytes: 0,
            duration_us: 1500,
            upload_us: 0,
            upstream_us: Some(1200),
            server: "web1",
            ending: Ending::Normal,
            malformed: false,
        }
    }

    fn written(format: LogFormat) -> String {
        let request = Request {
            path: b"/a\"b",
            query: Some(b"c=1"),
            user_agent: b"curl\n",
            host: b"example.org",
            ..Request::new([192, 0, 2, 1].into())
        };
        let mut out = Vec::new();
        line(&mut out, format, &request, &outcome());
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_combined_line_is_what_log_readers_know() {
        assert_eq!(
            written(LogFormat::Combined),
            "192.0.2.1 - - [10/Oct/2000:13:55:36 +0000] \"GET /a\\x22b?c=1 HTTP/1.1\" 200 2326 \"-\" \"curl\\x0A\"\n"
        );
    }

    #[test]
    fn a_json_line_keeps_its_quotes_closed() {
        let text = written(LogFormat::Json);
        assert!(text.starts_with("{\"time\":\"2000-10-10T13:55:36"), "{text}");
        assert!(
            text.contains("\"path\":\"/a\\\"b\"") && text.contains("\"user_agent\":\"curl\\u000a\""),
            "{text}"
        );
        assert!(text.ends_with("\"upstream_us\":1200}\n"), "{text}");
    }

    /// Broke: C1 controls and marks of direction came raw into the log, and to the terminal of whoever
    /// followed it.
    #[test]
    fn what_acts_on_a_terminal_is_escaped_in_json() {
        let acting =
            "\u{7f}\u{80}\u{9b}\u{9f}\u{61c}\u{200e}\u{200f}\u{2028}\u{202a}\u{202e}\u{2066}\u{2069}";
        let mut out = Vec::new();
        json_text(&mut out, format!("é{acting}€\u{a0}").as_bytes());
        let text = String::from_utf8(out).expect("text");
        assert_eq!(
            text,
            "é\\u007f\\u0080\\u009b\\u009f\\u061c\\u200e\\u200f\\u2028\\u202a\\u202e\\u2066\\u2069€\u{a0}"
        );
    }

    #[test]
    fn dates_hold_over_leap_years() {
        for (seconds, expected) in [
            (951_782_399, "28/Feb/2000:23:59:59 +0000"),
            (951_782_400, "29/Feb/2000:00:00:00 +0000"),
            (0, "01/Jan/1970:00:00:00 +0000"),
            (4_107_542_400, "01/Mar/2100:00:00:00 +0000"),
        ] {
            let mut out = Vec::new();
            common_date(&mut out, seconds);
            assert_eq!(String::from_utf8(out).expect("text"), expected);
        }
    }
}
