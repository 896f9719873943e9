//! The parts of a configuration that say what the service needs beside itself: `[[check]]`.

use super::guard::{file, string};
use super::{LARGEST_FILE_BYTES, Reader, Setter, set, url_path, whole};
use crate::report::text;
use seawall_http_edge::files;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use toml::de::{DeArray, DeTable, DeValue};

/// Checks of one file.
const MOST_CHECKS: usize = 100;
/// Milliseconds within which an answer is good, where nothing is said.
const WITHIN_MS: u32 = 1_000;

/// One `[[check]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckConfig {
    pub name: String,
    pub kind: CheckKind,
    /// As the operator wrote it; looked up for each check.
    pub address: String,
    /// Where it led when the configuration was read.
    pub socket: SocketAddr,
    pub within_ms: u32,
}

/// What is checked, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// A connection is enough.
    Tcp,
    /// A path is to be answered with 2xx or 3xx.
    Http { path: String },
    /// `PING` is to be answered.
    Redis,
    /// The greeting is to come, and to be no error.
    Mysql,
    /// Without a user the server is only to answer; with one a query is to be done.
    PostgreSql { login: Option<PostgresLogin> },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresLogin {
    pub user: String,
    pub database: String,
    /// One line.
    pub password_file: Option<PathBuf>,
    pub query: String,
}

/// A check as the raw file has it, until all of it is there.
#[derive(Default)]
pub(super) struct Raw {
    name: Option<String>,
    kind: Option<String>,
    address: Option<(String, SocketAddr)>,
    path: Option<String>,
    user: Option<String>,
    database: Option<String>,
    password_file: Option<PathBuf>,
    query: Option<String>,
    within_ms: Option<u32>,
}

pub(super) const CHECK: [(&str, Setter<Raw>); 9] = [
    ("name", |r, v| set(&mut r.name, words(v))),
    ("kind", |r, v| set(&mut r.kind, string(v).and_then(kind).map(Some))),
    ("address", |r, v| set(&mut r.address, string(v).and_then(address).map(Some))),
    ("path", |r, v| set(&mut r.path, string(v).and_then(url_path).map(Some))),
    ("user", |r, v| set(&mut r.user, words(v))),
    ("database", |r, v| set(&mut r.database, words(v))),
    ("password-file", |r, v| set(&mut r.password_file, file(v).map(Some))),
    ("query", |r, v| set(&mut r.query, words(v))),
    ("within-ms", |r, v| set(&mut r.within_ms, whole(v, 10, 60_000).map(|n| Some(n as u32)))),
];

/// What no check can be without.
const NEEDED: [(&str, &str); 2] =
    [("kind", "postgresql, mysql, redis, http or tcp?"), ("address", "where is it?")];

const KINDS: [&str; 5] = ["postgresql", "mysql", "redis", "http", "tcp"];

pub(super) fn checks(reader: &mut Reader<'_>, list: &DeArray<'_>, all: &mut Vec<CheckConfig>) {
    for item in list.iter().take(MOST_CHECKS) {
        let DeValue::Table(table) = item.get_ref() else {
            reader.mistake(item.span().start, "a check is a table: write [[check]]".into());
            continue;
        };
        let mut raw = Raw::default();
        let before = reader.mistakes.len();
        reader.table(table, &mut raw, &CHECK);
        if !reader.is_whole((table, item.span().start, before), &NEEDED) {
            continue;
        }
        match resolved(raw, table) {
            Ok(check) if all.iter().any(|other| other.name == check.name) => {
                let text = format!("another check is called `{}` already", text::clip(&check.name, 40));
                reader.mistake(item.span().start, text);
            }
            Ok(check) => all.push(check),
            Err(reason) => reader.mistake(item.span().start, reason),
        }
    }
}

/// Why a file with a password cannot be used, as a clause.
pub(super) fn no_password(file: &Path) -> Option<String> {
    let error = files::read(file, LARGEST_FILE_BYTES).err()?;
    Some(format!("password-file: cannot read {}: {error}", text::clip(&file.display().to_string(), 80)))
}

