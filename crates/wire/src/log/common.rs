//! The Common and Combined Log Formats and what servers add to them: a virtual host in front,
//! columns between size and referrer, columns after the user agent.

use super::LineError;
use super::date::{self, CLF_BYTES, Dates, looks_like_clf};
use super::draft::{Draft, Field, status};
use super::layout::Layout;
use super::scan::{Cursor, address, given, integer, is_host};
use memchr::memchr;

/// Reads one line. `layout` says what the additional columns mean.
#[inline]
pub(super) fn read<'a>(
    draft: &mut Draft<'a>,
    dates: &mut Dates,
    layout: &Layout,
    line: &'a [u8],
) -> Result<(), LineError> {
    let dated = find_date(line).ok_or(LineError { reason: "no [date]", at_byte: 0 })?;
    draft.time = dates.clf(dated.date).or_else(|| date::any(dates, dated.date));
    if draft.time.is_none() {
        return Err(LineError { reason: "date that cannot be read", at_byte: dated.head.len() });
    }
    head(draft, dated.head)?;
    let mut cursor = Cursor::new(line);
    cursor.skip(dated.after);
    tail(draft, layout, &mut cursor, dates)?;
    draft.settle()
}

/// A line split at its date in square brackets.
pub(super) struct Dated<'a> {
    pub(super) head: &'a [u8],
    pub(super) date: &'a [u8],
    /// Where the text after the bracket and its spaces begins.
    pub(super) after: usize,
}

/// Finds the first date in square brackets: of the Common Log Format, or ISO with a `T`.
#[inline]
pub(super) fn find_date(line: &[u8]) -> Option<Dated<'_>> {
    let mut from = 0;
    while let Some(step) = memchr(b'[', &line[from..]) {
        let open = from + step;
        let inside = &line[open + 1..];
        if looks_like_clf(inside) || date::looks_like_iso(inside) {
            let end = if inside.get(CLF_BYTES) == Some(&b']') { Some(CLF_BYTES) } else { None };
            let close = end.or_else(|| memchr(b']', &inside[..inside.len().min(40)]))?;
            let mut after = open + 1 + close + 1;
            while line.get(after) == Some(&b' ') {
                after += 1;
            }
            return Some(Dated { head: line[..open].trim_ascii_end(), date: &inside[..close], after });
        }
        from = open + 1;
    }
    None
}

/// `client ident user`, with what may come before the client: a virtual host, a syslog header, a
/// container's name.
#[inline]
fn head<'a>(draft: &mut Draft<'a>, head: &'a [u8]) -> Result<(), LineError> {
    // LiteSpeed puts the whole line in quotes.
    let head = head.strip_prefix(b"\"").unwrap_or(head);
    let first = memchr(b' ', head).unwrap_or(head.len());
    if let Some(address) = address(&head[..first])
        && let Some(user) = head[first..].strip_prefix(b" - ")
        && memchr(b' ', user).is_none()
    {
        draft.peer = &head[..first];
        draft.peer_address = Some(address);
        draft.request.user = given(user);
        return Ok(());
    }
    loose_head(draft, head)
}

/// Words that a head may have; more are no access log.
const HEAD_WORDS: usize = 24;

fn loose_head<'a>(draft: &mut Draft<'a>, head: &'a [u8]) -> Result<(), LineError> {
    let mut words: [(usize, &[u8]); HEAD_WORDS] = [(0, b""); HEAD_WORDS];
    let mut count = 0;
    let mut cursor = Cursor::new(head);
    cursor.skip_spaces();
    while !cursor.is_done() {
        let at = cursor.at();
        let slot = words
            .get_mut(count)
            .ok_or(LineError { reason: "too many words before the date", at_byte: at })?;
        *slot = (at, cursor.token().unwrap_or(b""));
        count += 1;
    }
    let words = &words[..count];
    let client = client_word(words).ok_or(LineError { reason: "no client before the date", at_byte: 0 })?;
    let (at, text) = words[client];
    draft.peer = text.strip_suffix(b",").unwrap_or(text);
    let before = client.checked_sub(1).map_or(&b""[..], |i| words[i].1);
    if before.ends_with(b",") {
        let first = words[..client].iter().rposition(|w| !w.1.ends_with(b",")).map_or(0, |i| i + 1);
        draft.forward(&head[words[first].0..at + text.len()]);
    } else if is_host(before) && !is_carriers(before) {
        super::target::host(&mut draft.request, before);
    }
    // lighttpd writes the host in the place of ident.
    if let Some((_, ident)) = words.get(client + 1)
        && client + 2 < count
        && draft.request.host.is_empty()
        && is_host(ident)
        && memchr(b'.', ident).is_some()
    {
        super::target::host(&mut draft.request, ident);
    }
    // After the client come ident and user; a user may hold spaces.
    if let Some(&(user, _)) = words.get(client + 2).or(words.get(client + 1)) {
        draft.request.user = given(&head[user..]);
    }
    Ok(())
}

