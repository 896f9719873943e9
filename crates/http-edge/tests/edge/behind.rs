//! Upstreams that are spoken to over TLS or in HTTP/2: another edge, which speaks both, and nginx
//! where there is one.

use crate::harness::{
    Origin, PATIENCE, connect, counted, eventually, get, read_to_end, read_until, settings, start, talk,
};
use crate::peers;
use crate::tls::Authority;
use seawall_http_edge::tls::{CertificateFiles, Certificates};
use seawall_http_edge::upstream_tls::Trust;
use seawall_http_edge::{Counter, Edge, Settings, Speaks};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;

/// An edge in front of a server that speaks otherwise than HTTP/1.
fn before(address: SocketAddr, speaks: Speaks, trust: Option<Trust>) -> Edge {
    start(before_settings(address, speaks, trust))
}

fn before_settings(address: SocketAddr, speaks: Speaks, trust: Option<Trust>) -> Settings {
    let mut settings = settings(&[address]);
    settings.sites[0].upstreams[0].speaks = speaks;
    settings.sites[0].upstream_trust = trust;
    settings
}

/// An edge with TLS, its origin, and the files of its certificate.
fn encrypted() -> (Edge, Origin, Authority, CertificateFiles) {
    let (origin, mut authority) = (Origin::start(), Authority::new());
    let files = authority.issue("shop.example");
    let mut settings = settings(&[origin.address]);
    settings.sites[0].tls = Some(Certificates::load(vec![files.clone()]).expect("certificates"));
    (start(settings), origin, authority, files)
}

fn trust(file: &Path, name: &str) -> Option<Trust> {
    Some(Trust::load(Some(file), Some(name), None).expect("trust"))
}

