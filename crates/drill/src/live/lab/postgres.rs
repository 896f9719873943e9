//! PostgreSQL as the lab's database: a server of its own on a Unix socket, and as much of its
//! protocol as a drill needs (documentation, "Frontend/Backend Protocol": start-up without a
//! password, simple queries). Nothing that the server says sizes an allocation beyond a limit.

use super::server::Server;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::chown;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Who owns the server's files and runs it: it refuses to run as root.
const OWNERS: [&str; 2] = ["postgres", "nobody"];
const USER: &str = "drill";
/// Longest for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest message, and most rows, that are taken.
const MOST_BYTES: usize = 1 << 20;
const MOST_ROWS: usize = 1_000;
/// Version 3.0 of the protocol.
const PROTOCOL: u32 = 196_608;

/// A running server with an empty database.
#[derive(Debug)]
pub(in crate::live) struct Database {
    _server: Server,
    socket: PathBuf,
}

impl Database {
    /// Makes a database in a folder and starts its server.
    pub(in crate::live) fn start(folder: &Path) -> io::Result<Self> {
        let (data, sockets) = (folder.join("postgres"), folder.join("sockets"));
        let (user, group) = owner()?;
        for own in [&data, &sockets] {
            std::fs::create_dir_all(own)?;
            chown(own, Some(user), Some(group))?;
        }
        let as_owner = |name: &str| -> io::Result<Command> {
            let mut command = Command::new(program(name).ok_or(io::ErrorKind::NotFound)?);
            command.uid(user).gid(group).current_dir(&data);
            Ok(command)
        };
        let made = as_owner("initdb")?
            .args(["--no-sync", "--encoding=UTF8", "--locale=C", "--auth=trust", "--username", USER, "-D"])
            .arg(&data)
            .stdin(Stdio::null())
            .output()?;
        if !made.status.success() {
            return Err(io::Error::other(format!(
                "initdb: {}",
                String::from_utf8_lossy(&made.stderr).trim()
            )));
        }
        let mut command = as_owner("postgres")?;
        command.arg("-D").arg(&data).arg("-k").arg(&sockets).args(["-c", "listen_addresses="]);
        // Nothing of it outlives the drill.
        for setting in [
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "autovacuum=off",
            "max_connections=40",
        ] {
            command.args(["-c", setting]);
        }
        let socket = sockets.join(".s.PGSQL.5432");
        let server =
            Server::start("postgres", command, folder)?.wait_until(|| Client::connect(&socket).is_ok())?;
        Ok(Self { _server: server, socket })
    }

    pub(in crate::live) fn client(&self) -> io::Result<Client> {
        Client::connect(&self.socket)
    }
}

/// The program of a PostgreSQL server: in the search path, or where packages put it.
pub(super) fn program(name: &str) -> Option<PathBuf> {
    let found = super::found(name);
    found.or_else(|| {
        let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .filter_map(|e| Some(e.ok()?.path().join("bin").join(name)))
            .filter(|p| p.is_file())
            .collect();
        folders.sort();
        folders.pop()
    })
}

/// User and group of an account that the server may run as.
fn owner() -> io::Result<(u32, u32)> {
    let accounts = std::fs::read_to_string("/etc/passwd")?;
    let numbers = |name: &str| -> Option<(u32, u32)> {
        let line = accounts.lines().find(|l| l.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    let found = OWNERS.into_iter().find_map(numbers);
    found.ok_or_else(|| {
        io::Error::other(format!(
            "PostgreSQL does not run as root, and there is no account {}",
            OWNERS.join(" or ")
        ))
    })
}

/// A connection to the server.
#[derive(Debug)]
pub(in crate::live) struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    fn connect(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut client = Self { stream: BufReader::new(stream) };
        let mut body = PROTOCOL.to_be_bytes().to_vec();
        for word in ["user", USER, "database", "postgres"] {
            body.extend_from_slice(word.as_bytes());
            body.push(0);
        }
        body.push(0);
        client.send(None, &body)?;
        client.rows()?;
        Ok(client)
    }

    /// Runs statements; the first column of what they return.
    pub(in crate::live) fn query(&mut self, sql: &str) -> io::Result<Vec<String>> {
        let mut body: Vec<u8> = sql.bytes().filter(|b| *b != 0).collect();
        body.push(0);
        self.send(Some(b'Q'), &body)?;
        self.rows()
    }

    fn send(&mut self, kind: Option<u8>, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(body.len() + 4).map_err(io::Error::other)?;
        let mut message: Vec<u8> = kind.into_iter().collect();
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(body);
        self.stream.get_mut().write_all(&message)
    }

    /// Reads until the server is ready for the next query.
    fn rows(&mut self) -> io::Result<Vec<String>> {
        let (mut rows, mut complaint) = (Vec::new(), None);
        loop {
            let (kind, body) = read_message(&mut self.stream)?;
            match kind {
                b'Z' => return complaint.map_or(Ok(rows), |text| Err(io::Error::other(text))),
                b'D' if rows.len() < MOST_ROWS => rows.extend(first_column(&body)),
                b'E' => complaint = Some(complained(&body)),
                // Authentication: nothing but "ok" is understood.
                b'R' if body != [0; 4] => return Err(io::Error::other("the database asks for a password")),
                _ => {}
            }
        }
    }
}

fn read_message(from: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    from.read_exact(&mut head)?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    let length = length.checked_sub(4).filter(|l| *l <= MOST_BYTES);
    let length =
        length.ok_or_else(|| io::Error::other("the database sends a message of no sensible length"))?;
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok((head[0], body))
}

/// The first value of a row, as text; `None` for a null or no value.
fn first_column(body: &[u8]) -> Option<String> {
    let columns = u16::from_be_bytes(body.get(..2)?.try_into().ok()?);
    let length = i32::from_be_bytes(body.get(2..6)?.try_into().ok()?);
    let length = usize::try_from(length).ok()?;
    let value = body.get(6..6usize.checked_add(length)?)?;
    (columns > 0).then(|| String::from_utf8_lossy(value).into_owned())
}

/// The message of an error: fields that begin with a letter each and end with a zero.
fn complained(body: &[u8]) -> String {
    let field = body.split(|b| *b == 0).find_map(|f| f.strip_prefix(b"M"));
    format!("the database: {}", String::from_utf8_lossy(field.unwrap_or_default()))
}

/// A text as a literal of SQL.
pub(in crate::live) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_database_says_is_no_panic() {
        let row = [0, 1, 0, 0, 0, 3, b'a', b'b', b'c'];
        assert_eq!(first_column(&row), Some("abc".to_owned()));
        for cut in 0..row.len() {
            assert_eq!(first_column(&row[..cut]), None);
        }
        assert_eq!(first_column(&[0, 1, 0xFF, 0xFF, 0xFF, 0xFF]), None);
        assert_eq!(first_column(&[0, 1, 0x7F, 0xFF, 0xFF, 0xFF]), None);
        assert_eq!(complained(b"SERROR\0Mno such table\0\0"), "the database: no such table");
        assert!(read_message(&mut &[b'D', 0xFF, 0xFF, 0xFF, 0xFF][..]).is_err());
        assert!(read_message(&mut &[b'D', 0, 0, 0, 0][..]).is_err());
        assert_eq!(read_message(&mut &[b'Z', 0, 0, 0, 5, b'I'][..]).expect("a message"), (b'Z', vec![b'I']));
    }

    #[test]
    fn a_literal_ends_where_it_should() {
        assert_eq!(literal("o'clock'; drop table text; --"), "'o''clock''; drop table text; --'");
    }
}
