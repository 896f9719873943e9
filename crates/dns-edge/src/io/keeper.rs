//! Looks after the back ends: asks each of them a real question every second, and takes out those
//! that do not answer, or answer otherwise than the rest of their pool.
//!
//! What is asked is what was answered to a client lately, or the SOA record of the pool's suffix.

use super::clock::Clock;
use super::socket;
use crate::backend::health::{Checks, Turn};
use crate::core::{Common, Latest};
use crate::message::{HEADER_BYTES, code, flag, kind, proxy};
use crate::random::Random;
use crate::settings::{Backend, Pool};
use seawall_detection::Window;
use seawall_model::hash;
use seawall_model::observation::{BackendEvent, BackendEventKind, Observation};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// From one round of questions to the next, and how long answers are waited for.
const ROUND_US: u64 = 1_000_000;
const PATIENCE_US: u64 = 500_000;
/// How often the end of the edge is looked for.
const STEP: Duration = Duration::from_millis(20);

/// Checks back ends until told to stop; what changes is counted into `window`.
pub fn keep(common: &Common, latest: &Latest, clock: &Clock, window: &Mutex<Window>, stop: &AtomicBool) {
    let mut keeper = Keeper {
        checks: vec![Checks::default(); common.healths.len()],
        random: Random::default(),
        told: 0,
        common: common.clone(),
        clock,
        window,
    };
    let (mut next_us, mut generation) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        if let Some((newer, common)) = latest.newer(generation) {
            generation = newer;
            // Two checks are soon made again.
            keeper.checks = vec![Checks::default(); common.healths.len()];
            keeper.common = common;
        }
        if clock.now().us >= next_us {
            next_us = clock.now().us + ROUND_US;
            keeper.round(stop);
        }
        std::thread::sleep(STEP);
    }
}

struct Keeper<'a> {
    common: Common,
    clock: &'a Clock,
    window: &'a Mutex<Window>,
    checks: Vec<Checks>,
    random: Random,
    told: u64,
}

/// One server, asked.
struct Probe {
    socket: Option<UdpSocket>,
    message: Vec<u8>,
    code: Option<u16>,
}

impl Keeper<'_> {
    fn round(&mut self, stop: &AtomicBool) {
        let mut first = 0;
        let settings = Arc::clone(&self.common.settings);
        for (at, pool) in settings.pools.iter().enumerate() {
            let question = self.question(at, pool);
            let mut probes: Vec<Probe> = pool.backends.iter().map(|b| self.ask(b, &question)).collect();
            let end_us = self.clock.now().us + PATIENCE_US;
            while probes.iter().any(|p| p.code.is_none() && p.socket.is_some())
                && self.clock.now().us < end_us
                && !stop.load(Ordering::Relaxed)
            {
                probes.iter_mut().for_each(Probe::look);
                std::thread::sleep(STEP / 10);
            }
            if stop.load(Ordering::Relaxed) {
                return;
            }
            // Answers that came in time count, also where this thread had none to look at them.
            probes.iter_mut().for_each(Probe::look);
            self.judge(first, pool, &probes);
            first += pool.backends.len();
        }
    }

    /// The question of a pool: name, type and class.
    fn question(&self, at: usize, pool: &Pool) -> Vec<u8> {
        let sample = self.common.samples[at].lock().unwrap_or_else(PoisonError::into_inner);
        if !sample.is_empty() {
            return sample.to_vec();
        }
        let kind = if pool.suffix.len() > 1 { kind::SOA } else { kind::NS };
        [&pool.suffix[..], &kind.to_be_bytes(), &[0, 1]].concat()
    }

    fn ask(&mut self, backend: &Backend, question: &[u8]) -> Probe {
        let mut message = self.random.u16().to_be_bytes().to_vec();
        message.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        message.extend(question);
        let mut datagram = Vec::new();
        if backend.proxy_protocol {
            proxy::write_local(&mut datagram);
        }
        datagram.extend(&message);
        let socket = socket::to_backend(backend.address).ok();
        // One that cannot be sent is one that is not answered.
        let sent = socket.as_ref().is_some_and(|s| s.send(&datagram).is_ok());
        Probe { socket: socket.filter(|_| sent), message, code: None }
    }

    /// Compares the answers of a pool. A server is good if it answers as most do; where nobody is
    /// more than the others, if it does not fail.
    fn judge(&mut self, first: usize, pool: &Pool, probes: &[Probe]) {
        let codes: Vec<Option<u16>> = probes.iter().map(|p| p.code).collect();
        let usual = most_common(&codes);
        for (at, (backend, code)) in pool.backends.iter().zip(&codes).enumerate() {
            let is_good = match (code, usual) {
                (None, _) => false,
                (Some(code), Some(usual)) => *code == usual,
                (Some(code), None) => *code != code::SERVER_FAILURE,
            };
            let health = &self.common.healths[first + at];
            if !is_good && code.is_some() {
                health.distrust();
            }
            let turn = self.checks[first + at].note(is_good, health, self.clock.now().us / 1_000);
            match turn {
                Turn::Up => self.tell(BackendEventKind::ServerUp, &backend.name, "is up"),
                Turn::Down => self.tell(BackendEventKind::ServerDown, &backend.name, "is down"),
                Turn::Same => {}
            }
        }
    }

    fn tell(&mut self, kind: BackendEventKind, name: &str, what: &str) {
        let text = format!("{name} {what}");
        let event = BackendEvent {
            time: self.clock.now().wall,
            kind,
            backend: b"",
            server: name.as_bytes(),
            text: text.as_bytes(),
        };
        self.told += 1;
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.observe(&Observation::Backend(event), hash::combine(u64::MAX, self.told));
    }
}

