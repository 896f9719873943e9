//! What two servers could read differently never reaches the one behind us.

use crate::harness::{counted, eventually, plain, talk};
use seawall_http_edge::Counter;

#[test]
fn ambiguous_requests_are_refused_and_never_forwarded() {
    let (edge, origin) = plain();
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let table = [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 44\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +44\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 44\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 44\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX\0: y\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: host\r\n\r\n",
    ];
    for request in table {
        let answer = talk(&edge, format!("{request}{smuggled}").as_bytes());
        assert!(
            answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.1 501"),
            "{request:?}: {answer}"
        );
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{request:?}: {answer}");
    }
    assert_eq!(origin.seen(), Vec::<String>::new());
    counted(&edge, Counter::malformed, table.len() as u64);
}

#[test]
fn bad_chunks_are_cut_where_they_go_wrong() {
    let (edge, origin) = plain();
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let table = [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\n",
        "0\r\nX : y\r\n\r\n",
    ];
    for body in table {
        let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let answer = talk(&edge, format!("{head}{body}{smuggled}").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400"), "{body:?}: {answer}");
    }
    // The upstream never got a whole request, so it took none for one.
    assert_eq!(origin.seen(), Vec::<String>::new());
}

/// Broke: on a quiet site, twenty malformed requests of one client counted as twenty pages that were asked
/// for, which was a flood and a challenge for everybody.
#[test]
fn what_is_no_request_is_no_load_of_the_site_and_is_told_of() {
    let (edge, _) = plain();
    for _ in 0..20 {
        assert!(talk(&edge, b"\x16\x03\x01 hello\r\n\r\n").starts_with("HTTP/1.1 400"));
    }
    assert!(talk(&edge, b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").contains("200 OK"));
    counted(&edge, Counter::requests, 21);
    let mut asked = 0;
    eventually("the request", || {
        asked += edge.take_window().http.map_or(0, |http| http.counters.requests);
        asked > 0
    });
    let refused = edge.take_refused();
    assert_eq!((asked, refused.requests), (1, 20));
    assert_eq!(refused.loudest(3), [([127, 0, 0, 1].into(), 20)]);
}
