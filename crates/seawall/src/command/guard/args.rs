//! What `seawall guard` is told, by its configuration file and its command line together.

use crate::cli::GuardArgs;
use crate::config::{self, Config, GuardConfig, Mistake, Mistakes};
use seawall_model::policy::{Mode, Policy};

/// The command line has the last word.
///
/// # Errors
/// With all that is wrong with the file; where nothing is, with all that is wrong with the arguments.
pub fn resolve(args: &GuardArgs) -> anyhow::Result<(GuardConfig, Policy)> {
    let Config { mut policy, is_mode_given, mut guard } =
        args.config.as_deref().map(config::load).transpose()?.unwrap_or_default();
    let mut reasons = take_fronts(args, &mut guard);
    guard.interface = args.interface.clone().or(guard.interface);
    guard.logs.extend(args.log.iter().cloned());
    guard.nginx = args.nginx.clone().or(guard.nginx);
    guard.haproxy.extend(args.haproxy.iter().cloned());
    guard.access_log = args.access_log.clone().or(guard.access_log);
    guard.state_folder = args.state.clone().or(guard.state_folder);
    guard.admin_socket = args.admin.admin_socket.clone().or(guard.admin_socket);
    // What the file names is there, or it would not have been taken.
    reasons.extend(config::missing(&guard).iter().map(|reason| format!("--{reason}")));
    if guard.logs.is_empty() && (guard.nginx.is_some() || !guard.haproxy.is_empty()) {
        reasons.push("measures for a server come from its log: give --log FILE".to_owned());
    } else if is_idle(&guard) && reasons.is_empty() {
        reasons.push(
            "nothing to guard: give --http LISTEN=UPSTREAM, --dns LISTEN=SERVER, --interface NAME or --log FILE, or --config with a [[site]] or a [[dns]]".to_owned(),
        );
    }
    if args.observe {
        policy.mode = Mode::Observe;
    } else if !is_mode_given {
        policy.mode = Mode::Enforce;
    }
    match &reasons[..] {
        [] => Ok((guard, policy)),
        [reason] => Err(anyhow::Error::msg(reason.clone())),
        _ => {
            let mistakes = reasons.into_iter().map(|text| Mistake { line: 0, text }).collect();
            Err(anyhow::Error::new(Mistakes(mistakes)).context("these arguments cannot be used"))
        }
    }
}

/// Takes sites and fronts of name servers; returns what is wrong with them.
fn take_fronts(args: &GuardArgs, guard: &mut GuardConfig) -> Vec<String> {
    let mut reasons = Vec::new();
    for word in &args.http {
        match config::site(word) {
            Ok(site) => guard.sites.push(site),
            Err(reason) => reasons.push(format!("--http: {reason}")),
        }
    }
    reasons.extend(config::conflicts(&guard.sites));
    for word in &args.dns {
        match config::dns::front(word) {
            Ok(front) => guard.dns.push(front),
            Err(reason) => reasons.push(format!("--dns: {reason}")),
        }
    }
    reasons.extend(config::dns::circles(&guard.dns).into_iter().map(|(_, reason)| reason));
    if !args.dns_zone.is_empty() && args.dns.is_empty() && guard.dns.is_empty() {
        reasons.push("--dns-zone says what is known of a --dns, and there is none".to_owned());
    }
    for word in &args.dns_zone {
        match config::dns::zone(word) {
            Ok(zone) => guard.dns.iter_mut().for_each(|front| front.zones.push(zone.clone())),
            Err(reason) => reasons.push(format!("--dns-zone: {reason}")),
        }
    }
    reasons
}

fn is_idle(guard: &GuardConfig) -> bool {
    guard.sites.is_empty() && guard.interface.is_none() && guard.dns.is_empty() && guard.logs.is_empty()
}