/// Everything that an exchange can be, over whatever the upstream speaks.
fn carries_everything(edge: &Edge, origin: &Origin) {
    assert!(get(edge, "/a").ends_with("\r\n\r\n/a"));
    let post = "POST /echo HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n";
    let with_length = talk(edge, format!("{post}Content-Length: 5\r\n\r\nhello").as_bytes());
    assert!(with_length.ends_with("\r\n\r\nhello"), "{with_length}");
    let chunked = talk(
        edge,
        format!("{post}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n").as_bytes(),
    );
    assert!(chunked.ends_with("\r\n\r\nhello world"), "{chunked}");
    let body = "y".repeat(300_000);
    let large = talk(edge, format!("{post}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
    assert!(large.ends_with(&body), "{} bytes", large.len());
    assert!(get(edge, "/big").len() > 1 << 20);
    assert!(get(edge, "/chunks").contains("hello"));
    assert!(get(edge, "/none").starts_with("HTTP/1.1 204 "));
    let head = talk(edge, b"HEAD /a HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(get(edge, "/cut").len() < 300, "a cut answer is not passed off as whole");
    let mut events = connect(edge);
    events.write_all(b"GET /events HTTP/1.1\r\nHost: shop.example\r\n\r\n").expect("sent");
    read_until(&mut events, "one\r\n");
    let seen = origin.seen().concat().to_ascii_lowercase();
    assert!(seen.contains("\r\nhost: shop.example\r\n"), "the name that was asked for stays");
}

#[test]
fn an_upstream_is_spoken_to_over_tls() {
    let (inner, origin, _authority, files) = encrypted();
    let edge = before(inner.addresses()[0], Speaks::Tls, trust(&files.chain, "shop.example"));
    carries_everything(&edge, &origin);
    assert!(inner.count(Counter::http2_requests) >= 9, "the two agree on HTTP/2");
    assert!(edge.count(Counter::upstream_connections) <= 4, "exchanges share connections");
    assert_eq!(edge.troubles(), []);
}

/// Broke: a request that could not be said in HTTP/2 ended without an answer, which was a failure of each upstream
/// that it was tried at.
#[test]
fn what_cannot_be_said_in_http2_is_no_failure_of_the_upstream() {
    let (inner, origin, _authority, files) = encrypted();
    let edge = before(inner.addresses()[0], Speaks::Tls, trust(&files.chain, "shop.example"));
    for host in ["a%b", "a:1:2", "[["] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = talk(&edge, request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400 "), "{host}: {answer}");
    }
    assert_eq!((edge.count(Counter::retries), edge.count(Counter::upstream_broken)), (0, 0));
    assert!(origin.seen().is_empty() && get(&edge, "/a").ends_with("/a"));
}

#[test]
fn connections_become_another_protocol_also_where_http2_is_spoken() {
    let (inner, _origin, _authority, files) = encrypted();
    let edge = before(inner.addresses()[0], Speaks::Tls, trust(&files.chain, "shop.example"));
    get(&edge, "/a");
    let mut chat = connect(&edge);
    chat.write_all(
        b"GET /chat HTTP/1.1\r\nHost: shop.example\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    )
    .expect("sent");
    let begun = read_until(&mut chat, "\r\n\r\nhi");
    assert!(begun.starts_with("HTTP/1.1 101 "), "{begun}");
    chat.write_all(b"hello").expect("sent");
    assert_eq!(read_to_end(&mut chat), "hello");
}

#[test]
fn an_upstream_that_is_not_to_be_trusted_gets_nothing_and_the_reason_is_told() {
    let (inner, origin, mut authority, files) = encrypted();
    let other = authority.issue("other.example");
    let tls = inner.addresses()[0];
    // Signed by nobody that the file names; and no TLS at all.
    for (address, file, word) in
        [(tls, &other.chain, "upstream-ca"), (origin.address, &files.chain, "port for TLS")]
    {
        let edge = before(address, Speaks::Tls, trust(file, "shop.example"));
        assert!(get(&edge, "/a").starts_with("HTTP/1.1 502 "), "{word}");
        let troubles = edge.troubles();
        assert!(troubles.iter().any(|(site, _, why)| *site == 0 && why.contains(word)), "{troubles:?}");
        eventually("it is down", || edge.upstreams().iter().all(|(.., up)| !up));
    }
    let edge = before(origin.address, Speaks::Http2, None);
    assert!(get(&edge, "/a").starts_with("HTTP/1.1 502 "));
    let troubles = edge.troubles();
    assert!(troubles.iter().any(|(.., why)| why.contains("does not speak HTTP/2")), "{troubles:?}");
    assert!(!origin.seen().concat().contains("GET /a"), "no request is sent in the open");
}

#[test]
fn a_certificate_of_an_authority_of_ones_own_is_for_its_name_only() {
    let mut authority = Authority::new();
    let (root, files) = authority.issue_signed("shop.example");
    let origin = Origin::start();
    let mut behind = settings(&[origin.address]);
    behind.sites[0].tls = Some(Certificates::load(vec![files]).expect("certificates"));
    let inner = start(behind);
    let address = inner.addresses()[0];
    let right = before(address, Speaks::Tls, trust(&root, "shop.example"));
    assert!(get(&right, "/a").ends_with("/a"));
    let wrong = before(address, Speaks::Tls, trust(&root, "blog.example"));
    assert!(get(&wrong, "/a").starts_with("HTTP/1.1 502 "));
    let why = wrong.troubles().concat_words();
    assert!(why.contains("`blog.example`") && why.contains("upstream-name"), "{why}");
    assert!(Trust::load(Some(Path::new("/nowhere.pem")), None, None).is_err());
    assert!(Trust::load(Some(&root), Some("no name"), None).is_err());
}

#[test]
fn an_upstream_that_asks_who_comes_is_shown_a_certificate() {
    let (origin, mut authority) = (Origin::start(), Authority::new());
    let (server, ours) = (authority.issue("shop.example"), authority.issue("edge.example"));
    let lines = format!(
        "ssl_certificate {}; ssl_certificate_key {}; ssl_client_certificate {}; ssl_verify_client on; \
         add_header X-Who $ssl_client_s_dn always;",
        server.chain.display(),
        server.key.display(),
        ours.chain.display()
    );
    let Some(peer) = peers::nginx(origin.address, "ssl", &lines) else { return };
    let with = |shown| Some(Trust::load(Some(&server.chain), None, shown).expect("trust"));
    let edge = before(peer.address, Speaks::Tls, with(Some(&ours)));
    let answer = get(&edge, "/a");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("/a"), "{answer}");
    let stranger = before(peer.address, Speaks::Tls, with(None));
    let refused = get(&stranger, "/a");
    assert!(!refused.starts_with("HTTP/1.1 200 "), "{refused}");
    let wrong = CertificateFiles { chain: ours.chain.clone(), key: server.key.clone() };
    let error = Trust::load(Some(&server.chain), None, Some(&wrong)).expect_err("another key");
    assert!(error.to_string().contains("does not serve its certificate"), "{error}");
}

#[test]
fn health_checks_speak_what_requests_speak() {
    let (inner, origin, _authority, files) = encrypted();
    let mut settings =
        before_settings(inner.addresses()[0], Speaks::Tls, trust(&files.chain, "shop.example"));
    settings.sites[0].health_path = Some("/up".to_owned());
    let edge = start(settings);
    eventually("it is looked at", || origin.seen().concat().contains("/up"));
    assert!(edge.upstreams().iter().all(|(.., up)| *up));
}

#[test]
fn nginx_is_spoken_to_over_tls_and_in_http2() {
    let origin = Origin::start();
    let mut authority = Authority::new();
    let files = authority.issue("shop.example");
    let certificate = format!(
        "ssl_certificate {}; ssl_certificate_key {}; add_header X-Spoke $server_protocol always;",
        files.chain.display(),
        files.key.display()
    );
    let plain = "add_header X-Spoke $server_protocol always;";
    let ways = [
        ("ssl", &*certificate, Speaks::Tls, "HTTP/1.1"),
        ("ssl http2", &*certificate, Speaks::Tls, "HTTP/2.0"),
        ("http2", plain, Speaks::Http2, "HTTP/2.0"),
    ];
    for (how, lines, speaks, spoke) in ways {
        let Some(peer) = peers::nginx(origin.address, how, lines) else { return };
        let edge = before(peer.address, speaks, trust(&files.chain, "shop.example"));
        let answer = get(&edge, "/a").to_ascii_lowercase();
        assert!(answer.contains(&format!("x-spoke: {}\r\n", spoke.to_ascii_lowercase())), "{how}: {answer}");
        carries_everything(&edge, &origin);
        assert_eq!(edge.troubles(), [], "{how}");
    }
}

#[test]
fn many_exchanges_at_once_share_connections_of_http2() {
    let origin = Origin::start();
    let Some(peer) = peers::nginx(origin.address, "http2", "") else { return };
    let edge = before(peer.address, Speaks::Http2, None);
    get(&edge, "/first");
    let all: Vec<_> = (0..60)
        .map(|n| {
            let mut client = connect(&edge);
            client.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            let text = format!("GET /{n} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            client.write_all(text.as_bytes()).expect("sent");
            (n, client)
        })
        .collect();
    for (n, mut client) in all {
        let answer = read_to_end(&mut client);
        assert!(answer.ends_with(&format!("/{n}")), "{answer}");
    }
    assert!(edge.count(Counter::upstream_connections) <= 3, "{}", edge.count(Counter::upstream_connections));
    // nginx closes for good: the next request opens a new connection.
    drop(peer);
    eventually("its end is noticed", || !get(&edge, "/gone").starts_with("HTTP/1.1 200"));
    counted(&edge, Counter::http2_errors, 0);
}

/// All reasons as one text.
trait Words {
    fn concat_words(&self) -> String;
}

impl Words for Vec<(usize, String, String)> {
    fn concat_words(&self) -> String {
        self.iter().map(|(.., why)| why.as_str()).collect()
    }
}
