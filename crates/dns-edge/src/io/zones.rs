//! Keeps the zones that are known: transfers each from its primary, looks for a new serial number,
//! sooner when a NOTIFY comes, asks for the differences then (RFC 1995) or for all of it, and
//! forgets a zone whose primary has been silent for longer than the zone allows.

use super::clock::Clock;
use super::socket;
use crate::core::{Common, Latest};
use crate::exist::transfer::{Transfer, serial, zone_text};
use crate::exist::{Zone, Zones};
use crate::message::{CLASS_IN, HEADER_BYTES, kind};
use crate::random::Random;
use crate::settings::ZoneSource;
use crate::talk::{Key, Record, Request, Signed};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a primary may take to answer, or to send the next piece.
const PATIENCE: Duration = Duration::from_secs(5);
/// A whole transfer.
const TRANSFER_US: u64 = 300_000_000;
/// After one look the next at the earliest, whatever messages say that a zone has changed: they may
/// be forged.
const LEAST_US: u64 = 500_000;
/// After a failure, the next attempt.
const RETRY_US: u64 = 5_000_000;
const STEP: Duration = Duration::from_millis(20);

/// What is known of a zone.
struct Followed {
    source: ZoneSource,
    zone: Option<Arc<Zone>>,
    /// When its primary was last heard.
    heard_us: u64,
    looked_us: u64,
    next_us: u64,
    /// What was wrong when it was looked at last.
    trouble: Option<String>,
}

/// Follows the zones until told to stop. `said`: what an operator should know, one line each.
pub fn follow(common: &Common, latest: &Latest, clock: &Clock, said: &Mutex<Vec<String>>, stop: &AtomicBool) {
    let mut common = common.clone();
    let mut zones = followed(&common.settings.zones, Vec::new());
    let mut random = Random::default();
    let (mut notified, mut generation) = (common.zones.notified(), 0);
    while !stop.load(Ordering::Relaxed) {
        if let Some((newer, changed)) = latest.newer(generation) {
            (generation, common) = (newer, changed);
            zones = followed(&common.settings.zones, zones);
            common.zones.set(Zones::new(zones.iter().filter_map(|z| z.zone.clone())));
        }
        let now_us = clock.now().us;
        let is_notified = std::mem::replace(&mut notified, common.zones.notified()) != notified;
        let mut changed = false;
        for followed in &mut zones {
            if is_notified {
                followed.next_us = followed.next_us.min(followed.looked_us + LEAST_US);
            }
            if now_us >= followed.next_us {
                changed |= refresh(followed, &common, clock, &mut random, said, stop);
            }
        }
        if changed {
            common.zones.set(Zones::new(zones.iter().filter_map(|z| z.zone.clone())));
        }
        std::thread::sleep(STEP);
    }
}

/// The zones to follow; what is known of one that was followed before stays.
fn followed(sources: &[ZoneSource], mut before: Vec<Followed>) -> Vec<Followed> {
    let mut all = Vec::new();
    for source in sources {
        let same = before.iter().position(|f| f.source == *source).map(|at| before.swap_remove(at));
        let source = source.clone();
        let new = || Followed { source, zone: None, heard_us: 0, looked_us: 0, next_us: 0, trouble: None };
        all.push(same.unwrap_or_else(new));
    }
    all
}

/// Looks whether a zone has changed, and transfers it; true if what is known of it is new.
fn refresh(
    followed: &mut Followed,
    common: &Common,
    clock: &Clock,
    random: &mut Random,
    said: &Mutex<Vec<String>>,
    stop: &AtomicBool,
) -> bool {
    let limits = &common.settings.limits;
    let now_us = clock.now().us;
    followed.looked_us = now_us;
    let name = zone_text(&followed.source.apex);
    let mut asking = Asking { source: &followed.source, common, clock, random, stop };
    let outcome = match &followed.zone {
        Some(zone) => match asking.serial() {
            Ok(serial) if serial == zone.serial => Ok(None),
            Ok(_) => asking.transfer(Some(zone)).map(Some),
            Err(e) => Err(e),
        },
        None => asking.transfer(None).map(Some),
    };
    let new = match outcome {
        Ok(new) => new,
        Err(error) => {
            followed.failed(format!("zone {name} from {}: {error}", followed.source.primary), said);
            followed.next_us = now_us + RETRY_US;
            return followed.expire(&name, now_us, said);
        }
    };
    (followed.heard_us, followed.trouble) = (now_us, None);
    let is_new = new.is_some();
    if let Some((zone, how)) = new {
        say(said, format!("zone {name}: serial {}, {} names{}", zone.serial, zone.names(), how.text()));
        followed.zone = Some(Arc::new(zone));
    }
    let refresh_s = followed.zone.as_ref().map_or(1, |z| u64::from(z.refresh_s));
    followed.next_us = now_us + refresh_s.clamp(1, limits.zone_refresh_s) * 1_000_000;
    is_new
}

