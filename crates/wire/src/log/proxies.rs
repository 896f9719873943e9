//! Access logs of smaller proxies and of frameworks, each with its own order of columns:
//! nginx-proxy-manager, the catch-all of its setups, Squid, Zoraxy, Gin.

use super::common::find_date;
use super::date::{self, Dates};
use super::draft::{Draft, Field, Unit, parse_method};
use super::scan::{Cursor, address, decimal, integer, is_host};
use super::{LineError, target};
use memchr::{memchr, memmem};
use seawall_model::Timestamp;
use seawall_model::observation::Request;

/// Reads lines that begin with their date in brackets:
/// `[date] HIT 200 200 - GET https host "/path" [Client ip] [Length 1] [Gzip 2.4] [Sent-to server]
/// "agent" "referrer"`, `[date] host client 0.227 "GET / HTTP/1.1" 200 in out referrer agent…` and, of
/// Apache's TLS module, `[date] client TLSv1.3 TLS_AES_256_GCM_SHA384 "GET / HTTP/1.1" bytes`.
pub(super) fn date_first<'a>(dates: &mut Dates, line: &'a [u8]) -> Result<Request<'a>, LineError> {
    let dated = find_date(line).filter(|d| d.head.is_empty());
    let dated = dated.ok_or(LineError { reason: "no [date] in front", at_byte: 0 })?;
    let mut draft = Draft::new(dates);
    draft.time = dates.clf(dated.date);
    let rest = &line[dated.after..];
    let quote = memchr(b'"', rest).ok_or(LineError { reason: "no quoted request", at_byte: dated.after })?;
    let mut cursor = Cursor::new(rest);
    cursor.skip(quote);
    if memmem::find(&rest[..quote], b" TLSv1").is_some() {
        ssl_request(&mut draft, &rest[..quote], &mut cursor, dates);
        return draft.finish();
    }
    if memmem::find(rest, b" [Client ").is_some() {
        proxy_manager(&mut draft, &rest[..quote], &mut cursor, dates);
    } else {
        catch_all(&mut draft, &rest[..quote], &mut cursor, dates);
    }
    if draft.peer.is_empty() || draft.request.status == 0 && !draft.request.malformed {
        return Err(LineError { reason: "no client or status", at_byte: dated.after });
    }
    draft.finish()
}

fn proxy_manager<'a>(draft: &mut Draft<'a>, head: &'a [u8], cursor: &mut Cursor<'a>, dates: &mut Dates) {
    let mut words = Cursor::new(head);
    let mut after_dash = false;
    while let Some(word) = words.token() {
        match word {
            b"-" => after_dash = true,
            _ if after_dash && parse_method(word).is_some() && word.len() > 2 => {
                draft.set(Field::Method, word, dates);
                words.token();
                draft.set(Field::Host, words.token().unwrap_or(b""), dates);
            }
            _ if integer(word).is_some() => draft.set(Field::Status, word, dates),
            _ => draft.set(Field::Cache, word, dates),
        }
    }
    draft.set(Field::Target, cursor.quoted().unwrap_or(b""), dates);
    while cursor.peek() == Some(b'[') {
        let part = cursor.field().unwrap_or(b"");
        let (name, value) = part.split_at(memchr(b' ', part).unwrap_or(part.len()));
        let field = match name {
            b"Client" => Field::Peer,
            b"Length" => Field::ResponseBytes,
            b"Sent-to" => Field::Server,
            _ => Field::Ignored,
        };
        draft.set(field, value.trim_ascii_start(), dates);
    }
    draft.set(Field::UserAgent, cursor.quoted().unwrap_or(b""), dates);
    draft.set(Field::Referrer, cursor.quoted().unwrap_or(b""), dates);
}

fn ssl_request<'a>(draft: &mut Draft<'a>, head: &'a [u8], cursor: &mut Cursor<'a>, dates: &mut Dates) {
    draft.set(Field::Peer, Cursor::new(head).token().unwrap_or(b""), dates);
    target::request_line(&mut draft.request, cursor.quoted().unwrap_or(b""));
    draft.set(Field::ResponseBytes, cursor.token().unwrap_or(b""), dates);
}

