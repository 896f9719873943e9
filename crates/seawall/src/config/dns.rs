//! The parts of a configuration that `seawall guard` uses for name servers: `[[dns]]`.

use super::guard::{certificates, is_at, string};
use super::{LARGEST_FILE_BYTES, Reader, Setter, set, whole};
use crate::report::text;
use anyhow::Context;
use seawall_dns_edge::message::name;
use seawall_dns_edge::talk::Key;
use seawall_dns_edge::{Backend, Limits, Pool, ZoneSource};
use seawall_http_edge::files;
use seawall_http_edge::tls::CertificateFiles;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use toml::de::{DeArray, DeTable, DeValue};

/// Fronts of one file.
const MOST_FRONTS: usize = 100;
/// The port of name servers.
const PORT: u16 = 53;

/// One `[[dns]]`, or one `--dns LISTEN=SERVER`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsConfig {
    pub listen: Vec<SocketAddr>,
    /// For DNS over TLS, with `certificates`.
    pub tls_listen: Vec<SocketAddr>,
    pub certificates: Vec<CertificateFiles>,
    /// The first one takes what no other does.
    pub pools: Vec<Pool>,
    pub zones: Vec<ZoneConfig>,
    pub limits: Limits,
}

/// A zone that is transferred in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneConfig {
    /// In wire form, lower case.
    pub apex: Box<[u8]>,
    pub primary: SocketAddr,
    /// The file with the key that transfers are signed with.
    pub key: Option<PathBuf>,
}

impl ZoneConfig {
    /// With its key.
    ///
    /// # Errors
    /// If the file cannot be read or has no key.
    pub fn source(&self) -> anyhow::Result<ZoneSource> {
        let key = self.key.as_deref().map(key).transpose()?;
        Ok(ZoneSource { apex: self.apex.clone(), primary: self.primary, key })
    }
}

/// A front as the raw file has it, until all of it is there.
#[derive(Default)]
struct Raw {
    listen: Vec<SocketAddr>,
    tls_listen: Vec<SocketAddr>,
    certificates: Vec<CertificateFiles>,
    servers: Vec<Backend>,
    pools: Vec<Pool>,
    zones: Vec<ZoneConfig>,
    limits: Limits,
}

const DNS: [(&str, Setter<Raw>); 7] = [
    ("listen", |r, v| set(&mut r.listen, each(v, |item| string(item).and_then(listen)))),
    ("tls-listen", |r, v| set(&mut r.tls_listen, each(v, |item| string(item).and_then(listen)))),
    ("certificates", |r, v| set(&mut r.certificates, certificates(v))),
    ("servers", |r, v| set(&mut r.servers, each(v, backend))),
    ("pools", |r, v| set(&mut r.pools, each(v, pool))),
    ("zones", |r, v| set(&mut r.zones, each(v, zone_table))),
    ("limits", |r, v| set(&mut r.limits, limits(v))),
];

pub(super) fn fronts(reader: &mut Reader<'_>, list: &DeArray<'_>, all: &mut Vec<DnsConfig>) {
    let mut places = Vec::new();
    for item in list.iter().take(MOST_FRONTS) {
        let DeValue::Table(table) = item.get_ref() else {
            reader.mistake(item.span().start, "a front of name servers is a table: write [[dns]]".into());
            continue;
        };
        let mut raw = Raw::default();
        let before = reader.mistakes.len();
        reader.table(table, &mut raw, &DNS);
        if reader.mistakes.len() > before {
            continue;
        }
        if raw.tls_listen.is_empty() != raw.certificates.is_empty() {
            let text = "tls-listen and certificates go together: one of them is missing";
            reader.mistake(item.span().start, text.into());
        } else if raw.listen.is_empty() && raw.tls_listen.is_empty() {
            reader.mistake(item.span().start, "listen is missing: where are questions taken?".into());
        } else if raw.servers.is_empty() {
            reader.mistake(item.span().start, "servers is missing: who answers?".into());
        } else {
            places.push(item.span().start);
            all.push(resolved(raw));
        }
    }
    for (number, reason) in circles(all) {
        reader.mistake(places[number], reason);
    }
}

