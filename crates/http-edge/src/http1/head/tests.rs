//! What is read, and what is refused: a table of requests that two servers could read differently.

use super::*;

const LIMITS: HeadLimits = HeadLimits { head_bytes: 4096, target_bytes: 1024, fields: 50 };

fn read(bytes: &[u8]) -> Result<(RequestHead, Vec<Field>), Refusal> {
    let mut fields = Vec::new();
    let end = Scanner::default().find_end(bytes, &LIMITS)?.ok_or(Refusal::bad("incomplete"))?;
    request(bytes, end, &LIMITS, &mut fields).map(|head| (head, fields))
}

fn reason(bytes: &[u8]) -> &'static str {
    match read(bytes) {
        Ok(_) => "taken",
        Err(refusal) => refusal.reason,
    }
}

#[test]
fn a_plain_request_is_read() {
    let bytes = b"GET /a/b?c=d HTTP/1.1\r\nHost: Example.org:80\r\nCookie: x=1\r\nUser-Agent: t\r\n\r\nrest";
    let (head, fields) = read(bytes).expect("a request");
    assert_eq!(head.path.of(bytes), b"/a/b");
    assert_eq!(head.query.map(|q| q.of(bytes)), Some(&b"c=d"[..]));
    assert_eq!(head.host.of(bytes), b"Example.org:80");
    assert_eq!(head.cookie.of(bytes), b"x=1");
    assert_eq!((head.framing, head.keep_alive, fields.len()), (Framing::None, true, 3));
    assert_eq!(&bytes[head.bytes..], b"rest");
}

