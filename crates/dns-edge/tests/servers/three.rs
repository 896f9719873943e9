//! Three servers, of which one is slow, then dead, then lies: what clients see, with figures.

#![allow(clippy::disallowed_methods, reason = "a slow server answers late in real time")]

use crate::lab::{Lab, patient, try_ask, until};
use seawall_dns_edge::{Counter, Limits};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How a server is; 0: well.
const SLOW: u8 = 1;
const DEAD: u8 = 2;
const LYING: u8 = 3;
const GARBLED: u8 = 4;

/// Names that the servers have.
const NAMES: u32 = 400;
const LATE: Duration = Duration::from_millis(400);

/// A server to which every name that begins with `host` has an address.
struct Fake {
    address: SocketAddr,
    how: Arc<AtomicU8>,
    asked: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

impl Fake {
    fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(Duration::from_millis(5))).expect("a timeout");
        let new = Self {
            address: socket.local_addr().expect("an address"),
            how: Arc::default(),
            asked: Arc::default(),
            stop: Arc::default(),
        };
        let (how, asked, stop) = (Arc::clone(&new.how), Arc::clone(&new.asked), Arc::clone(&new.stop));
        std::thread::spawn(move || {
            let mut late = std::collections::VecDeque::new();
            let mut message = [0; 2_048];
            while !stop.load(Relaxed) {
                while late.front().is_some_and(|(at, _, _)| *at <= Instant::now()) {
                    let Some((_, to, answer)): Option<(Instant, SocketAddr, Vec<u8>)> = late.pop_front()
                    else {
                        break;
                    };
                    drop(socket.send_to(&answer, to));
                }
                let Ok((length, from)) = socket.recv_from(&mut message) else { continue };
                asked.fetch_add(1, Relaxed);
                let answer = reply(&message[..length], how.load(Relaxed));
                match how.load(Relaxed) {
                    DEAD => {}
                    SLOW => late.push_back((Instant::now() + LATE, from, answer)),
                    _ => drop(socket.send_to(&answer, from)),
                }
            }
        });
        new
    }
}

fn reply(asked: &[u8], how: u8) -> Vec<u8> {
    // The OPT record, where there is one, goes.
    let end = 12 + asked[12..].iter().position(|b| *b == 0).map_or(0, |at| at + 5);
    let mut answer = asked[..end].to_vec();
    answer[2] |= 0x84;
    answer[4..12].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
    if asked[13..17] == *b"host" && how != LYING {
        answer[7] = 1;
        answer.extend(b"\xC0\x0C\0\x01\0\x01\0\0\0\0\0\x04\xC0\0\x02\x01");
    } else {
        answer[3] |= 3;
    }
    if how == GARBLED {
        answer[14] ^= 1;
    }
    answer
}

/// What clients see while they ask `each` questions each.
#[derive(Debug, Default)]
struct Seen {
    asked: u32,
    again: u32,
    failed: u32,
}

fn ask_all(front: SocketAddr, clients: u32, each: u32) -> Seen {
    let client = |client: u32| {
        let mut seen = Seen::default();
        for n in 0..each {
            let name = format!("host{}.example.org", (client * each + n) % NAMES);
            let is_good = || try_ask(front, &name, 1).is_some_and(|a| a[3] & 15 == 0 && a[7] == 1);
            seen.asked += 1;
            if !is_good() {
                seen.again += 1;
                seen.failed += u32::from(!is_good());
            }
        }
        seen
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..clients).map(|n| scope.spawn(move || client(n))).collect();
        let add = |a: Seen, b: Seen| Seen {
            asked: a.asked + b.asked,
            again: a.again + b.again,
            failed: a.failed + b.failed,
        };
        all.into_iter().map(|c| c.join().expect("no panic")).fold(Seen::default(), add)
    })
}

/// Three servers, and an edge before them that has passed on each name once: times to live are
/// zero, so that every question is passed on.
fn three() -> ([Fake; 3], Lab) {
    let servers = [Fake::start(), Fake::start(), Fake::start()];
    let named: Vec<_> = ["one", "two", "three"].into_iter().zip(servers.iter().map(|s| s.address)).collect();
    let lab = Lab::with_limits(&named, Limits { loud_bytes_per_s: 1 << 30, ..patient() });
    let seen = ask_all(lab.address, 4, NAMES / 4);
    assert_eq!((seen.again, seen.failed), (0, 0), "{seen:?}");
    (servers, lab)
}

/// How even the spread is when all answer alike is a test of the pool. Here a server that the machine
/// has no time for is slow, and rightly asked less, for as long as that lasts; none is left out.
#[test]
fn three_servers_that_are_well_share_the_questions() {
    let (servers, lab) = three();
    let before: Vec<u32> = servers.iter().map(|s| s.asked.load(Relaxed)).collect();
    until("each has been asked hundreds of times", || {
        let seen = ask_all(lab.address, 4, 500);
        assert_eq!((seen.again, seen.failed), (0, 0), "{seen:?}");
        servers.iter().zip(&before).all(|(s, before)| s.asked.load(Relaxed) - before >= 500)
    });
}

#[test]
fn one_of_three_servers_may_be_slow_dead_lying_or_garbled() {
    for (how, name) in [(SLOW, "slow"), (DEAD, "dead"), (LYING, "lying"), (GARBLED, "garbled")] {
        let (servers, lab) = three();
        servers[1].how.store(how, Relaxed);
        let before = servers[1].asked.load(Relaxed);
        until("the trouble is met with", || {
            let seen = ask_all(lab.address, 4, 500);
            let asked = servers[1].asked.load(Relaxed) - before;
            let hedged = lab.edge.count(Counter::hedged);
            println!("{name}: {seen:?}; it was asked {asked} times, others as well {hedged} times");
            assert_eq!(seen.failed, 0, "{name}: {seen:?}");
            asked >= 3
        });
        until("it is taken out or asked no more", || lab.edge.backends().any(|(_, up)| !up) || how == SLOW);
    }
}
