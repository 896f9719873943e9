//! The gate: challenges posed and passed, tickets given and shown again.
//!
//! A challenge is eight small puzzles and not one large: the time for one is spread over a factor
//! of fifty, for eight together over a factor of three, so that nobody waits long by bad luck. It
//! keeps out what runs no script of ours; it is no wall against an attacker who writes a program
//! for it (a server's core solves some hundred a second), only a price and a delay.
//!
//! Nothing is kept per client. A puzzle that is solved twice gives the same pass twice, so that
//! what one pass may do bounds what replays may do (see `memory`, which paces each pass).

use super::memory::Clearance;
use super::token::{Kind, Token, TokenError, TokenKeys, TokenText, seconds};
use crate::Request;
use ring::digest;
use seawall_model::Timestamp;

/// Name of the cookie that carries a pass or a ticket.
pub const COOKIE: &str = "seawall";
/// Seconds for which a pass or a ticket is taken.
pub const PASS_LIFETIME_S: u32 = 1_800;
/// Seconds within which a puzzle must be solved.
pub const PUZZLE_LIFETIME_S: u32 = 300;
/// Seconds that a client without a script waits instead of working.
pub const TIMED_S: u32 = 4;
/// Milliseconds after which a ticket may be shown again; the page asks for a second.
pub const RETURN_MS: u64 = 600;
/// Puzzles of one challenge.
pub const PUZZLES: usize = 8;
/// Least and most leading zero bits of a puzzle; each more doubles the work.
pub const LEVELS: std::ops::RangeInclusive<u8> = 4..=18;

/// Why a challenge was not passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotPassed {
    Token(TokenError),
    /// Not eight numbers.
    MalformedSolution,
    WrongSolution,
    TooEarly,
}

impl From<TokenError> for NotPassed {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

/// Poses challenges, gives tickets, and reads what clients bring back. Immutable: other
/// secrets make another.
#[derive(Clone, Debug)]
pub struct Gate {
    keys: TokenKeys,
}

impl Gate {
    #[must_use]
    pub fn new(keys: TokenKeys) -> Self {
        Self { keys }
    }

    /// What the client of `request` shows by its cookie. Reads nothing where there is none.
    #[must_use]
    pub fn clearance(&self, request: &Request<'_>, now: Timestamp) -> Clearance {
        let Some(text) = cookie_value(request.cookie) else { return Clearance::None };
        let read = |kind| self.keys.read(text, kind, PASS_LIFETIME_S, request, now);
        let shown = match TokenKeys::claimed_kind(text) {
            Some(Kind::Worked) => read(Kind::Worked).map(|t| Clearance::Worked(t.number)),
            Some(Kind::Timed) => read(Kind::Timed).map(|t| Clearance::SatOut(t.number)),
            Some(Kind::Ticket) => read(Kind::Ticket).map(|t| {
                let is_due = age_ms(&t, now) >= RETURN_MS;
                if is_due { Clearance::Ticket(t.number) } else { Clearance::None }
            }),
            _ => return Clearance::None,
        };
        shown.unwrap_or(Clearance::None)
    }

    /// A challenge for the client of `request`. `nonce` must be fresh and random.
    #[must_use]
    pub fn pose(&self, request: &Request<'_>, level: u8, nonce: u64, now: Timestamp) -> TokenText {
        let level = level.clamp(*LEVELS.start(), *LEVELS.end());
        self.keys.sign(&Token { kind: Kind::Puzzle, issued_s: seconds(now), level, number: nonce }, request)
    }

    /// A pass for a challenge that was worked out: `solution` is eight decimal numbers joined by
    /// `-`.
    ///
    /// # Errors
    /// Why there is no pass.
    pub fn redeem(
        &self,
        request: &Request<'_>,
        puzzle: &[u8],
        solution: &[u8],
        now: Timestamp,
    ) -> Result<TokenText, NotPassed> {
        let token = self.keys.read(puzzle, Kind::Puzzle, PUZZLE_LIFETIME_S, request, now)?;
        let mut numbers = solution.split(|b| *b == b'-');
        for index in 0..PUZZLES {
            let number = numbers.next().filter(|n| is_number(n)).ok_or(NotPassed::MalformedSolution)?;
            if !is_solved(puzzle, index, number, token.level) {
                return Err(NotPassed::WrongSolution);
            }
        }
        if numbers.next().is_some() {
            return Err(NotPassed::MalformedSolution);
        }
        Ok(self.keys.sign(&Token { kind: Kind::Worked, issued_s: seconds(now), ..token }, request))
    }

