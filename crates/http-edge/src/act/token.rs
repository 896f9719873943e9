//! Signed tokens: what a client carries instead of us remembering it.
//!
//! A token is 16 bytes of content and the first 16 of an HMAC-SHA-256 (RFC 2104; truncation as in
//! its section 5) over the content, the client's network and what its software keeps the same from
//! request to request. HMAC, and not a faster keyed hash: a token lives for half an hour in
//! hostile hands, SHA-256 is already here for TLS, and with the CPU's SHA instructions it costs a
//! third of a microsecond.
//!
//! Bound to the /24 or /48 and not to the address, because phones and large networks move between
//! neighbouring addresses. Bound to the user agent and to the cipher list of the JA4, and not to
//! the whole of JA4 or to the order of headers: a browser's sockets for pages, pictures and
//! WebSockets differ in both, and a resumed TLS session changes JA4's list of extensions.

use crate::Request;
use ring::hmac;
use seawall_model::{Prefix, Timestamp, hash};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// Length of a token as text.
pub const TOKEN_CHARS: usize = 43;
const CONTENT_BYTES: usize = 16;
const MAC_BYTES: usize = 16;
const TOKEN_BYTES: usize = CONTENT_BYTES + MAC_BYTES;
/// Seconds by which a token may seem to come from the future: clocks step.
const SKEW_S: u32 = 5;
/// Seconds for which one secret signs, so that one that gets out is of use for a day at most.
const SECRET_LIFETIME_S: u32 = 86_400;

/// What a token is for. A token of one kind is never taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Work to be done; the level is its difficulty.
    Puzzle = 1,
    /// Work that was done.
    Worked = 2,
    /// A wait that was sat out, by a client without a script.
    Timed = 3,
    /// A place in line.
    Ticket = 4,
}

/// What a valid token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    /// Seconds since the epoch.
    pub issued_s: u32,
    pub level: u8,
    /// Tells tokens apart; the place in line of a ticket.
    pub number: u64,
}

/// A token as text for a cookie, a page or an address: base64url without padding (RFC 4648
/// section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenText([u8; TOKEN_CHARS]);

impl TokenText {
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }
}

/// Why a token was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// Not a token at all: cut short, or not base64url.
    Malformed,
    /// Signed by no key of ours, for another client, or changed.
    Forged,
    /// Signed for something else.
    WrongKind,
    Expired,
    /// Signed for a time that is still to come.
    FromTheFuture,
}

/// What tokens are signed with: a secret for a day, and the one before it, for tokens that clients
/// still hold.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenSecrets {
    current: [u8; 32],
    /// Seconds since the epoch from which on it signs.
    since_s: u32,
    /// Tells the two apart.
    id: u8,
    previous: Option<[u8; 32]>,
}

impl TokenSecrets {
    /// `secret` must come from the system's source of randomness.
    #[must_use]
    pub fn new(secret: [u8; 32], now: Timestamp) -> Self {
        Self { current: secret, since_s: seconds(now), id: 0, previous: None }
    }

    /// Whether it is time for another secret.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        seconds(now).saturating_sub(self.since_s) >= SECRET_LIFETIME_S
    }

    /// Signs with another secret from now on.
    #[must_use]
    pub fn renewed(&self, secret: [u8; 32], now: Timestamp) -> Self {
        let id = self.id.wrapping_add(1);
        Self { current: secret, since_s: seconds(now), id, previous: Some(self.current) }
    }
}

impl fmt::Debug for TokenSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The secrets are nobody's to read.
        f.debug_struct("TokenSecrets").field("since_s", &self.since_s).finish_non_exhaustive()
    }
}

/// The keys that sign and check. Immutable: other secrets make others.
#[derive(Clone, Debug)]
pub struct TokenKeys {
    current: (u8, hmac::Key),
    /// What it signed before the current one came is still read.
    previous: Option<(u8, hmac::Key)>,
    since_s: u32,
}

impl TokenKeys {
    #[must_use]
    pub fn new(secrets: &TokenSecrets) -> Self {
        let key = |secret: &[u8; 32]| hmac::Key::new(hmac::HMAC_SHA256, secret);
        Self {
            current: (secrets.id, key(&secrets.current)),
            previous: secrets.previous.as_ref().map(|secret| (secrets.id.wrapping_sub(1), key(secret))),
            since_s: secrets.since_s,
        }
    }

