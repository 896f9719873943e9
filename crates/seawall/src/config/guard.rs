//! The parts of a configuration that `seawall guard` uses: `[guard]`, `[limits]`, `[[site]]`.

use super::check::CheckConfig;
use super::dns::DnsConfig;
use super::rate_limits::rate_limits;
use super::reroute::RerouteConfig;
use super::{Reader, Setter, each, prefixes, set, url_path, whole};
use crate::guard::servers::Command;
use crate::guard::store::StateFolder;
use crate::report::text;
use seawall_http_edge::rate_limits::RateLimit;
use seawall_http_edge::tls::CertificateFiles;
use seawall_http_edge::upstream_tls::{self, Trust};
use seawall_http_edge::{Limits, LogFormat, Speaks, TrustedField, Upstream};
use seawall_model::Prefix;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// Sites of one file.
const MOST_SITES: usize = 1_000;
/// Room for incidents, where nothing else is said: some hundred of them with their recordings.
const INCIDENTS_MIB: u64 = 1_024;

/// What `seawall guard` is told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GuardConfig {
    pub sites: Vec<SiteConfig>,
    pub dns: Vec<DnsConfig>,
    /// What the service needs beside itself.
    pub checks: Vec<CheckConfig>,
    /// Zones that can be rerouted.
    pub reroute: Vec<RerouteConfig>,
    pub limits: Limits,
    pub trusted_proxies: Vec<Prefix>,
    /// The field in which they name their clients.
    pub trusted_field: TrustedField,
    /// Without it, one for each core.
    pub threads: Option<usize>,
    /// Without it, nothing is kept.
    pub state_folder: Option<PathBuf>,
    /// Room for incidents there.
    pub incidents_mib: Option<u64>,
    pub admin_socket: Option<PathBuf>,
    /// Whose packets are seen and dropped.
    pub interface: Option<String>,
    pub access_log: Option<PathBuf>,
    pub access_log_format: Option<LogFormat>,
    /// Logs of existing servers that are followed.
    pub logs: Vec<PathBuf>,
    /// The folder that an existing nginx includes, and how that is tried and told.
    pub nginx: Option<PathBuf>,
    pub nginx_test: Option<Command>,
    pub nginx_reload: Option<Command>,
    /// Admin sockets of existing HAProxys.
    pub haproxy: Vec<PathBuf>,
}

impl GuardConfig {
    /// The state folder, and how much it may hold.
    #[must_use]
    pub fn state(&self) -> Option<StateFolder> {
        let path = self.state_folder.clone()?;
        Some(StateFolder { path, incidents_bytes: self.incidents_mib.unwrap_or(INCIDENTS_MIB) << 20 })
    }
}

/// One `[[site]]`, or one `--http LISTEN=UPSTREAM`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteConfig {
    pub listen: SocketAddr,
    /// Hosts that it answers for; none: whatever is asked for.
    pub names: Vec<String>,
    pub upstreams: Vec<Upstream>,
    pub certificates: Vec<CertificateFiles>,
    pub proxy_protocol: bool,
    pub health_path: Option<String>,
    /// Authorities, or certificates themselves, of upstreams that are spoken to over TLS.
    pub upstream_ca: Option<PathBuf>,
    /// The name that their certificates are for, where it is not their own.
    pub upstream_name: Option<String>,
    /// What is shown to upstreams that ask who comes.
    pub upstream_certificate: Option<CertificateFiles>,
    pub rate_limits: Vec<RateLimit>,
}

impl SiteConfig {
    /// Whose word is taken for who the upstreams are; `None`: none is spoken to over TLS.
    ///
    /// # Errors
    /// If there is nobody whose word could be taken.
    pub fn trust(&self) -> Result<Option<Trust>, upstream_tls::TrustError> {
        let is_needed = self.upstreams.iter().any(|u| u.speaks == Speaks::Tls);
        let load = || {
            let shown = self.upstream_certificate.as_ref();
            Trust::load(self.upstream_ca.as_deref(), self.upstream_name.as_deref(), shown)
        };
        is_needed.then(load).transpose()
    }
}

