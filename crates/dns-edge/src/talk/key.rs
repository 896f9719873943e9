//! Transaction signatures (TSIG, RFC 8945): keys that are shared with servers, messages that are
//! signed with them, and answers that are checked.

use domain::base::iana::Rcode;
use domain::base::message_builder::AdditionalBuilder;
use domain::base::wire::Composer;
use domain::base::{Message, MessageBuilder};
use domain::rdata::tsig::Time48;
use domain::tsig::{self, Algorithm, ClientSequence, KeyName, ServerTransaction};
use domain::utils::base64;
use seawall_model::Timestamp;
use std::str::FromStr;
use std::sync::Arc;

/// The fewest bytes of a secret: half of the shortest algorithm's output.
const SECRET_BYTES: usize = 10;
/// Times beyond this do not fit into a signature.
const MOST_SECONDS: u64 = (1 << 48) - 1;

/// A key that is shared with a server.
#[derive(Clone)]
pub struct Key {
    name: String,
    algorithm: Algorithm,
    secret: Box<[u8]>,
    key: Arc<tsig::Key>,
}

/// Why something is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadKey {
    Name,
    Algorithm,
    Secret,
}

impl std::fmt::Display for BadKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Name => "its name is none: write it as the server does, such as transfer.example.org",
            Self::Algorithm => "its algorithm is none of hmac-sha1, hmac-sha256, hmac-sha384, hmac-sha512",
            Self::Secret => "its secret is not base64 of at least ten bytes",
        })
    }
}

/// A message is not signed as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untrusted(String);

impl std::fmt::Display for Untrusted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the server's answer is not signed with the key: {}", self.0)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name, self.algorithm)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.algorithm, &self.secret) == (&other.name, other.algorithm, &other.secret)
    }
}

impl Eq for Key {}

impl Key {
    /// Makes a key of its parts. `secret`: in base64, as `tsig-keygen` writes it.
    ///
    /// # Errors
    /// Which part is wrong.
    pub fn new(name: &str, algorithm: &str, secret: &str) -> Result<Self, BadKey> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let wire = KeyName::from_str(&name).ok().filter(|_| !name.is_empty()).ok_or(BadKey::Name)?;
        let algorithm = Algorithm::from_str(algorithm).map_err(|_| BadKey::Algorithm)?;
        let secret = base64::decode::<Vec<u8>>(secret.trim()).map_err(|_| BadKey::Secret)?;
        if secret.len() < SECRET_BYTES {
            return Err(BadKey::Secret);
        }
        let key = tsig::Key::new(algorithm, &secret, wire, None, None).map_err(|_| BadKey::Algorithm)?;
        Ok(Self { name, algorithm, secret: secret.into(), key: Arc::new(key) })
    }

    /// Reads a key as BIND, Knot and NSD write it into their configurations:
    /// `key "name" { algorithm hmac-sha256; secret "…"; };` or lines with a colon. What is behind `#`
    /// is a comment, as is a line that begins with `//`.
    ///
    /// # Errors
    /// Which part is missing or wrong.
    pub fn read(text: &str) -> Result<Self, BadKey> {
        let mut words = Vec::new();
        for line in text.lines().map(str::trim_start).filter(|l| !l.starts_with("//")) {
            let line = line.split('#').next().unwrap_or_default();
            words
                .extend(line.split([' ', '\t', '"', '{', '}', ';', ':']).filter(|w| !matches!(*w, "" | "-")));
        }
        let after =
            |word: &str| words.iter().position(|w| *w == word).and_then(|at| words.get(at + 1)).copied();
        let name = after("id").or_else(|| after("name")).or_else(|| after("key")).ok_or(BadKey::Name)?;
        let algorithm = after("algorithm").ok_or(BadKey::Algorithm)?;
        Self::new(name, algorithm, after("secret").ok_or(BadKey::Secret)?)
    }

    /// As the operator and the server call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Checks a request that ends in a signature; `None` if it is not signed with this key. The
    /// answer to it, signed, otherwise: its header and question, with this code.
    #[must_use]
    pub fn answer(&self, request: &[u8], code: u8, now: Timestamp) -> Option<Vec<u8>> {
        let mut message = Message::from_octets(request.to_vec()).ok()?;
        let signed = ServerTransaction::request(&Arc::clone(&self.key), &mut message, time(now)).ok()??;
        let builder = MessageBuilder::new_vec().start_answer(&message, Rcode::masked_from_int(code)).ok()?;
        let mut builder = builder.additional();
        signed.answer(&mut builder, time(now)).ok()?;
        Some(builder.finish())
    }
}

/// What the answers to one request are checked with.
#[derive(Clone, Debug)]
pub struct Signed(Option<ClientSequence<Arc<tsig::Key>>>);