    /// Signs a token for the client of `request`.
    #[must_use]
    pub fn sign(&self, token: &Token, request: &Request<'_>) -> TokenText {
        let (id, key) = &self.current;
        let content = content(token, *id);
        let mut bytes = [0; TOKEN_BYTES];
        bytes[..CONTENT_BYTES].copy_from_slice(&content);
        bytes[CONTENT_BYTES..].copy_from_slice(&mac(key, &content, request));
        TokenText(encoded(&bytes))
    }

    /// Reads a token that the client of `request` presents.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn read(
        &self,
        text: &[u8],
        kind: Kind,
        lifetime_s: u32,
        request: &Request<'_>,
        now: Timestamp,
    ) -> Result<Token, TokenError> {
        let bytes = decoded(text).ok_or(TokenError::Malformed)?;
        let (content, signature) = bytes.split_at(CONTENT_BYTES);
        let content: &[u8; CONTENT_BYTES] = content.try_into().map_err(|_| TokenError::Malformed)?;
        let key = self.key(content[1]).ok_or(TokenError::Forged)?;
        if !is_equal(&mac(key, content, request), signature) {
            return Err(TokenError::Forged);
        }
        let token = parsed(content).filter(|t| t.kind == kind).ok_or(TokenError::WrongKind)?;
        let is_late = content[1] != self.current.0 && token.issued_s > self.since_s;
        if is_late {
            return Err(TokenError::Forged);
        }
        let now_s = seconds(now);
        if token.issued_s > now_s.saturating_add(SKEW_S) {
            return Err(TokenError::FromTheFuture);
        }
        if now_s.saturating_sub(token.issued_s) > lifetime_s {
            return Err(TokenError::Expired);
        }
        Ok(token)
    }

    /// The kind that a token claims, unchecked, so that it is read as that kind.
    #[must_use]
    pub fn claimed_kind(text: &[u8]) -> Option<Kind> {
        decoded(text).and_then(|bytes| kind_of(bytes[0]))
    }

    fn key(&self, id: u8) -> Option<&hmac::Key> {
        if self.current.0 == id {
            return Some(&self.current.1);
        }
        self.previous.as_ref().filter(|(previous, _)| *previous == id).map(|(_, key)| key)
    }
}

/// Whole seconds since the epoch, as tokens keep them.
#[must_use]
pub fn seconds(now: Timestamp) -> u32 {
    now.seconds().clamp(0, i64::from(u32::MAX)) as u32
}

fn content(token: &Token, key_id: u8) -> [u8; CONTENT_BYTES] {
    let mut content = [0; CONTENT_BYTES];
    content[0] = token.kind as u8;
    content[1] = key_id;
    content[2] = token.level;
    content[4..8].copy_from_slice(&token.issued_s.to_be_bytes());
    content[8..].copy_from_slice(&token.number.to_be_bytes());
    content
}

fn parsed(content: &[u8; CONTENT_BYTES]) -> Option<Token> {
    Some(Token {
        kind: kind_of(content[0])?,
        level: content[2],
        issued_s: u32::from_be_bytes(content[4..8].try_into().ok()?),
        number: u64::from_be_bytes(content[8..].try_into().ok()?),
    })
}

fn kind_of(byte: u8) -> Option<Kind> {
    [Kind::Puzzle, Kind::Worked, Kind::Timed, Kind::Ticket].into_iter().find(|k| *k as u8 == byte)
}

fn mac(key: &hmac::Key, content: &[u8; CONTENT_BYTES], request: &Request<'_>) -> [u8; MAC_BYTES] {
    let mut input = [0; CONTENT_BYTES + 16 + 8];
    input[..CONTENT_BYTES].copy_from_slice(content);
    input[CONTENT_BYTES..CONTENT_BYTES + 16].copy_from_slice(&network(request.client));
    input[CONTENT_BYTES + 16..].copy_from_slice(&software(request).to_be_bytes());
    let tag = hmac::sign(key, &input);
    let mut mac = [0; MAC_BYTES];
    mac.copy_from_slice(&tag.as_ref()[..MAC_BYTES]);
    mac
}

