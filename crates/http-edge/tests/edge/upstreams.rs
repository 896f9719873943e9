//! Several upstreams: health, retries, and what clients see of trouble behind us.

use crate::harness::{Origin, counted, eventually, get, settings, start, talk};
use seawall_http_edge::Counter;
use socket2::{Domain, Socket, Type};
use std::net::SocketAddr;

/// An address where nobody listens, nor can for as long as the socket is there.
fn nobody() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port");
    let address = socket.local_addr().expect("an address").as_socket().expect("IPv4");
    (socket, address)
}

#[test]
fn requests_go_around_an_upstream_that_is_gone() {
    let (origin, (_held, nobody)) = (Origin::start(), nobody());
    let edge = start(settings(&[nobody, origin.address]));
    for i in 0..30 {
        let path = format!("/{i}");
        assert!(get(&edge, &path).ends_with(&path));
    }
    assert_eq!(origin.seen().len(), 30);
    eventually("its death is known", || edge.upstreams().into_iter().filter(|(.., up)| *up).count() == 1);
}

/// How they share it depends on how fast each answers; none is left out.
#[test]
fn all_upstreams_share_the_work() {
    let origins = [Origin::start(), Origin::start()];
    let edge = start(settings(&[origins[0].address, origins[1].address]));
    eventually("each has a share", || {
        assert!(get(&edge, "/a").ends_with("/a"));
        origins.iter().all(|o| o.seen().len() >= 10)
    });
}

#[test]
fn without_any_upstream_clients_are_told_when_to_come_back() {
    let (_held, nobody) = nobody();
    let edge = start(settings(&[nobody]));
    let answer = get(&edge, "/a");
    assert!(answer.starts_with("HTTP/1.1 50"), "{answer}");
    eventually("its death is known", || edge.upstreams().into_iter().all(|(.., up)| !up));
    let answer = get(&edge, "/a");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Retry-After: "), "{answer}");
    assert!(edge.count(Counter::no_upstream) >= 1);
}

#[test]
fn a_request_that_does_something_is_never_sent_twice() {
    let origin = Origin::start();
    let edge = start(settings(&[origin.address]));
    let post = b"POST /drop HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx";
    let answer = talk(&edge, post);
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert_eq!(origin.seen().len(), 1);
    counted(&edge, Counter::retries, 0);
}

#[test]
fn retries_end_with_their_budget() {
    let origin = Origin::start();
    let mut settings = settings(&[origin.address]);
    settings.limits.retry_budget_percent = 0;
    let edge = start(settings);
    for _ in 0..20 {
        assert!(get(&edge, "/drop").starts_with("HTTP/1.1 502 "));
    }
    counted(&edge, Counter::retries, 0);
    assert!(edge.count(Counter::retry_budget_spent) >= 1);
    assert_eq!(origin.seen().len(), 20);
}

#[test]
fn an_answer_that_is_cut_or_ambiguous_is_never_passed_off_as_whole() {
    let origin = Origin::start();
    let edge = start(settings(&[origin.address]));
    let cut = get(&edge, "/cut");
    assert!(!cut.contains("Content-Length: 4"), "{cut}");
    assert!(cut.ends_with("half") || cut.starts_with("HTTP/1.1 502 "), "{cut}");
    assert!(get(&edge, "/split").starts_with("HTTP/1.1 502 "));
    assert!(edge.count(Counter::upstream_broken) >= 2);
}