pub(super) const GUARD: [(&str, Setter<GuardConfig>); 14] = [
    ("interface", |g, v| set(&mut g.interface, string(v).and_then(interface).map(Some))),
    ("trusted-proxies", |g, v| set(&mut g.trusted_proxies, prefixes(v))),
    ("trusted-field", |g, v| set(&mut g.trusted_field, trusted_field(v))),
    ("threads", |g, v| set(&mut g.threads, whole(v, 1, 1_024).map(|n| Some(n as usize)))),
    ("state-folder", |g, v| set(&mut g.state_folder, file(v).map(Some))),
    ("incidents-mib", |g, v| set(&mut g.incidents_mib, whole(v, 1, 1 << 30).map(|n| Some(n as u64)))),
    ("admin-socket", |g, v| set(&mut g.admin_socket, file(v).map(Some))),
    ("access-log", |g, v| set(&mut g.access_log, file(v).map(Some))),
    ("access-log-format", |g, v| set(&mut g.access_log_format, log_format(v).map(Some))),
    ("logs", |g, v| set(&mut g.logs, paths(v))),
    ("nginx", |g, v| set(&mut g.nginx, file(v).map(Some))),
    ("nginx-test", |g, v| set(&mut g.nginx_test, string(v).and_then(Command::parse).map(Some))),
    ("nginx-reload", |g, v| set(&mut g.nginx_reload, string(v).and_then(Command::parse).map(Some))),
    ("haproxy", |g, v| set(&mut g.haproxy, paths(v))),
];

/// A site as the raw file has it, until all of it is there.
#[derive(Default)]
struct RawSite {
    listen: Option<SocketAddr>,
    names: Vec<String>,
    upstreams: Vec<Upstream>,
    certificates: Vec<CertificateFiles>,
    proxy_protocol: bool,
    health_path: Option<String>,
    upstream_ca: Option<PathBuf>,
    upstream_name: Option<String>,
    upstream_certificate: Option<CertificateFiles>,
    rate_limits: Vec<RateLimit>,
}

/// What no site can be without.
const NEEDED: [(&str, &str); 2] =
    [("listen", "where does the site listen?"), ("upstreams", "who answers for the site?")];

const SITE: [(&str, Setter<RawSite>); 10] = [
    ("listen", |s, v| set(&mut s.listen, string(v).and_then(listen).map(Some))),
    ("names", |s, v| set(&mut s.names, names(v))),
    ("upstreams", |s, v| set(&mut s.upstreams, upstreams(v))),
    ("certificates", |s, v| set(&mut s.certificates, certificates(v))),
    ("proxy-protocol", |s, v| {
        set(&mut s.proxy_protocol, v.as_bool().ok_or_else(|| "true or false is expected".into()))
    }),
    ("health-path", |s, v| set(&mut s.health_path, string(v).and_then(url_path).map(Some))),
    ("upstream-ca", |s, v| set(&mut s.upstream_ca, file(v).map(Some))),
    ("upstream-name", |s, v| set(&mut s.upstream_name, string(v).and_then(certified_name).map(Some))),
    ("upstream-certificate", |s, v| set(&mut s.upstream_certificate, certificate(v).map(Some))),
    ("rate-limits", |s, v| set(&mut s.rate_limits, rate_limits(v))),
];

pub(super) fn limits(reader: &mut Reader<'_>, table: &DeTable<'_>, guard: &mut GuardConfig) {
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        let word = name.replace('-', "_");
        let range = Limits::RANGES.iter().find(|(known, ..)| *known == word && !name.contains('_'));
        let Some((_, least, most)) = range else {
            let known: Vec<String> = Limits::RANGES.iter().map(|(n, ..)| n.replace('_', "-")).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            reader.unknown(key.span().start, name, &known);
            continue;
        };
        let most = i64::try_from(*most).unwrap_or(i64::MAX);
        match (whole(value.get_ref(), *least as i64, most), guard.limits.by_name(&word)) {
            (Ok(n), Some(limit)) => *limit = n as u64,
            (Err(reason), _) => reader.mistake(value.span().start, format!("{name}: {reason}")),
            (Ok(_), None) => {}
        }
    }
}

