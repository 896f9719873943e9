//! Logins that are not told by an HTTP request: sshd, vsftpd, Dovecot, Postfix, LiteSpeed's
//! console, Guacamole. Other lines of these programs are chatter.

use super::date::{self, Dates};
use super::envelope::Envelope;
use super::scan::{Cursor, address, address_and_port};
use super::{Line, LineError};
use memchr::{memchr, memmem};
use seawall_model::observation::{Login, Observation};
use std::net::IpAddr;

/// What a message says of a login.
struct Attempt<'a> {
    client: IpAddr,
    succeeded: bool,
    service: &'static str,
    user: &'a [u8],
}

/// Reads a message whose carrier has been taken off.
pub(super) fn read<'a>(dates: &mut Dates, envelope: &Envelope<'a>) -> Result<Line<'a>, LineError> {
    let text = envelope.body;
    let (attempt, known) = match base(envelope.program) {
        b"sshd" | b"sshd-session" | b"dropbear" => (sshd(text), true),
        b"vsftpd" => (vsftpd(text), true),
        b"dovecot" => (dovecot(text), true),
        b"smtpd" => (postfix(text), true),
        _ => (by_words(text), false),
    };
    let Some(attempt) = attempt else {
        let reason = "no line of a login service";
        return if known { Ok(Line::Nothing) } else { Err(LineError { reason, at_byte: 0 }) };
    };
    let own = date::iso_prefix(text).map(|(time, _)| time).or_else(|| date::apache_error(text.get(..24)?));
    let time = envelope.time.or(own).or_else(|| dates.latest());
    let time = time.ok_or(LineError { reason: "no date that can be read", at_byte: 0 })?;
    if let Some(own) = own {
        dates.saw(own);
    }
    let Attempt { client, succeeded, service, user } = attempt;
    Ok(Line::Observation(Observation::Login(Login {
        time,
        client,
        succeeded,
        challenged: false,
        service,
        user,
    })))
}

/// `smtpd` of `postfix/smtpd` and `postfix/submission/smtpd`.
fn base(program: &[u8]) -> &[u8] {
    program.rsplit(|&b| b == b'/').next().unwrap_or(program)
}

/// Messages that name their service themselves, whatever program they are logged under.
fn by_words(text: &[u8]) -> Option<Attempt<'_>> {
    vsftpd(text).or_else(|| lite_speed(text)).or_else(|| guacamole(text))
}

fn sshd(text: &[u8]) -> Option<Attempt<'_>> {
    if let Some(left) = left_before_login(text) {
        return Some(left);
    }
    let forms: [(&[u8], bool); 10] = [
        (b"Failed ", false),
        (b"Accepted ", true),
        (b"Invalid user ", false),
        (b"Illegal user ", false),
        (b"Bad password attempt for ", false),
        (b"Bad PAM password attempt for ", false),
        (b"error: maximum authentication attempts exceeded for ", false),
        (b"error: PAM: Authentication failure for ", false),
        (b"Password auth succeeded for ", true),
        (b"User ", false),
    ];
    let (form, succeeded) = forms.iter().find(|(form, _)| text.starts_with(form))?;
    let mut rest = &text[form.len()..];
    if matches!(*form, b"Failed " | b"Accepted ") {
        rest = &rest[memmem::find(rest, b" for ")? + 5..];
    } else if *form == b"User " && memmem::find(rest, b" not allowed").is_none() {
        return None;
    }
    for known in [&b"invalid user "[..], b"illegal user "] {
        rest = rest.strip_prefix(known).unwrap_or(rest);
    }
    // The user is the attacker's text and may hold "from"; the last one is sshd's own.
    let at = memmem::rfind(rest, b" from ")?;
    let (client, _) = address_and_port(Cursor::new(&rest[at + 6..]).token()?)?;
    let user = rest[..at].strip_prefix(b"'").and_then(|u| u.strip_suffix(b"'")).unwrap_or(&rest[..at]);
    Some(Attempt { client, succeeded: *succeeded, service: "ssh", user })
}

