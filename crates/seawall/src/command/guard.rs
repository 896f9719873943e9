//! `seawall guard`: its parts are put together here, and work in `session`.

mod args;
mod dns;
mod greet;
mod known;
mod parts;
mod reload;
mod session;

use super::Status;
use super::orders::default_socket;
use super::signals::Signals;
use crate::cli::GuardArgs;
use crate::config::GuardConfig;
use crate::console::Console;
use crate::guard::access_log::AccessLog;
use crate::guard::control::Control;
use crate::guard::dns::DnsControl;
use crate::guard::dns_kernel::KernelAnswers;
use crate::guard::expiry::Expiries;
use crate::guard::handover::{Given, Predecessor};
use crate::guard::hands::Hands;
use crate::guard::incident::Told;
use crate::guard::live::Live;
use crate::guard::packets::Packets;
use crate::guard::store::{Opened, Store};
use crate::guard::{self, admin, clock, descriptors};
use crate::report::text;
use anyhow::Context;
use args::resolve;
use greet::{carriers, greet};
use known::{Found, known, parted};
use parts::{checks, follow, servers, settings, start_packets};
use seawall_http_edge::Edge;
use session::{End, Session, tell_service_manager};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

pub fn run(
    args: &GuardArgs,
    console: &Console,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<Status> {
    let mut given = Given::take()?;
    let (guard, policy) = resolve(args)?;
    let settings = settings(&guard, policy.mode)?;
    if let Some(predecessor) = &mut given.predecessor {
        predecessor.take_over()?;
    }
    let Found { known, just_ended, told: found } =
        known(given.predecessor.as_ref(), guard.state_folder.as_deref(), clock::now());
    let begun = clock::now();
    let (kept, rest) = parted(known, begun)?;
    let going_on = rest.as_ref().and_then(|(_, control)| control.incident());
    let state = guard.state();
    let Opened { store, cut_off, no_room } = Store::open_if_room(state.as_ref(), &policy, going_on)?;
    let dns::Started { fronts, cut_off: of_fronts, no_room: no_room_of_fronts } =
        dns::start(&guard.dns, guard.threads, &policy, state.as_ref(), &kept.secret)?;
    // Whoever is served from now on is served to the end, whatever is asked for in between.
    let signals = Signals::catch()?;
    let edge = Arc::new(Edge::start_with(settings, &policy, begun, kept, given.listeners)?);
    let socket = guard.admin_socket.clone().unwrap_or_else(default_socket);
    let listening = admin::listen(&socket, Arc::clone(&edge), given.predecessor.is_some())
        .with_context(|| format!("cannot make the admin socket {}", socket.display()))?;
    let log = guard.access_log.as_deref().map(AccessLog::open).transpose()?;
    let mut live = Live { console: *console, json: args.json, out, err, stir: None };
    let logs = follow(args, &guard)?;
    // Requests are counted once, where most is known of them.
    let sees_requests = guard.sites.is_empty() && guard.logs.is_empty();
    let mut packets =
        guard.interface.as_deref().map(|i| start_packets(i, sees_requests, &guard.dns)).transpose()?;
    let servers = servers(&guard, policy.mode)?;
    let mut carriers = carriers(packets.as_ref(), servers.as_ref(), policy.mode);
    let answers = answers(packets.as_mut(), &guard, &fronts, &mut carriers);
    let all_cut_off = [cut_off.clone(), of_fronts].concat();
    greet(&mut live, &edge, &fronts, &socket, policy.mode, &all_cut_off, &carriers)?;
    let hands = Hands::new(Arc::clone(&edge), packets, logs, servers);
    let before = cut_off.into_iter().chain(just_ended).collect();
    let control = Control::new(hands, policy, store).after(before, begun).with_checks(checks(&guard)?);
    let mut control = control.with_protected(begun);
    if let Some((engine, kept)) = rest {
        control.recall(engine, kept, clock::now());
    }
    let room = (!guard.sites.is_empty()).then(|| descriptors::told(guard.limits.connections));
    let no_room = no_room.into_iter().chain(no_room_of_fronts);
    for told in found.into_iter().chain(room).map(Told::Noted).chain(no_room.map(Told::Failed)) {
        live.tell(&told, begun)?;
    }
    let admin = listening.serve(guard::shown(&control, &edge, &fronts))?;
    ready(given.predecessor);
    let mut session = Session {
        reroute: dns::keep_ready(&guard)?,
        args,
        guard,
        socket,
        program: own_path(),
        edge,
        admin,
        control,
        dns: fronts,
        answers,
        live,
        log,
        signals,
        saving: None,
        is_unsaved: false,
        expiries: Expiries::default(),
    };
    if session.work()? == End::Asked {
        // Somebody else's socket by now, or gone: either is fine.
        let _ = std::fs::remove_file(&session.socket);
    }
    Ok(Status::Quiet)
}

/// What answers DNS questions in the kernel, where anything does; `carriers` is told.
fn answers(
    packets: Option<&mut Packets>,
    guard: &GuardConfig,
    fronts: &[DnsControl],
    carriers: &mut Vec<String>,
) -> Option<KernelAnswers> {
    let answers = dns::answers_in_kernel(packets, guard, fronts).unwrap_or_else(|why| {
        carriers.push(format!("DNS answers come from the front alone: {}", text::visible(&why)));
        None
    });
    carriers.extend(answers.is_some().then(|| dns::ANSWERED_IN_KERNEL.to_owned()));
    answers
}

/// Where this program is.
fn own_path() -> Option<PathBuf> {
    std::env::current_exe().ok()
}

/// Says that we guard: to whom we take over from, and to the service manager.
fn ready(predecessor: Option<Predecessor>) {
    predecessor.into_iter().for_each(Predecessor::ready);
    tell_service_manager("READY=1");
}
