//! As much of PostgreSQL's protocol, version 3, as a check needs: log in, ask one query, and see
//! that its answer ends (PostgreSQL documentation, chapter 55; SCRAM-SHA-256 by RFC 5802 and 7677).

use super::checks::{Finding, shown};
use crate::config::PostgresLogin;
use ring::{digest, hmac, pbkdf2};
use std::io::{self, ErrorKind, Read, Write};
use std::num::NonZeroU32;

const PROTOCOL: u32 = 196_608;
/// Largest message that is read; rows beyond are no answer to a check.
const MOST_BYTES: usize = 1 << 20;
/// Messages of one answer.
const MOST_MESSAGES: usize = 10_000;
/// Rounds that a server may ask of us: each takes time.
const MOST_ROUNDS: u32 = 100_000;
const MECHANISM: &[u8] = b"SCRAM-SHA-256";

/// Asks a server whether it works. Without a login it is only to answer that one is needed.
///
/// # Errors
/// If the connection fails or is too slow.
pub fn ask<S: Read + Write>(stream: &mut S, login: Option<&PostgresLogin>) -> io::Result<Finding> {
    let (user, database) = login.map_or(("seawall", "postgres"), |l| (&*l.user, &*l.database));
    start(stream, user, database)?;
    let mut scram = None;
    for _ in 0..MOST_MESSAGES {
        let (kind, body) = message(stream)?;
        match (kind, login) {
            // That nobody of that name may come in is an answer as well; that there is no room is none.
            (b'R', None) => return Ok(Finding::Good),
            (b'E', None) => return Ok(without_login(&body)),
            (b'E', Some(_)) => return Ok(Finding::Bad(words(&body))),
            (b'R', Some(login)) => match authenticate(stream, login, &body, &mut scram)? {
                None => {}
                Some(finding) => return Ok(finding),
            },
            // Ready for the query.
            (b'Z', Some(login)) => return query(stream, &login.query),
            _ => {}
        }
    }
    Ok(Finding::Bad("more than any answer has".to_owned()))
}

fn start<S: Write>(stream: &mut S, user: &str, database: &str) -> io::Result<()> {
    let mut body = PROTOCOL.to_be_bytes().to_vec();
    for word in ["user", user, "database", database, "application_name", "seawall", ""] {
        body.extend_from_slice(word.as_bytes());
        body.push(0);
    }
    let length = (body.len() as u32 + 4).to_be_bytes();
    stream.write_all(&[&length[..], &body].concat())
}

fn query<S: Read + Write>(stream: &mut S, query: &str) -> io::Result<Finding> {
    send(stream, b'Q', &[query.as_bytes(), &[0]].concat())?;
    let mut finding = Finding::Good;
    for _ in 0..MOST_MESSAGES {
        match message(stream)? {
            (b'E', body) => finding = Finding::Bad(words(&body)),
            (b'Z', _) => return Ok(finding),
            _ => {}
        }
    }
    Ok(Finding::Bad("more rows than a check can want".to_owned()))
}

fn send<S: Write>(stream: &mut S, kind: u8, body: &[u8]) -> io::Result<()> {
    let length = (body.len() as u32 + 4).to_be_bytes();
    stream.write_all(&[&[kind][..], &length, body].concat())
}

fn message<S: Read>(stream: &mut S) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    stream.read_exact(&mut head)?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    let length = length.checked_sub(4).filter(|n| *n <= MOST_BYTES);
    let mut body = vec![0; length.ok_or_else(|| io::Error::from(ErrorKind::InvalidData))?];
    stream.read_exact(&mut body)?;
    Ok((head[0], body))
}

/// Errors of connecting that say that the server works: who we are is none of its users.
fn without_login(body: &[u8]) -> Finding {
    let code = field(body, b'C');
    // Class 28: not allowed in; 3D: no such database.
    if code.starts_with("28") || code.starts_with("3D") { Finding::Good } else { Finding::Bad(words(body)) }
}

fn words(body: &[u8]) -> String {
    format!("`{}: {}`", field(body, b'S'), field(body, b'M'))
}

/// A field of an error: a letter, then text up to a zero.
fn field(body: &[u8], letter: u8) -> String {
    let found = body.split(|b| *b == 0).find(|part| part.first() == Some(&letter));
    found.map(|part| shown(&part[1..])).unwrap_or_default()
}

