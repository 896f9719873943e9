//! A changed configuration while the guard works: all of it, or nothing.

use super::args::resolve;
use super::dns;
use super::parts::{checks, settings};
use crate::cli::GuardArgs;
use crate::config::GuardConfig;
use crate::guard::access_log::AccessLog;
use crate::guard::control::Control;
use crate::guard::dns::DnsControl;
use seawall_http_edge::Edge;
use seawall_model::Timestamp;
use seawall_model::change::{Change, ChangeKind};
use seawall_model::policy::Mode;

/// Reads configuration and certificates again and goes on by them. Where anything is wrong, all
/// stays as it was. Returns what cannot change before the next start.
pub(super) fn reload(
    args: &GuardArgs,
    present: &mut GuardConfig,
    edge: &Edge,
    control: &mut Control,
    fronts: &mut [DnsControl],
    log: &mut Option<AccessLog>,
    now: Timestamp,
) -> anyhow::Result<Vec<String>> {
    let (mut guard, policy) = resolve(args)?;
    let settings = settings(&guard, policy.mode)?;
    // It may have been moved away, to be packed.
    let open = |path| AccessLog::open_again(path, log.as_ref());
    let reopened = guard.access_log.as_deref().map(open).transpose()?;
    let (changed, kept) = dns::changed(&present.dns, &guard.dns, &policy)?;
    for certificates in fronts.iter().filter_map(DnsControl::certificates) {
        certificates.reload()?;
    }
    edge.reload(settings, now)?;
    for (control, settings) in fronts.iter_mut().zip(changed) {
        control.reload(settings, &policy, now);
    }
    if guard.checks != present.checks {
        control.set_checks(checks(&guard)?);
    }
    *log = reopened;
    let has_idle_servers = (present.nginx.is_some() || !present.haproxy.is_empty()) && !control.has_servers();
    let begins_late = policy.mode == Mode::Enforce && has_idle_servers;
    control.set_policy(policy, now);
    let text = "configuration of seawall reloaded".to_owned();
    control.change(Change { time: now, kind: ChangeKind::Configuration, text });
    let mut notes = dns::unchanged(&present.dns, &guard.dns);
    if begins_late {
        notes.push(
            "measures in nginx and HAProxy begin at the next start: this guard was started to observe".into(),
        );
    }
    let mut keep = |name: &str, is_same: bool| {
        if !is_same {
            notes.push(format!("{name} stays as it was until the next start"));
        }
    };
    keep("state-folder", guard.state_folder == present.state_folder);
    keep("incidents-mib", guard.incidents_mib == present.incidents_mib);
    keep("admin-socket", guard.admin_socket == present.admin_socket);
    keep("interface", guard.interface == present.interface);
    keep("logs", guard.logs == present.logs);
    keep("nginx", guard.nginx == present.nginx);
    keep("nginx-test", guard.nginx_test == present.nginx_test);
    keep("nginx-reload", guard.nginx_reload == present.nginx_reload);
    keep("haproxy", guard.haproxy == present.haproxy);
    keep("reroute", guard.reroute == present.reroute);
    guard.logs.clone_from(&present.logs);
    guard.nginx.clone_from(&present.nginx);
    guard.nginx_test.clone_from(&present.nginx_test);
    guard.nginx_reload.clone_from(&present.nginx_reload);
    guard.haproxy.clone_from(&present.haproxy);
    guard.dns = kept;
    guard.reroute.clone_from(&present.reroute);
    guard.state_folder.clone_from(&present.state_folder);
    guard.incidents_mib = present.incidents_mib;
    guard.admin_socket.clone_from(&present.admin_socket);
    guard.interface.clone_from(&present.interface);
    *present = guard;
    Ok(notes)
}