/// Whether a word in front of the client is the carrier's and no virtual host: a program in brackets, a date
/// (`docker logs -t`), or how a container runtime marks whole and partial lines (`stdout F`).
fn is_carriers(word: &[u8]) -> bool {
    word.starts_with(b"[")
        || date::looks_like_iso(word)
        || matches!(word, b"F" | b"P" | b"stdout" | b"stderr")
}

/// Which word is the client: the right-most address that is neither ident nor user, else the
/// place where a host name must stand.
fn client_word(words: &[(usize, &[u8])]) -> Option<usize> {
    let before_user = &words[..words.len().checked_sub(1)?.max(1)];
    let is_address = |w: &(usize, &[u8])| address(w.1.strip_suffix(b",").unwrap_or(w.1)).is_some();
    if let Some(at) = before_user.iter().rposition(is_address) {
        return Some(at);
    }
    match words {
        [(_, name)] | [(_, name), _] | [(_, name), _, _] | [(_, name), (_, b"-"), _, _] if is_host(name) => {
            Some(0)
        }
        [(_, host), (_, name), _, _] if is_host(host) && is_host(name) => Some(1),
        _ => None,
    }
}

/// From the request on: `"request" status bytes … "referrer" "user agent" …`.
pub(super) fn tail<'a>(
    draft: &mut Draft<'a>,
    layout: &Layout,
    cursor: &mut Cursor<'a>,
    dates: &mut Dates,
) -> Result<(), LineError> {
    let start = *cursor;
    let mut request = cursor
        .quoted_before(|after| matches!(after, [] | [b' '] | [b' ', b'0'..=b'9' | b'-' | b'"', ..]))
        .ok_or(LineError { reason: "no quoted request after the date", at_byte: start.at() })?;
    if cursor.is_done() {
        // No quote before a status: let the first plausible one end it, for the error's place.
        *cursor = start;
        request = cursor.quoted().unwrap_or(request);
    }
    super::target::request_line(&mut draft.request, request);
    status_and_bytes(draft, cursor)?;
    columns(draft, layout.before(), cursor, dates, true);
    if let Some(text) = cursor.quoted() {
        draft.request.referrer = given(text);
    }
    if let Some(text) = cursor.quoted() {
        draft.request.user_agent = given(text);
    }
    if !layout.after().is_empty() {
        columns(draft, layout.after(), cursor, dates, false);
    }
    Ok(())
}

fn status_and_bytes<'a>(draft: &mut Draft<'a>, cursor: &mut Cursor<'a>) -> Result<(), LineError> {
    let at_byte = cursor.at();
    let code = cursor.token().ok_or(LineError { reason: "line ends before the status", at_byte })?;
    if code != b"-" {
        draft.request.status = status(code).ok_or(LineError { reason: "status is no number", at_byte })?;
    }
    let at_byte = cursor.at();
    match cursor.peek() {
        None | Some(b'"') => return Ok(()),
        _ => {}
    }
    let bytes = cursor.token().unwrap_or(b"-");
    if bytes != b"-" {
        draft.request.response_bytes =
            integer(bytes).ok_or(LineError { reason: "size is no number", at_byte })?;
    }
    Ok(())
}

/// Gives each further column its meaning; stops at a quote if `until_quote`.
fn columns<'a>(
    draft: &mut Draft<'a>,
    fields: &[Field],
    cursor: &mut Cursor<'a>,
    dates: &mut Dates,
    until_quote: bool,
) {
    let mut fields = fields.iter();
    while !(cursor.is_done() || until_quote && cursor.peek() == Some(b'"')) {
        let Some(text) = column(cursor) else { return };
        match fields.next() {
            Some(&field) => draft.set(field, text, dates),
            None if until_quote => {}
            None => return,
        }
    }
}

