//! Each limit with the attack that it is for, and its metric.

use crate::harness::{
    Origin, PATIENCE, connect, counted, eventually, get, limited, read_to_end, read_until, settings, start,
};
use seawall_http_edge::act::limit::Rate;
use seawall_http_edge::rate_limits::{Key, RateLimit};
use seawall_http_edge::{Counter, Edge};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A connection from another source, with a small window to receive into.
fn connect_from(edge: &Edge, source: [u8; 4]) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((source, 0)).into()).expect("a source");
    socket.set_recv_buffer_size(4_096).expect("a small window");
    socket.connect(&edge.addresses()[0].into()).expect("a connection");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Sends bytes one by one, a pause between them, until the other side ends; then what it said.
fn drip(stream: &mut TcpStream, pause: Duration) -> String {
    stream.set_nonblocking(true).expect("a mode");
    let (start, mut said, mut part) = (Instant::now(), Vec::new(), [0; 1_024]);
    while start.elapsed() < PATIENCE {
        let sent = stream.write(b"a");
        match stream.read(&mut part) {
            Ok(0) => return String::from_utf8_lossy(&said).into_owned(),
            Ok(n) => said.extend_from_slice(&part[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock && sent.is_ok() => std::thread::sleep(pause),
            Err(_) => return String::from_utf8_lossy(&said).into_owned(),
        }
    }
    panic!("a drip goes on after {PATIENCE:?}");
}

/// Whether the other side has closed without a word.
fn is_closed(stream: &mut TcpStream) -> bool {
    matches!(stream.read(&mut [0; 16]), Ok(0)) || stream.take_error().is_ok_and(|e| e.is_some())
}

#[test]
fn a_dripped_head_is_cut_at_its_deadline() {
    let (edge, origin) = limited(|l| l.header_deadline_ms = 300);
    let mut client = connect(&edge);
    let start = Instant::now();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX: ").expect("sent");
    let answer = drip(&mut client, Duration::from_millis(10));
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
    counted(&edge, Counter::header_deadline, 1);
    assert!(origin.seen().is_empty());
}

#[test]
fn a_connection_that_says_nothing_is_closed_at_the_deadline() {
    let (edge, _origin) = limited(|l| l.header_deadline_ms = 200);
    assert_eq!(read_to_end(&mut connect(&edge)), "");
    counted(&edge, Counter::header_deadline, 1);
}

#[test]
fn an_idle_connection_is_closed_after_its_time() {
    let (edge, _origin) = limited(|l| l.idle_timeout_ms = 200);
    let mut client = connect(&edge);
    client.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    assert!(read_to_end(&mut client).ends_with("/a"));
    counted(&edge, Counter::idle_timeout, 1);
}

#[test]
fn a_dripped_body_is_cut_below_the_least_rate() {
    let (edge, _origin) = limited(|l| (l.rate_grace_ms, l.min_rate_bytes_per_s) = (200, 10_000));
    let mut client = connect(&edge);
    client.write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n").expect("sent");
    let answer = drip(&mut client, Duration::from_millis(10));
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    counted(&edge, Counter::min_rate, 1);
}

#[test]
fn an_answer_that_nobody_reads_is_cut_below_the_least_rate() {
    let (edge, _origin) = limited(|l| (l.rate_grace_ms, l.min_rate_bytes_per_s) = (300, 1_000_000_000));
    let mut client = connect_from(&edge, [127, 0, 0, 3]);
    client.write_all(b"GET /huge HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    eventually("the slow reader is cut", || edge.count(Counter::min_rate) == 1);
    eventually("its place is free", || edge.open_connections() == 0);
    drop(client);
}

#[test]
fn heads_beyond_their_limits_are_refused() {
    let (edge, origin) = limited(|l| (l.head_bytes, l.target_bytes, l.fields) = (2_000, 300, 8));
    let many = "X: y\r\n".repeat(9);
    let table = [
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(300)), 414),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(2_000)), 431),
    ];
    for (request, status) in &table {
        let answer = crate::harness::talk(&edge, request.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {answer}");
    }
    counted(&edge, Counter::head_limits, table.len() as u64);
    assert!(origin.seen().is_empty());
}