pub(super) fn sites(reader: &mut Reader<'_>, list: &DeArray<'_>, guard: &mut GuardConfig) {
    let mut written = Vec::new();
    for item in list.iter().take(MOST_SITES) {
        let DeValue::Table(table) = item.get_ref() else {
            reader.mistake(item.span().start, "a site is a table: write [[site]]".into());
            continue;
        };
        let mut raw = RawSite::default();
        let before = reader.mistakes.len();
        reader.table(table, &mut raw, &SITE);
        let at = item.span().start;
        written.push(Written { at, listen: raw.listen, upstreams: written_upstreams(table) });
        if !reader.is_whole((table, at, before), &NEEDED) {
            continue;
        }
        let Some(listen) = raw.listen else { continue };
        let site = SiteConfig {
            listen,
            names: raw.names,
            upstreams: raw.upstreams,
            certificates: raw.certificates,
            proxy_protocol: raw.proxy_protocol,
            health_path: raw.health_path,
            upstream_ca: raw.upstream_ca,
            upstream_name: raw.upstream_name,
            upstream_certificate: raw.upstream_certificate,
            rate_limits: raw.rate_limits,
        };
        if let Some(reason) = pointless_trust(&site) {
            reader.mistake(at, reason);
        }
        guard.sites.push(site);
    }
    for (at, reason) in among(&written) {
        reader.mistake(at, reason);
    }
}

/// What is written of a site that others can be in the way of, whatever else is wrong with it.
struct Written {
    /// Where it begins.
    at: usize,
    listen: Option<SocketAddr>,
    /// Each with its place.
    upstreams: Vec<(usize, Upstream)>,
}

fn written_upstreams(table: &DeTable<'_>) -> Vec<(usize, Upstream)> {
    let list = table.get("upstreams").and_then(|value| value.get_ref().as_array());
    let read = |item: &Spanned<DeValue<'_>>| {
        let found = item.get_ref().as_str().and_then(|word| upstream(word).ok());
        found.map(|upstream| (item.span().start, upstream))
    };
    list.into_iter().flat_map(|list| list.iter()).filter_map(read).collect()
}

/// What is said of the certificates of upstreams none of which shows one.
fn pointless_trust(site: &SiteConfig) -> Option<String> {
    let name = match (&site.upstream_ca, &site.upstream_name, &site.upstream_certificate) {
        (Some(_), ..) => "upstream-ca",
        (None, Some(_), _) => "upstream-name",
        (None, None, Some(_)) => "upstream-certificate",
        (None, None, None) => return None,
    };
    let has_tls = site.upstreams.iter().any(|u| u.speaks == Speaks::Tls);
    (!has_tls).then(|| format!("{name} is about upstreams with https://, and this site has none"))
}

/// What is wrong with sites beside each other, a clause each.
pub fn conflicts(sites: &[SiteConfig]) -> impl Iterator<Item = String> {
    let written = |site: &SiteConfig| Written {
        at: 0,
        listen: Some(site.listen),
        upstreams: site.upstreams.iter().map(|upstream| (0, upstream.clone())).collect(),
    };
    let sites: Vec<Written> = sites.iter().map(written).collect();
    among(&sites).into_iter().map(|(_, reason)| reason)
}

/// The same, each with its place.
fn among(sites: &[Written]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, site) in sites.iter().enumerate() {
        let mut before = sites[..number].iter().filter_map(|other| other.listen);
        if let Some(listen) = site.listen
            && let Some(other) = before.find(|other| overlap(*other, listen))
        {
            let reason = format!("another site listens on {other} already, which has {listen} in it");
            found.push((site.at, reason));
        }
        for (at, upstream) in &site.upstreams {
            let is_own =
                |listen: SocketAddr| upstream.addresses.iter().any(|address| is_at(listen, *address));
            if sites.iter().filter_map(|own| own.listen).any(is_own) {
                let name = text::clip(&upstream.name, 80);
                let reason =
                    format!("upstream `{name}` is where this guard listens: requests would go round");
                found.push((*at, reason));
            }
        }
    }
    found
}

