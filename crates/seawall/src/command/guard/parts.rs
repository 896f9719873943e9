//! What a guard is made of, as its configuration asks for it.

use super::dns;
use crate::cli::GuardArgs;
use crate::config::dns::DnsConfig;
use crate::config::{GuardConfig, SiteConfig};
use crate::guard::checks::Checks;
use crate::guard::logs::Logs;
use crate::guard::packets::Packets;
use crate::guard::servers::{Command, HaProxy, Nginx, Server, Servers};
use crate::guard::{clock, descriptors};
use crate::pipeline;
use anyhow::Context;
use seawall_http_edge::tls::Certificates;
use seawall_http_edge::{LogFormat, Settings, Site};
use seawall_model::policy::Mode;
use std::fs::File;
use std::io::Read;

/// Sites and limits, as the edge takes them.
pub(super) fn settings(guard: &GuardConfig, mode: Mode) -> anyhow::Result<Settings> {
    let mut limits = guard.limits;
    descriptors::raise()?;
    limits.connections = limits.connections.min(descriptors::connections());
    let threads =
        guard.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let format = guard.access_log_format.unwrap_or(LogFormat::Combined);
    Ok(Settings {
        sites: guard.sites.iter().map(site).collect::<anyhow::Result<_>>()?,
        limits,
        trusted_proxies: guard.trusted_proxies.clone(),
        trusted_field: guard.trusted_field,
        threads,
        access_log: guard.access_log.as_ref().map(|_| format),
        enforce: mode == Mode::Enforce,
    })
}

fn site(site: &SiteConfig) -> anyhow::Result<Site> {
    let tls = match &site.certificates[..] {
        [] => None,
        files => Some(Certificates::load(files.to_vec())?),
    };
    Ok(Site {
        listen: site.listen,
        upstreams: site.upstreams.clone(),
        tls,
        proxy_protocol: site.proxy_protocol,
        health_path: site.health_path.clone(),
        upstream_trust: site.trust()?,
        rate_limits: site.rate_limits.clone(),
        names: site.names.clone(),
    })
}

/// The checks of what the service needs beside itself.
pub(super) fn checks(guard: &GuardConfig) -> anyhow::Result<Option<Checks>> {
    let start = || Checks::start(&guard.checks).context("cannot start the checks");
    (!guard.checks.is_empty()).then(start).transpose()
}

/// Follows the logs of servers that are already there, from their present end.
pub(super) fn follow(args: &GuardArgs, guard: &GuardConfig) -> anyhow::Result<Option<Logs>> {
    let format = args.log_format.as_deref().map(pipeline::given_format).transpose()?;
    Ok((!guard.logs.is_empty()).then(|| Logs::follow(&guard.logs, format.as_ref(), clock::now())))
}

/// The servers that are already there, cleared of what an earlier guard may have left. In observe
/// mode they are not touched.
pub(super) fn servers(guard: &GuardConfig, mode: Mode) -> anyhow::Result<Option<Servers>> {
    let mut all: Vec<Box<dyn Server>> = Vec::new();
    if let Some(folder) = &guard.nginx {
        let command =
            |given: &Option<Command>, usual| given.clone().map_or_else(|| Command::parse(usual), Ok);
        all.push(Box::new(Nginx {
            folder: folder.clone(),
            test: command(&guard.nginx_test, "nginx -T").map_err(anyhow::Error::msg)?,
            reload: command(&guard.nginx_reload, "nginx -s reload").map_err(anyhow::Error::msg)?,
        }));
    }
    for socket in &guard.haproxy {
        all.push(Box::new(HaProxy::new(socket.clone())));
    }
    if all.is_empty() || mode == Mode::Observe {
        return Ok(None);
    }
    Servers::start(all).map(Some).map_err(anyhow::Error::msg)
}

/// Attaches the kernel filter, with room for DNS answers where there are fronts of name servers.
pub(super) fn start_packets(
    interface: &str,
    sees_requests: bool,
    fronts: &[DnsConfig],
) -> anyhow::Result<Packets> {
    let secret = secret()?;
    let word = |at: usize| u64::from_ne_bytes(std::array::from_fn(|i| secret[at + i]));
    let dns_answers = (!fronts.is_empty()).then(|| dns::places(fronts));
    Ok(Packets::start(interface, sees_requests, dns_answers, [word(0), word(8)])?)
}

/// A secret that nobody has seen.
pub(super) fn secret() -> anyhow::Result<[u8; 32]> {
    let mut secret = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut secret))
        .context("cannot read /dev/urandom")?;
    Ok(secret)
}
