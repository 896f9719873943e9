//! pcapng (draft-ietf-opsawg-pcapng): sections of either byte order, several interfaces with
//! their own clocks, enhanced, simple and obsolete packet blocks; other blocks are passed over.

use super::{RECORD_LIMIT_BYTES, Step, time_of};
use crate::packet::bytes::Order;
use seawall_model::Timestamp;

const SECTION: u32 = 0x0A0D_0D0A;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
/// Highest number of the block types that the format's registry gives to everyone.
const HIGHEST_COMMON_BLOCK: u32 = 0x0B;

/// Interfaces that one section may declare; more are taken as damage.
const INTERFACE_LIMIT: usize = 4096;
/// Block header and the repeated length at its end.
const BLOCK_FRAME_BYTES: usize = 12;

/// Whether the bytes begin a section: its type and its byte-order magic.
pub(super) fn is_section_start(buffer: &[u8]) -> bool {
    buffer.len() >= 12 && buffer[..4] == [0x0A, 0x0D, 0x0D, 0x0A] && section_order(buffer).is_some()
}

fn section_order(block: &[u8]) -> Option<Order> {
    match block.get(8..12)? {
        [0x1A, 0x2B, 0x3C, 0x4D] => Some(Order::Big),
        [0x4D, 0x3C, 0x2B, 0x1A] => Some(Order::Little),
        _ => None,
    }
}

/// How an interface counts time (options `if_tsresol` and `if_tsoffset`).
#[derive(Clone, Copy, Debug)]
struct Clock {
    /// Units a second are 10^digits, or 2^digits where `binary`.
    digits: u8,
    binary: bool,
    offset_seconds: i64,
}

impl Clock {
    const MICROSECONDS: Self = Self { digits: 6, binary: false, offset_seconds: 0 };

    fn time(self, units: u64) -> Timestamp {
        const POWERS: [u64; 10] =
            [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];
        let digits = usize::from(self.digits);
        let nanoseconds: u128 = if self.binary {
            (u128::from(units) * 1_000_000_000).checked_shr(u32::from(self.digits)).unwrap_or(0)
        } else if digits <= 9 {
            u128::from(units) * u128::from(POWERS[9 - digits])
        } else {
            let divisor = 10u128.checked_pow(u32::from(self.digits) - 9);
            divisor.map_or(0, |d| u128::from(units) / d)
        };
        let nanoseconds = i64::try_from(nanoseconds).unwrap_or(i64::MAX);
        time_of(self.offset_seconds, nanoseconds)
    }
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: u16,
    snap_length: u32,
    clock: Clock,
}

/// Reads blocks from the first section header on.
#[derive(Debug)]
pub(super) struct Reader {
    order: Order,
    interfaces: Vec<Interface>,
    /// Bytes of a block without a packet still to be passed over.
    skip: u64,
    last_time: Timestamp,
}

impl Default for Reader {
    fn default() -> Self {
        Self { order: Order::Little, interfaces: Vec::new(), skip: 0, last_time: Timestamp(0) }
    }
}