/// Whether two listeners cannot be told apart. Port 0 is another port each time.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let is_any = |x: SocketAddr| x.ip().is_unspecified() && x.is_ipv4() == (a.is_ipv4() && b.is_ipv4());
    a.port() == b.port() && a.port() != 0 && (a.ip() == b.ip() || is_any(a) || is_any(b))
}

/// Whether who connects there comes to this listener.
pub(super) fn is_at(listen: SocketAddr, there: SocketAddr) -> bool {
    let is_here = there.ip().is_loopback() || there.ip().is_unspecified();
    listen.port() == there.port() && (listen.ip() == there.ip() || (listen.ip().is_unspecified() && is_here))
}

/// The site of `--http LISTEN=UPSTREAM`; several upstreams are joined by commas.
///
/// # Errors
/// What is wrong with it, as a clause.
pub fn site(word: &str) -> Result<SiteConfig, String> {
    let Some((here, there)) = word.split_once('=') else {
        return Err(format!("`{}` has no `=`: write LISTEN=UPSTREAM", text::clip(word, 80)));
    };
    let upstreams = there.split(',').map(upstream).collect::<Result<Vec<_>, _>>()?;
    Ok(SiteConfig {
        listen: listen(here)?,
        names: Vec::new(),
        upstreams,
        certificates: Vec::new(),
        proxy_protocol: false,
        health_path: None,
        upstream_ca: None,
        upstream_name: None,
        upstream_certificate: None,
        rate_limits: Vec::new(),
    })
}

pub(super) fn string<'a>(value: &'a DeValue<'_>) -> Result<&'a str, String> {
    value.as_str().ok_or_else(|| "text in quotes is expected".into())
}

pub(super) fn file(value: &DeValue<'_>) -> Result<PathBuf, String> {
    let path = string(value)?;
    if path.is_empty() { Err("a path is expected".into()) } else { Ok(path.into()) }
}

fn interface(word: &str) -> Result<String, String> {
    let is_one = !word.is_empty() && word.bytes().all(|b| b.is_ascii_graphic());
    is_one.then(|| word.to_owned()).ok_or_else(|| "a name such as \"eth0\" is expected".into())
}

fn paths(value: &DeValue<'_>) -> Result<Vec<PathBuf>, String> {
    let list = value.as_array().ok_or("a list such as [\"/var/log/nginx/access.log\"] is expected")?;
    each(list.iter(), |item| file(item.get_ref()))
}

fn log_format(value: &DeValue<'_>) -> Result<LogFormat, String> {
    match string(value)? {
        "combined" => Ok(LogFormat::Combined),
        "json" => Ok(LogFormat::Json),
        _ => Err("\"combined\" or \"json\" is expected".into()),
    }
}

fn trusted_field(value: &DeValue<'_>) -> Result<TrustedField, String> {
    match string(value)? {
        "x-forwarded-for" => Ok(TrustedField::XForwardedFor),
        "forwarded" => Ok(TrustedField::Forwarded),
        _ => Err("\"x-forwarded-for\" or \"forwarded\" is expected".into()),
    }
}

fn listen(word: &str) -> Result<SocketAddr, String> {
    word.parse().map_err(|_| {
        format!("`{}` is no address with a port, such as 0.0.0.0:8080 or [::]:8080", text::clip(word, 60))
    })
}