#[test]
fn a_source_has_so_many_connections_and_others_have_theirs() {
    let (edge, _origin) = limited(|l| l.connections_per_source = 3);
    let mut held: Vec<TcpStream> = (0..3).map(|_| connect(&edge)).collect();
    eventually("three are in", || edge.open_connections() == 3);
    assert!(is_closed(&mut connect(&edge)));
    counted(&edge, Counter::connections_per_source_refused, 1);
    let mut other = connect_from(&edge, [127, 0, 0, 2]);
    other.write_all(b"GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("sent");
    assert!(read_to_end(&mut other).ends_with("/b"));
    held.pop();
    eventually("one has gone", || edge.open_connections() == 2);
    assert!(get(&edge, "/c").ends_with("/c"));
}

/// Broke: behind a balancer that speaks the PROXY protocol, one client could have all connections.
#[test]
fn a_source_behind_a_balancer_has_so_many_connections_too() {
    let origin = Origin::start();
    let mut settings = settings(&[origin.address]);
    settings.limits.connections_per_source = 3;
    settings.sites[0].proxy_protocol = true;
    settings.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a prefix")];
    let edge = start(settings);
    let of = |client: &str| {
        let mut stream = connect(&edge);
        write!(stream, "PROXY TCP4 {client} 127.0.0.1 4000 80\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n")
            .expect("sent");
        stream
    };
    let mut held: Vec<TcpStream> = (0..3).map(|_| of("192.0.2.1")).collect();
    held.iter_mut().for_each(|client| assert!(read_until(client, "/b").starts_with("HTTP/1.1 200 ")));
    assert!(is_closed(&mut of("192.0.2.1")));
    counted(&edge, Counter::connections_per_source_refused, 1);
    assert!(read_until(&mut of("192.0.2.2"), "/b").starts_with("HTTP/1.1 200 "));
    held.pop();
    eventually("two are left", || edge.open_connections() == 2);
    assert!(read_until(&mut of("192.0.2.1"), "/b").starts_with("HTTP/1.1 200 "));
}

#[test]
fn connections_in_all_are_limited() {
    let (edge, _origin) = limited(|l| l.connections = 2);
    let held: Vec<TcpStream> = (0..2_u8).map(|n| connect_from(&edge, [127, 0, 0, 10 + n])).collect();
    eventually("two are in", || edge.open_connections() == 2);
    assert!(is_closed(&mut connect(&edge)));
    counted(&edge, Counter::connections_refused, 1);
    drop(held);
    eventually("they have gone", || edge.open_connections() == 0);
    assert!(get(&edge, "/c").ends_with("/c"));
}

#[test]
fn a_connection_ends_after_its_requests() {
    let (edge, _origin) = limited(|l| l.requests_per_connection = 2);
    let mut client = connect(&edge);
    client.write_all(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    assert!(!read_until(&mut client, "\r\n\r\n/1").contains("Connection: close"));
    client.write_all(b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    assert!(read_to_end(&mut client).contains("Connection: close"));
    counted(&edge, Counter::requests_per_connection, 1);
}

#[test]
fn a_silent_tunnel_is_closed() {
    let (edge, _origin) = limited(|l| l.tunnel_idle_ms = 200);
    let mut client = connect(&edge);
    client
        .write_all(b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        .expect("sent");
    read_until(&mut client, "\r\n\r\nhi");
    assert_eq!(read_to_end(&mut client), "");
    counted(&edge, Counter::tunnel_idle, 1);
}

#[test]
fn an_upstream_that_says_nothing_is_answered_for() {
    let (edge, _origin) = limited(|l| l.upstream_timeout_ms = 1_000);
    let answer = get(&edge, "/silent");
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    counted(&edge, Counter::upstream_timeouts, 1);
}

#[test]
fn thousands_of_dripping_connections_leave_room_for_people() {
    let (edge, _origin) = limited(|l| (l.connections, l.header_deadline_ms) = (400, 2_000));
    let mut held = Vec::new();
    for n in 0..390_u16 {
        let [high, low] = n.to_be_bytes();
        let mut stream = connect_from(&edge, [127, 1, high, low.max(1)]);
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX: ").expect("sent");
        held.push(stream);
        if n % 50 == 0 {
            assert!(get(&edge, "/person").ends_with("/person"));
        }
    }
    assert!(get(&edge, "/person").ends_with("/person"));
    // With little room they are waited for a quarter of the time.
    eventually("they are cut", || edge.open_connections() == 0);
}

/// Broke: each client that sent its body a byte at a time had a place at the upstream meanwhile.
#[test]
fn bodies_that_are_held_back_take_no_places_and_reach_nobody() {
    let (edge, origin) = limited(|l| l.rate_grace_ms = 600_000);
    let mut held = Vec::new();
    for n in 0..300_u16 {
        let [high, low] = n.to_be_bytes();
        let mut stream = connect_from(&edge, [127, 1, high, low.max(1)]);
        stream.write_all(b"POST /held HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nn=").expect("sent");
        held.push(stream);
    }
    assert!(get(&edge, "/person").ends_with("/person"));
    assert!(origin.take_seen().iter().all(|head| !head.contains("/held")), "{:?}", origin.seen());
    held[7].write_all(b"123456").expect("sent");
    assert!(read_until(&mut held[7], "/held").starts_with("HTTP/1.1 200 "));
}

/// Broke: while slow clients are a crowd, a client that waits to be asked for its body was not, and was cut
/// after five seconds.
#[test]
fn a_client_that_waits_to_be_asked_for_its_body_is_asked_once_also_in_a_crowd_of_slow_ones() {
    let (edge, origin) = limited(|l| l.rate_grace_ms = 600_000);
    let mut held = Vec::new();
    for n in 0..60_u8 {
        let mut stream = connect_from(&edge, [127, 2, 0, n + 1]);
        stream.write_all(b"POST /held HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nn=").expect("sent");
        held.push(stream);
    }
    eventually("they are a crowd", || edge.take_window().net.is_some_and(|net| net.slow_held >= 60));
    let mut client = connect(&edge);
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    client.write_all(head.as_bytes()).expect("sent");
    assert_eq!(read_until(&mut client, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(origin.seen().len(), 0);
    client.write_all(b"hello").expect("sent");
    let answer = read_until(&mut client, "hello");
    assert!(answer.starts_with("HTTP/1.1 200 "), "the upstream's own is not passed on: {answer}");
}

#[test]
fn a_port_that_another_edge_has_is_not_shared() {
    let (edge, _origin) = limited(|_| {});
    let mut settings = crate::harness::settings(&[edge.addresses()[0]]);
    settings.sites[0].listen = edge.addresses()[0];
    let second = Edge::start(settings, &Default::default(), seawall_model::Timestamp(0), &[7; 32]);
    assert!(second.is_err_and(|e| e.to_string().contains("cannot listen on")));
}

/// Whoever is beyond a limit of the operator's is told when to come back; others, and other paths, are served.
#[test]
fn a_rate_limit_of_the_site_refuses_what_is_beyond_it() {
    let origin = Origin::start();
    let mut settings = settings(&[origin.address]);
    let rate = Rate::new(0.1, 2.0).expect("a rate");
    settings.sites[0].rate_limits = vec![RateLimit { key: Key::Source, rate, path: vec!["login".into()] }];
    let edge = start(settings);
    let ask = |source, path: &str| {
        let mut client = connect_from(&edge, source);
        write!(client, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("sent");
        read_to_end(&mut client)
    };
    let (one, other) = ([127, 0, 0, 2], [127, 0, 0, 3]);
    for _ in 0..2 {
        assert!(ask(one, "/login").starts_with("HTTP/1.1 200 "));
    }
    let refused = ask(one, "/%6Cogin");
    assert!(refused.starts_with("HTTP/1.1 429 ") && refused.contains("Retry-After: "), "{refused}");
    assert!(ask(one, "/").starts_with("HTTP/1.1 200 ") && ask(other, "/login").starts_with("HTTP/1.1 200 "));
    counted(&edge, Counter::rate_limits, 1);
    assert_eq!(edge.count(Counter::rule_refused), 0);
}

/// Broke: of several `Cookie` fields only the first was looked at, and a session in the second was limited by
/// nothing but its address.
#[test]
fn a_session_in_a_further_cookie_field_is_limited() {
    let origin = Origin::start();
    let mut settings = settings(&[origin.address]);
    let rate = Rate::new(0.001, 2.0).expect("a rate");
    settings.sites[0].rate_limits =
        vec![RateLimit { key: Key::Session("sid".into()), rate, path: Vec::new() }];
    let edge = start(settings);
    let ask = |n: u8| {
        let mut client = connect_from(&edge, [127, 0, 0, n]);
        let cookies = format!("Cookie: sid={n}\r\nX: y\r\ncookie: sid=one; theme=dark");
        write!(client, "GET / HTTP/1.1\r\nHost: a\r\n{cookies}\r\nConnection: close\r\n\r\n").expect("sent");
        read_to_end(&mut client).split(' ').nth(1).map(str::to_owned)
    };
    assert_eq!([2, 3, 4].map(ask), ["200", "200", "429"].map(|status| Some(status.to_owned())));
    let seen = origin.seen();
    assert!(seen.iter().all(|head| head.contains("Cookie: sid=") && !head.contains("cookie: ")), "{seen:?}");
    assert!(seen[0].contains("Cookie: sid=2; sid=one; theme=dark\r\n"), "{seen:?}");
}