fn catch_all<'a>(draft: &mut Draft<'a>, head: &'a [u8], cursor: &mut Cursor<'a>, dates: &mut Dates) {
    let mut words = Cursor::new(head);
    while let Some(word) = words.token() {
        let field = if address(word).is_some() {
            Field::Peer
        } else if decimal(word, 0).is_some() {
            Field::Duration(Unit::Seconds)
        } else {
            Field::Host
        };
        draft.set(field, word, dates);
    }
    let request = cursor.quoted_before(|after| matches!(after, [b' ', b'0'..=b'9', ..]));
    target::request_line(&mut draft.request, request.unwrap_or(b""));
    for field in [Field::Status, Field::RequestBytes, Field::ResponseBytes, Field::Referrer] {
        draft.set(field, cursor.field().unwrap_or(b""), dates);
    }
    let agent = cursor.rest();
    draft.set(Field::UserAgent, agent.strip_prefix(b"\"").unwrap_or(agent), dates);
}

/// Reads Squid's native format: `epoch.ms elapsed-ms client action/status bytes method url user
/// hierarchy/server type`.
pub(super) fn squid<'a>(dates: &mut Dates, line: &'a [u8]) -> Result<Request<'a>, LineError> {
    let mut cursor = Cursor::new(line);
    let stamp = cursor.token().filter(|t| t.len() == 14 && t[10] == b'.');
    let time = stamp.and_then(date::epoch).ok_or(LineError { reason: "no epoch in front", at_byte: 0 })?;
    let mut draft = Draft::new(dates);
    draft.time = Some(time);
    let at_byte = cursor.at();
    let short = LineError { reason: "line ends before the URL", at_byte };
    draft.set(Field::Duration(Unit::Milliseconds), cursor.token().ok_or(short)?, dates);
    draft.set(Field::Peer, cursor.token().ok_or(short)?, dates);
    let action = cursor.token().ok_or(short)?;
    let slash = memchr(b'/', action).ok_or(LineError { reason: "no action/status", at_byte })?;
    draft.set(Field::Cache, &action[..slash], dates);
    draft.set(Field::Status, &action[slash + 1..], dates);
    draft.set(Field::ResponseBytes, cursor.token().ok_or(short)?, dates);
    draft.set(Field::Method, cursor.token().ok_or(short)?, dates);
    draft.set(Field::Target, cursor.token().ok_or(short)?, dates);
    draft.set(Field::User, cursor.token().unwrap_or(b""), dates);
    let server = cursor.token().unwrap_or(b"");
    draft.set(Field::Server, &server[memchr(b'/', server).map_or(0, |at| at + 1)..], dates);
    dates.saw(time);
    draft.finish()
}

/// Reads Zoraxy's `2025/05/01 07:57:03 [2025-05-01 07:57:03.150624] [router:host-http]
/// [origin:host] [client: ip] [useragent: …] GET /path 404`.
pub(super) fn zoraxy<'a>(dates: &mut Dates, line: &'a [u8]) -> Result<Request<'a>, LineError> {
    let at = memmem::find(line, b"] [router:").ok_or(LineError { reason: "no [router:", at_byte: 0 })?;
    let open = memchr::memrchr(b'[', &line[..at]).unwrap_or(0);
    let mut draft = Draft::new(dates);
    draft.set(Field::Time, &line[open + 1..at], dates);
    let mut cursor = Cursor::new(&line[at + 2..]);
    while cursor.peek() == Some(b'[') {
        let (rest, start) = (cursor.rest(), *cursor.rest().first().unwrap_or(&0));
        // A user agent may hold brackets: the next part or the method ends it.
        let end = memmem::find(rest, b"] [").or_else(|| memmem::rfind(rest, b"] "));
        let Some(end) = end.filter(|_| start == b'[') else { break };
        let part = &rest[1..end];
        let (name, value) = part.split_at(memchr(b':', part).map_or(part.len(), |c| c + 1));
        let field = match name {
            b"origin:" => Field::Host,
            b"client:" => Field::Peer,
            b"useragent:" => Field::UserAgent,
            _ => Field::Ignored,
        };
        draft.set(field, value.trim_ascii(), dates);
        cursor.skip(end + 2);
    }
    draft.set(Field::Method, cursor.token().unwrap_or(b""), dates);
    let rest = cursor.rest();
    let space = memchr::memrchr(b' ', rest).ok_or(LineError { reason: "no status", at_byte: at })?;
    draft.set(Field::Target, &rest[..space], dates);
    draft.set(Field::Status, &rest[space + 1..], dates);
    if !draft.request.host.is_empty() && !is_host(draft.request.host) {
        draft.request.host = b"";
    }
    draft.finish()
}