/// Names of hosts, or `*.` before one for all that are below it; without ports, which `Host` may have.
fn names(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let list = value.as_array().filter(|list| !list.is_empty());
    let list = list.ok_or("a list such as [\"shop.example\", \"*.shop.example\"] is expected")?;
    each(list.iter(), |item| {
        let word = string(item.get_ref())?;
        let bare = word.strip_prefix("*.").unwrap_or(word);
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        let is_address = bare.strip_prefix('[').and_then(|w| w.strip_suffix(']'));
        let is_address = is_address.is_some_and(|w| w.parse::<std::net::Ipv6Addr>().is_ok());
        let is_name = !bare.is_empty() && !bare.starts_with('.') && bare.bytes().all(is_plain);
        let name = || word.trim_end_matches('.').to_ascii_lowercase();
        (is_name || is_address).then(name).ok_or_else(|| {
            format!("`{}` is no name of a host, such as shop.example or *.shop.example", text::clip(word, 80))
        })
    })
}

fn upstreams(value: &DeValue<'_>) -> Result<Vec<Upstream>, String> {
    let expected = "a list such as [\"http://127.0.0.1:3000\"] is expected";
    let list = value.as_array().filter(|list| !list.is_empty()).ok_or(expected)?;
    each(list.iter(), |item| string(item.get_ref()).and_then(upstream))
}

/// What an upstream is spoken to in, by the scheme of its address, and the usual port.
const SCHEMES: [(&str, Speaks, u16); 3] =
    [("http", Speaks::Http1, 80), ("https", Speaks::Tls, 443), ("h2c", Speaks::Http2, 80)];

/// `http://HOST:PORT`, `https://` or `h2c://`, or without the scheme. A name must lead somewhere.
fn upstream(word: &str) -> Result<Upstream, String> {
    let shown = text::clip(word, 80);
    let (scheme, rest) = word.split_once("://").unwrap_or(("http", word));
    let Some((_, speaks, port)) = SCHEMES.into_iter().find(|(name, ..)| *name == scheme) else {
        return Err(format!("`{shown}`: an upstream is http://, https:// or h2c:// (HTTP/2 without TLS)"));
    };
    let host = rest.trim_end_matches('/');
    if host.contains('/') {
        return Err(format!("`{shown}` has a path; an upstream is only {scheme}://HOST:PORT"));
    }
    let with_port = if has_port(host) { host.to_owned() } else { format!("{host}:{port}") };
    let found = with_port
        .to_socket_addrs()
        .map_err(|_| format!("`{shown}` is no upstream that can be found; write {scheme}://HOST:PORT"))?;
    let addresses: Vec<SocketAddr> = found.collect();
    if addresses.is_empty() {
        return Err(format!("`{shown}` has no address"));
    }
    Ok(Upstream { name: with_port, addresses, speaks })
}