    /// A pass for a challenge that was sat out without a script.
    ///
    /// # Errors
    /// Why there is no pass.
    pub fn sit_out(
        &self,
        request: &Request<'_>,
        puzzle: &[u8],
        now: Timestamp,
    ) -> Result<TokenText, NotPassed> {
        let token = self.keys.read(puzzle, Kind::Puzzle, PUZZLE_LIFETIME_S, request, now)?;
        if seconds(now) < token.issued_s.saturating_add(TIMED_S) {
            return Err(NotPassed::TooEarly);
        }
        Ok(self.keys.sign(&Token { kind: Kind::Timed, issued_s: seconds(now), ..token }, request))
    }

    /// A ticket with a place in line.
    #[must_use]
    pub fn ticket(&self, request: &Request<'_>, number: u64, now: Timestamp) -> TokenText {
        // The level of a ticket is the fraction of its second.
        let level = (now.0.rem_euclid(1_000_000_000) * 256 / 1_000_000_000) as u8;
        self.keys.sign(&Token { kind: Kind::Ticket, issued_s: seconds(now), level, number }, request)
    }

    /// The place on a ticket, however young it is.
    ///
    /// # Errors
    /// Why the ticket is not taken.
    pub fn place(&self, request: &Request<'_>, ticket: &[u8], now: Timestamp) -> Result<u64, TokenError> {
        self.keys.read(ticket, Kind::Ticket, PASS_LIFETIME_S, request, now).map(|t| t.number)
    }
}

/// The value of our cookie in a `Cookie` field.
#[must_use]
pub fn cookie_value(field: &[u8]) -> Option<&[u8]> {
    cookie(field, COOKIE)
}

/// The value of a cookie in a `Cookie` field (RFC 6265 section 4.2.1).
#[must_use]
pub fn cookie<'a>(field: &'a [u8], name: &str) -> Option<&'a [u8]> {
    cookies(field, name).next()
}

