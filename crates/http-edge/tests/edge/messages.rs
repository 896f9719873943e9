//! What peers' test suites ask of a proxy in the middle, with upstreams that say one thing each.

use crate::harness::{connect, read_to_end, read_until, settings, start};
use seawall_http_edge::Edge;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;

/// An upstream whose connections are served by `serve`, one after the other, once a request's head has come.
pub fn upstream(serve: impl Fn(&mut TcpStream, &str) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                head.push(byte[0]);
            }
            serve(&mut stream, &String::from_utf8_lossy(&head));
        }
    });
    address
}

pub fn before(address: SocketAddr) -> Edge {
    start(settings(&[address]))
}

/// Broke: the last words of an upstream that broke off were lost, though the client had been given the others.
#[test]
fn what_came_of_an_answer_before_it_broke_off_reaches_the_client() {
    for (head, said, end) in [
        ("Transfer-Encoding: chunked", ["3\r\none\r\n", "3\r\ntwo\r\n"], "3\r\none\r\n3\r\ntwo\r\n"),
        ("Content-Length: 99", ["one", "two"], "onetwo"),
        // The second is no chunk, but there is one before it.
        ("Transfer-Encoding: chunked", ["3\r\none\r\n", "3\r\ntwo\r\nx"], "3\r\none\r\n3\r\ntwo\r\n"),
    ] {
        let (heard, wait) = mpsc::channel();
        let edge = before(upstream(move |stream, _| {
            let first = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{}", said[0]);
            stream.write_all(first.as_bytes()).expect("sent");
            wait.recv().expect("the client has the first");
            stream.write_all(said[1].as_bytes()).expect("sent");
        }));
        let mut client = connect(&edge);
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
        let first = read_until(&mut client, said[0].trim_end());
        heard.send(()).expect("it waits");
        let all = first + &read_to_end(&mut client);
        assert!(all.ends_with(end), "{head}: {all}");
    }
}