impl Probe {
    fn look(&mut self) {
        let Some(socket) = &self.socket else { return };
        let mut answer = [0; 4_096];
        match socket.recv(&mut answer) {
            Ok(n) if self.code.is_none() => self.code = self.read(&answer[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => self.socket = None,
            _ => {}
        }
    }

    /// The code of an answer to this very question; a failure may leave the question out.
    fn read(&self, answer: &[u8]) -> Option<u16> {
        let header = answer.first_chunk::<HEADER_BYTES>()?;
        let question = HEADER_BYTES..self.message.len();
        let flags = u16::from_be_bytes([header[2], header[3]]);
        let code = flags & flag::CODE;
        let is_bare = header[4..10] == [0; 6] && !matches!(code, code::NO_ERROR | code::NO_SUCH_NAME);
        let is_ours = header[..2] == self.message[..2]
            && flags & flag::RESPONSE != 0
            && (is_bare || answer.get(question.clone()) == self.message.get(question));
        is_ours.then_some(code)
    }
}

/// The code that more than half of those that answered gave, if there is one and at least two did.
fn most_common(codes: &[Option<u16>]) -> Option<u16> {
    let given: Vec<u16> = codes.iter().flatten().copied().collect();
    let count = |code: u16| given.iter().filter(|c| **c == code).count();
    let most = given.iter().copied().max_by_key(|c| count(*c))?;
    (given.len() > 1 && 2 * count(most) > given.len()).then_some(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Broke: a server that refuses without repeating the question, as it may before anybody has asked for a name
    /// that it serves, counted as silent and was taken out.
    #[test]
    fn a_refusal_without_its_question_is_an_answer_to_a_check() {
        let message = b"\x12\x34\0\0\0\x01\0\0\0\0\0\0\0\0\x02\0\x01".to_vec();
        let probe = Probe { socket: None, message: message.clone(), code: None };
        let said = |flags: [u8; 2]| [&message[..2], &flags, &message[4..]].concat();
        let bare = |code: u8| [&message[..2], &[0x80, code], &[0; 8][..]].concat();
        assert_eq!([probe.read(&said([0x80, 0])), probe.read(&said([0x80, 5]))], [Some(0), Some(5)]);
        assert_eq!([2, 5].map(|code| probe.read(&bare(code))), [Some(2), Some(5)]);
        let none = [said([0, 0]), bare(0), bare(3), said([0x80, 0])[..12].to_vec(), bare(5)[..11].to_vec()];
        assert!(none.iter().all(|answer| probe.read(answer).is_none()));
        assert!(probe.read(&[&[0; 2], &bare(5)[2..]].concat()).is_none(), "another id");
    }

    #[test]
    fn the_majority_says_what_is_right() {
        assert_eq!(most_common(&[Some(0), Some(3), Some(0)]), Some(0));
        assert_eq!(most_common(&[Some(0), Some(3), None]), None);
        assert_eq!(most_common(&[Some(5), None]), None);
        assert_eq!(most_common(&[None, None]), None);
    }
}
