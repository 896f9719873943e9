//! The parts of a configuration that say where a zone can be rerouted to: `[[reroute]]`.

use super::dns::{domain, each, key, server, shown};
use super::guard::string;
use super::{Reader, Setter, set};
use crate::reroute::{Change, Plan};
use seawall_dns_edge::message::name;
use seawall_dns_edge::reroute::{Provider, Zone};
use seawall_dns_edge::talk::Peer;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use toml::de::{DeArray, DeTable, DeValue};

/// Zones of one file.
const MOST_ZONES: usize = 1_000;

/// One `[[reroute]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RerouteConfig {
    /// In wire form, lower case.
    pub apex: Box<[u8]>,
    primary: SocketAddr,
    key: Option<PathBuf>,
    parents: Vec<SocketAddr>,
    change: ChangeConfig,
    providers: Vec<ProviderConfig>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ChangeConfig {
    Update { server: SocketAddr, key: PathBuf },
    Command(Vec<String>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ProviderConfig {
    name: String,
    hosts: Vec<Box<[u8]>>,
    servers: Vec<SocketAddr>,
    update: Option<(SocketAddr, PathBuf)>,
    command: Option<Vec<String>>,
}

impl RerouteConfig {
    /// With its keys.
    ///
    /// # Errors
    /// If a file cannot be read or has no key.
    pub fn plan(&self) -> anyhow::Result<Plan> {
        let peer = |address: SocketAddr, file: &Path| key(file).map(|key| Peer { address, key: Some(key) });
        let primary = Peer { address: self.primary, key: self.key.as_deref().map(key).transpose()? };
        let provider = |p: &ProviderConfig| {
            let updates = p.update.as_ref().map(|(server, file)| peer(*server, file)).transpose()?;
            Ok(Provider { name: p.name.clone(), hosts: p.hosts.clone(), servers: p.servers.clone(), updates })
        };
        Ok(Plan {
            zone: Zone {
                apex: self.apex.clone(),
                primary,
                parents: self.parents.clone(),
                providers: self.providers.iter().map(provider).collect::<anyhow::Result<_>>()?,
            },
            feeds: self.providers.iter().map(|p| p.command.clone()).collect(),
            change: match &self.change {
                ChangeConfig::Update { server, key } => Change::Update(peer(*server, key)?),
                ChangeConfig::Command(words) => Change::Command(words.clone()),
            },
        })
    }

    fn keys(&self) -> impl Iterator<Item = &Path> {
        let of_change = match &self.change {
            ChangeConfig::Update { key, .. } => Some(key),
            ChangeConfig::Command(_) => None,
        };
        let of_providers = self.providers.iter().filter_map(|p| p.update.as_ref().map(|(_, file)| file));
        self.key.iter().chain(of_change).chain(of_providers).map(PathBuf::as_path)
    }
}

/// A zone as the raw file has it, until all of it is there.
#[derive(Default)]
struct Raw {
    zone: Option<Box<[u8]>>,
    primary: Option<SocketAddr>,
    key: Option<PathBuf>,
    parents: Vec<SocketAddr>,
    update: Option<(SocketAddr, PathBuf)>,
    command: Option<Vec<String>>,
    providers: Vec<ProviderConfig>,
}

const REROUTE: [(&str, Setter<Raw>); 7] = [
    ("zone", |r, v| set(&mut r.zone, string(v).and_then(domain).map(Some))),
    ("primary", |r, v| set(&mut r.primary, string(v).and_then(server).map(Some))),
    ("key", |r, v| set(&mut r.key, string(v).map(|s| Some(s.into())))),
    ("parents", |r, v| set(&mut r.parents, each(v, |item| string(item).and_then(server)))),
    ("update", |r, v| set(&mut r.update, update(v).map(Some))),
    ("command", |r, v| set(&mut r.command, command(v).map(Some))),
    ("providers", |r, v| set(&mut r.providers, each(v, provider))),
];

pub(super) fn zones(reader: &mut Reader<'_>, list: &DeArray<'_>, all: &mut Vec<RerouteConfig>) {
    for item in list.iter().take(MOST_ZONES) {
        let at = item.span().start;
        let DeValue::Table(table) = item.get_ref() else {
            reader.mistake(at, "a zone to reroute is a table: write [[reroute]]".into());
            continue;
        };
        let mut raw = Raw::default();
        let before = reader.mistakes.len();
        reader.table(table, &mut raw, &REROUTE);
        if reader.mistakes.len() > before {
            continue;
        }
        match resolved(raw) {
            Ok(zone) if all.iter().any(|other| other.apex == zone.apex) => {
                reader.mistake(at, format!("{} is there twice", name::text(&zone.apex)));
            }
            Ok(zone) => all.push(zone),
            Err(reasons) => reasons.into_iter().for_each(|reason| reader.mistake(at, reason)),
        }
    }
}

/// Looks at what only is named: keys must be there, and be keys. The files, with a clause.
pub(super) fn unusable(zones: &[RerouteConfig]) -> Vec<(&Path, String)> {
    let files = zones.iter().flat_map(RerouteConfig::keys);
    files.filter_map(|file| key(file).err().map(|error| (file, format!("reroute: {error:#}")))).collect()
}

fn resolved(raw: Raw) -> Result<RerouteConfig, Vec<String>> {
    let Raw { zone, primary, key, parents, update, command, providers } = raw;
    let mut reasons = Vec::new();
    let mut missing = |is_missing: bool, reason: &str| {
        if is_missing {
            reasons.push(reason.to_owned());
        }
    };
    missing(zone.is_none(), "zone is missing: what is rerouted?");
    missing(primary.is_none(), "primary is missing: who has the zone?");
    missing(parents.is_empty(), "parents is missing: which servers of the parent zone delegate it?");
    missing(providers.is_empty(), "providers is missing: who serves the zone instead?");
    missing(
        update.is_some() == command.is_some(),
        "the delegation is changed by update or by command: give one of them",
    );
    for provider in &providers {
        let inside = provider.hosts.iter().find(|h| zone.as_ref().is_some_and(|z| name::is_within(h, z)));
        if let Some(host) = inside {
            let host = name::text(host);
            reasons.push(format!(
                "{host} is in the zone itself: name the servers of {} by their own names",
                provider.name
            ));
        }
        if providers.iter().filter(|other| other.name == provider.name).count() > 1 {
            reasons.push(format!("two providers are called {}", provider.name));
        }
    }
    let change = match (update, command) {
        (Some((server, key)), _) => Some(ChangeConfig::Update { server, key }),
        (None, command) => command.map(ChangeConfig::Command),
    };
    reasons.dedup();
    match (zone, primary, change) {
        (Some(apex), Some(primary), Some(change)) if reasons.is_empty() => {
            Ok(RerouteConfig { apex, primary, key, parents, change, providers })
        }
        _ => Err(reasons),
    }
}

/// `{ server = "192.0.2.1", key = "FILE" }`.
fn update(value: &DeValue<'_>) -> Result<(SocketAddr, PathBuf), String> {
    let expected = "{ server = \"192.0.2.1\", key = \"/etc/seawall/update.key\" } is expected";
    let table = value.as_table().filter(|t| t.len() == 2).ok_or(expected)?;
    let word = |key: &str| table.get(key).and_then(|v| v.get_ref().as_str()).ok_or(expected);
    Ok((server(word("server")?)?, word("key")?.into()))
}

/// A program and its arguments: a list of words.
fn command(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let words: Vec<String> = each(value, |item| string(item).map(str::to_owned))?;
    if words.is_empty() {
        Err("a program is expected, such as [\"/usr/local/sbin/registrar\"]".into())
    } else {
        Ok(words)
    }
}

fn provider(value: &DeValue<'_>) -> Result<ProviderConfig, String> {
    let expected = "{ name = \"second\", hosts = [\"ns1.second.example\"], servers = [\"198.51.100.53\"] } is \
                    expected, and update or command if it does not fetch the zone";
    let table: &DeTable<'_> = value.as_table().ok_or(expected)?;
    let mut found = ProviderConfig {
        name: String::new(),
        hosts: Vec::new(),
        servers: Vec::new(),
        update: None,
        command: None,
    };
    for (key, value) in table {
        let value = value.get_ref();
        match key.get_ref().as_ref() {
            "name" => found.name = plain(string(value)?)?,
            "hosts" => found.hosts = each(value, |item| string(item).and_then(domain))?,
            "servers" => found.servers = each(value, |item| string(item).and_then(server))?,
            "update" => found.update = Some(update(value)?),
            "command" => found.command = Some(command(value)?),
            _ => return Err(expected.to_owned()),
        }
    }
    let is_whole = !found.name.is_empty() && !found.hosts.is_empty() && !found.servers.is_empty();
    let is_fed_once = found.update.is_none() || found.command.is_none();
    (is_whole && is_fed_once).then_some(found).ok_or_else(|| expected.to_owned())
}

/// The name of a provider becomes a part of a file's name.
fn plain(word: &str) -> Result<String, String> {
    let is_plain = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    is_plain
        .then(|| word.to_owned())
        .ok_or_else(|| format!("`{}` is no name: letters, digits and `-` are", shown(word)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Mistakes, parse};

    const WHOLE: &str = "[[reroute]]\nzone = \"example.org\"\nprimary = \"192.0.2.53\"\nkey = \"/nowhere/a.key\"\n\
                         parents = [\"192.0.2.1\"]\nupdate = { server = \"192.0.2.1\", key = \"/nowhere/b.key\" }\n\
                         providers = [{ name = \"second\", hosts = [\"ns1.second.example\"], servers = [\"198.51.100.53\"] }]\n";

    #[test]
    fn a_whole_zone_is_read_and_its_keys_looked_for() {
        let zones = parse(WHOLE).expect("valid").guard.reroute;
        assert_eq!((zones.len(), zones[0].providers[0].hosts.len()), (1, 1));
        let told: Vec<_> = unusable(&zones).into_iter().map(|(file, _)| file.to_owned()).collect();
        assert_eq!(told, [Path::new("/nowhere/a.key"), Path::new("/nowhere/b.key")]);
    }

    #[test]
    fn all_that_is_missing_is_told_at_once() {
        let told = |source: &str| {
            let Mistakes(mistakes) = parse(source).expect_err("wrong");
            mistakes.into_iter().map(|m| (m.line, m.text)).collect::<Vec<_>>()
        };
        let lines = told("[guard]\n[[reroute]]\nzone = \"example.org\"\n");
        assert_eq!(lines.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2; 4], "{lines:?}");
        assert!(lines[0].1.starts_with("primary is missing"), "{lines:?}");
        let inside = told(&WHOLE.replace("ns1.second.example", "ns9.example.org"));
        assert!(inside[0].1.contains("is in the zone itself"), "{inside:?}");
        let typing = told(&WHOLE.replace("parents", "parent"));
        assert_eq!((typing[0].0, typing[0].1.contains("did you mean `parents`?")), (5, true), "{typing:?}");
        assert!(told(&WHOLE.repeat(2))[0].1.contains("is there twice"));
    }

    #[test]
    fn the_manual_names_every_key_and_its_example_is_valid() {
        let manual = include_str!("../../../../docs/operate/reroute.md");
        for (name, _) in REROUTE {
            assert!(manual.contains(&format!("| `{name}` |")), "{name}");
        }
        let example = manual.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
        parse(example.expect("an example")).expect("valid");
    }
}
