//! Keeps the zones that are known: transfers each from its primary, looks for a new serial number,
//! sooner when a NOTIFY comes, and forgets a zone whose primary has been silent for longer than
//! the zone allows.

use super::clock::Clock;
use super::socket;
use crate::core::Common;
use crate::exist::transfer::{Transfer, question, serial, zone_text};
use crate::exist::{Zone, Zones};
use crate::message::kind;
use crate::random::Random;
use crate::settings::ZoneSource;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a primary may take to answer, or to send the next piece.
const PATIENCE: Duration = Duration::from_secs(5);
/// A whole transfer.
const TRANSFER_US: u64 = 300_000_000;
/// After a failure, the next attempt.
const RETRY_US: u64 = 5_000_000;
const STEP: Duration = Duration::from_millis(20);

/// What is known of a zone.
struct Followed<'s> {
    source: &'s ZoneSource,
    zone: Option<Arc<Zone>>,
    /// When its primary was last heard.
    heard_us: u64,
    next_us: u64,
}

/// Follows the zones until told to stop. `said`: what an operator should know, one line each.
pub fn follow(common: &Common, clock: &Clock, said: &Mutex<Vec<String>>, stop: &AtomicBool) {
    let sources = &common.settings.zones;
    let mut zones: Vec<Followed<'_>> =
        sources.iter().map(|source| Followed { source, zone: None, heard_us: 0, next_us: 0 }).collect();
    let mut random = Random::default();
    let mut notified = common.zones.notified();
    while !stop.load(Ordering::Relaxed) && !zones.is_empty() {
        let now_us = clock.now().us;
        let is_notified = std::mem::replace(&mut notified, common.zones.notified()) != notified;
        let mut changed = false;
        for followed in &mut zones {
            if is_notified || now_us >= followed.next_us {
                changed |= refresh(followed, common, clock, &mut random, said, stop);
            }
        }
        if changed {
            common.zones.set(Zones::new(zones.iter().filter_map(|z| z.zone.clone())));
        }
        std::thread::sleep(STEP);
    }
}

/// Looks whether a zone has changed, and transfers it; true if what is known of it is new.
fn refresh(
    followed: &mut Followed<'_>,
    common: &Common,
    clock: &Clock,
    random: &mut Random,
    said: &Mutex<Vec<String>>,
    stop: &AtomicBool,
) -> bool {
    let limits = &common.settings.limits;
    let now_us = clock.now().us;
    let name = zone_text(&followed.source.apex);
    let outcome = match &followed.zone {
        Some(zone) => match ask_serial(followed.source, random) {
            Ok(serial) if serial == zone.serial => Ok(None),
            Ok(_) => transfer(followed.source, common, clock, random, stop).map(Some),
            Err(e) => Err(e),
        },
        None => transfer(followed.source, common, clock, random, stop).map(Some),
    };
    let new = match outcome {
        Ok(new) => new,
        Err(error) => {
            say(said, format!("zone {name} from {}: {error}", followed.source.primary));
            followed.next_us = now_us + RETRY_US;
            return followed.expire(&name, now_us, said);
        }
    };
    followed.heard_us = now_us;
    let is_new = new.is_some();
    if let Some(zone) = new {
        say(said, format!("zone {name}: serial {}, {} names", zone.serial, zone.names()));
        followed.zone = Some(Arc::new(zone));
    }
    let refresh_s = followed.zone.as_ref().map_or(1, |z| u64::from(z.refresh_s));
    followed.next_us = now_us + refresh_s.clamp(1, limits.zone_refresh_s) * 1_000_000;
    is_new
}

impl Followed<'_> {
    /// Forgets a zone whose primary has been silent for too long; true if it was known.
    fn expire(&mut self, name: &str, now_us: u64, said: &Mutex<Vec<String>>) -> bool {
        let expire_us = self.zone.as_ref().map_or(0, |z| u64::from(z.expire_s) * 1_000_000);
        let is_over = self.zone.is_some() && now_us > self.heard_us + expire_us;
        if is_over {
            say(said, format!("zone {name}: its primary is silent for longer than it allows; unknown now"));
            self.zone = None;
        }
        is_over
    }
}

fn say(said: &Mutex<Vec<String>>, line: String) {
    const LINES: usize = 1_000;
    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
    // The same again says nothing new.
    if said.len() < LINES && said.last() != Some(&line) {
        said.push(line);
    }
}

/// Asks a primary for the zone's serial number.
fn ask_serial(source: &ZoneSource, random: &mut Random) -> io::Result<u32> {
    let socket = socket::to_backend(source.primary)?;
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let asked = question(random.u16(), &source.apex, kind::SOA);
    socket.send(&asked)?;
    let mut answer = [0; 4_096];
    let n = socket.recv(&mut answer)?;
    let answer = &answer[..n];
    let is_ours = answer.get(..2) == Some(&asked[..2]) && answer.get(12..asked.len()) == asked.get(12..);
    is_ours
        .then(|| serial(answer, &source.apex))
        .flatten()
        .ok_or_else(|| io::Error::other("the server does not answer for the zone"))
}

fn transfer(
    source: &ZoneSource,
    common: &Common,
    clock: &Clock,
    random: &mut Random,
    stop: &AtomicBool,
) -> io::Result<Zone> {
    let mut stream = TcpStream::connect_timeout(&source.primary, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let id = random.u16();
    let asked = question(id, &source.apex, kind::AXFR);
    stream.write_all(&[&(asked.len() as u16).to_be_bytes()[..], &asked].concat())?;
    let most = common.settings.limits.zone_names as usize;
    let mut transfer = Transfer::new(id, &source.apex, common.seed, most);
    let end_us = clock.now().us + TRANSFER_US;
    let mut message = Vec::new();
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        message.resize(usize::from(u16::from_be_bytes(length)), 0);
        stream.read_exact(&mut message)?;
        if transfer.take(&message).map_err(|e| io::Error::other(e.to_string()))? {
            break;
        }
        if clock.now().us > end_us || stop.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the transfer takes too long"));
        }
    }
    transfer.finish().ok_or_else(|| io::Error::other("the transfer ended early"))
}