/// `Connection closed by authenticating user anna 198.51.100.7 port 22 [preauth]`: all that is told of
/// a guess where passwords are not asked for.
fn left_before_login(text: &[u8]) -> Option<Attempt<'_>> {
    let before = text.strip_suffix(b" [preauth]")?;
    let at = [&b"authenticating user "[..], b"invalid user "]
        .into_iter()
        .find_map(|words| Some(memmem::find(before, words)? + words.len()))?;
    let port = memmem::rfind(&before[at..], b" port ")?;
    let named = &before[at..at + port];
    let space = memchr::memrchr(b' ', named)?;
    let client = address(&named[space + 1..])?;
    Some(Attempt { client, succeeded: false, service: "ssh", user: &named[..space] })
}

/// `[pid 2] [anna] FAIL LOGIN: Client "198.51.100.7"`.
fn vsftpd(text: &[u8]) -> Option<Attempt<'_>> {
    let failed = memmem::find(text, b"] FAIL LOGIN: Client \"");
    let at = failed.or_else(|| memmem::find(text, b"] OK LOGIN: Client \""))?;
    let user = memchr::memrchr(b'[', &text[..at]).map_or(&b""[..], |open| &text[open + 1..at]);
    let rest = &text[at..];
    let client = &rest[memchr(b'"', rest)? + 1..];
    let client = address(&client[..memchr(b'"', client).or_else(|| memchr(b',', client))?])?;
    Some(Attempt { client, succeeded: failed.is_none(), service: "ftp", user })
}

/// `imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<x>, method=PLAIN,
/// rip=198.51.100.7, lip=…`.
fn dovecot(text: &[u8]) -> Option<Attempt<'_>> {
    let service = if memmem::find(text, b"pop3-login").is_some() {
        "pop3"
    } else if memmem::find(text, b"imap-login").is_some() {
        "imap"
    } else {
        "mail"
    };
    let failed = [&b"auth failed"[..], b"Auth process", b"Password mismatch", b"unknown user"];
    let failed = failed.iter().any(|words| memmem::find(text, words).is_some());
    if !failed && memmem::find(text, b"-login: Login: ").is_none() {
        return None;
    }
    let rest = &text[memmem::find(text, b"rip=")? + 4..];
    let client = address(&rest[..memchr(b',', rest).unwrap_or(rest.len())])?;
    let user = memmem::find(text, b"user=<").map_or(&b""[..], |at| {
        let inside = &text[at + 6..];
        &inside[..memchr(b'>', inside).unwrap_or(inside.len())]
    });
    Some(Attempt { client, succeeded: !failed, service, user })
}

/// `warning: unknown[198.51.100.7]: SASL LOGIN authentication failed: …`.
fn postfix(text: &[u8]) -> Option<Attempt<'_>> {
    let at = memmem::find(text, b"]: SASL ")?;
    memmem::find(&text[at..], b"authentication failed")?;
    let open = memchr::memrchr(b'[', &text[..at])?;
    Some(Attempt { client: address(&text[open + 1..at])?, succeeded: false, service: "smtp", user: b"" })
}

/// `[WebAdmin Console] Failed Login Attempt - username:x ip:198.51.100.7 url:` and
/// `[198.51.100.7:61120-5#Example] User 'x' failed to authenticate.`
fn lite_speed(text: &[u8]) -> Option<Attempt<'_>> {
    if let Some(at) = memmem::find(text, b"Failed Login Attempt - username:") {
        let rest = &text[at + 32..];
        let end = memmem::find(rest, b" ip:")?;
        let client = address(Cursor::new(&rest[end + 4..]).token()?)?;
        return Some(Attempt { client, succeeded: false, service: "http-console", user: &rest[..end] });
    }
    let at = memmem::find(text, b"] User '")?;
    let rest = &text[at + 8..];
    let user = &rest[..memmem::find(rest, b"' failed to authenticate")?];
    let open = memchr::memrchr(b'[', &text[..at])?;
    let peer = &text[open + 1..at];
    let client = address(&peer[..memchr(b':', peer)?])?;
    Some(Attempt { client, succeeded: false, service: "http-basic", user })
}

/// `Authentication attempt from [10.0.0.1, 198.51.100.7] for user "test" failed.`; the first is
/// the peer, the last the client behind it.
fn guacamole(text: &[u8]) -> Option<Attempt<'_>> {
    let rest = &text[memmem::find(text, b"Authentication attempt from ")? + 28..];
    memmem::find(rest, b" failed")?;
    let list = &rest[..memmem::find(rest, b" for user ")?];
    let list = list.strip_prefix(b"[").and_then(|l| l.strip_suffix(b"]")).unwrap_or(list);
    let user = &rest[memmem::find(rest, b" for user \"")? + 11..];
    let client = super::draft::forwarded_client(list)?;
    let user = &user[..memchr(b'"', user)?];
    Some(Attempt { client, succeeded: false, service: "guacamole", user })
}

