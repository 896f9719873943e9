//! `seawall guard --dns`: words of the command line become DNS edges.

use crate::guard::clock;
use crate::guard::dns::DnsControl;
use crate::guard::store::Store;
use crate::report::text;
use anyhow::{Context, bail};
use seawall_dns_edge::message::name;
use seawall_dns_edge::{Backend, Edge, Limits, Pool, Settings, ZoneSource};
use seawall_model::policy::{Mode, Policy};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;

/// The port of name servers.
const PORT: u16 = 53;

/// Starts an edge for each `--dns`. `zones`: each `--dns-zone`; they are known to all.
pub fn start(
    words: &[String],
    zones: &[String],
    policy: &Policy,
    state: Option<&Path>,
    secret: &[u8; 32],
) -> anyhow::Result<Vec<DnsControl>> {
    if words.is_empty() && !zones.is_empty() {
        bail!("--dns-zone says what is known of a --dns, and there is none");
    }
    let zones = zones
        .iter()
        .map(|word| zone(word).map_err(|reason| anyhow::anyhow!("--dns-zone: {reason}")))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut all = Vec::new();
    for (number, word) in words.iter().enumerate() {
        let (listen, backends) = pair(word).map_err(|reason| anyhow::anyhow!("--dns: {reason}"))?;
        let settings = Settings {
            listeners: vec![listen],
            pools: vec![Pool { suffix: Box::new([0]), backends }],
            zones: zones.clone(),
            limits: Limits::default(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            enforce: policy.mode == Mode::Enforce,
        };
        let edge = Edge::start(settings, clock::now(), secret)?;
        let folder = state.map(|s| s.join(format!("dns-{number}")));
        let store = folder.map(|f| Store::open(&f, policy).map(|(store, _)| store)).transpose()?;
        all.push(DnsControl::new(edge, policy.clone(), store));
    }
    Ok(all)
}

/// `LISTEN=SERVER[,SERVER…]`.
fn pair(word: &str) -> Result<(SocketAddr, Vec<Backend>), String> {
    let Some((here, there)) = word.split_once('=') else {
        return Err(format!("`{}` has no `=`: write LISTEN=SERVER", shown(word)));
    };
    let listen = here
        .parse()
        .map_err(|_| format!("`{}` is no address with a port, such as 0.0.0.0:53", shown(here)))?;
    let backend = |word: &str| Ok(Backend { name: word.to_owned(), address: server(word)?, weight: 1 });
    Ok((listen, there.split(',').map(backend).collect::<Result<_, String>>()?))
}

/// `NAME=PRIMARY`.
fn zone(word: &str) -> Result<ZoneSource, String> {
    let Some((apex, primary)) = word.split_once('=') else {
        return Err(format!("`{}` has no `=`: write NAME=PRIMARY", shown(word)));
    };
    let apex = name::parse(apex).ok_or_else(|| format!("`{}` is no name of a zone", shown(apex)))?;
    Ok(ZoneSource { apex, primary: server(primary)? })
}

/// An address, with or without a port. A name is looked up once, here.
fn server(word: &str) -> Result<SocketAddr, String> {
    let bare = word.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = word.parse() {
        return Ok(address);
    }
    if let Ok(ip) = bare.parse() {
        return Ok(SocketAddr::new(ip, PORT));
    }
    let found = if word.contains(':') { word.to_socket_addrs() } else { (word, PORT).to_socket_addrs() };
    let found = found.ok().and_then(|mut all| all.next());
    found.ok_or_else(|| format!("`{}` is no name server that can be found", shown(word)))
}

/// A word of the command line in a message.
fn shown(word: &str) -> String {
    text::clip(word, 80)
}

/// Tells where the edges listen.
///
/// # Errors
/// If nobody reads it.
pub fn greet(all: &[DnsControl], out: &mut dyn std::io::Write) -> anyhow::Result<()> {
    for control in all {
        let names: Vec<&str> = control.edge().backends().map(|(name, _)| name).collect();
        for address in control.edge().addresses() {
            writeln!(out, "guarding dns://{address} in front of {}", names.join(", "))
                .context("cannot write")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_listeners_servers_and_zones() {
        let (listen, backends) =
            pair("0.0.0.0:53=127.0.0.1:5300,[2001:db8::53]:53,192.0.2.1").expect("right");
        assert_eq!(listen, "0.0.0.0:53".parse().expect("address"));
        let addresses: Vec<String> = backends.iter().map(|b| b.address.to_string()).collect();
        assert_eq!(addresses, ["127.0.0.1:5300", "[2001:db8::53]:53", "192.0.2.1:53"]);
        let known = zone("Example.org=[::1]").expect("right");
        assert_eq!((&*known.apex, known.primary.port()), (&b"\x07example\x03org\0"[..], 53));
    }

    #[test]
    fn what_is_wrong_is_told_with_what_to_write() {
        let told = |word| pair(word).expect_err("wrong");
        assert_eq!(told("0.0.0.0:53"), "`0.0.0.0:53` has no `=`: write LISTEN=SERVER");
        assert_eq!(told("53=127.0.0.1"), "`53` is no address with a port, such as 0.0.0.0:53");
        assert!(zone("a..b=127.0.0.1").expect_err("wrong").contains("is no name of a zone"));
    }
}