/// Servers that are this guard itself, as one is whose port is forgotten: the number of the front, and a clause.
pub fn circles(fronts: &[DnsConfig]) -> Vec<(usize, String)> {
    let is_own = |server: &Backend| fronts.iter().flat_map(|f| &f.listen).any(|l| is_at(*l, server.address));
    let of_front = |(number, front): (usize, &DnsConfig)| {
        let own = front.pools.iter().flat_map(|pool| &pool.backends).find(|server| is_own(server))?;
        let name = shown(&own.name);
        Some((number, format!("server `{name}` is where this guard listens: questions would go round")))
    };
    fronts.iter().enumerate().filter_map(of_front).collect()
}

fn resolved(mut raw: Raw) -> DnsConfig {
    let rest = Pool { suffix: Box::new([0]), backends: std::mem::take(&mut raw.servers) };
    let pools = std::iter::once(rest).chain(std::mem::take(&mut raw.pools)).collect();
    let Raw { listen, tls_listen, certificates, zones, limits, .. } = raw;
    DnsConfig { listen, tls_listen, certificates, pools, zones, limits }
}

/// The front of `--dns LISTEN=SERVER[,SERVER…]`.
///
/// # Errors
/// What is wrong with it, as a clause.
pub fn front(word: &str) -> Result<DnsConfig, String> {
    let Some((here, there)) = word.split_once('=') else {
        return Err(format!("`{}` has no `=`: write LISTEN=SERVER", shown(word)));
    };
    let servers = there.split(',').map(named).collect::<Result<_, _>>()?;
    Ok(resolved(Raw { listen: vec![listen(here)?], servers, ..Raw::default() }))
}

/// The zone of `--dns-zone NAME=PRIMARY`.
///
/// # Errors
/// What is wrong with it, as a clause.
pub fn zone(word: &str) -> Result<ZoneConfig, String> {
    let Some((apex, primary)) = word.split_once('=') else {
        return Err(format!("`{}` has no `=`: write NAME=PRIMARY", shown(word)));
    };
    Ok(ZoneConfig { apex: domain(apex)?, primary: server(primary)?, key: None })
}

