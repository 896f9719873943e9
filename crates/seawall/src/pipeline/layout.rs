//! A fingerprint of how windows are laid out. What this program stores is compact and does not
//! name its fields, so a program with another layout must not read it.

use seawall_detection::Window;
use seawall_model::observation::{
    BackendEvent, BackendEventKind, Connection, ConnectionEvent, Dns, FlowState, Login, Observation, Packet,
    Request,
};
use seawall_model::{Timestamp, hash};
use serde::Serialize;
use std::net::{IpAddr, Ipv4Addr};

const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The same for two programs if their windows have the same fields in the same order.
///
/// A window that has seen one thing of every kind is written as JSON, and the names in it are
/// hashed, without the values: a program that counts otherwise may still read it.
#[must_use]
pub fn fingerprint() -> u64 {
    let mut window = Window::default();
    for observation in [request(), packet(), connection(), dns(), login(), backend()] {
        window.observe(&observation, 1);
    }
    window.seal(1.0);
    of_names(&window)
}

/// The names of all fields of a value, hashed.
#[must_use]
pub fn of_names(value: &impl Serialize) -> u64 {
    // What is asked about has no maps with keys that JSON cannot name; one that had would fail the tests.
    let text = serde_json::to_string(value).unwrap_or_default();
    names(&text).fold(0, |sum, name| hash::combine(sum, hash::bytes(name.as_bytes())))
}

/// The quoted names before colons. Names and values of such a window hold no quotes.
fn names(json: &str) -> impl Iterator<Item = &str> {
    let parts: Vec<&str> = json.split('"').collect();
    (1..parts.len().saturating_sub(1))
        .step_by(2)
        .filter(|&at| parts[at + 1].starts_with(':'))
        .map(|at| parts[at])
        .collect::<Vec<_>>()
        .into_iter()
}

fn request() -> Observation<'static> {
    Observation::Request(Request::new(Timestamp(1), HOST))
}

fn packet() -> Observation<'static> {
    Observation::Packet(Packet {
        source: HOST,
        destination: HOST,
        protocol: 17,
        source_port: 123,
        destination_port: 1,
        length_bytes: 40,
        ttl: 1,
        flow: FlowState::OneWay,
        ..Packet::unknown(Timestamp(1))
    })
}

fn connection() -> Observation<'static> {
    Observation::Connection(Connection {
        time: Timestamp(1),
        event: ConnectionEvent::Established,
        client: HOST,
        server: HOST,
        client_port: 1,
        server_port: 2,
        client_bytes: 0,
        server_bytes: 0,
        duration_us: 0,
        requests: 0,
        ja4: 0,
    })
}

fn dns() -> Observation<'static> {
    Observation::Dns(Dns {
        time: Timestamp(1),
        client: HOST,
        server: HOST,
        client_port: 1,
        is_response: true,
        over_tcp: false,
        name: b"www.shop.example",
        query_type: 1,
        opcode: 0,
        response_code: 3,
        authoritative: false,
        truncated: false,
        recursion_desired: false,
        records: 0,
        message_bytes: 40,
        unsolicited: false,
        response_us: Some(1),
        malformed: false,
    })
}

fn login() -> Observation<'static> {
    Observation::Login(Login {
        time: Timestamp(1),
        client: HOST,
        succeeded: false,
        challenged: false,
        service: "ssh",
        user: b"root",
    })
}

fn backend() -> Observation<'static> {
    let kind = BackendEventKind::ServerDown;
    Observation::Backend(BackendEvent {
        time: Timestamp(1),
        kind,
        backend: b"app",
        server: b"web1",
        text: b"down",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_values() {
        let found: Vec<&str> = names(r#"{"a":"b","c":[{"d":1}],"e":"f"}"#).collect();
        assert_eq!(found, ["a", "c", "d", "e"]);
    }

    #[test]
    fn the_fingerprint_covers_every_part_of_a_window() {
        let mut window = Window::default();
        for observation in [request(), packet(), connection(), dns(), login(), backend()] {
            window.observe(&observation, 1);
        }
        let text = serde_json::to_string(&window).expect("a window can be written as JSON");
        for part in ["counters", "volumes", "attempts", "events", "sample", "registers", "buckets"] {
            assert!(names(&text).any(|name| name == part), "{part}");
        }
        assert_ne!(fingerprint(), 0);
    }
}
