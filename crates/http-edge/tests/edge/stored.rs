//! Answers served from the cache: only while a plan asks for it, only to those who may share them.

use crate::harness::{Origin, counted, enforce, enforcing, eventually, get, plain, settings, start, talk};
use crate::messages::{before, upstream};
use seawall_http_edge::{Counter, Edge};
use seawall_model::Cause;
use seawall_model::plan::Action;
use std::io::Write;

/// Puts a plan in force that serves from the cache, as against a crowd.
fn serve_stored(edge: &Edge) {
    enforce(edge, Cause::FlashCrowd, Action::ServeStale { seconds: 60 });
}

fn asked(origin: &Origin, path: &str) -> usize {
    origin.seen().iter().filter(|r| r.starts_with(&format!("GET {path} "))).count()
}

fn get_with(edge: &Edge, path: &str, field: &str) -> String {
    talk(edge, format!("GET {path} HTTP/1.1\r\nHost: a\r\n{field}\r\nConnection: close\r\n\r\n").as_bytes())
}

#[test]
fn a_crowds_pages_are_made_once_and_only_while_a_plan_asks_for_it() {
    let (edge, origin) = plain();
    (0..3).for_each(|_| assert!(get(&edge, "/page").ends_with("/page")));
    assert_eq!(asked(&origin, "/page"), 3, "in calm times nothing is kept");
    serve_stored(&edge);
    for _ in 0..5 {
        let answer = get(&edge, "/page");
        assert!(answer.contains("X-From: origin") && answer.ends_with("/page"), "{answer}");
    }
    assert!(get(&edge, "/page").contains("\r\nAge: "));
    assert_eq!(asked(&origin, "/page"), 4);
    counted(&edge, Counter::served_stored, 5);
    edge.lift(&enforcing());
    get(&edge, "/page");
    assert_eq!(asked(&origin, "/page"), 5);
}

/// Broke: in other letters a host was another one: what is stored was not found, and rules that name it did not hold.
#[test]
fn a_host_is_the_same_in_either_case() {
    let (edge, origin) = plain();
    serve_stored(&edge);
    let ask = |host| {
        talk(&edge, format!("GET /page HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())
    };
    assert!(!ask("shop.example").contains("\r\nAge: "));
    assert!(ask("Shop.EXAMPLE").contains("\r\nAge: "));
    assert_eq!(asked(&origin, "/page"), 1);
}

#[test]
fn nobody_is_given_what_was_made_for_another() {
    let (edge, origin) = plain();
    serve_stored(&edge);
    get(&edge, "/mine");
    assert!(get(&edge, "/mine").contains("\r\nAge: "), "it is kept");
    for field in ["Cookie: session=1", "Authorization: Basic eA==", "Range: bytes=0-1", "Accept-Language: fr"]
    {
        let before = asked(&origin, "/mine");
        assert!(!get_with(&edge, "/mine", field).contains("\r\nAge: "), "{field}");
        assert_eq!(asked(&origin, "/mine"), before + 1, "{field}");
    }
    assert!(get(&edge, "/private").contains("secret"));
    get(&edge, "/private");
    assert_eq!(asked(&origin, "/private"), 2, "the site says that it is private");
    let post =
        talk(&edge, b"POST /mine HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert!(!post.contains("\r\nAge: "), "{post}");
}

/// Broke: browsers that had a page were sent the whole of it again, by the crowd.
#[test]
fn who_has_a_stored_page_is_told_so_in_place_of_it() {
    let edge = before(upstream(|stream, _| {
        let answer = b"HTTP/1.1 200 OK\r\nETag: \"b\"\r\nContent-Length: 6\r\n\r\ntagged";
        stream.write_all(answer).expect("sent");
    }));
    serve_stored(&edge);
    get(&edge, "/tagged");
    let known = get_with(&edge, "/tagged", "If-None-Match: \"a\", \"b\"");
    assert!(known.starts_with("HTTP/1.1 304 Not Modified\r\nETag: \"b\"\r\nAge: "), "{known}");
    assert!(known.ends_with("\r\n\r\n") && !known.contains("Content-Length"), "{known}");
    assert!(get_with(&edge, "/tagged", "If-None-Match: \"a\"").ends_with("tagged"));
}

/// Broke: who had changed a page was shown it as it had been.
#[test]
fn a_page_that_a_visitor_has_changed_is_asked_for_anew() {
    let (edge, origin) = plain();
    serve_stored(&edge);
    get(&edge, "/page");
    let change = |method, path| {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: A\r\nContent-Length: 0\r\nConnection: close");
        talk(&edge, format!("{head}\r\n\r\n").as_bytes())
    };
    for (method, path) in [("OPTIONS", "/page"), ("POST", "/page?x"), ("POST", "/other")] {
        assert!(change(method, path).starts_with("HTTP/1.1 200"));
        assert!(get(&edge, "/page").contains("\r\nAge: "), "{method} {path}");
    }
    assert!(change("POST", "/page").starts_with("HTTP/1.1 200"));
    assert!(!get(&edge, "/page").contains("\r\nAge: "));
    assert_eq!(asked(&origin, "/page"), 2);
}

#[test]
fn an_answer_from_before_is_given_while_the_upstream_fails() {
    let origin = Origin::start();
    let edge = start(settings(&[origin.address]));
    serve_stored(&edge);
    assert!(get(&edge, "/sick-after-once").ends_with("well"));
    // It is as good as new for a second; then somebody asks anew, and is answered all the same.
    eventually("a stored answer is given for a failure", || {
        assert!(get(&edge, "/sick-after-once").ends_with("well"));
        edge.count(Counter::served_instead) >= 1
    });
}