pub(super) fn each<T>(
    value: &DeValue<'_>,
    of: impl Fn(&DeValue<'_>) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let list = value.as_array().ok_or("a list is expected, such as [\"192.0.2.53\"]")?;
    list.iter().map(|item| of(item.get_ref())).collect()
}

fn listen(word: &str) -> Result<SocketAddr, String> {
    word.parse().map_err(|_| format!("`{}` is no address with a port, such as 0.0.0.0:53", shown(word)))
}

pub(super) fn domain(word: &str) -> Result<Box<[u8]>, String> {
    name::parse(word).ok_or_else(|| format!("`{}` is no name of a zone", shown(word)))
}

/// `"192.0.2.53"`, or `{ address = "192.0.2.53", weight = 2, tier = 1, proxy-protocol = true }`.
fn backend(value: &DeValue<'_>) -> Result<Backend, String> {
    if let Some(word) = value.as_str() {
        return named(word);
    }
    let expected = "an address is expected, or { address = \"192.0.2.53\", weight = 2, tier = 1, \
                    proxy-protocol = true }";
    let table = value.as_table().ok_or(expected)?;
    let mut backend = named(text_of(table, "address").ok_or(expected)?)?;
    for (key, value) in table {
        match key.get_ref().as_ref() {
            "address" => {}
            "weight" => backend.weight = whole(value.get_ref(), 1, 1_000)? as u32,
            "tier" => backend.tier = whole(value.get_ref(), 0, 100)? as u32,
            "proxy-protocol" => backend.proxy_protocol = value.get_ref().as_bool().ok_or(expected)?,
            _ => return Err(expected.to_owned()),
        }
    }
    Ok(backend)
}

fn named(word: &str) -> Result<Backend, String> {
    Ok(Backend { name: word.to_owned(), address: server(word)?, weight: 1, tier: 0, proxy_protocol: false })
}

/// `{ suffix = "example.org", servers = ["192.0.2.53"] }`.
fn pool(value: &DeValue<'_>) -> Result<Pool, String> {
    let expected = "{ suffix = \"example.org\", servers = [\"192.0.2.53\"] } is expected";
    let table = value.as_table().filter(|t| t.len() == 2).ok_or(expected)?;
    let suffix = domain(text_of(table, "suffix").ok_or(expected)?)?;
    let backends = each(table.get("servers").ok_or(expected)?.get_ref(), backend)?;
    if backends.is_empty() || suffix.len() == 1 {
        return Err(expected.to_owned());
    }
    Ok(Pool { suffix, backends })
}

/// `{ name = "example.org", primary = "192.0.2.53", key = "/etc/seawall/transfer.key" }`.
fn zone_table(value: &DeValue<'_>) -> Result<ZoneConfig, String> {
    let expected = "{ name = \"example.org\", primary = \"192.0.2.53\" } is expected, and key = \"FILE\" \
                    if its transfers are signed";
    let table = value.as_table().ok_or(expected)?;
    let (apex, primary) = text_of(table, "name").zip(text_of(table, "primary")).ok_or(expected)?;
    let key = text_of(table, "key").map(PathBuf::from);
    if table.len() != 2 + usize::from(key.is_some()) {
        return Err(expected.to_owned());
    }
    Ok(ZoneConfig { apex: domain(apex)?, primary: server(primary)?, key })
}

/// The key in a file.
pub(super) fn key(file: &Path) -> anyhow::Result<Key> {
    let shown = file.display();
    let bytes =
        files::read(file, LARGEST_FILE_BYTES).with_context(|| format!("cannot read the key {shown}"))?;
    Key::read(&String::from_utf8_lossy(&bytes))
        .map_err(|bad| anyhow::anyhow!("{shown} is not the key of a transfer: {bad}"))
}

fn limits(value: &DeValue<'_>) -> Result<Limits, String> {
    let table = value.as_table().ok_or("a table is expected, such as { cache-bytes = 1000000 }")?;
    let mut limits = Limits::default();
    for (key, value) in table {
        let word = key.get_ref().as_ref();
        let found = Limits::RANGES.iter().find(|(known, ..)| known.replace('_', "-") == word);
        let Some((known, least, most)) = found else {
            return Err(format!("`{}` is no limit of a front of name servers", shown(word)));
        };
        let most = i64::try_from(*most).unwrap_or(i64::MAX);
        let n = whole(value.get_ref(), *least as i64, most).map_err(|reason| format!("{word}: {reason}"))?;
        if let Some(limit) = limits.by_name(known) {
            *limit = n as u64;
        }
    }
    Ok(limits)
}

fn text_of<'a>(table: &'a DeTable<'_>, key: &str) -> Option<&'a str> {
    table.get(key)?.get_ref().as_str()
}

/// An address, with or without a port, or a name that leads to one.
pub(super) fn server(word: &str) -> Result<SocketAddr, String> {
    let first = addresses(word).first().copied();
    first.ok_or_else(|| format!("`{}` is no name server that can be found", shown(word)))
}

/// The addresses that a word leads to; a name is looked up.
#[must_use]
pub fn addresses(word: &str) -> Vec<SocketAddr> {
    let bare = word.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = word.parse() {
        return vec![address];
    }
    if let Ok(ip) = bare.parse() {
        return vec![SocketAddr::new(ip, PORT)];
    }
    let found = if word.contains(':') { word.to_socket_addrs() } else { (word, PORT).to_socket_addrs() };
    found.map(Iterator::collect).unwrap_or_default()
}

/// A word of the operator's in a message.
pub(super) fn shown(word: &str) -> String {
    text::clip(word, 80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Mistakes, parse};

    #[test]
    fn words_become_listeners_servers_and_zones() {
        let found = front("0.0.0.0:53=127.0.0.1:5300,[2001:db8::53]:53,192.0.2.1").expect("right");
        assert_eq!(found.listen, ["0.0.0.0:53".parse().expect("address")]);
        let addresses: Vec<String> = found.pools[0].backends.iter().map(|b| b.address.to_string()).collect();
        assert_eq!(addresses, ["127.0.0.1:5300", "[2001:db8::53]:53", "192.0.2.1:53"]);
        let known = zone("Example.org=[::1]").expect("right");
        assert_eq!((&*known.apex, known.primary.port()), (&b"\x07example\x03org\0"[..], 53));
    }

    #[test]
    fn what_is_wrong_is_told_with_what_to_write() {
        let told = |word| front(word).expect_err("wrong");
        assert_eq!(told("0.0.0.0:53"), "`0.0.0.0:53` has no `=`: write LISTEN=SERVER");
        assert_eq!(told("53=127.0.0.1"), "`53` is no address with a port, such as 0.0.0.0:53");
        assert!(zone("a..b=127.0.0.1").expect_err("wrong").contains("is no name of a zone"));
    }

    #[test]
    fn a_whole_front_is_read() {
        let source = "[[dns]]\nlisten = [\"0.0.0.0:53\", \"[::]:53\"]\n\
                      servers = [\"192.0.2.53\", { address = \"198.51.100.53:5300\", weight = 3, tier = 1, proxy-protocol = true }]\n\
                      pools = [{ suffix = \"corp.example.org\", servers = [\"10.0.0.53\"] }]\n\
                      zones = [{ name = \"example.org\", primary = \"192.0.2.53\", key = \"a.tsig\" }]\n\
                      tls-listen = [\"0.0.0.0:853\"]\ncertificates = [{ chain = \"a.pem\", key = \"a.key\" }]\n\
                      limits = { cache-bytes = 1000000 }\n";
        let config = parse(source).expect("valid").guard;
        let [front] = &config.dns[..] else { panic!("one front") };
        assert_eq!((front.listen.len(), front.tls_listen.len(), front.limits.cache_bytes), (2, 1, 1_000_000));
        let [rest, corp] = &front.pools[..] else { panic!("two pools") };
        assert_eq!((rest.backends[1].weight, rest.backends[1].tier), (3, 1));
        assert!(rest.backends[1].proxy_protocol && !rest.backends[0].proxy_protocol);
        assert_eq!(&*corp.suffix, b"\x04corp\x07example\x03org\0");
        assert_eq!(front.zones[0].key.as_deref(), Some(Path::new("a.tsig")));
    }

    #[test]
    fn mistakes_of_a_front_are_told_with_their_lines() {
        let source = "[[dns]]\nlisten = [\"53\"]\nserver = []\nzones = [{ name = \"a..b\", primary = \"::1\" }]\n\
                      limits = { cache = 1 }\n[[dns]]\nlisten = [\"127.0.0.1:53\"]\n[[dns]]\n\
                      tls-listen = [\"127.0.0.1:853\"]\nservers = [\"::1\"]\n";
        let Mistakes(mistakes) = parse(source).expect_err("six mistakes");
        assert_eq!(mistakes.iter().map(|m| m.line).collect::<Vec<_>>(), [2, 3, 4, 5, 6, 8], "{mistakes:?}");
        assert!(mistakes[1].text.contains("did you mean `servers`?"), "{mistakes:?}");
        assert_eq!(mistakes[4].text, "servers is missing: who answers?");
    }

    /// Broke: a front whose server was the front itself, as without its port it is, asked itself each question until
    /// the time for it was up.
    #[test]
    fn a_front_that_would_ask_itself_is_told_of() {
        let source = "[[dns]]\nlisten = [\"0.0.0.0:53\"]\nservers = [\"192.0.2.1\"]\n\
                      pools = [{ suffix = \"a.org\", servers = [\"127.0.0.1\"] }]\n\
                      [[dns]]\nlisten = [\"127.0.0.1:54\"]\nservers = [\"127.0.0.1:55\"]\n";
        let Mistakes(mistakes) = parse(source).expect_err("a circle");
        assert_eq!(mistakes.iter().map(|m| m.line).collect::<Vec<_>>(), [1], "{mistakes:?}");
        assert!(mistakes[0].text.contains("server `127.0.0.1` is where this guard listens"), "{mistakes:?}");
        let front = |word| vec![front(word).expect("a front")];
        assert_eq!(circles(&front("127.0.0.1:53=127.0.0.1")).len(), 1);
        assert_eq!(circles(&front("0.0.0.0:53=127.0.0.1:5300")), []);
    }

    #[test]
    fn the_manual_names_every_limit_with_its_default_and_its_example_is_valid() {
        let manual = include_str!("../../../../docs/operate/dns.md");
        let mut limits = Limits::default();
        for (name, ..) in Limits::RANGES {
            let default = *limits.by_name(name).expect("known");
            let row = format!("| `{}` | {} |", name.replace('_', "-"), crate::report::figure::whole(default));
            assert!(manual.contains(&row), "{row}");
        }
        for (name, _) in DNS {
            assert!(manual.contains(&format!("\n{name} = ")), "{name}");
        }
        let example = manual.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
        parse(example.expect("an example")).expect("valid");
    }
}