fn network(client: IpAddr) -> [u8; 16] {
    let client = client.to_canonical();
    match Prefix::network_of(client).address() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// What one browser keeps the same over all its connections.
fn software(request: &Request<'_>) -> u64 {
    let ciphers = request.ja4.split(|b| *b == b'_').nth(1).unwrap_or(b"");
    hash::combine(hash::bytes(request.user_agent), hash::bytes(ciphers))
}

/// Compares in time that does not depend on where the difference is.
fn is_equal(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |differ, (l, r)| differ | (l ^ r)) == 0
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Value of each character of the alphabet, 64 for all others.
const VALUES: [u8; 256] = {
    let mut values = [64; 256];
    let mut i = 0;
    while i < 64 {
        values[ALPHABET[i] as usize] = i as u8;
        i += 1;
    }
    values
};

fn encoded(bytes: &[u8; TOKEN_BYTES]) -> [u8; TOKEN_CHARS] {
    let mut text = [0; TOKEN_CHARS];
    for (group, chars) in bytes.chunks(3).zip(text.chunks_mut(4)) {
        let mut word = [0; 4];
        word[1..=group.len()].copy_from_slice(group);
        let word = u32::from_be_bytes(word);
        for (i, char) in chars.iter_mut().enumerate() {
            *char = ALPHABET[(word >> (18 - 6 * i)) as usize & 63];
        }
    }
    text
}

/// One text for one token: bits beyond the last byte must be zero.
fn decoded(text: &[u8]) -> Option<[u8; TOKEN_BYTES]> {
    if text.len() != TOKEN_CHARS {
        return None;
    }
    let mut bytes = [0; TOKEN_BYTES];
    for (group, chars) in bytes.chunks_mut(3).zip(text.chunks(4)) {
        let mut word = 0_u32;
        for (i, char) in chars.iter().enumerate() {
            let value = VALUES[usize::from(*char)];
            if value == 64 {
                return None;
            }
            word |= u32::from(value) << (18 - 6 * i);
        }
        let word = word.to_be_bytes();
        let (kept, beyond) = word[1..].split_at(group.len());
        if beyond.iter().any(|b| *b != 0) {
            return None;
        }
        group.copy_from_slice(kept);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);
    const LIFETIME_S: u32 = 60;

    fn request() -> Request<'static> {
        let mut request = Request::new(IpAddr::from([192, 0, 2, 10]));
        request.user_agent = b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
        request.ja4 = b"t13d1516h2_8daaf6152771_02713d6af862";
        request
    }

    fn token() -> Token {
        Token { kind: Kind::Worked, issued_s: seconds(NOW), level: 13, number: 0xDEAD_BEEF_1234 }
    }

    fn keys() -> TokenKeys {
        TokenKeys::new(&TokenSecrets::new([7; 32], NOW))
    }

    fn read(text: &[u8], request: &Request<'_>, after_s: i64) -> Result<Token, TokenError> {
        let now = NOW.plus_ns(after_s * seawall_model::time::SECOND_NS);
        keys().read(text, Kind::Worked, LIFETIME_S, request, now)
    }

    #[test]
    fn a_token_is_read_back_by_its_owner() {
        let text = keys().sign(&token(), &request());
        assert_eq!(read(text.as_str().as_bytes(), &request(), 30), Ok(token()));
    }

    #[test]
    fn every_changed_character_and_every_cut_is_refused() {
        let text = keys().sign(&token(), &request());
        let good = text.as_str().as_bytes();
        for at in 0..good.len() {
            for other in [b'A', b'B', b'_', b'z', b'=', 0, 0xFF] {
                let mut bad = good.to_vec();
                if bad[at] == other {
                    continue;
                }
                bad[at] = other;
                assert!(read(&bad, &request(), 0).is_err(), "{at}");
            }
            assert_eq!(read(&good[..at], &request(), 0), Err(TokenError::Malformed));
        }
        let longer = [good, b"A"].concat();
        assert_eq!(read(&longer, &request(), 0), Err(TokenError::Malformed));
    }

    #[test]
    fn tokens_expire_and_do_not_come_from_the_future() {
        let text = keys().sign(&token(), &request());
        assert_eq!(read(text.as_str().as_bytes(), &request(), 61), Err(TokenError::Expired));
        assert_eq!(read(text.as_str().as_bytes(), &request(), -6), Err(TokenError::FromTheFuture));
    }

    #[test]
    fn a_token_moves_within_its_network_and_not_beyond() {
        let text = keys().sign(&token(), &request());
        let moved = |client: &str| Request { client: client.parse().unwrap(), ..request() };
        assert!(read(text.as_str().as_bytes(), &moved("192.0.2.200"), 0).is_ok());
        assert!(read(text.as_str().as_bytes(), &moved("::ffff:192.0.2.200"), 0).is_ok());
        let elsewhere = read(text.as_str().as_bytes(), &moved("192.0.3.10"), 0);
        assert_eq!(elsewhere, Err(TokenError::Forged));
    }

    #[test]
    fn a_token_serves_one_software() {
        let text = keys().sign(&token(), &request());
        let other = Request { user_agent: b"curl/8.5.0", ..request() };
        assert_eq!(read(text.as_str().as_bytes(), &other, 0), Err(TokenError::Forged));
        let resumed = Request { ja4: b"t13d1517h1_8daaf6152771_ffffffffffff", ..request() };
        assert!(read(text.as_str().as_bytes(), &resumed, 0).is_ok());
    }

    #[test]
    fn a_token_of_one_kind_is_not_another() {
        let puzzle = Token { kind: Kind::Puzzle, ..token() };
        let text = keys().sign(&puzzle, &request());
        assert_eq!(read(text.as_str().as_bytes(), &request(), 0), Err(TokenError::WrongKind));
        assert_eq!(TokenKeys::claimed_kind(text.as_str().as_bytes()), Some(Kind::Puzzle));
    }

    /// Broke: one secret signed for as long as the guard and its state folder were there.
    #[test]
    fn a_secret_signs_for_a_day_and_what_it_signed_is_still_read() {
        let at = |s: i64| NOW.plus_ns(s * seawall_model::time::SECOND_NS);
        let first = TokenSecrets::new([7; 32], NOW);
        assert!(!first.is_due(at(86_399)) && first.is_due(at(86_400)));
        let second = first.renewed([8; 32], at(86_400));
        let third = second.renewed([9; 32], at(2 * 86_400));
        let signed = |secrets: &TokenSecrets, s| {
            let token = Token { issued_s: seconds(at(s)), ..token() };
            TokenKeys::new(secrets).sign(&token, &request())
        };
        let read = |secrets: &TokenSecrets, text: &TokenText, s| {
            TokenKeys::new(secrets).read(
                text.as_str().as_bytes(),
                Kind::Worked,
                LIFETIME_S,
                &request(),
                at(s),
            )
        };
        let held = signed(&first, 86_390);
        assert!(read(&second, &held, 86_430).is_ok(), "a pass outlives the change");
        assert_eq!(read(&second, &held, 86_451), Err(TokenError::Expired));
        assert_eq!(read(&third, &held, 86_430), Err(TokenError::Forged), "the last but one is forgotten");
        let stolen = signed(&first, 86_420);
        assert_eq!(read(&second, &stolen, 86_430), Err(TokenError::Forged), "the old one signs no more");
        assert!(read(&second, &signed(&second, 86_420), 86_430).is_ok());
    }

    #[test]
    fn text_and_bytes_are_one_to_one() {
        for n in 0..2_000_u64 {
            let mut bytes = [0; TOKEN_BYTES];
            for (i, chunk) in bytes.chunks_mut(8).enumerate() {
                chunk.copy_from_slice(&hash::mix(n * 4 + i as u64).to_le_bytes());
            }
            let text = encoded(&bytes);
            assert_eq!(decoded(&text), Some(bytes));
            let mut last = text;
            last[TOKEN_CHARS - 1] = ALPHABET[(VALUES[usize::from(last[TOKEN_CHARS - 1])] | 1) as usize];
            assert_eq!(decoded(&last), None);
        }
    }
}