fn resolved(raw: Raw, table: &DeTable<'_>) -> Result<CheckConfig, String> {
    let (Some(kind), Some((address, socket))) = (raw.kind, raw.address) else {
        return Err(format!("kind and address are needed; kinds are {}", KINDS.join(", ")));
    };
    let own: &[&str] = match &*kind {
        "http" => &["path"],
        "postgresql" => &["user", "database", "password-file", "query"],
        _ => &[],
    };
    let extra = ["path", "user", "database", "password-file", "query"];
    if let Some(name) = extra.iter().find(|name| !own.contains(name) && table.contains_key(**name)) {
        return Err(format!("{name} means nothing to a check of {kind}"));
    }
    let is_login_begun = raw.database.is_some() || raw.password_file.is_some() || raw.query.is_some();
    let login = match raw.user {
        None if is_login_begun => return Err("user is missing: as whom is the query made?".to_owned()),
        None => None,
        Some(user) => Some(PostgresLogin {
            database: raw.database.unwrap_or_else(|| user.clone()),
            user,
            password_file: raw.password_file,
            query: raw.query.unwrap_or_else(|| "select 1".to_owned()),
        }),
    };
    let kind = match &*kind {
        "tcp" => CheckKind::Tcp,
        "redis" => CheckKind::Redis,
        "mysql" => CheckKind::Mysql,
        "http" => CheckKind::Http { path: raw.path.unwrap_or_else(|| "/".to_owned()) },
        _ => CheckKind::PostgreSql { login },
    };
    let name = raw.name.unwrap_or_else(|| address.clone());
    Ok(CheckConfig { name, kind, address, socket, within_ms: raw.within_ms.unwrap_or(WITHIN_MS) })
}

/// A word or some, without what would end it on the wire.
fn words(value: &DeValue<'_>) -> Result<Option<String>, String> {
    let word = string(value)?;
    let is_clean = !word.is_empty() && !word.contains(char::is_control);
    is_clean
        .then(|| Some(word.to_owned()))
        .ok_or_else(|| "text without control characters is expected".into())
}

fn kind(word: &str) -> Result<String, String> {
    let is_known = KINDS.contains(&word);
    is_known.then(|| word.to_owned()).ok_or_else(|| format!("one of {} is expected", KINDS.join(", ")))
}

/// A name must lead somewhere.
fn address(word: &str) -> Result<(String, SocketAddr), String> {
    let reason = || format!("`{}` is no HOST:PORT that can be found", text::clip(word, 80));
    let found = word.to_socket_addrs().map_err(|_| reason())?.next();
    Ok((word.to_owned(), found.ok_or_else(reason)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Mistakes, parse};

    #[test]
    fn checks_are_read_with_what_each_kind_needs() {
        let source = "[[check]]\nname = \"orders\"\nkind = \"postgresql\"\naddress = \"127.0.0.1:5432\"\n\
                      user = \"watch\"\nquery = \"select 1 from orders limit 1\"\n\
                      [[check]]\nkind = \"http\"\naddress = \"127.0.0.1:80\"\npath = \"/up\"\nwithin-ms = 200\n\
                      [[check]]\nkind = \"redis\"\naddress = \"127.0.0.1:6379\"\n";
        let checks = parse(source).expect("valid").guard.checks;
        let CheckKind::PostgreSql { login: Some(login) } = &checks[0].kind else { panic!("{checks:?}") };
        assert_eq!((&*login.user, &*login.database), ("watch", "watch"));
        assert_eq!(checks[1].kind, CheckKind::Http { path: "/up".to_owned() });
        assert_eq!((checks[1].within_ms, checks[0].within_ms), (200, 1_000));
        assert_eq!(checks[2].name, "127.0.0.1:6379");
    }

    #[test]
    fn all_mistakes_of_checks_are_told_at_once() {
        let source = "[[check]]\nkind = \"oracle\"\naddress = \"127.0.0.1:1\"\n\
                      [[check]]\nkind = \"tcp\"\n\
                      [[check]]\nkind = \"redis\"\naddress = \"127.0.0.1:1\"\npath = \"/\"\n\
                      [[check]]\nkind = \"postgresql\"\naddress = \"127.0.0.1:1\"\nquery = \"select 1\"\n\
                      [[check]]\nkind = \"tcp\"\nadress = \"127.0.0.1:1\"\n\
                      [[check]]\npath = \"/up\"\n";
        let Mistakes(mistakes) = parse(source).expect_err("seven mistakes");
        let lines: Vec<usize> = mistakes.iter().map(|m| m.line).collect();
        assert_eq!(lines, [2, 4, 6, 10, 16, 17, 17], "{mistakes:?}");
        assert!(mistakes[0].text.contains("postgresql"), "{mistakes:?}");
        assert!(mistakes[2].text.contains("path means nothing"), "{mistakes:?}");
        assert!(mistakes[4].text.contains("did you mean `address`?"), "{mistakes:?}");
    }
}