/// Answers what the server wants to know of us; a finding where that cannot be done.
fn authenticate<S: Write>(
    stream: &mut S,
    login: &PostgresLogin,
    body: &[u8],
    scram: &mut Option<Scram>,
) -> io::Result<Option<Finding>> {
    let Some((kind, rest)) = body.split_first_chunk::<4>() else { return Ok(Some(odd())) };
    let password = || match &login.password_file {
        Some(path) => {
            std::fs::read_to_string(path).map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
        }
        None => Err(io::Error::new(ErrorKind::InvalidInput, "it asks for a password: give password-file")),
    };
    match u32::from_be_bytes(*kind) {
        0 | 12 => Ok(None),
        3 => {
            send(stream, b'p', &[password()?.as_bytes(), &[0]].concat())?;
            Ok(None)
        }
        10 if rest.split(|b| *b == 0).any(|m| m == MECHANISM) => {
            let begun = Scram::begin(&password()?)?;
            let first = begun.first();
            let length = (first.len() as u32).to_be_bytes();
            send(stream, b'p', &[MECHANISM, &[0], &length, first.as_bytes()].concat())?;
            *scram = Some(begun);
            Ok(None)
        }
        11 => {
            let said = std::str::from_utf8(rest).ok();
            let Some(last) = scram.as_ref().zip(said).and_then(|(s, said)| s.last(said)) else {
                return Ok(Some(odd()));
            };
            send(stream, b'p', last.as_bytes())?;
            Ok(None)
        }
        _ => Ok(Some(Finding::Bad("a way to log in that is not known here: use scram-sha-256".to_owned()))),
    }
}

fn odd() -> Finding {
    Finding::Bad("nothing that makes sense".to_owned())
}

/// The client's side of SCRAM-SHA-256. The server's proof is not looked at: it would say that the
/// server knows the password, and nothing depends on that here.
struct Scram {
    password: String,
    nonce: String,
}

impl Scram {
    fn begin(password: &str) -> io::Result<Self> {
        let mut random = [0; 18];
        let source = ring::rand::SystemRandom::new();
        ring::rand::SecureRandom::fill(&source, &mut random)
            .map_err(|_| io::Error::other("no randomness"))?;
        Ok(Self { password: password.to_owned(), nonce: base64(&random) })
    }

    /// PostgreSQL knows the user from the start.
    fn first(&self) -> String {
        format!("n,,n=,r={}", self.nonce)
    }

    fn last(&self, said: &str) -> Option<String> {
        let part = |letter: &str| said.split(',').find_map(|p| p.strip_prefix(letter)?.strip_prefix('='));
        let (nonce, salt, rounds) = (part("r")?, unbase64(part("s")?)?, part("i")?.parse().ok()?);
        if !nonce.starts_with(&self.nonce) || rounds > MOST_ROUNDS {
            return None;
        }
        let mut salted = [0; digest::SHA256_OUTPUT_LEN];
        let rounds = NonZeroU32::new(rounds)?;
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, self.password.as_bytes(), &mut salted);
        let sign = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
        let client_key = sign(&salted, b"Client Key");
        let stored = digest::digest(&digest::SHA256, client_key.as_ref());
        let without_proof = format!("c=biws,r={nonce}");
        let all = format!("n=,r={},{said},{without_proof}", self.nonce);
        let signature = sign(stored.as_ref(), all.as_bytes());
        let proof: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
        Some(format!("{without_proof},p={}", base64(&proof)))
    }
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let all = group.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = DIGITS[(all >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

fn unbase64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut held, mut bits) = (0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let digit = DIGITS.iter().position(|d| *d == byte)? as u32;
        held = (held << 6 | digit) & 0xFF_FFFF;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xFF) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_is_that_of_the_standard() {
        // RFC 7677 section 3, but for the user, whom PostgreSQL does not read here.
        let scram = Scram { password: "pencil".to_owned(), nonce: "rOprNGfwEbeRWgbNEkqO".to_owned() };
        let said = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let last = scram.last(said).expect("an answer");
        assert!(last.starts_with("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p="), "{last}");
        assert_eq!(scram.last("r=another,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"), None);
        assert_eq!(scram.last("r=rOprNGfwEbeRWgbNEkqOx,s=!,i=4096"), None);
    }

    #[test]
    fn base64_is_read_as_it_is_written() {
        for n in 0..20_u8 {
            let bytes: Vec<u8> = (0..n).map(|b| b.wrapping_mul(37)).collect();
            assert_eq!(unbase64(&base64(&bytes)), Some(bytes));
        }
        assert_eq!(base64(b"hello"), "aGVsbG8=");
    }

    #[test]
    fn that_a_login_is_needed_is_an_answer_and_want_of_room_is_none() {
        let error = |code: &str| format!("SFATAL\0C{code}\0Mtoo many clients already\0\0").into_bytes();
        assert_eq!(without_login(&error("28000")), Finding::Good);
        let full = Finding::Bad("`FATAL: too many clients already`".to_owned());
        assert_eq!(without_login(&error("53300")), full);
    }
}
