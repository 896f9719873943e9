//! Sites that answer for some hosts alone.

use crate::harness::{Origin, counted, settings, start, talk};
use crate::http2::{Client, END_HEADERS, END_STREAM, HEADERS, frame, get_block};
use crate::tls::encrypted_with;
use seawall_http_edge::Counter;

#[test]
fn a_request_for_another_host_is_misdirected() {
    let origin = Origin::start();
    let mut settings = settings(&[origin.address]);
    settings.sites[0].names = vec!["shop.example".to_owned(), "*.cdn.example".to_owned()];
    let edge = start(settings);
    let status = |version: &str, host: &str| {
        let text = format!("GET /.seawall/x HTTP/{version}\r\n{host}Connection: close\r\n\r\n");
        talk(&edge, text.as_bytes()).split(' ').nth(1).map(str::to_owned)
    };
    for host in ["shop.example", "Shop.Example:8443", "shop.example.", "a.cdn.example", "a.b.cdn.example:80"]
    {
        assert_eq!(status("1.1", &format!("Host: {host}\r\n")).as_deref(), Some("404"), "{host}");
    }
    let others = ["example", "xshop.example", "a.shop.example", "cdn.example", "192.0.2.1", "shop.example.x"];
    for host in others {
        assert_eq!(status("1.1", &format!("Host: {host}\r\n")).as_deref(), Some("421"), "{host}");
    }
    assert_eq!(status("1.0", "").as_deref(), Some("421"));
    counted(&edge, Counter::misdirected, others.len() as u64 + 1);
    assert!(origin.seen().is_empty());
}

#[test]
fn a_request_over_http2_for_another_host_is_misdirected_and_the_connection_goes_on() {
    let (edge, origin, authority) = encrypted_with(|s| s.sites[0].names = vec!["shop.example".to_owned()]);
    let mut client = Client::new(&edge, &authority);
    let own = client.stream_number();
    let mut block = get_block("/a");
    let at = block.len() - "shop.example".len();
    block[at..].copy_from_slice(b"none.example");
    client.send(&frame(HEADERS, END_STREAM | END_HEADERS, own, &block));
    let mut answers = std::iter::from_fn(|| client.read()).filter(|(_, _, stream, _)| *stream == own);
    let (kind, _, _, head) = answers.next().expect("an answer");
    assert!(kind == HEADERS && head.windows(3).any(|word| word == b"421"), "{head:?}");
    drop(answers);
    assert_eq!(client.get("/b").as_deref(), Some("/b"));
    counted(&edge, Counter::misdirected, 1);
    assert_eq!(origin.seen().len(), 1);
}
