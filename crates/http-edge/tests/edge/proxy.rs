//! Requests and answers pass as they should.

use crate::harness::{Origin, connect, counted, get, plain, read_to_end, read_until, settings, start, talk};
use seawall_http_edge::Counter;
use std::io::Write;

#[test]
fn a_request_and_its_answer_pass() {
    let (edge, origin) = plain();
    let answer = talk(
        &edge,
        b"POST /echo HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
    );
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhello"), "{answer}");
    assert!(answer.contains("X-From: origin\r\n"), "{answer}");
    let seen = origin.seen().concat();
    assert!(
        seen.contains("Host: shop.example\r\n") && seen.contains("X-Forwarded-For: 127.0.0.1\r\n"),
        "{seen}"
    );
}

#[test]
fn several_requests_share_both_connections() {
    let (edge, origin) = plain();
    let mut client = connect(&edge);
    for i in 0..5 {
        write!(client, "GET /{i} HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
        read_until(&mut client, &format!("\r\n\r\n/{i}"));
    }
    assert_eq!(origin.seen().len(), 5);
    counted(&edge, Counter::upstream_connections, 1);
    counted(&edge, Counter::connections, 1);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (edge, _origin) = plain();
    let answer = talk(
        &edge,
        b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nxGET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    let places: Vec<_> = ["\r\n\r\n/1", "\r\n\r\nx", "\r\n\r\n/3"].map(|p| answer.find(p)).to_vec();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{answer}");
}

#[test]
fn chunks_stream_both_ways_with_their_trailers() {
    let (edge, origin) = plain();
    let answer = get(&edge, "/chunks");
    assert!(answer.ends_with("5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 42\r\n\r\n"), "{answer}");
    let sent = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\nHost: evil\r\n\r\n";
    let answer = talk(&edge, sent);
    assert!(answer.ends_with("abcdeX-T: 1"), "{answer}");
    assert!(!origin.seen().concat().contains("evil"));
}

#[test]
fn events_arrive_before_the_answer_ends() {
    let (edge, _origin) = plain();
    let mut client = connect(&edge);
    client.write_all(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    read_until(&mut client, "3\r\none\r\n");
}

#[test]
fn an_answer_without_length_becomes_chunks_or_ends_with_the_connection() {
    let (edge, _origin) = plain();
    assert!(get(&edge, "/to-end").ends_with("d\r\nuntil the end\r\n0\r\n\r\n"));
    let old = talk(&edge, b"GET /to-end HTTP/1.0\r\n\r\n");
    assert!(old.ends_with("Connection: close\r\n\r\nuntil the end"), "{old}");
}

#[test]
fn answers_without_body_stay_without() {
    let (edge, _origin) = plain();
    let mut client = connect(&edge);
    client.write_all(b"HEAD /missing HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    // The origin sends a body even to HEAD: it must not reach the client as the next answer.
    assert!(read_until(&mut client, "\r\n\r\n").contains("Content-Length: 8\r\n"));
    client.write_all(b"GET /not-modified HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    assert!(read_until(&mut client, "\r\n\r\n").starts_with("HTTP/1.1 304"));
    client.write_all(b"GET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("sent");
    let last = read_to_end(&mut client);
    assert!(last.starts_with("HTTP/1.1 204") && last.ends_with("\r\n\r\n"), "{last}");
}

#[test]
fn expectations_and_interim_answers_pass() {
    let (edge, _origin) = plain();
    let mut client = connect(&edge);
    client
        .write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n")
        .expect("sent");
    read_until(&mut client, "HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"ok").expect("sent");
    assert!(read_to_end(&mut client).ends_with("\r\n\r\nok"));
    let hinted = get(&edge, "/early-hints");
    assert!(
        hinted.starts_with("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\n"),
        "{hinted}"
    );
}

#[test]
fn an_upgrade_becomes_a_tunnel() {
    let (edge, _origin) = plain();
    let mut client = connect(&edge);
    client
        .write_all(b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        .expect("sent");
    let head = read_until(&mut client, "\r\n\r\nhi");
    assert!(head.starts_with("HTTP/1.1 101") && head.contains("Upgrade: websocket\r\n"), "{head}");
    client.write_all(b"hello").expect("sent");
    assert_eq!(read_to_end(&mut client), "hello");
    counted(&edge, Counter::upgrades, 1);
}

#[test]
fn a_tunnel_that_the_client_has_not_asked_for_is_a_broken_answer() {
    let (edge, _origin) = plain();
    assert!(get(&edge, "/chat").starts_with("HTTP/1.1 502"));
    counted(&edge, Counter::upgrades, 0);
}

#[test]
fn open_tunnels_take_no_room_from_requests() {
    let (edge, _origin) = plain();
    let mut open = Vec::new();
    for _ in 0..300 {
        let mut client = connect(&edge);
        client
            .write_all(b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            .expect("sent");
        assert!(read_until(&mut client, "\r\n\r\n").starts_with("HTTP/1.1 101"));
        open.push(client);
    }
    assert!(get(&edge, "/a").starts_with("HTTP/1.1 200"));
}

#[test]
fn open_streams_of_events_take_no_room_from_requests() {
    let (edge, _origin) = plain();
    let mut open = Vec::new();
    for _ in 0..300 {
        let mut client = connect(&edge);
        client.write_all(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
        assert!(read_until(&mut client, "\r\n\r\n").starts_with("HTTP/1.1 200"));
        open.push(client);
    }
    assert!(get(&edge, "/a").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_large_answer_arrives_whole() {
    let (edge, _origin) = plain();
    let answer = get(&edge, "/big");
    let body = answer.split_once("\r\n\r\n").expect("a head").1;
    assert_eq!(body.len(), 1 << 20);
}

#[test]
fn an_early_answer_reaches_a_client_that_still_sends() {
    let (edge, _origin) = plain();
    let mut client = connect(&edge);
    client
        .write_all(b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nsome")
        .expect("sent");
    let answer = read_until(&mut client, "early");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn what_the_upstream_breaks_is_told_as_such() {
    let (edge, _origin) = plain();
    assert!(get(&edge, "/drop").starts_with("HTTP/1.1 502"));
    assert!(get(&edge, "/split").starts_with("HTTP/1.1 502"));
    // Depending on whether a part had gone out when it broke.
    let cut = get(&edge, "/cut");
    assert!(cut.starts_with("HTTP/1.1 502") || cut.ends_with("\r\n\r\nhalf"), "{cut}");
    assert!(edge.count(Counter::upstream_broken) >= 3);
}

#[test]
fn requests_are_counted_into_windows_as_log_triage_counts_them() {
    let (edge, _origin) = plain();
    talk(
        &edge,
        b"GET /a?b=1 HTTP/1.1\r\nHost: a\r\nUser-Agent: t\r\nCookie: c=1\r\nConnection: close\r\n\r\n",
    );
    get(&edge, "/drop");
    let mut all = seawall_detection::Window::default();
    // What waits is counted before it is answered.
    crate::harness::eventually("two requests and their ends", || {
        all.merge(&edge.take_window());
        all.http
            .as_ref()
            .is_some_and(|h| (h.counters.requests, h.counters.success + h.counters.bad_gateway) == (2, 2))
    });
    let http = all.http.expect("counted");
    assert_eq!((http.counters.success, http.counters.bad_gateway), (1, 1));
    assert_eq!((http.counters.upstream_failed, http.counters.with_query), (1, 1));
    let record = http.records().into_iter().find(|r| r.path == "/a").expect("sampled");
    assert_eq!((record.user_agent.as_str(), record.host.as_str(), record.status), ("t", "a", 200));
    assert_ne!(record.header_order, 0);
}

#[test]
fn a_request_that_waits_is_counted_before_its_answer() {
    let (edge, _origin) = plain();
    let mut client = connect(&edge);
    client.write_all(b"GET /silent HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    crate::harness::eventually("the arrival", || {
        edge.take_window().http.is_some_and(|h| h.counters.requests == 1 && h.counters.with_duration == 0)
    });
    drop(client);
    crate::harness::eventually("the end", || {
        edge.take_window().http.is_some_and(|h| h.counters.requests == 0 && h.counters.client_aborted == 1)
    });
}

#[test]
fn the_access_log_has_a_line_for_each_request() {
    let origin = Origin::start();
    let mut settings = settings(&[origin.address]);
    settings.access_log = Some(seawall_http_edge::LogFormat::Combined);
    let edge = start(settings);
    get(&edge, "/x?y=z");
    let mut log = Vec::new();
    crate::harness::eventually("a line", || {
        log.extend(edge.take_log());
        !log.is_empty()
    });
    let line = String::from_utf8(log).expect("text");
    assert!(line.starts_with("127.0.0.1 - - [14/Nov/2023:22:13:"), "{line}");
    assert!(line.ends_with("] \"GET /x?y=z HTTP/1.1\" 200 6 \"-\" \"-\"\n"), "{line}");
}

/// Broke: after the wall clock was set, the log told the old time until the next reload.
#[test]
fn the_access_log_follows_a_wall_clock_that_is_set() {
    let origin = Origin::start();
    let mut settings = settings(&[origin.address]);
    settings.access_log = Some(seawall_http_edge::LogFormat::Combined);
    let edge = start(settings);
    // Once more where the machine was too busy to read a clock.
    crate::harness::eventually("a line of the new time", || {
        edge.follow_wall_clock(|| seawall_model::Timestamp::from_seconds(1_800_000_000));
        get(&edge, "/x");
        let log = String::from_utf8(edge.take_log()).expect("text");
        log.lines().any(|line| line.contains("[15/Jan/2027:08:00:"))
    });
}

#[test]
fn a_drain_lets_a_request_under_way_end() {
    let (edge, origin) = plain();
    let mut client = connect(&edge);
    client.write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na").expect("sent");
    crate::harness::eventually("the request", || edge.active() == 1);
    let address = edge.addresses()[0];
    let drained = std::thread::spawn(move || edge.drain());
    crate::harness::eventually("no more connections", || std::net::TcpStream::connect(address).is_err());
    client.write_all(b"b").expect("sent");
    assert!(read_to_end(&mut client).ends_with("\r\n\r\nab"));
    drained.join().expect("drained");
    assert_eq!(origin.seen().len(), 1);
}
