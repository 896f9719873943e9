//! Logins in protocols where the server greets first and says in the clear whether one
//! succeeded: FTP, SMTP, POP3, IMAP, Telnet, MySQL, PostgreSQL, Redis, SQL Server.

/// What a server's words say of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub service: &'static str,
    pub succeeded: bool,
}

/// The service by the server's port, if its logins can be told.
pub(super) fn service(server_port: u16) -> Option<&'static str> {
    Some(match server_port {
        21 => "ftp",
        23 | 2323 => "telnet",
        25 | 465 | 587 => "smtp",
        110 => "pop3",
        143 => "imap",
        1433 => "mssql",
        3306 => "mysql",
        5432 => "postgresql",
        6379 => "redis",
        _ => return None,
    })
}

/// Whether the client's bytes are the step that the next answer decides.
pub(super) fn is_attempt(service: &str, bytes: &[u8]) -> bool {
    let starts = |word: &[u8]| bytes.len() >= word.len() && bytes[..word.len()].eq_ignore_ascii_case(word);
    match service {
        "pop3" => starts(b"PASS ") || starts(b"APOP ") || starts(b"AUTH "),
        "imap" => {
            let command = memchr::memchr(b' ', bytes).map_or(b"".as_slice(), |at| &bytes[at + 1..]);
            let starts =
                |word: &[u8]| command.len() >= word.len() && command[..word.len()].eq_ignore_ascii_case(word);
            starts(b"LOGIN ") || starts(b"AUTHENTICATE ")
        }
        "redis" => memchr::memmem::find(&bytes[..bytes.len().min(32)], b"AUTH").is_some(),
        // TDS 7 login, alone or inside TLS (MS-TDS section 2.2.3.1.1); any later answer decides.
        "mssql" => matches!(bytes, [0x10 | 0x17, ..]),
        // The client's packets have odd numbers: 1 answers the greeting, 3 and 5 go on with it.
        "mysql" => bytes.get(3).is_some_and(|number| matches!(number, 1 | 3 | 5)),
        _ => false,
    }
}

/// What the server's bytes say of a login; `attempted`: the client's last words were an attempt.
pub(super) fn verdict(service: &'static str, attempted: bool, bytes: &[u8]) -> Option<Verdict> {
    let told = |succeeded| Some(Verdict { service, succeeded });
    match (service, bytes) {
        ("ftp", [b'5', b'3', b'0', ..]) | ("smtp", [b'5', b'3', b'5', ..]) => told(false),
        ("ftp", [b'2', b'3', b'0', ..]) | ("smtp", [b'2', b'3', b'5', ..]) => told(true),
        ("pop3", [b'-', ..]) if attempted => told(false),
        ("pop3", [b'+', b'O', b'K', ..]) if attempted => told(true),
        ("imap", _) if attempted => {
            let answer = bytes.split(|&b| b == b' ').nth(1)?;
            match answer {
                b"NO" | b"BAD" => told(false),
                b"OK" => told(true),
                _ => None,
            }
        }
        // Error 1045, whose number in the exchange depends on the method.
        ("mysql", [_, _, _, 2..=8, 0xFF, 0x15, 0x04, ..]) => told(false),
        ("mysql", [_, _, _, 2..=8, 0, ..]) if attempted => told(true),
        ("postgresql", [b'E', ..]) if is_refused_login(bytes) => told(false),
        ("postgresql", [b'R', 0, 0, 0, 8, 0, 0, 0, 0, ..]) => told(true),
        ("redis", [b'-', ..]) if attempted => told(false),
        ("redis", [b'+', b'O', b'K', ..]) if attempted => told(true),
        // A reply that holds error 18456, or the token of a log-in acknowledged.
        ("mssql", [4, ..]) if attempted => {
            let error = memchr::memmem::find(bytes, &18_456_u32.to_le_bytes()).is_some();
            let acknowledged = bytes.get(8..).is_some_and(|b| b.contains(&0xAD));
            if error {
                told(false)
            } else if acknowledged {
                told(true)
            } else {
                None
            }
        }
        ("telnet", _) => {
            let finder = |word: &[u8]| memchr::memmem::find(bytes, word).is_some();
            if finder(b"ogin incorrect") || finder(b"uthentication failed") || finder(b"ogin failed") {
                told(false)
            } else if finder(b"Last login") {
                told(true)
            } else {
                None
            }
        }
        _ => None,
    }
}

/// PostgreSQL's codes for a wrong password and for a user who may not log in (appendix A).
fn is_refused_login(bytes: &[u8]) -> bool {
    [b"C28P01".as_slice(), b"C28000"].iter().any(|code| memchr::memmem::find(bytes, code).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_words_are_understood() {
        let failed = |service| Some(Verdict { service, succeeded: false });
        assert_eq!(verdict("ftp", false, b"530 Login incorrect.\r\n"), failed("ftp"));
        assert_eq!(verdict("ftp", false, b"331 Password please\r\n"), None);
        assert!(is_attempt("pop3", b"pass secret\r\n"));
        assert_eq!(verdict("pop3", true, b"-ERR no\r\n"), failed("pop3"));
        assert_eq!(verdict("pop3", false, b"-ERR no\r\n"), None);
        assert!(is_attempt("imap", b"a1 LOGIN x y\r\n"));
        assert_eq!(verdict("imap", true, b"a1 NO failed\r\n"), failed("imap"));
        assert_eq!(verdict("mysql", true, b"\x48\x00\x00\x02\xff\x15\x04#28000"), failed("mysql"));
        assert_eq!(verdict("mysql", false, b"\x48\x00\x00\x04\xff\x15\x04#28000"), failed("mysql"));
        let wrong = b"E\0\0\0\x64SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed\0";
        assert_eq!(verdict("postgresql", false, wrong), failed("postgresql"));
        assert_eq!(verdict("postgresql", false, b"E\0\0\0\x20SERROR\0C42P01\0"), None);
        assert!(is_attempt("redis", b"*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n"));
        assert_eq!(verdict("redis", true, b"-WRONGPASS invalid\r\n"), failed("redis"));
        let refused = [4, 1, 0, 60, 0, 0, 1, 0, 0xAA, 44, 0, 0x18, 0x48, 0, 0, 1, 14];
        assert_eq!(verdict("mssql", true, &refused), failed("mssql"));
        assert_eq!(verdict("telnet", false, b"\r\nLogin incorrect\r\n"), failed("telnet"));
    }
}