impl Signed {
    /// Signs a request, if there is a key. `None`: it has no room for a signature.
    pub(super) fn request<Target: Composer>(
        message: &mut AdditionalBuilder<Target>,
        key: Option<&Key>,
        now: Timestamp,
    ) -> Option<Self> {
        let Some(key) = key else { return Some(Self(None)) };
        ClientSequence::request(Arc::clone(&key.key), message, time(now)).ok().map(|s| Self(Some(s)))
    }

    /// Checks the next message of an answer, and takes its signature off.
    ///
    /// # Errors
    /// If it is not signed with the key of the request.
    pub fn check(&mut self, message: Vec<u8>, now: Timestamp) -> Result<Vec<u8>, Untrusted> {
        let Some(sequence) = &mut self.0 else { return Ok(message) };
        let told = |error: &dyn std::fmt::Display| Untrusted(error.to_string());
        let mut message = Message::from_octets(message).map_err(|e| told(&e))?;
        sequence.answer(&mut message, time(now)).map_err(|e| told(&e))?;
        Ok(message.into_octets())
    }

    /// Checks that the answer was allowed to end there.
    ///
    /// # Errors
    /// If its last message was not signed.
    pub fn end(self) -> Result<(), Untrusted> {
        self.0.map_or(Ok(()), ClientSequence::done).map_err(|e| Untrusted(e.to_string()))
    }
}

fn time(now: Timestamp) -> Time48 {
    Time48::from_u64(u64::try_from(now.seconds()).unwrap_or(0).min(MOST_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::kind;
    use crate::talk::Request;

    const SECRET: &str = "c2Vhd2FsbCBzZWF3YWxsIHNlYXdhbGwgc2Vhd2FsbCE=";

    fn key(secret: &str) -> Key {
        Key::new("Transfer.example.org.", "hmac-sha256", secret).expect("a key")
    }

    #[test]
    fn a_key_is_told_from_what_is_none() {
        assert_eq!(Key::new("", "hmac-sha256", SECRET), Err(BadKey::Name));
        assert_eq!(Key::new("a..b", "hmac-sha256", SECRET), Err(BadKey::Name));
        assert_eq!(Key::new("a", "hmac-md5", SECRET), Err(BadKey::Algorithm));
        assert_eq!(Key::new("a", "hmac-sha256", "!"), Err(BadKey::Secret));
        assert_eq!(Key::new("a", "hmac-sha256", "c2hvcnQ="), Err(BadKey::Secret));
        assert_eq!(format!("{:?}", key(SECRET)), "transfer.example.org (hmac-sha256)", "without its secret");
    }

    #[test]
    fn a_key_is_read_as_each_server_writes_it() {
        let bind =
            format!("key \"transfer.example.org\" {{\n\talgorithm hmac-sha256;\n\tsecret \"{SECRET}\";\n}};");
        let nsd = format!(
            "key:\n  name: transfer.example.org.\n  algorithm: hmac-sha256\n  secret: \"{SECRET}\"\n"
        );
        let knot = format!(
            "# hmac-sha256:transfer.example.org:{SECRET}\nkey:\n- id: transfer.example.org.\n  \
             algorithm: hmac-sha256\n  secret: {SECRET}\n"
        );
        for text in [bind, nsd, knot] {
            assert_eq!(Key::read(&text), Ok(key(SECRET)), "{text}");
        }
        assert_eq!(Key::read("key a { algorithm hmac-sha256; };"), Err(BadKey::Secret));
        assert_eq!(Key::read(""), Err(BadKey::Name));
    }

    #[test]
    fn only_an_answer_that_is_signed_with_the_same_key_is_taken() {
        let (now, key) = (Timestamp::from_seconds(1_700_000_000), key(SECRET));
        let asked = Request::query(7, b"\x07example\x03org\0", kind::SOA);
        let (request, signed) = asked.write(Some(&key), now).expect("short");
        let answer = key.answer(&request, 0, now).expect("signed with the key");
        let stripped = signed.clone().check(answer.clone(), now).expect("signed");
        assert_eq!((&stripped[..2], stripped[11]), (&[0, 7][..], 0), "the signature is taken off");
        let other = super::Key::new("transfer.example.org", "hmac-sha256", "b3RoZXIgb3RoZXIgb3RoZXI=");
        let other = other.expect("a key");
        assert!(other.answer(&request, 0, now).is_none());
        let mut changed = answer.clone();
        changed[3] ^= 5;
        assert!(signed.clone().check(changed, now).is_err());
        let late = Timestamp::from_seconds(1_700_000_301);
        assert!(signed.clone().check(answer, late).is_err(), "five minutes at most");
        let (bare, _) = asked.write(None, now).expect("short");
        assert!(signed.clone().check(bare, now).is_err(), "an answer without a signature");
    }
}