#[test]
fn requests_that_servers_read_differently_are_refused() {
    let table: &[(&str, &[u8])] = &[
        ("length-and-chunks", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("length-and-chunks", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
        ("two-lengths", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"),
        ("two-lengths", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"),
        ("content-length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n"),
        ("content-length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n"),
        ("content-length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n"),
        ("content-length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 5\r\n\r\n"),
        ("content-length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"),
        ("content-length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n"),
        ("transfer-encoding", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n"),
        ("transfer-encoding", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
        ("transfer-encoding", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n"),
        ("transfer-encoding", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n"),
        ("transfer-encoding", b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("transfer-encoding", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n"),
        ("space-before-colon", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n"),
        ("space-before-colon", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length\t: 5\r\n\r\n"),
        ("folded-line", b"POST / HTTP/1.1\r\nHost: a\r\nX: a\r\n Transfer-Encoding: chunked\r\n\r\n"),
        ("folded-line", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
        ("bare-lf", b"GET / HTTP/1.1\nHost: a\n\n"),
        ("bare-lf", b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"),
        ("bare-lf", b"GET / HTTP/1.1\r\nHost: a\r\n\n"),
        ("bare-cr", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rTransfer-Encoding: chunked\r\n\r\n"),
        ("field-value", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"),
        ("field-value", b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n"),
        ("field-name", b"GET / HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n"),
        ("field-name", b"GET / HTTP/1.1\r\nHost: a\r\nX(y): b\r\n\r\n"),
        ("no-colon", b"GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n"),
        ("underscored-name", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n"),
        ("host", b"GET / HTTP/1.1\r\n\r\n"),
        ("host", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        ("host", b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
        ("host", b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"),
        ("host", b"GET / HTTP/1.1\r\nHost:\r\n\r\n"),
        ("target-and-host", b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("target-and-host", b"GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("target-and-host", b"GET http://a/ HTTP/1.1\r\nHost: a:443\r\n\r\n"),
        ("target-and-host", b"GET https://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("target-and-host", b"GET http://a80/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("target-and-host", b"GET http://[::80]/ HTTP/1.1\r\nHost: [::]\r\n\r\n"),
        ("target", b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("target", b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("target", b"GET a HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("target", b"GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("target", b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("target", b"GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("request-line", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("request-line", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("request-line", b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
        ("request-line", b"GET / http/1.1\r\nHost: a\r\n\r\n"),
        ("request-line", b"GET /\r\nHost: a\r\n\r\n"),
        ("version", b"GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
        ("version", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
        ("method", b"G(T / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("connect", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
        ("connection-names", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close, Host\r\n\r\n"),
        ("connection-names", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: cookie\r\n\r\n"),
        ("expectation", b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n"),
        ("empty-lines", b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ];
    for (expected, bytes) in table {
        assert_eq!(reason(bytes), *expected, "{}", String::from_utf8_lossy(bytes));
    }
}

/// Broke: a body whose end nobody can know was answered with 501, as if its coding were merely one that we
/// have not (RFC 9112 section 6.3).
#[test]
fn a_body_without_an_end_is_a_bad_request_and_one_in_another_coding_is_not_implemented() {
    for (codings, status) in
        [("gzip", 400), ("identity", 400), ("chunked, gzip", 400), ("", 400), ("gzip, chunked", 501)]
    {
        let text = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {codings}\r\n\r\n");
        assert_eq!(
            read(text.as_bytes()).err(),
            Some(Refusal::with(status, "transfer-encoding")),
            "{codings}"
        );
    }
}

/// Broke: a CR alone ended the first line, the byte after it was swallowed, and the rest of the line was a
/// field that nobody before us had seen.
#[test]
fn the_first_line_ends_in_cr_lf_too() {
    for rest in ["X: y\r\nHost: a", "\rHost: a", "XHost: a", " Transfer-Encoding: chunked\r\nHost: a"] {
        let text = format!("GET / HTTP/1.1\r{rest}\r\n\r\n");
        assert_eq!(reason(text.as_bytes()), "bare-cr", "{text:?}");
    }
    let split = b"HTTP/1.1 200 OK\rXSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(answer(split, Method::Get), Err(Refusal::with(502, "bare-cr")));
}

#[test]
fn what_every_server_reads_alike_is_taken() {
    let table: &[&[u8]] = &[
        b"GET / HTTP/1.0\r\n\r\n",
        b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://A:80/x HTTP/1.1\r\nHost: a:80\r\n\r\n",
        b"GET http://A:80/x HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET https://a/x HTTP/1.1\r\nHost: A:443\r\n\r\n",
        b"GET http://a:/x HTTP/1.1\r\nHost: a:80\r\n\r\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\nHost: xn--a.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n",
        b"QUERY / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    ];
    for bytes in table {
        assert_eq!(reason(bytes), "taken", "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn a_target_in_absolute_form_becomes_origin_form() {
    let bytes = b"GET http://a/x?y HTTP/1.1\r\nHost: a\r\n\r\n";
    let (head, _) = read(bytes).expect("a request");
    assert_eq!(head.target.of(bytes), b"/x?y");
}

#[test]
fn a_head_is_found_however_it_is_cut() {
    let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n";
    for cut in 0..bytes.len() {
        let mut scanner = Scanner::default();
        assert_eq!(scanner.find_end(&bytes[..cut], &LIMITS), Ok(None), "cut at {cut}");
        assert_eq!(scanner.find_end(bytes, &LIMITS), Ok(Some(bytes.len())), "cut at {cut}");
    }
}

#[test]
fn heads_beyond_the_limits_are_refused_before_they_end() {
    let long_target = [b"GET /".to_vec(), vec![b'a'; 2000]].concat();
    let mut scanner = Scanner::default();
    assert_eq!(scanner.find_end(&long_target, &LIMITS), Err(Refusal::with(414, "target-bytes")));
    let large = [b"GET / HTTP/1.1\r\nA: ".to_vec(), vec![b'a'; 5000]].concat();
    assert_eq!(Scanner::default().find_end(&large, &LIMITS), Err(Refusal::with(431, "head-bytes")));
    let many = [b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec(), b"a:\r\n".repeat(60), b"\r\n".to_vec()].concat();
    assert_eq!(read(&many).err(), Some(Refusal::with(431, "fields")));
}

#[test]
fn fields_named_by_connection_stay_on_their_hop() {
    let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nX-Far: 2\r\n\r\n";
    let (head, fields) = read(bytes).expect("a request");
    assert!(!head.keep_alive);
    let kind = |name: &[u8]| fields.iter().find(|f| f.name(bytes) == name).map(|f| f.kind);
    assert_eq!((kind(b"X-Hop"), kind(b"X-Far")), (Some(Kind::HopByHop), Some(Kind::Other)));
}

/// Broke: a head of 16 KiB named eight thousand fields, each of which was looked for among all that there
/// were, and cost as much as fifty others.
#[test]
fn a_head_does_not_name_fields_without_end() {
    let naming = |words: &str| format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {words}\r\n\r\n");
    assert_eq!(reason(naming(&"a,".repeat(NOMINATED)).as_bytes()), "taken");
    for words in ["a,".repeat(NOMINATED + 1), "a\r\nConnection: b,".repeat(NOMINATED)] {
        assert_eq!(reason(naming(&words).as_bytes()), "connection-names");
    }
    assert_eq!(reason(naming(&"close,".repeat(100)).as_bytes()), "taken");
}

/// Broke: of several protocols only the last field, as a whole, was looked at.
#[test]
fn http2_without_tls_is_never_asked_of_an_upstream() {
    let asks = |upgrade: &str| {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n{upgrade}\r\n\r\n");
        read(text.as_bytes()).expect("a request").0.upgrade
    };
    assert!(asks("Upgrade: websocket"));
    for upgrade in
        ["Upgrade: H2C", "Upgrade: h2c, x", "Upgrade: x, h2c", "Upgrade: h2c\r\nUpgrade: websocket"]
    {
        assert!(!asks(upgrade), "{upgrade}");
    }
}

fn answer(bytes: &[u8], method: Method) -> Result<ResponseHead, Refusal> {
    let end = Scanner::default().find_end(bytes, &LIMITS)?.ok_or(Refusal::bad("incomplete"))?;
    response(bytes, end, method, &LIMITS, &mut Vec::new())
}

#[test]
fn a_response_is_framed_by_its_fields_its_status_and_the_method() {
    let with =
        |text: &str, method| answer(text.as_bytes(), method).map(|r| (r.status, r.framing, r.keep_alive));
    assert_eq!(
        with("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", Method::Get),
        Ok((200, Framing::Length(3), true))
    );
    assert_eq!(
        with("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", Method::Head),
        Ok((200, Framing::None, true))
    );
    assert_eq!(
        with("HTTP/1.1 304\r\nContent-Length: 3\r\n\r\n", Method::Get),
        Ok((304, Framing::None, true))
    );
    assert_eq!(with("HTTP/1.0 200 OK\r\n\r\n", Method::Get), Ok((200, Framing::ToEnd, false)));
    assert_eq!(
        with("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Method::Get),
        Ok((200, Framing::Chunked, true))
    );
}

/// Broke: the connection was used again after chunks of a server that cannot know them.
#[test]
fn a_connection_ends_after_chunks_of_http_1_0() {
    let text = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n";
    let head = answer(text, Method::Get).expect("an answer");
    assert_eq!((head.framing, head.keep_alive), (Framing::Chunked, false));
}

#[test]
fn a_response_that_could_be_split_is_refused() {
    for text in [
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
    ] {
        assert_eq!(answer(text.as_bytes(), Method::Get).map_err(|r| r.status), Err(502), "{text}");
    }
}

#[test]
fn several_cookie_fields_become_one_in_their_order() {
    for (text, joined) in [
        (
            "GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nX: y\r\ncookie:b=2; c=3 \r\nCOOKIE: \r\nZ: z\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1; b=2; c=3; \r\nX: y\r\nZ: z\r\n\r\n",
        ),
        (
            "GET / HTTP/1.1\r\nCookie:\r\nCookie: b=2\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nCookie: b=2\r\nHost: a\r\n\r\n",
        ),
    ] {
        let (head, fields) = read(text.as_bytes()).expect("a request");
        assert!(head.has_more_cookies);
        let mut buffer = text.as_bytes().to_vec();
        join_cookies(&mut buffer, &fields);
        assert_eq!(String::from_utf8_lossy(&buffer), joined);
        assert!(!read(&buffer).expect("a request").0.has_more_cookies);
    }
    assert!(
        !read(b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\n\r\n").expect("a request").0.has_more_cookies
    );
}

/// Broke: what followed a host's colon was passed on whatever it was, also past the names that a site answers for.
#[test]
fn what_follows_a_host_is_a_port_or_nothing() {
    for good in
        ["a", "a:", "a:80", "a-1._~%20.b:8080", "[::1]", "[::1]:80", "[::ffff:192.0.2.1]:", "192.0.2.1:1"]
    {
        assert!(is_host(good.as_bytes()), "{good}");
    }
    for bad in
        ["", ":", ":80", "a:80a", "a:80.b.example", "a:b", "a:1:2", "::1", "[]", "[::1", "[::1]a", "[::1]80"]
    {
        assert!(!is_host(bad.as_bytes()), "{bad}");
    }
    for bad in ["a]", "a[b]", "[a]]", "[[a]", "[a]:-1", "a:\u{b2}"] {
        assert!(!is_host(bad.as_bytes()), "{bad}");
    }
}
