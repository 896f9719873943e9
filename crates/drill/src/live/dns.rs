//! What a drill says in DNS: questions for addresses, and the answers of a small zone (RFC 1035).
//! Nothing of it comes from the DNS edge, which is judged with it.

/// The zone that is asked about.
pub(crate) const ZONE: &str = "site.example";
/// Largest message over UDP.
pub(crate) const MOST_BYTES: usize = 1_232;
const A: u16 = 1;
const OPT: u16 = 41;
const NAME_ERROR: u8 = 3;

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) rcode: u8,
    pub(crate) is_truncated: bool,
    pub(crate) answers: u16,
}

/// A question for a name's address, as a resolver asks it: no recursion, with EDNS.
pub(crate) fn question(id: u16, name: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    for word in [id, 0, 1, 0, 0, 1] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    for label in name.split('.') {
        out.push(label.len().min(63) as u8);
        out.extend_from_slice(&label.as_bytes()[..label.len().min(63)]);
    }
    out.push(0);
    for word in [A, 1] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    // The root, OPT, size, no extended code, version 0, no flags, no options (RFC 6891).
    out.push(0);
    for word in [OPT, MOST_BYTES as u16, 0, 0, 0] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    out
}

/// Reads an answer; `None` where it is not one to this question's number.
pub(crate) fn reply(id: u16, message: &[u8]) -> Option<Reply> {
    let head: &[u8; 12] = message.get(..12)?.try_into().ok()?;
    let is_ours = u16::from_be_bytes([head[0], head[1]]) == id && head[2] & 0x80 != 0;
    is_ours.then(|| Reply {
        rcode: head[3] & 0x0F,
        is_truncated: head[2] & 0x02 != 0,
        answers: u16::from_be_bytes([head[6], head[7]]),
    })
}

/// What the zone's server answers: an address for names that exist, `NXDOMAIN` with the zone's
/// SOA for others. `None` for what is no question.
pub(crate) fn answer(message: &[u8], exists: impl Fn(&str) -> bool) -> Option<Vec<u8>> {
    let (name, end) = asked(message)?;
    let question = message.get(12..end)?;
    let (found, is_ours) = (exists(&name), name == ZONE || name.ends_with(&format!(".{ZONE}")));
    let rcode = if found { 0 } else { NAME_ERROR };
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(message.get(..2)?);
    // An authoritative answer.
    out.extend_from_slice(&[0x84, rcode]);
    for word in [1, u16::from(found), u16::from(!found && is_ours), 0] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    out.extend_from_slice(question);
    if found {
        // The question's name, A, IN, 30 s, an address.
        out.extend_from_slice(&[0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 192, 0, 2, 10]);
    } else if is_ours {
        let apex = (end - 4).checked_sub(12 + 1 + ZONE.len() + 1)? + 12;
        out.extend_from_slice(&[0xC0 | (apex >> 8) as u8, apex as u8, 0, 6, 0, 1, 0, 0, 0, 30, 0, 24]);
        // Names of the primary and of who answers for it: the apex, both; then five numbers.
        out.extend_from_slice(&[0xC0 | (apex >> 8) as u8, apex as u8, 0xC0 | (apex >> 8) as u8, apex as u8]);
        for number in [1_u32, 3_600, 600, 86_400, 30] {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
    Some(out)
}

/// The name of the one question, in lower case, and where the question ends.
fn asked(message: &[u8]) -> Option<(String, usize)> {
    if message.get(4..6)? != [0, 1] || message.get(2)? & 0x80 != 0 {
        return None;
    }
    let (mut at, mut name) = (12, String::new());
    loop {
        let length = usize::from(*message.get(at)?);
        if length == 0 {
            break;
        }
        if length > 63 || name.len() > 255 {
            return None;
        }
        let label = message.get(at + 1..at + 1 + length)?;
        if !name.is_empty() {
            name.push('.');
        }
        name.extend(label.iter().map(|b| char::from(b.to_ascii_lowercase())));
        at += 1 + length;
    }
    let end = at + 5;
    message.get(..end)?;
    Some((name, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_exist_are_answered_and_others_denied() {
        let ask = |name: &str| answer(&question(7, name), |n| n == "www.site.example").expect("an answer");
        let found = reply(7, &ask("www.site.example"));
        assert_eq!(found, Some(Reply { rcode: 0, is_truncated: false, answers: 1 }));
        let missing = ask("xq7.site.example");
        assert_eq!(reply(7, &missing), Some(Reply { rcode: 3, is_truncated: false, answers: 0 }));
        // Its SOA stands under the apex: the pointer leads to the label `site`.
        let pointer = missing.len() - 36;
        let at = usize::from(missing[pointer + 1]);
        assert_eq!(&missing[at..at + 5], b"\x04site");
        assert_eq!(reply(8, &missing), None);
    }

    #[test]
    fn whatever_comes_is_no_panic() {
        let whole = question(1, "www.site.example");
        for cut in 0..whole.len() {
            let _ = answer(&whole[..cut], |_| true);
            let _ = reply(1, &whole[..cut]);
            let mut bad = whole.clone();
            bad[cut] ^= 0xFF;
            let _ = answer(&bad, |_| false);
        }
    }
}