/// Reads Gin's `[GIN] 2022/02/07 - 10:49:33 | 401 |  505.317µs |  198.51.100.7 | POST  "/client"`, with
/// the colours of a terminal or without.
pub(super) fn gin<'a>(dates: &mut Dates, line: &'a [u8]) -> Result<Request<'a>, LineError> {
    let error = |reason| LineError { reason, at_byte: 0 };
    let rest = line.strip_prefix(b"[GIN] ").ok_or(error("no [GIN] in front"))?;
    let mut parts = rest.splitn(5, |&b| b == b'|').map(<[u8]>::trim_ascii);
    let time = parts.next().and_then(gin_date).ok_or(error("no date that can be read"))?;
    dates.saw(time);
    let mut draft = Draft::new(dates);
    draft.time = Some(time);
    for field in [Field::Status, Field::Duration(Unit::Written), Field::Peer] {
        let part = parts.next().ok_or(error("line ends before the request"))?;
        draft.set(field, without_colours(part), dates);
    }
    let asked = parts.next().ok_or(error("line ends before the request"))?;
    let quote = memchr(b'"', asked).ok_or(error("no quoted path"))?;
    draft.set(Field::Method, without_colours(&asked[..quote]), dates);
    draft.set(Field::Target, Cursor::new(&asked[quote..]).quoted().unwrap_or(b""), dates);
    draft.finish()
}

/// `2022/02/07 - 10:49:33`.
fn gin_date(text: &[u8]) -> Option<Timestamp> {
    let (day, clock) = text.split_first_chunk::<10>()?;
    let clock = clock.strip_prefix(b" - ")?.first_chunk::<8>()?;
    let mut joined = [b' '; 19];
    joined[..10].copy_from_slice(day);
    joined[11..].copy_from_slice(clock);
    date::iso(&joined)
}

