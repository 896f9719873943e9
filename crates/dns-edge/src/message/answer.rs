//! Reads a back end's answer: what the cache must know of it, and where its OPT record and its
//! times to live are.

use super::name::NAME_BYTES;
use super::query::option;
use super::{HEADER_BYTES, be16, be32, code, flag, kind};

/// Records of one answer whose times to live are kept; an answer with more is not cached.
pub const TTLS: usize = 64;

/// The answer is not a message as RFC 1035 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub flags: u16,
    /// With the bits that EDNS adds.
    pub code: u16,
    pub question_end: usize,
    /// First byte and length of the OPT record.
    pub opt: Option<(usize, usize)>,
    /// Where the times to live are, without the OPT record's.
    pub ttls: Vec<u16>,
    /// The least of them; `None` without records.
    pub least_ttl_s: Option<u32>,
    /// How long the absence may be remembered (RFC 2308 section 5): by the SOA record of the
    /// authority section.
    pub negative_ttl_s: Option<u32>,
    /// Records in the answer section.
    pub answers: u16,
    /// Records of all sections.
    pub records: u16,
    /// Where the last record ends.
    pub end: usize,
    /// Everything was understood, and few enough records came.
    pub can_be_cached: bool,
}

impl Answer {
    /// Reads an answer whose question was compared before, byte by byte.
    ///
    /// # Errors
    /// If it is cut off or has a name that is not one.
    pub fn parse(message: &[u8], question_end: usize) -> Result<Self, Broken> {
        let header = message.first_chunk::<HEADER_BYTES>().ok_or(Broken)?;
        let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let flags = word(2);
        let counts = [word(6), word(8), word(10)];
        let mut answer = Self {
            flags,
            code: flags & flag::CODE,
            question_end,
            opt: None,
            ttls: Vec::new(),
            least_ttl_s: None,
            negative_ttl_s: None,
            answers: counts[0],
            records: counts.iter().fold(0, |sum, n| u16::saturating_add(sum, *n)),
            end: question_end,
            can_be_cached: true,
        };
        let mut at = question_end;
        for (section, count) in counts.into_iter().enumerate() {
            for _ in 0..count {
                at = answer.read_record(message, at, section)?;
            }
        }
        answer.end = at;
        answer.can_be_cached &= at == message.len();
        Ok(answer)
    }

    /// What it says of the client's network (RFC 7871): the option's value.
    #[must_use]
    pub fn client_subnet<'m>(&self, message: &'m [u8]) -> Option<&'m [u8]> {
        let (at, length) = self.opt?;
        let mut options = message.get(at + 11..at + length)?;
        loop {
            let bytes = usize::from(be16(options, 2)?);
            let value = options.get(4..4 + bytes)?;
            if be16(options, 0)? == option::CLIENT_SUBNET {
                return Some(value);
            }
            options = &options[4 + bytes..];
        }
    }

    /// The message with its OPT record behind all others, where it may be and mostly is; `None` if it is there,
    /// or one of those behind it cannot be moved.
    #[must_use]
    pub fn with_opt_last(&self, message: &[u8]) -> Option<Vec<u8>> {
        let (opt_at, length) = self.opt.filter(|(at, length)| at + length < self.end)?;
        let mut moved = message.get(..opt_at)?.to_vec();
        let mut at = opt_at + length;
        // It is one of the additional records, and so are those behind it.
        let mut others = be16(message, 10)?.checked_sub(1)?;
        while at < self.end {
            others = others.checked_sub(1)?;
            let start = skip_name(message, at).ok()?;
            let end = start + 10 + usize::from(be16(message, start + 8)?);
            // No other type is of use there, and these have no pointers to names in their data.
            if !matches!(be16(message, start)?, kind::A | kind::AAAA | kind::RRSIG) {
                return None;
            }
            let copy = moved.len();
            moved.extend(message.get(at..end)?);
            if let Some(pointer) = pointer_of(message, at) {
                let to = usize::from(be16(message, pointer)? & 0x3FFF);
                let to = match to {
                    _ if to < opt_at => to,
                    _ => to.checked_sub(length).filter(|to| *to >= opt_at)?,
                };
                let pointer = copy + pointer - at;
                moved[pointer..pointer + 2].copy_from_slice(&(0xC000 | to as u16).to_be_bytes());
            }
            at = end;
        }
        moved.extend(message.get(opt_at..opt_at + length)?);
        Some(moved)
    }

    /// How long the answer may be kept.
    #[must_use]
    pub fn ttl_s(&self) -> Option<u32> {
        match self.code {
            // An answer, or a referral, which has no SOA: it lives as long as its records.
            code::NO_ERROR if self.negative_ttl_s.is_none() => self.least_ttl_s,
            // There may be aliases before what is absent, and their time may be up sooner.
            code::NO_ERROR | code::NO_SUCH_NAME => self.negative_ttl_s.min(self.least_ttl_s),
            _ => None,
        }
    }

    fn read_record(&mut self, message: &[u8], at: usize, section: usize) -> Result<usize, Broken> {
        let start = skip_name(message, at)?;
        let kind = be16(message, start).ok_or(Broken)?;
        let ttl = be32(message, start + 4).ok_or(Broken)?;
        let length = be16(message, start + 8).ok_or(Broken)?;
        let data = start + 10;
        let end = data + usize::from(length);
        if end > message.len() {
            return Err(Broken);
        }
        if kind == kind::OPT {
            self.can_be_cached &= self.opt.is_none() && section == 2 && message[at] == 0;
            self.opt = Some((at, end - at));
            self.code |= (ttl >> 24 << 4) as u16;
            return Ok(end);
        }
        // A signature at the end is between the two that share its key.
        self.can_be_cached &= !matches!(kind, kind::TSIG | kind::SIG | kind::TKEY);
        // A time beyond 2^31 is taken for zero (RFC 2181 section 8).
        let ttl = if ttl > i32::MAX as u32 { 0 } else { ttl };
        self.least_ttl_s = Some(self.least_ttl_s.map_or(ttl, |least| least.min(ttl)));
        if section == 1 && kind == kind::SOA && length >= 22 {
            let minimum = be32(message, end - 4).ok_or(Broken)?;
            self.negative_ttl_s = Some(ttl.min(minimum));
        }
        let place = u16::try_from(start + 4).map_err(|_| Broken)?;
        if self.ttls.len() < TTLS {
            self.ttls.push(place);
        } else {
            self.can_be_cached = false;
        }
        Ok(end)
    }
}

