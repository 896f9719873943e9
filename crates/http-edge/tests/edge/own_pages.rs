//! Addresses of the edge's own: who may ask for them, and what is seen of it.

use crate::harness::{enforce, enforce_for, eventually, plain, talk};
use crate::http2::Client;
use crate::tls::encrypted;
use seawall_http_edge::{Edge, act};
use seawall_model::plan::{Action, RateKey, Scope};
use seawall_model::{Cause, Prefix};

/// Asks as a browser does for a page or for what it is made of.
fn browse(edge: &Edge, path: &str, accept: &str, cookie: &str) -> String {
    let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\nUser-Agent: b\r\nAccept: {accept}\r\n");
    talk(edge, format!("{head}Cookie: {cookie}\r\nConnection: close\r\n\r\n").as_bytes())
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let start = text.find(before).expect("its beginning") + before.len();
    &text[start..start + text[start..].find(after).expect("its end")]
}

/// Waits until so many requests are in the windows, of which so many were asked before, and no more.
fn seen(edge: &Edge, wanted: u64) {
    let mut seen = 0;
    eventually(&format!("{wanted} requests are seen"), || {
        seen += edge.take_window().http.map_or(0, |http| http.counters.requests);
        seen >= wanted
    });
    assert_eq!(seen, wanted);
}

/// Broke: the addresses of our own were answered before any block was looked at.
#[test]
fn whoever_is_blocked_gets_no_page_of_ours() {
    let (edge, _origin) = plain();
    let (encrypted, _origin, authority) = encrypted(|_| {});
    for edge in [&edge, &encrypted] {
        let here = Prefix::host([127, 0, 0, 1].into());
        enforce_for(edge, Cause::HttpFlood, [(Scope::Sources(vec![here]), Action::Block { status: 403 })]);
    }
    for path in ["/.seawall/work.js", "/.seawall/look.css?ticket=x", "/.seawall/pass", "/.seawall/none"] {
        let answer = browse(&edge, path, "*/*", "");
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.ends_with("Forbidden"), "{path}: {answer}");
        assert_eq!(Client::new(&encrypted, &authority).get(path).as_deref(), Some("Forbidden"), "{path}");
    }
    for edge in [&edge, &encrypted] {
        seen(edge, 4);
    }
}

/// Broke: a flood of requests for addresses of our own was counted in no window, and no measure held it back.
#[test]
fn a_flood_of_requests_for_our_pages_is_seen_and_limited() {
    let (edge, _origin) = plain();
    let (encrypted, _origin, authority) = encrypted(|_| {});
    let paths = ["/.seawall/work.js", "/.seawall/look.css?ticket=x", "/.seawall/wait?to=%2F", "/.seawall/x"];
    let mut client = Client::new(&encrypted, &authority);
    for path in paths.iter().cycle().take(12) {
        browse(&edge, path, "*/*", "");
        client.get(path).expect("an answer");
    }
    for edge in [&edge, &encrypted] {
        seen(edge, 12);
    }
    for edge in [&edge, &encrypted] {
        let limit = Action::RateLimit { key: RateKey::Source, per_s: 0.001, burst: 2.0 };
        enforce(edge, Cause::HttpFlood, limit);
    }
    let answers = paths.map(|path| browse(&edge, path, "*/*", ""));
    let limited = answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 429 ")).count();
    assert_eq!(limited, 2, "{answers:?}");
    let answers = paths.map(|path| client.get(path).expect("an answer"));
    let limited = answers.iter().filter(|answer| *answer == "Too Many Requests").count();
    assert_eq!(limited, 2, "{answers:?}");
}

/// What a challenge brings about is part of it, however much others ask for; what is shown again and again is
/// not.
#[test]
fn whoever_is_challenged_can_pass_under_a_limit_that_others_use_up() {
    let (edge, origin) = plain();
    let limit = Action::RateLimit { key: RateKey::Total, per_s: 0.001, burst: 4.0 };
    enforce_for(&edge, Cause::HttpFlood, [(Scope::All, limit), (Scope::All, Action::Challenge)]);
    let page = browse(&edge, "/item", "text/html", "");
    assert!(page.starts_with("HTTP/1.1 503 "), "{page}");
    seen(&edge, 1);
    // Others use up what all may ask for together.
    (0..9).for_each(|_| _ = browse(&edge, "/item", "text/html", ""));
    seen(&edge, 9);
    let style = between(&page, "stylesheet\" href=\"", "\"");
    assert!(browse(&edge, style, "text/css", "").starts_with("HTTP/1.1 200 "));
    let puzzle = between(&page, "data-puzzle=\"", "\"");
    let level = between(&page, "data-level=\"", "\"").parse().expect("a level");
    let solution = act::gate::solved(puzzle.as_bytes(), level);
    let pass = browse(&edge, &format!("/.seawall/pass?puzzle={puzzle}&solution={solution}"), "*/*", "");
    assert!(pass.starts_with("HTTP/1.1 204 "), "{pass}");
    assert!(browse(&edge, "/.seawall/work.js", "*/*", "").starts_with("HTTP/1.1 200 "));
    seen(&edge, 1);
    (0..20).for_each(|_| _ = browse(&edge, style, "text/css", ""));
    seen(&edge, 17);
    assert!(origin.seen().is_empty());
}