#[cfg(test)]
mod tests {
    use super::super::envelope;
    use super::*;

    fn of(line: &str) -> String {
        let mut dates = Dates::in_year(2024);
        let envelope = envelope::open(&mut dates, line.as_bytes());
        match read(&mut dates, &envelope) {
            Ok(Line::Observation(Observation::Login(l))) => {
                format!(
                    "{} {} {} {} {}",
                    l.time,
                    l.succeeded,
                    l.service,
                    l.client,
                    String::from_utf8_lossy(l.user)
                )
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn logins_of_every_service() {
        let time = "2024-04-04T14:30:19Z";
        for (program, text, expected) in [
            (
                "sshd[1]",
                "Failed password for root from 198.51.100.7 port 22 ssh2",
                "false ssh 198.51.100.7 root",
            ),
            (
                "sshd[1]",
                "Failed password for invalid user a b from 198.51.100.7 port 22 ssh2",
                "false ssh 198.51.100.7 a b",
            ),
            (
                "sshd[1]",
                "Failed none for x from 1.1.1.1 from 2001:db8::7 port 22 ssh2",
                "false ssh 2001:db8::7 x from 1.1.1.1",
            ),
            (
                "sshd-session[1]",
                "Accepted publickey for anna from 198.51.100.7 port 22 ssh2: RSA",
                "true ssh 198.51.100.7 anna",
            ),
            ("sshd[1]", "Invalid user admin from 198.51.100.7 port 4711", "false ssh 198.51.100.7 admin"),
            (
                "sshd[1]",
                "Disconnected from authenticating user a b 198.51.100.7 port 59402 [preauth]",
                "false ssh 198.51.100.7 a b",
            ),
            (
                "sshd[1]",
                "Connection closed by invalid user x 2001:db8::7 port 5 [preauth]",
                "false ssh 2001:db8::7 x",
            ),
            (
                "dropbear[9]",
                "Bad PAM password attempt for 'anna' from 198.51.100.7:49242",
                "false ssh 198.51.100.7 anna",
            ),
            ("vsftpd[1]", r#"[anna] FAIL LOGIN: Client "198.51.100.7""#, "false ftp 198.51.100.7 anna"),
            (
                "dovecot",
                "imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<x@y>, method=PLAIN, rip=198.51.100.7, lip=10.0.0.1",
                "false imap 198.51.100.7 x@y",
            ),
            (
                "dovecot",
                "pop3-login: Login: user=<x>, method=PLAIN, rip=198.51.100.7, lip=1",
                "true pop3 198.51.100.7 x",
            ),
            (
                "postfix/smtpd[1]",
                "warning: unknown[198.51.100.7]: SASL LOGIN authentication failed: authentication failure",
                "false smtp 198.51.100.7 ",
            ),
        ] {
            assert_eq!(
                of(&format!("Apr  4 14:30:19 web {program}: {text}")),
                format!("{time} {expected}"),
                "{text}"
            );
        }
        assert_eq!(of("Apr  4 14:30:19 web sshd[1]: Server listening on :: port 22."), "Ok(Nothing)");
    }

    #[test]
    fn services_that_write_their_own_dates() {
        assert_eq!(
            of(
                "2022-06-08 22:49:20.774649 [NOTICE] [12] [198.51.100.7:45164:H2#V] [STDERR] [WebAdmin Console] Failed Login Attempt - username:asd ip:198.51.100.7 url:"
            ),
            "2022-06-08T22:49:20.774Z false http-console 198.51.100.7 asd"
        );
        assert_eq!(
            of(
                "2022-06-09 12:22:07.353044 [INFO] [12] [198.51.100.7:61120-5#Example] User 'asd' failed to authenticate."
            ),
            "2022-06-09T12:22:07.353Z false http-basic 198.51.100.7 asd"
        );
        assert_eq!(
            of(
                r#"2023-04-06T09:05:54,991Z [exec-9] WARN  o.a.g.AuthenticationService - Authentication attempt from [127.0.0.1, 198.51.100.7] for user "test" failed."#
            ),
            "2023-04-06T09:05:54.991Z false guacamole 198.51.100.7 test"
        );
    }
}