/// Without blanks and `ESC[…m` at both ends.
fn without_colours(text: &[u8]) -> &[u8] {
    let mut text = text.trim_ascii();
    while let Some(rest) = text.strip_prefix(b"\x1b[") {
        text = rest[memchr(b'm', rest).map_or(rest.len(), |end| end + 1)..].trim_ascii();
    }
    match memchr(0x1b, text) {
        Some(end) => text[..end].trim_ascii(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::observation::{CacheResult, Ending, HttpVersion, Method};

    #[test]
    fn nginx_proxy_manager() {
        let line = br#"[01/Oct/2025:14:32:15 +0000] HIT 200 201 - POST https example.com "/api/users?x" [Client 198.51.100.100] [Length 1543] [Gzip 2.45] [Sent-to 10.0.0.15:8080] "Mozilla/5.0 (X)" "https://example.com/d""#;
        let r = date_first(&mut Dates::default(), line).unwrap();
        assert_eq!(
            (r.time.to_string(), r.client.to_string()),
            ("2025-10-01T14:32:15Z".into(), "198.51.100.100".into())
        );
        assert_eq!(
            (r.method, r.host, r.path, r.query),
            (Method::Post, &b"example.com"[..], &b"/api/users"[..], Some(&b"x"[..]))
        );
        assert_eq!(
            (r.status, r.response_bytes, r.cache, r.server),
            (201, 1543, CacheResult::Hit, &b"10.0.0.15:8080"[..])
        );
        assert_eq!((r.user_agent, r.referrer), (&b"Mozilla/5.0 (X)"[..], &b"https://example.com/d"[..]));
        let line = br#"[24/Jan/2022:13:40:19 +0000] 444 - GET https 192.0.2.1 "/.env" [Client 198.51.100.89] [Length 0] [Gzip -] "-" "-""#;
        let r = date_first(&mut Dates::default(), line).unwrap();
        assert_eq!((r.status, r.ending, r.host), (444, Ending::Denied, &b"192.0.2.1"[..]));
    }

    #[test]
    fn catch_all_of_proxy_manager() {
        let line = br#"[10/Feb/2024:21:23:32 +0100] mx.example.org 198.51.100.100 0.227 "REPORT /SOGo/ HTTP/2.0" 207 125 440 - Thunderbird/123.0 (X; Y)"#;
        let r = date_first(&mut Dates::default(), line).unwrap();
        assert_eq!(
            (r.host, r.client.to_string(), r.duration_us),
            (&b"mx.example.org"[..], "198.51.100.100".into(), Some(227_000))
        );
        assert_eq!((r.status, r.request_bytes, r.response_bytes), (207, Some(125), 440));
        assert_eq!((r.user_agent, r.version), (&b"Thunderbird/123.0 (X; Y)"[..], HttpVersion::Http2));
    }

    #[test]
    fn the_size_in_the_log_of_apaches_tls_module_is_no_status() {
        let line = br#"[06/Mar/2024:08:55:28 +0100] 198.51.100.7 TLSv1.3 TLS_AES_256_GCM_SHA384 "GET /a?b HTTP/1.1" 503"#;
        let r = date_first(&mut Dates::default(), line).unwrap();
        assert_eq!(
            (r.time.to_string(), r.client.to_string()),
            ("2024-03-06T07:55:28Z".into(), "198.51.100.7".into())
        );
        assert_eq!((r.path, r.status, r.response_bytes, r.host), (&b"/a"[..], 0, 503, &b""[..]));
    }

    #[test]
    fn squid_native() {
        let line = b"1286536309.586    921 198.51.100.68 TCP_MISS/200 507 POST http://www.example.com/a?b anna HIER_DIRECT/192.0.2.8 text/html";
        let r = squid(&mut Dates::default(), line).unwrap();
        assert_eq!((r.time.to_string(), r.duration_us), ("2010-10-08T11:11:49.586Z".into(), Some(921_000)));
        assert_eq!((r.status, r.response_bytes, r.cache), (200, 507, CacheResult::Miss));
        assert_eq!(
            (r.method, r.host, r.path, r.query),
            (Method::Post, &b"www.example.com"[..], &b"/a"[..], Some(&b"b"[..]))
        );
        assert_eq!((r.user, r.server), (&b"anna"[..], &b"192.0.2.8"[..]));
    }

    #[test]
    fn zoraxy_lines() {
        let line = b"2025/05/01 07:57:03 [2025-05-01 07:57:03.150624] [router:host-http] [origin:shop.example] [client: 198.51.100.1] [useragent: Mozilla/5.0 [en] (X)] POST /xmlrpc.php?a 404";
        let r = zoraxy(&mut Dates::default(), line).unwrap();
        assert_eq!(
            (r.time.to_string(), r.client.to_string()),
            ("2025-05-01T07:57:03.150Z".into(), "198.51.100.1".into())
        );
        assert_eq!((r.host, r.user_agent), (&b"shop.example"[..], &b"Mozilla/5.0 [en] (X)"[..]));
        assert_eq!(
            (r.method, r.path, r.query, r.status),
            (Method::Post, &b"/xmlrpc.php"[..], Some(&b"a"[..]), 404)
        );
    }

    #[test]
    fn gin_lines_with_and_without_colours() {
        let plain = "[GIN] 2022/02/07 - 10:49:33 | 401 |     505.317µs |       198.51.100.7 | POST     \"/client?a=1\"";
        let coloured = "[GIN] 2022/02/07 - 10:49:33 |\u{1b}[97;43m 401 \u{1b}[0m|     505.317µs |       198.51.100.7 |\u{1b}[97;46m POST    \u{1b}[0m \"/client?a=1\"";
        for line in [plain, coloured] {
            let r = gin(&mut Dates::default(), line.as_bytes()).unwrap();
            assert_eq!(
                (r.time.to_string(), r.client.to_string(), r.status, r.duration_us),
                ("2022-02-07T10:49:33Z".into(), "198.51.100.7".into(), 401, Some(505))
            );
            assert_eq!((r.method, r.path, r.query), (Method::Post, &b"/client"[..], Some(&b"a=1"[..])));
        }
        assert!(gin(&mut Dates::default(), b"[GIN] 2022/02/07 - 10:49:33 | 401").is_err());
    }
}
