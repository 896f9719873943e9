//! Log-ins by SIP: what registrars answer to telephones, and to those who try names and passwords.
//!
//! A telephone is asked to prove itself (401) and is then let in (200), so that its refusals and its
//! successes keep step; whoever guesses is only refused (RFC 3261 sections 10.3, 21.4.2, 21.4.4).

use seawall_model::observation::{Fragment, Login, Packet};

const PORT: u16 = 5060;
/// Header lines are looked for in so many bytes.
const HEAD_BYTES: usize = 1_024;

/// The log-in that a registrar's answer decides, if the datagram is one.
pub(super) fn login<'a>(packet: &Packet<'a>) -> Option<Login<'a>> {
    if packet.source_port != PORT || packet.fragment == Fragment::Later {
        return None;
    }
    let text = &packet.payload[..packet.payload.len().min(HEAD_BYTES)];
    let (succeeded, challenged) = match text.strip_prefix(b"SIP/2.0 ")?.get(..3)? {
        b"200" => (true, false),
        b"401" | b"407" => (false, true),
        b"403" | b"404" => (false, false),
        _ => return None,
    };
    let registers = header(text, b"CSeq:").is_some_and(|line| line.ends_with(b"REGISTER"));
    let user = header(text, b"To:").and_then(user_of).unwrap_or(b"");
    registers.then_some(Login {
        time: packet.time,
        client: packet.destination,
        succeeded,
        challenged,
        service: "sip",
        user,
    })
}

/// The value of a header line, by its name with the colon.
fn header<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut lines = text.split(|&b| b == b'\n').map(<[u8]>::trim_ascii);
    lines.find(|line| line.len() >= name.len() && line[..name.len()].eq_ignore_ascii_case(name))
}

/// The user of an address of record: `To: <sip:100@192.0.2.1>`.
fn user_of(line: &[u8]) -> Option<&[u8]> {
    let begin = memchr::memmem::find(line, b"sip:")? + 4;
    let length = memchr::memchr(b'@', &line[begin..])?;
    Some(&line[begin..begin + length])
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::Timestamp;
    use seawall_model::observation::{FlowState, protocol};

    fn answered(text: &[u8]) -> Option<(bool, Vec<u8>)> {
        let packet = Packet {
            source: [192, 0, 2, 1].into(),
            destination: [198, 51, 100, 7].into(),
            protocol: protocol::UDP,
            source_port: 5060,
            destination_port: 5071,
            length_bytes: 400,
            ttl: 60,
            payload: text,
            payload_bytes: text.len() as u32,
            flow: FlowState::Answering,
            ..Packet::unknown(Timestamp(0))
        };
        login(&packet).map(|l| (l.succeeded || l.challenged, l.user.to_vec()))
    }

    #[test]
    fn a_registrar_lets_in_or_refuses() {
        let answer = |status: &str, method: &str| {
            let text = format!("SIP/2.0 {status}\r\nTo: <sip:204@pbx>;tag=1\r\nCSeq: 1 {method}\r\n\r\n");
            answered(text.as_bytes())
        };
        assert_eq!(answer("401 Unauthorized", "REGISTER"), Some((true, b"204".to_vec())));
        assert_eq!(answer("403 Forbidden", "REGISTER"), Some((false, b"204".to_vec())));
        assert_eq!(answer("200 OK", "REGISTER"), Some((true, b"204".to_vec())));
        assert_eq!(answer("200 OK", "OPTIONS"), None);
        assert_eq!(answer("100 Trying", "REGISTER"), None);
        assert_eq!(answered(b"SIP/2.0 4"), None);
    }
}