/// Where the name at `at` goes on elsewhere, if it does.
fn pointer_of(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return None,
            length @ 1..=63 => at += 1 + usize::from(length),
            _ => return Some(at),
        }
    }
}

/// Where the bytes after the name at `at` begin.
#[inline]
pub(crate) fn skip_name(message: &[u8], mut at: usize) -> Result<usize, Broken> {
    let limit = at + NAME_BYTES;
    while at < limit {
        match *message.get(at).ok_or(Broken)? {
            0 => return Ok(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            0xC0.. => return Ok(at + 2),
            _ => return Err(Broken),
        }
    }
    Err(Broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: &[u8] = b"\x01a\x04test\0\0\x01\0\x01";

    fn message(flags: u16, counts: [u8; 3], records: &[&[u8]]) -> Vec<u8> {
        let mut m = vec![0, 1];
        m.extend(flags.to_be_bytes());
        m.extend([0, 1, 0, counts[0], 0, counts[1], 0, counts[2]]);
        m.extend(QUESTION);
        records.iter().for_each(|r| m.extend(*r));
        m
    }

    const A: &[u8] = b"\xC0\x0C\0\x01\0\x01\0\0\x01\x2C\0\x04\x7F\0\0\x01";
    const SOA: &[u8] =
        b"\xC0\x0E\0\x06\0\x01\0\0\x0E\x10\0\x16\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x3C";
    const OPT: &[u8] = b"\0\0\x29\x04\xD0\0\0\0\0\0\0";
    const END: usize = HEADER_BYTES + QUESTION.len();

    #[test]
    fn times_to_live_and_the_opt_record_are_found() {
        let m = message(0x8400, [1, 0, 1], &[A, OPT]);
        let a = Answer::parse(&m, END).expect("an answer");
        assert_eq!((a.ttl_s(), a.ttls.clone(), a.can_be_cached), (Some(300), vec![END as u16 + 6], true));
        assert_eq!(a.opt, Some((END + A.len(), OPT.len())));
        let upper = b"\0\0\x29\x04\xD0\x01\0\0\0\0\0";
        let m = message(0x8400, [1, 0, 1], &[A, upper]);
        assert_eq!(Answer::parse(&m, END).expect("an answer").code, 16, "upper bits are in the OPT record");
    }

    #[test]
    fn absence_lives_as_long_as_the_soa_record_says() {
        let m = message(0x8403, [0, 1, 0], &[SOA]);
        assert_eq!(Answer::parse(&m, END).expect("an answer").ttl_s(), Some(60));
        let bare = message(0x8403, [0, 0, 0], &[]);
        assert_eq!(Answer::parse(&bare, END).expect("an answer").ttl_s(), None);
        let failed = message(0x8002, [0, 1, 0], &[SOA]);
        assert_eq!(Answer::parse(&failed, END).expect("an answer").ttl_s(), None);
    }

    #[test]
    fn a_cut_answer_is_broken_wherever_it_is_cut() {
        let m = message(0x8400, [1, 1, 1], &[A, SOA, OPT]);
        for length in 0..m.len() {
            assert_eq!(Answer::parse(&m[..length], END), Err(Broken), "cut at {length}");
        }
        let mut longer = m.clone();
        longer.push(0);
        assert!(!Answer::parse(&longer, END).expect("an answer").can_be_cached);
    }
}