fn certified_name(word: &str) -> Result<String, String> {
    let is_one = upstream_tls::server_name(word).is_some();
    is_one.then(|| word.to_owned()).ok_or_else(|| "a name such as \"shop.example\" is expected".into())
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

pub(super) fn certificates(value: &DeValue<'_>) -> Result<Vec<CertificateFiles>, String> {
    let list =
        value.as_array().ok_or("a list such as [{ chain = \"a.pem\", key = \"a.key\" }] is expected")?;
    each(list.iter(), |item| certificate(item.get_ref()))
}

fn certificate(value: &DeValue<'_>) -> Result<CertificateFiles, String> {
    let expected = "a pair such as { chain = \"a.pem\", key = \"a.key\" } is expected";
    let table = value.as_table().filter(|table| table.len() == 2).ok_or(expected)?;
    let file =
        |name: &str| table.get(name).and_then(|v| v.get_ref().as_str()).map(PathBuf::from).ok_or(expected);
    Ok(CertificateFiles { chain: file("chain")?, key: file("key")? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Mistakes, parse};

    #[test]
    fn a_whole_guard_is_read() {
        let source = "[guard]\nthreads = 2\ntrusted-proxies = [\"10.0.0.0/8\"]\nstate-folder = \"/var/lib/seawall\"\n\
                      access-log-format = \"json\"\n[limits]\nheader-deadline-ms = 500\n[[site]]\n\
                      listen = \"127.0.0.1:8443\"\nupstreams = [\"http://127.0.0.1:3000\", \"127.0.0.1\"]\n\
                      certificates = [{ chain = \"a.pem\", key = \"a.key\" }]\nproxy-protocol = true\n\
                      health-path = \"/up\"\n";
        let config = parse(source).expect("valid").guard;
        assert_eq!((config.threads, config.limits.header_deadline_ms), (Some(2), 500));
        let site = &config.sites[0];
        assert_eq!(site.upstreams[0].addresses[0].to_string(), "127.0.0.1:3000");
        assert_eq!(site.upstreams[1].name, "127.0.0.1:80");
        assert!(site.proxy_protocol && site.certificates.len() == 1);
    }

    #[test]
    fn the_manual_names_every_limit_with_its_default_and_every_key() {
        let manual = include_str!("../../../../docs/operate/guard.md");
        let mut limits = Limits::default();
        for (name, ..) in Limits::RANGES {
            let default = *limits.by_name(name).expect("known");
            let shown = crate::report::figure::whole(default);
            let row = format!("| `{}` | {shown} |", name.replace('_', "-"));
            assert!(manual.contains(&row), "{row}");
        }
        for name in GUARD
            .map(|(n, _)| n)
            .iter()
            .chain(&SITE.map(|(n, _)| n))
            .chain(&super::super::check::CHECK.map(|(n, _)| n))
        {
            assert!(manual.contains(&format!("\n{name} = ")), "{name}");
        }
        let is_metric = |word: &&str| word.starts_with("seawall_") && word.ends_with("_total");
        for word in manual.split('`').filter(is_metric) {
            let name = &word[8..word.len() - 6];
            assert!(seawall_http_edge::Counter::ALL.iter().any(|c| c.name() == name), "{word}");
        }
        let example = manual.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
        parse(example.expect("an example")).expect("valid");
    }

    #[test]
    fn the_names_of_a_site_are_hosts_without_ports() {
        let with = |names: &str| {
            parse(&format!(
                "[[site]]\nlisten = \"127.0.0.1:1\"\nupstreams = [\"127.0.0.1:2\"]\nnames = {names}\n"
            ))
        };
        let config =
            with("[\"Shop.Example.\", \"*.shop.example\", \"[::1]\", \"192.0.2.1\"]").expect("valid");
        assert_eq!(config.guard.sites[0].names, ["shop.example", "*.shop.example", "[::1]", "192.0.2.1"]);
        for wrong in ["[]", "\"a\"", "[\"a:80\"]", "[\"*\"]", "[\"a*.b\"]", "[\"\"]", "[\"a b\"]"] {
            assert!(with(wrong).is_err_and(|Mistakes(all)| all.len() == 1 && all[0].line == 4), "{wrong}");
        }
    }

    #[test]
    fn mistakes_of_all_sections_are_told_at_once() {
        let source = "[limits]\nheader-deadline = 5\nidle-timeout-ms = 0\n[[site]]\nlisten = \"8080\"\n\
                      upstreams = [\"ftp://a\"]\n[[site]]\nlisten = \"127.0.0.1:1\"\n[guard]\nthread = 1\n";
        let Mistakes(mistakes) = parse(source).expect_err("six mistakes");
        let lines: Vec<usize> = mistakes.iter().map(|m| m.line).collect();
        assert_eq!(lines, [2, 3, 5, 6, 7, 10], "{mistakes:?}");
        assert!(mistakes[0].text.contains("did you mean `header-deadline-ms`?"), "{mistakes:?}");
        assert!(mistakes[3].text.contains("h2c://"), "{mistakes:?}");
        assert!(mistakes[5].text.contains("did you mean `threads`?"), "{mistakes:?}");
    }

    #[test]
    fn one_mistake_of_a_table_does_not_hide_another() {
        let source = "[[site]]\nlisten = \"8080\"\n[[site]]\nupstream = [\"127.0.0.1:2\"]\nhealth-path = \"up\"\n\
                      [guard]\nadmin-socket = \"\"\ninterface = \"\"\nlogs = [\"\", \"\"]\n";
        let Mistakes(mistakes) = parse(source).expect_err("nine mistakes");
        let told: Vec<(usize, &str)> = mistakes.iter().map(|m| (m.line, m.text.as_str())).collect();
        let lines: Vec<usize> = told.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 2, 3, 4, 5, 7, 8, 9, 9], "{told:?}");
        assert!(told[0].1.starts_with("upstreams is missing"), "{told:?}");
        assert!(told[2].1.starts_with("listen is missing"), "{told:?}");
        assert!(told[3].1.contains("did you mean `upstreams`?"), "{told:?}");
    }

    #[test]
    fn two_sites_on_one_port_are_a_mistake() {
        let site = "[[site]]\nlisten = \"127.0.0.1:1\"\nupstreams = [\"127.0.0.1:2\"]\n";
        let Mistakes(mistakes) = parse(&site.repeat(2)).expect_err("twice");
        assert_eq!(mistakes.iter().map(|m| m.line).collect::<Vec<_>>(), [4], "{mistakes:?}");
    }

    #[test]
    fn a_listener_within_another_and_an_upstream_that_is_ourselves_are_mistakes() {
        let site = |listen: &str, upstream: &str| {
            format!("[[site]]\nlisten = \"{listen}\"\nupstreams = [\"{upstream}\"]\n")
        };
        let lines = |source: &str| match parse(source) {
            Ok(_) => Vec::<usize>::new(),
            Err(Mistakes(mistakes)) => mistakes.iter().map(|m| m.line).collect::<Vec<_>>(),
        };
        let up = "127.0.0.1:9";
        assert_eq!(lines(&(site("0.0.0.0:80", up) + &site("127.0.0.1:80", up))), [4]);
        assert_eq!(lines(&(site("0.0.0.0:80", up) + &site("127.0.0.1:81", up))), Vec::<usize>::new());
        assert_eq!(lines(&(site("0.0.0.0:0", up) + &site("127.0.0.1:0", up))), Vec::<usize>::new());
        assert_eq!(lines(&site("0.0.0.0:80", "127.0.0.1:80")), [3]);
        assert_eq!(lines(&(site("0.0.0.0:80", up) + &site("127.0.0.2:81", "127.0.0.1:80"))), [6]);
        assert_eq!(lines(&site("192.0.2.1:80", "127.0.0.1:80")), Vec::<usize>::new());
    }

    /// Broke: a site with another mistake was not looked at beside the others.
    #[test]
    fn sites_that_are_in_each_others_way_are_told_whatever_else_is_wrong() {
        let source = "[[site]]\nlisten = \"127.0.0.1:80\"\nupstreams = [\n\"ftp://a\",\n\"127.0.0.1:80\"]\n\
                      [[site]]\nlisten = \"127.0.0.1:80\"\n";
        let Mistakes(mistakes) = parse(source).expect_err("four mistakes");
        assert_eq!(mistakes.iter().map(|m| m.line).collect::<Vec<_>>(), [4, 5, 6, 6], "{mistakes:?}");
    }

    #[test]
    fn a_proxy_protocol_that_nobody_may_speak_is_a_mistake() {
        let site = "[[site]]\nlisten = \"127.0.0.1:1\"\nupstreams = [\"http://127.0.0.1:2\"]\nproxy-protocol = true\n";
        let Mistakes(mistakes) = parse(site).expect_err("nobody is trusted");
        assert_eq!((mistakes.len(), mistakes[0].line), (1, 4));
        assert!(mistakes[0].text.contains("trusted-proxies"), "{mistakes:?}");
        parse(&format!("{site}[guard]\ntrusted-proxies = [\"10.0.0.0/8\"]\n")).expect("valid");
    }

    #[test]
    fn a_site_of_the_command_line_has_one_or_more_upstreams() {
        let found = site("0.0.0.0:80=http://127.0.0.1:3000,http://127.0.0.1:3001").expect("valid");
        assert_eq!(found.upstreams.len(), 2);
        assert!(site("0.0.0.0:80").is_err_and(|e| e.contains("LISTEN=UPSTREAM")));
        assert!(site("80=http://127.0.0.1").is_err_and(|e| e.contains("no address with a port")));
    }
}