/// One column; a list that nginx writes without quotes (`0.1, 0.2 : 0.3`) is one.
pub(super) fn column<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    if matches!(cursor.peek(), Some(b'"' | b'[')) {
        return cursor.field();
    }
    let (start, whole) = (cursor.at(), cursor.rest());
    let mut last = cursor.token()?;
    let mut end = last.len();
    while last.ends_with(b",") || last == b":" || cursor.rest().starts_with(b": ") {
        let at = cursor.at() - start;
        let Some(next) = cursor.token() else { break };
        last = next;
        end = at + last.len();
    }
    whole.get(..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::observation::{Ending, HttpVersion, Method, Request};

    fn request<'a>(layout: &Layout, line: &'a str) -> Request<'a> {
        let mut dates = Dates::default();
        let mut draft = Draft::new(&dates);
        read(&mut draft, &mut dates, layout, line.as_bytes()).unwrap();
        draft.request
    }

    #[test]
    fn combined_with_every_field() {
        let r = request(
            &Layout::default(),
            r#"198.51.100.7 - anna [17/May/2015:10:05:03 +0200] "POST /a/b?c=d HTTP/1.1" 201 203023 "http://example.com/" "Mozilla/5.0 (\"quoted\")""#,
        );
        assert_eq!(r.time.to_string(), "2015-05-17T08:05:03Z");
        assert_eq!(r.client.to_string(), "198.51.100.7");
        assert_eq!((r.client_name, r.peer, r.user), (&b""[..], None, &b"anna"[..]));
        assert_eq!((r.method, r.path, r.query), (Method::Post, &b"/a/b"[..], Some(&b"c=d"[..])));
        assert_eq!((r.version, r.status, r.response_bytes), (HttpVersion::Http11, 201, 203_023));
        assert_eq!(r.referrer, b"http://example.com/");
        assert_eq!(r.user_agent, br#"Mozilla/5.0 (\"quoted\")"#);
        assert_eq!((r.host, r.ending, r.malformed), (&b""[..], Ending::Normal, false));
    }

    #[test]
    fn common_with_a_host_name_and_no_size() {
        let r = request(
            &Layout::default(),
            r#"burger.letters.example - - [01/Jul/1995:00:00:11 -0400] "GET /a.html HTTP/1.0" 304 -"#,
        );
        assert_eq!(r.client, seawall_model::address::for_name(b"burger.letters.example"));
        assert_eq!(r.client_name, b"burger.letters.example");
        assert_eq!((r.status, r.response_bytes, r.user_agent), (304, 0, &b""[..]));
    }

    #[test]
    fn heads_of_many_kinds_name_the_same_client() {
        for (head, host, user) in [
            ("198.51.100.7 - -", "", ""),
            ("198.51.100.7 -", "", ""),
            ("198.51.100.7", "", ""),
            ("198.51.100.7 - two words", "", "two words"),
            ("www.example.com:443 198.51.100.7 - -", "www.example.com", ""),
            ("10.0.0.5 198.51.100.7 - u", "10.0.0.5", "u"),
            ("www.example.com 198.51.100.7 - req001 -", "www.example.com", "req001 -"),
            ("Sep 15 16:13:46 web.internal nginx[2869]: 198.51.100.7 - -", "", ""),
            ("web_1  | 198.51.100.7 - -", "", ""),
            ("2024-03-06T08:55:21.903123456Z stdout F 198.51.100.7 - -", "", ""),
            ("2024-03-06T08:55:21.903123456Z 198.51.100.7 - -", "", ""),
            ("web-1  | 2024-03-06T08:55:21Z 198.51.100.7 - -", "", ""),
            ("2024-03-06T08:55:21Z stdout F www.example.com 198.51.100.7 - -", "www.example.com", ""),
            ("6.6.6.6, 198.51.100.7, 10.0.0.9 - -", "", ""),
            ("198.51.100.7 www.example.com -", "www.example.com", ""),
        ] {
            let line = format!(r#"{head} [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1"#);
            let r = request(&Layout::default(), &line);
            assert_eq!(r.client.to_string(), "198.51.100.7", "{head}");
            assert_eq!(r.host, host.as_bytes(), "{head}");
            assert_eq!(r.user, user.as_bytes(), "{head}");
        }
    }

    #[test]
    fn iso_dates_in_brackets_do_as_well() {
        let r = request(
            &Layout::default(),
            r#"198.51.100.7 - - [2024-05-01T10:00:00.5+02:00] "GET / HTTP/1.1" 200 1"#,
        );
        assert_eq!(r.time.to_string(), "2024-05-01T08:00:00.500Z");
    }

    #[test]
    fn quotes_inside_a_request_do_not_end_it() {
        let r = request(
            &Layout::default(),
            r#"198.51.100.7 - - [25/Apr/2021:06:15:33 +0000] "GET /x?t=<script>alert("text")</script> HTTP/1.0" 404 1164"#,
        );
        assert_eq!(r.query, Some(&br#"t=<script>alert("text")</script>"#[..]));
        assert_eq!((r.status, r.response_bytes), (404, 1164));
    }

    #[test]
    fn garbage_that_was_answered_is_a_malformed_request() {
        let r = request(
            &Layout::default(),
            r#"198.51.100.7 - - [25/Apr/2021:06:15:33 +0000] "\x16\x03\x01" 400 226 "-" "-""#,
        );
        assert!(r.malformed);
        assert_eq!((r.ending, r.user_agent), (Ending::ClientInvalid, &b""[..]));
        let r =
            request(&Layout::default(), r#"198.51.100.7 - - [25/Apr/2021:06:15:33 +0000] "-" 408 - "-" "-""#);
        assert_eq!((r.malformed, r.ending), (true, Ending::ClientTimedOut));
    }

    #[test]
    fn lines_that_are_no_access_lines_say_where() {
        for (line, reason) in [
            ("", "no [date]"),
            ("hello world", "no [date]"),
            ("1.2.3.4 - - [99/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 1", "date that cannot be read"),
            ("1.2.3.4 - - [17/May/2015:10:05:03 +0000] GET", "no quoted request after the date"),
            ("1.2.3.4 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" OK 1", "status is no number"),
            ("1.2.3.4 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\"", "line ends before the status"),
            ("??? - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 1", "no client before the date"),
        ] {
            let mut dates = Dates::default();
            let mut draft = Draft::new(&dates);
            let error = read(&mut draft, &mut dates, &Layout::default(), line.as_bytes()).unwrap_err();
            assert_eq!(error.reason, reason, "{line}");
        }
    }
}