impl Followed {
    /// Says what was wrong. The same again says nothing new.
    fn failed(&mut self, trouble: String, said: &Mutex<Vec<String>>) {
        if self.trouble.as_ref() != Some(&trouble) {
            say(said, trouble.clone());
        }
        self.trouble = Some(trouble);
    }

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
    if said.len() < LINES {
        said.push(line);
    }
}

/// What a primary sent of a zone.
#[derive(Clone, Copy)]
enum How {
    Whole,
    Differences,
}

impl How {
    fn text(self) -> &'static str {
        match self {
            Self::Whole => "",
            Self::Differences => ", by differences",
        }
    }
}

/// What asking a primary needs.
struct Asking<'a> {
    source: &'a ZoneSource,
    common: &'a Common,
    clock: &'a Clock,
    random: &'a mut Random,
    stop: &'a AtomicBool,
}

impl Asking<'_> {
    /// Asks a primary for the zone's serial number.
    fn serial(&mut self) -> io::Result<u32> {
        let socket = socket::to_backend(self.source.primary)?;
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let asked = Request::query(self.random.u16(), &self.source.apex, kind::SOA);
        let (asked, mut signed) = self.signed(&asked)?;
        socket.send(&asked)?;
        let mut answer = [0; 4_096];
        let n = socket.recv(&mut answer)?;
        let answer = signed.check(answer[..n].to_vec(), self.clock.now().wall).map_err(other)?;
        signed.end().map_err(other)?;
        let question = HEADER_BYTES..HEADER_BYTES + self.source.apex.len() + 4;
        let is_ours =
            answer.get(..2) == asked.get(..2) && answer.get(question.clone()) == asked.get(question);
        is_ours
            .then(|| serial(&answer, &self.source.apex))
            .flatten()
            .ok_or_else(|| io::Error::other("the server does not answer for the zone"))
    }

    /// Transfers the zone: the differences to what is known of it, or if there are none to be had
    /// all of it.
    fn transfer(&mut self, known: Option<&Zone>) -> io::Result<(Zone, How)> {
        let (id, seed) = (self.random.u16(), self.common.seed);
        let most = self.common.settings.limits.zone_names as usize;
        if let Some(zone) = known {
            let mut asked = Request::query(id, &zone.apex, kind::IXFR);
            asked.authority.push(serial_record(zone));
            let differences = self.stream(&asked, Transfer::since(zone, id, seed, most));
            // Many a server has none, and says so in many a way.
            if let Ok(found) = differences {
                return Ok(found);
            }
        }
        let apex = &self.source.apex;
        self.stream(&Request::query(id, apex, kind::AXFR), Transfer::new(id, apex, seed, most))
    }

    fn stream(&mut self, asked: &Request<'_>, mut transfer: Transfer) -> io::Result<(Zone, How)> {
        let mut stream = TcpStream::connect_timeout(&self.source.primary, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let (asked, mut signed) = self.signed(asked)?;
        stream.write_all(&[&(asked.len() as u16).to_be_bytes()[..], &asked].concat())?;
        let end_us = self.clock.now().us + TRANSFER_US;
        loop {
            let mut length = [0; 2];
            stream.read_exact(&mut length)?;
            let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut message)?;
            let message = signed.check(message, self.clock.now().wall).map_err(other)?;
            if transfer.take(&message).map_err(other)? {
                break;
            }
            if self.clock.now().us > end_us || self.stop.load(Ordering::Relaxed) {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the transfer takes too long"));
            }
        }
        signed.end().map_err(other)?;
        let how = if transfer.is_differences() { How::Differences } else { How::Whole };
        let zone = transfer.finish().ok_or_else(|| io::Error::other("the transfer ended early"))?;
        Ok((zone, how))
    }

    fn signed(&self, asked: &Request<'_>) -> io::Result<(Vec<u8>, Signed)> {
        let key: Option<&Key> = self.source.key.as_ref();
        let written = asked.write(key, self.clock.now().wall);
        written.ok_or_else(|| io::Error::other("the question is too long for a message"))
    }
}

/// The SOA record that tells a server which differences are wanted.
fn serial_record(zone: &Zone) -> Record {
    let data = zone.soa.get(zone.apex.len() + 10..).unwrap_or_default();
    Record { owner: zone.apex.clone(), kind: kind::SOA, class: CLASS_IN, ttl_s: 0, data: data.into() }
}

fn other(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Broke: that a primary cannot be reached was told every five seconds for as long as that was so.
    #[test]
    fn what_is_wrong_with_a_zone_is_told_once_until_it_changes() {
        let source = ZoneSource { apex: Box::new([0]), primary: ([127, 0, 0, 1], 53).into(), key: None };
        let mut zone = followed(&[source], Vec::new()).remove(0);
        let said = Mutex::default();
        let tell = |zone: &mut Followed, trouble: &str| {
            zone.failed(trouble.to_owned(), &said);
            std::mem::take(&mut *said.lock().expect("lines")).len()
        };
        assert_eq!(["refused", "refused", "silent", "silent"].map(|t| tell(&mut zone, t)), [1, 0, 1, 0]);
        zone.trouble = None;
        assert_eq!(tell(&mut zone, "silent"), 1, "it was well meanwhile");
    }
}