/// The values of all cookies of a name in a `Cookie` field.
pub fn cookies<'a>(field: &'a [u8], name: &str) -> impl Iterator<Item = &'a [u8]> {
    let pairs = field.split(|b| *b == b';').map(<[u8]>::trim_ascii);
    pairs.filter_map(move |pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// Finds the numbers that solve a puzzle, as the page's script does. For tests and measurements.
#[must_use]
pub fn solved(puzzle: &[u8], level: u8) -> String {
    let find = |index| (0..u32::MAX).find(|n| is_solved(puzzle, index, n.to_string().as_bytes(), level));
    let numbers = (0..PUZZLES).map(|index| find(index).unwrap_or(0).to_string());
    numbers.collect::<Vec<_>>().join("-")
}

fn is_number(text: &[u8]) -> bool {
    (1..=9).contains(&text.len()) && text.iter().all(u8::is_ascii_digit)
}

/// Whether SHA-256 of `puzzle.index.number` begins with `level` zero bits.
fn is_solved(puzzle: &[u8], index: usize, number: &[u8], level: u8) -> bool {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(puzzle);
    context.update(&[b'.', b'0' + index as u8, b'.']);
    context.update(number);
    let hash = context.finish();
    let [a, b, c, d, ..] = *hash.as_ref() else { return false };
    u32::from_be_bytes([a, b, c, d]).leading_zeros() >= u32::from(level)
}

fn age_ms(ticket: &Token, now: Timestamp) -> u64 {
    let issued_ms = i64::from(ticket.issued_s) * 1_000 + i64::from(ticket.level) * 1_000 / 256;
    (now.0 / 1_000_000 - issued_ms).max(0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::act::TokenSecrets;
    use std::net::IpAddr;

    const START: Timestamp = Timestamp::from_seconds(1_700_000_000);

    fn at(ms: i64) -> Timestamp {
        START.plus_ns(ms * 1_000_000)
    }

    fn gate() -> Gate {
        Gate::new(TokenKeys::new(&TokenSecrets::new([3; 32], START)))
    }

    fn request() -> Request<'static> {
        Request { user_agent: b"Mozilla/5.0", ..Request::new(IpAddr::from([192, 0, 2, 1])) }
    }

    fn shown(text: &TokenText, now: Timestamp, client: [u8; 4]) -> Clearance {
        let cookie = format!("a=b; {COOKIE}={}; c=d", text.as_str());
        let request = Request { cookie: cookie.as_bytes(), client: client.into(), ..request() };
        gate().clearance(&request, now)
    }

    #[test]
    fn work_earns_a_pass() {
        let puzzle = gate().pose(&request(), 6, 42, START);
        let solution = solved(puzzle.as_str().as_bytes(), 6);
        let pass =
            gate().redeem(&request(), puzzle.as_str().as_bytes(), solution.as_bytes(), at(500)).unwrap();
        assert_eq!(shown(&pass, at(600), [192, 0, 2, 1]), Clearance::Worked(42));
        assert_eq!(shown(&pass, at(600), [192, 0, 9, 1]), Clearance::None);
        assert_eq!(shown(&pass, at(1_900_000), [192, 0, 2, 1]), Clearance::None);
    }

    #[test]
    fn wrong_late_and_borrowed_work_earns_nothing() {
        let puzzle = gate().pose(&request(), 8, 42, START);
        let text = puzzle.as_str().as_bytes();
        let good = solved(text, 8);
        let redeem =
            |request: &Request<'_>, solution: &[u8], now| gate().redeem(request, text, solution, now);
        let (last, _) = good.rsplit_once('-').unwrap();
        let more = format!("{good}-1");
        for bad in [last.as_bytes(), more.as_bytes(), b"", b"-------", b"1-2-3-4-5-6-7-9999999999"] {
            assert!(redeem(&request(), bad, START).is_err(), "{}", String::from_utf8_lossy(bad));
        }
        assert_eq!(redeem(&request(), b"1-1-1-1-1-1-1-1", START), Err(NotPassed::WrongSolution));
        let late = redeem(&request(), good.as_bytes(), at(301_000));
        assert_eq!(late, Err(NotPassed::Token(TokenError::Expired)));
        let moved = Request { client: [198, 51, 100, 1].into(), ..request() };
        assert_eq!(redeem(&moved, good.as_bytes(), START), Err(NotPassed::Token(TokenError::Forged)));
        assert!(redeem(&request(), good.as_bytes(), START).is_ok());
    }

    #[test]
    fn a_solution_sent_twice_gives_one_pass() {
        let puzzle = gate().pose(&request(), 5, 9, START);
        let solution = solved(puzzle.as_str().as_bytes(), 5);
        let redeem =
            |ms| gate().redeem(&request(), puzzle.as_str().as_bytes(), solution.as_bytes(), at(ms)).unwrap();
        assert_eq!(shown(&redeem(100), at(5_000), [192, 0, 2, 1]), Clearance::Worked(9));
        assert_eq!(shown(&redeem(4_000), at(5_000), [192, 0, 2, 1]), Clearance::Worked(9));
    }

    #[test]
    fn a_wait_is_sat_out_and_not_cut_short() {
        let puzzle = gate().pose(&request(), 12, 7, START);
        let text = puzzle.as_str().as_bytes();
        assert_eq!(gate().sit_out(&request(), text, at(3_000)), Err(NotPassed::TooEarly));
        let pass = gate().sit_out(&request(), text, at(4_000)).unwrap();
        assert_eq!(shown(&pass, at(4_100), [192, 0, 2, 1]), Clearance::SatOut(7));
    }

    #[test]
    fn a_ticket_counts_when_it_is_shown_as_the_page_asks() {
        let ticket = gate().ticket(&request(), 5, at(300));
        assert_eq!(shown(&ticket, at(500), [192, 0, 2, 1]), Clearance::None);
        assert_eq!(shown(&ticket, at(1_300), [192, 0, 2, 1]), Clearance::Ticket(5));
        assert_eq!(gate().place(&request(), ticket.as_str().as_bytes(), at(310)), Ok(5));
    }

    #[test]
    fn a_puzzle_is_no_pass() {
        let puzzle = gate().pose(&request(), 12, 7, START);
        assert_eq!(shown(&puzzle, at(1_000), [192, 0, 2, 1]), Clearance::None);
    }

    #[test]
    fn cookies_of_similar_names_are_not_ours() {
        assert_eq!(cookie_value(b"xseawall=1; seawall2=2; seawall=3"), Some(b"3".as_slice()));
        assert_eq!(cookie_value(b"seawall"), None);
    }

    #[test]
    fn eight_small_puzzles_take_even_time() {
        let mut tries: Vec<u64> = (0..60)
            .map(|nonce| {
                let puzzle = gate().pose(&request(), 5, nonce, START);
                let numbers = solved(puzzle.as_str().as_bytes(), 5);
                numbers.split('-').map(|n| n.parse::<u64>().unwrap() + 1).sum()
            })
            .collect();
        tries.sort_unstable();
        let (median, worst) = (tries[30], tries[59]);
        assert!((150..400).contains(&median), "{median}");
        assert!(worst < 3 * median, "{worst} of {median}");
    }
}