impl Reader {
    pub(super) fn next<'a>(&mut self, buffer: &'a [u8]) -> Step<'a> {
        if self.skip > 0 {
            let consumed = usize::try_from(self.skip).unwrap_or(usize::MAX).min(buffer.len());
            self.skip -= consumed as u64;
            return if consumed == 0 { Step::NeedMore } else { Step::Skip { consumed } };
        }
        if buffer.len() < BLOCK_FRAME_BYTES {
            return Step::NeedMore;
        }
        if is_section_start(buffer) {
            self.order = section_order(buffer).unwrap_or(self.order);
        }
        let (Some(kind), Some(length)) = (self.order.u32(buffer, 0), self.order.u32(buffer, 4)) else {
            return Step::NeedMore;
        };
        // Lengths are multiples of four; writers that do not pad are read all the same.
        let padded = length.checked_next_multiple_of(4).unwrap_or(length) as usize;
        if padded < BLOCK_FRAME_BYTES {
            return self.resync(buffer, "a block claims less than its own frame");
        }
        match kind {
            SECTION | INTERFACE | OBSOLETE_PACKET | SIMPLE_PACKET | ENHANCED_PACKET => {}
            _ if padded > RECORD_LIMIT_BYTES && kind > HIGHEST_COMMON_BLOCK => {
                return self.resync(buffer, "a block of unknown type claims too many bytes");
            }
            _ => {
                self.skip = padded as u64;
                return Step::Skip { consumed: 0 };
            }
        }
        if padded > RECORD_LIMIT_BYTES + 1024 {
            return self.resync(buffer, "a block claims more bytes than any packet has");
        }
        match buffer.get(..padded) {
            None => Step::NeedMore,
            Some(block) => self.block(kind, block),
        }
    }

    fn block<'a>(&mut self, kind: u32, block: &'a [u8]) -> Step<'a> {
        let consumed = block.len();
        let body = &block[8..consumed - 4];
        let packet = match kind {
            SECTION => {
                self.interfaces.clear();
                return Step::Skip { consumed };
            }
            INTERFACE => return self.interface(body, consumed),
            ENHANCED_PACKET => self.enhanced(body),
            SIMPLE_PACKET => self.simple(body),
            _ => self.obsolete(body),
        };
        match packet {
            Ok(Found { time, link, original_length_bytes, data }) => {
                self.last_time = time;
                Step::Packet { time, link, original_length_bytes, data, consumed }
            }
            Err(reason) => Step::Broken { reason, consumed },
        }
    }

    fn interface<'a>(&mut self, body: &[u8], consumed: usize) -> Step<'a> {
        let (Some(link), Some(snap_length)) = (self.order.u16(body, 0), self.order.u32(body, 4)) else {
            return Step::Broken { reason: "an interface block is too short", consumed };
        };
        if self.interfaces.len() >= INTERFACE_LIMIT {
            return Step::Broken { reason: "a section declares too many interfaces", consumed };
        }
        let clock = self.clock(body.get(8..).unwrap_or_default());
        self.interfaces.push(Interface { link, snap_length, clock });
        Step::Skip { consumed }
    }

    /// Reads the two options that matter out of an interface's list.
    fn clock(&self, mut options: &[u8]) -> Clock {
        let mut clock = Clock::MICROSECONDS;
        while let (Some(code), Some(length)) = (self.order.u16(options, 0), self.order.u16(options, 2)) {
            let length = usize::from(length);
            let Some(value) = options.get(4..4 + length) else { break };
            match (code, length) {
                (0, _) => break,
                (9, 1) => {
                    clock.digits = value[0] & 0x7F;
                    clock.binary = value[0] & 0x80 != 0;
                }
                (14, 8) => clock.offset_seconds = self.order.u64(value, 0).unwrap_or(0) as i64,
                _ => {}
            }
            options = options.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
        }
        clock
    }

    fn enhanced<'a>(&self, body: &'a [u8]) -> Result<Found<'a>, &'static str> {
        let id = self.order.u32(body, 0).ok_or(SHORT)?;
        self.stamped(id, body)
    }

    fn obsolete<'a>(&self, body: &'a [u8]) -> Result<Found<'a>, &'static str> {
        let id = self.order.u16(body, 0).ok_or(SHORT)?;
        self.stamped(u32::from(id), body)
    }

    /// The fields that enhanced and obsolete packet blocks share, from byte 4 on.
    #[inline]
    fn stamped<'a>(&self, id: u32, body: &'a [u8]) -> Result<Found<'a>, &'static str> {
        let interface = self.interfaces.get(id as usize).ok_or("a packet names an interface not declared")?;
        let field = |at| self.order.u32(body, at).ok_or(SHORT);
        let units = u64::from(field(4)?) << 32 | u64::from(field(8)?);
        let captured = field(12)? as usize;
        let original = field(16)?;
        let data = body.get(20..).and_then(|rest| rest.get(..captured));
        let data = data.ok_or("a packet claims more bytes than its block")?;
        Ok(Found {
            time: interface.clock.time(units),
            link: interface.link,
            original_length_bytes: original.max(captured as u32),
            data,
        })
    }

    /// A simple packet has no time stamp and belongs to the first interface: it gets the time of
    /// the packet before it.
    fn simple<'a>(&self, body: &'a [u8]) -> Result<Found<'a>, &'static str> {
        let interface = self.interfaces.first().ok_or("a packet names an interface not declared")?;
        let original = self.order.u32(body, 0).ok_or(SHORT)?;
        let limit = if interface.snap_length == 0 { u32::MAX } else { interface.snap_length };
        let captured = (original.min(limit) as usize).min(body.len() - 4);
        Ok(Found {
            time: self.last_time,
            link: interface.link,
            original_length_bytes: original.max(captured as u32),
            data: &body[4..4 + captured],
        })
    }

    /// Skips to the next block whose length at its start and at its end agree.
    fn resync<'a>(&self, buffer: &'a [u8], reason: &'static str) -> Step<'a> {
        for at in 1..buffer.len() {
            let rest = &buffer[at..];
            if rest.len() < BLOCK_FRAME_BYTES {
                break;
            }
            if is_section_start(rest) || self.whole_block(rest) {
                return Step::Broken { reason, consumed: at };
            }
        }
        Step::Broken { reason, consumed: buffer.len() }
    }

    fn whole_block(&self, rest: &[u8]) -> bool {
        let (Some(kind), Some(length)) = (self.order.u32(rest, 0), self.order.u32(rest, 4)) else {
            return false;
        };
        let length = length as usize;
        (1..=HIGHEST_COMMON_BLOCK).contains(&kind)
            && (BLOCK_FRAME_BYTES + 4..=RECORD_LIMIT_BYTES).contains(&length)
            && length.is_multiple_of(4)
            && self.order.u32(rest, length - 4) == Some(length as u32)
    }
}

const SHORT: &str = "a packet block is too short";

struct Found<'a> {
    time: Timestamp,
    link: u16,
    original_length_bytes: u32,
    data: &'a [u8],
}
