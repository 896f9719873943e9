//! `seawall guard`.

use super::guard_args::resolve;
use super::guard_orders::default_socket;
use super::signals::Signals;
use super::{Status, guard_dns};
use crate::cli::GuardArgs;
use crate::config::dns::DnsConfig;
use crate::config::{GuardConfig, SiteConfig};
use crate::console::Console;
use crate::guard::access_log::AccessLog;
use crate::guard::admin::{Order, Reply};
use crate::guard::checks::Checks;
use crate::guard::control::{self, Control};
use crate::guard::dns::DnsControl;
use crate::guard::dns_kernel::KernelAnswers;
use crate::guard::expiry::Expiries;
use crate::guard::handover::{Given, Predecessor, Successor};
use crate::guard::hands::Hands;
use crate::guard::incident::Told;
use crate::guard::knowledge::{self, Knowledge};
use crate::guard::live::Live;
use crate::guard::logs::Logs;
use crate::guard::packets::Packets;
use crate::guard::servers::{Command, HaProxy, Nginx, Server, Servers};
use crate::guard::store::{self, Opened, Store};
use crate::guard::{self, admin, clock, descriptors, events};
use crate::pipeline;
use crate::report::text;
use crate::reroute::watch::Watch;
use anyhow::{Context, ensure};
use seawall_engine::Engine;
use seawall_http_edge::tls::Certificates;
use seawall_http_edge::{Edge, Kept, LogFormat, Settings, Site};
use seawall_kernel::{Attachment, Carrier, Moment};
use seawall_model::Timestamp;
use seawall_model::change::{Change, ChangeKind};
use seawall_model::policy::Mode;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the control loop looks at everything.
const TICK: Duration = Duration::from_millis(100);
/// Ticks of a second.
const TICKS_PER_S: u32 = 10;
/// Seconds after which what is known is written down, and while an incident is open.
const SAVE_EVERY_S: u32 = 60;
const SAVE_INCIDENT_EVERY_S: u32 = 5;
/// Time for an order to be answered before the program ends.
const ANSWERING: Duration = Duration::from_millis(500);

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
    let open = |state| Store::open_if_room(state, &policy, going_on);
    let Opened { store, cut_off, no_room } = state.as_ref().map(open).transpose()?.unwrap_or_default();
    let dns = guard_dns::start(&guard.dns, guard.threads, &policy, state.as_ref(), &kept.secret)?;
    // Whoever is served from now on is served to the end, whatever is asked for in between.
    let signals = Signals::catch()?;
    let edge = Arc::new(Edge::start_with(settings, &policy, begun, kept, given.listeners)?);
    let socket = guard.admin_socket.clone().unwrap_or_else(default_socket);
    let admin = admin::listen(&socket, Arc::clone(&edge), given.predecessor.is_some())
        .with_context(|| format!("cannot make the admin socket {}", socket.display()))?;
    let log = guard.access_log.as_deref().map(AccessLog::open).transpose()?;
    let mut live = Live { console: *console, json: args.json, out, err, stir: None };
    let logs = follow(args, &guard)?;
    // Requests are counted once, where most is known of them.
    let sees_requests = guard.sites.is_empty() && guard.logs.is_empty();
    let mut packets =
        guard.interface.as_deref().map(|i| start_packets(i, sees_requests, &guard.dns)).transpose()?;
    let answers = guard_dns::answers_in_kernel(packets.as_mut(), &guard, &dns);
    let servers = servers(&guard, policy.mode)?;
    let mut carriers = carriers(packets.as_ref(), servers.as_ref(), policy.mode);
    let answers = answers.unwrap_or_else(|why| {
        carriers.push(format!("DNS answers come from the front alone: {}", text::visible(&why)));
        None
    });
    carriers.extend(answers.is_some().then(|| guard_dns::ANSWERED_IN_KERNEL.to_owned()));
    greet(&mut live, &edge, &dns, &socket, policy.mode, &cut_off, &carriers)?;
    let hands = Hands::new(Arc::clone(&edge), packets, logs, servers);
    let before = cut_off.into_iter().chain(just_ended).collect();
    let control = Control::new(hands, policy, store).after(before, begun).with_checks(checks(&guard)?);
    let mut control = control.with_protected(begun);
    if let Some((engine, kept)) = rest {
        control.recall(engine, kept, clock::now());
    }
    let room = (!guard.sites.is_empty()).then(|| descriptors::told(guard.limits.connections));
    for told in found.into_iter().chain(room).map(Told::Noted).chain(no_room.map(Told::Failed)) {
        live.tell(&told, begun)?;
    }
    guard::show(&admin, &control, &edge, &dns);
    ready(given.predecessor);
    let mut session = Session {
        reroute: guard_dns::keep_ready(&guard)?,
        args,
        guard,
        socket,
        program: own_path(),
        edge,
        admin,
        control,
        dns,
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

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Asked,
    /// Another program has taken over.
    TakenOver,
}

/// Everything that the loop works with.
struct Session<'a> {
    args: &'a GuardArgs,
    /// The configuration in use.
    guard: GuardConfig,
    socket: PathBuf,
    /// Where this program was when it was started: another one may be there by now.
    program: Option<PathBuf>,
    edge: Arc<Edge>,
    admin: admin::Admin,
    control: Control,
    dns: Vec<DnsControl>,
    /// What the kernel answers in place of the fronts of name servers.
    answers: Option<KernelAnswers>,
    /// Keeps providers ready.
    reroute: Option<Watch>,
    live: Live<'a>,
    log: Option<AccessLog>,
    signals: Signals,
    /// What is known is being written down.
    saving: Option<JoinHandle<anyhow::Result<()>>>,
    /// That could not be done last, and was told.
    is_unsaved: bool,
    /// When its certificates end.
    expiries: Expiries,
}

impl Session<'_> {
    /// Works until somebody asks for the end.
    fn work(&mut self) -> anyhow::Result<End> {
        let (mut ticks, mut is_open) = (0_u32, self.control.has_incident());
        let mut successor = None;
        self.read_expiries();
        while !self.signals.stop.load(Ordering::Relaxed) && successor.is_none() {
            successor = self.obey_until_tick();
            let now = clock::now();
            for told in self.control.tick(now) {
                self.live.tell(&told, now)?;
            }
            if let Some(answers) = &mut self.answers {
                let fronts: Vec<_> = self.dns.iter().map(DnsControl::edge).collect();
                let told = answers.tick(&fronts, Moment::now());
                let packets = self.control.packets_mut();
                let held = packets.and_then(|p| answers.names.tick(&self.dns, p, Moment::now()));
                for told in told.into_iter().chain(held) {
                    self.live.tell(&Told::Noted(told), now)?;
                }
            }
            for told in self.reroute.iter().flat_map(Watch::take_said) {
                self.live.tell(&Told::Noted(told), now)?;
            }
            for told in self.dns.iter_mut().flat_map(|d| d.tick(now)) {
                self.live.tell(&told, now)?;
            }
            self.edge.follow_wall_clock(clock::wall);
            self.write_log()?;
            self.obey_signals(now)?;
            ticks = ticks.wrapping_add(1);
            if ticks.is_multiple_of(TICKS_PER_S) {
                if let Some(told) = clock::set_back() {
                    self.live.tell(&Told::Noted(told), now)?;
                }
                self.edge.renew_secret(|| secret().ok(), now);
                guard::show(&self.admin, &self.control, &self.edge, &self.dns);
                self.live.line(&self.control, &self.edge, &self.dns, now);
                self.tell_expiries(now)?;
            }
            let was_open = std::mem::replace(&mut is_open, self.control.has_incident());
            let every_s = if was_open || is_open { SAVE_INCIDENT_EVERY_S } else { SAVE_EVERY_S };
            if was_open != is_open || ticks.is_multiple_of(every_s * TICKS_PER_S) {
                self.save(now)?;
            }
        }
        if let Some(process) = successor {
            self.retire(process)?;
            return Ok(End::TakenOver);
        }
        tell_service_manager("STOPPING=1");
        self.edge.drain();
        self.write_log()?;
        let now = clock::now();
        self.answers = None;
        self.save(now)?;
        self.wait_for_saving(now)?;
        let dns = std::mem::take(&mut self.dns).into_iter().flat_map(|d| d.finish(now));
        for told in self.control.finish(now).into_iter().chain(dns) {
            self.live.tell(&told, now)?;
        }
        Ok(End::Asked)
    }

    /// Writes down what is known, beside everything else: a guard that starts later goes on with it.
    fn save(&mut self, now: Timestamp) -> anyhow::Result<()> {
        let Some(folder) = &self.guard.state_folder else { return Ok(()) };
        let path = knowledge::file(folder);
        self.wait_for_saving(now)?;
        let known = self.control.knowledge(self.edge.kept(), now);
        self.saving = std::thread::Builder::new().name("save".into()).spawn(move || known.write(&path)).ok();
        Ok(())
    }

    fn wait_for_saving(&mut self, now: Timestamp) -> anyhow::Result<()> {
        let Some(Ok(outcome)) = self.saving.take().map(JoinHandle::join) else { return Ok(()) };
        let was_unsaved = std::mem::replace(&mut self.is_unsaved, outcome.is_err());
        match outcome {
            Err(error) if !was_unsaved => self.live.tell(&Told::Failed(format!("{error:#}")), now)?,
            _ => {}
        }
        Ok(())
    }

    /// Waits for the next tick, and carries out what comes by the admin socket meanwhile. Returns the
    /// process that has taken over, if one has.
    fn obey_until_tick(&mut self) -> Option<u32> {
        let wait = until_tick(clock::now());
        let begun = clock::instant();
        loop {
            match self.admin.orders.recv_timeout(wait.saturating_sub(begun.elapsed())) {
                Ok(order) => {
                    let successor = self.obey(order, clock::now());
                    if successor.is_some() || begun.elapsed() >= wait {
                        return successor;
                    }
                }
                Err(RecvTimeoutError::Timeout) => return None,
                // Nobody gives orders any more.
                Err(RecvTimeoutError::Disconnected) => {
                    std::thread::sleep(wait.saturating_sub(begun.elapsed()));
                    return None;
                }
            }
        }
    }

    /// Carries out an order. Returns the process that has taken over, if one has.
    fn obey(&mut self, order: (Order, Reply), now: Timestamp) -> Option<u32> {
        let mut successor = None;
        let Self { args, guard, program, edge, admin, control, dns, log, .. } = self;
        let is_reload = order.0 == Order::Reload;
        let has_more = !dns.is_empty() || guard.interface.is_some() || !guard.logs.is_empty();
        let program = |order: &Order, control: &mut Control, dns: &mut [DnsControl]| match order {
            Order::Reload => {
                let mut notes = reload_all(args, guard, edge, control, dns, log, now)?;
                notes.extend(Expiries::of(guard).news(now));
                Ok(serde_json::json!({ "notes": notes }))
            }
            _ => {
                ensure!(!has_more, "only sites are handed over: restart a guard of names, packets or logs");
                let process = hand_over(program.as_deref(), guard, edge, control)?;
                successor = Some(process);
                Ok(serde_json::json!({ "process": process }))
            }
        };
        guard::obey(admin, order, control, edge, dns, now, program);
        if is_reload {
            self.read_expiries();
        }
        successor
    }

    /// Another program serves: what we still have comes to its end.
    fn retire(&mut self, process: u32) -> anyhow::Result<()> {
        tell_service_manager(&format!("MAINPID={process}\nREADY=1"));
        let now = clock::now();
        self.live.tell(&Told::Noted(format!("process {process} has taken over")), now)?;
        self.edge.retire();
        let most = Duration::from_millis(self.guard.limits.drain_ms);
        let begun = clock::instant();
        // Whoever asked for it is answered by a thread of its own, also where nobody else is there.
        while begun.elapsed() < ANSWERING || (self.edge.open_connections() > 0 && begun.elapsed() < most) {
            std::thread::sleep(TICK);
            self.write_log()?;
        }
        self.edge.drain();
        self.write_log()
    }

    fn obey_signals(&mut self, now: Timestamp) -> anyhow::Result<()> {
        let Signals { reload, reopen, upgrade, .. } = &self.signals;
        let [reload, reopen, upgrade] = [reload, reopen, upgrade].map(|s| s.swap(false, Ordering::Relaxed));
        if reopen && let Err(error) = self.reopen_log() {
            self.live.tell(&Told::Failed(format!("the access log stays open as it was: {error:#}")), now)?;
        }
        if upgrade {
            let text = "SIGUSR2 does nothing here: `seawall upgrade` lets the program that is installed now \
                        take over";
            self.live.tell(&Told::Noted(text.to_owned()), now)?;
        }
        if reload { self.reload_by_signal(now) } else { Ok(()) }
    }

    /// Looks at the certificates again; the next second tells of those that end.
    fn read_expiries(&mut self) {
        self.expiries = Expiries::of(&self.guard);
        *self.admin.metrics.lock().unwrap_or_else(PoisonError::into_inner) = self.expiries.metrics();
    }

    fn tell_expiries(&mut self, now: Timestamp) -> anyhow::Result<()> {
        for told in self.expiries.news(now) {
            self.live.tell(&Told::Failed(told), now)?;
        }
        Ok(())
    }

    /// It may have been moved away, to be packed.
    fn reopen_log(&mut self) -> anyhow::Result<()> {
        if let Some(path) = &self.guard.access_log {
            self.log = Some(AccessLog::open_again(path, self.log.as_ref())?);
        }
        Ok(())
    }

    fn reload_by_signal(&mut self, now: Timestamp) -> anyhow::Result<()> {
        tell_service_manager("RELOADING=1");
        let Self { args, guard, edge, control, dns, log, .. } = self;
        let told = match reload_all(args, guard, edge, control, dns, log, now) {
            Ok(notes) => notes.into_iter().chain(["reloaded".to_owned()]).map(Told::Noted).collect(),
            Err(error) => vec![Told::Failed(format!("everything stays as it was: {error:#}"))],
        };
        tell_service_manager("READY=1");
        for told in told {
            self.live.tell(&told, now)?;
        }
        self.read_expiries();
        Ok(())
    }

    fn write_log(&mut self) -> anyhow::Result<()> {
        let lines = self.edge.take_log();
        let Some(log) = &mut self.log else { return Ok(()) };
        let appended = log.append(&lines);
        self.edge.lose_log_lines(appended.lost_lines);
        match appended.told {
            Some(told) => Ok(self.live.tell(&told, clock::now())?),
            None => Ok(()),
        }
    }
}

/// Reads configuration and certificates again and goes on by them. Where anything is wrong, all
/// stays as it was. Returns what cannot change before the next start.
fn reload_all(
    args: &GuardArgs,
    present: &mut GuardConfig,
    edge: &Edge,
    control: &mut Control,
    dns: &mut [DnsControl],
    log: &mut Option<AccessLog>,
    now: Timestamp,
) -> anyhow::Result<Vec<String>> {
    let (mut guard, policy) = resolve(args)?;
    let settings = settings(&guard, policy.mode)?;
    // It may have been moved away, to be packed.
    let open = |path| AccessLog::open_again(path, log.as_ref());
    let reopened = guard.access_log.as_deref().map(open).transpose()?;
    let (fronts, kept) = guard_dns::changed(&present.dns, &guard.dns, &policy)?;
    for certificates in dns.iter().filter_map(DnsControl::certificates) {
        certificates.reload()?;
    }
    edge.reload(settings, now)?;
    for (control, settings) in dns.iter_mut().zip(fronts) {
        control.reload(settings, &policy, now);
    }
    if guard.checks != present.checks {
        control.set_checks(checks(&guard)?);
    }
    *log = reopened;
    control.set_policy(policy, now);
    let text = "configuration of seawall reloaded".to_owned();
    control.change(Change { time: now, kind: ChangeKind::Configuration, text });
    let mut notes = guard_dns::unchanged(&present.dns, &guard.dns);
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
    keep("haproxy", guard.haproxy == present.haproxy);
    keep("reroute", guard.reroute == present.reroute);
    guard.logs.clone_from(&present.logs);
    guard.nginx.clone_from(&present.nginx);
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

/// Starts the program that is installed now and gives it sockets and state folder. Returns its
/// process; where anything goes wrong, we go on.
fn hand_over(
    program: Option<&Path>,
    guard: &GuardConfig,
    edge: &Edge,
    control: &mut Control,
) -> anyhow::Result<u32> {
    let program = program.context("the system does not say where this program is")?;
    let listeners = edge.listeners()?;
    let mut successor = Successor::start(program, &std::env::temp_dir(), &listeners)?;
    let known = control.knowledge(edge.kept(), clock::now());
    known.write(successor.known())?;
    drop(control.give_up_store());
    let begun = successor.go();
    if begun.is_err()
        && let Some(state) = &guard.state()
    {
        control.take_store(Some(Store::open(state, control.policy(), known.control.incident())?.0));
    }
    begun
}

/// Follows the logs of servers that are already there, from their present end.
fn follow(args: &GuardArgs, guard: &GuardConfig) -> anyhow::Result<Option<Logs>> {
    let format = args.log_format.as_deref().map(pipeline::given_format).transpose()?;
    Ok((!guard.logs.is_empty()).then(|| Logs::follow(&guard.logs, format.as_ref(), clock::now())))
}

/// What an earlier guard left for us.
#[derive(Default)]
struct Found {
    known: Option<Knowledge>,
    /// The incident that ended with it.
    just_ended: Option<String>,
    /// What is to be said of that.
    told: Vec<String>,
}

/// What the edge goes on with, secrets at least, and what the rest does.
fn parted(
    known: Option<Knowledge>,
    now: Timestamp,
) -> anyhow::Result<(Kept, Option<(Engine, control::Kept)>)> {
    Ok(match known {
        Some(Knowledge { edge, engine, control, .. }) => (edge, Some((engine, control))),
        None => (Kept::new(secret()?, secret()?, now), None),
    })
}

fn known(predecessor: Option<&Predecessor>, folder: Option<&Path>, now: Timestamp) -> Found {
    let (path, is_handed_over) = match (predecessor.and_then(Predecessor::known), folder) {
        (Some(path), _) => (path.to_owned(), true),
        (None, Some(folder)) => (knowledge::file(folder), false),
        (None, None) => return Found::default(),
    };
    match Knowledge::read(&path) {
        Ok(Some(known)) if is_handed_over => {
            clock::go_on_from(known.saved);
            let name = known.control.incident().map(|name| format!("going on with incident {name}"));
            Found { known: Some(known), told: name.into_iter().collect(), just_ended: None }
        }
        Ok(known) => {
            let is_ended = |name: &str| folder.is_none_or(|folder| store::is_ended(folder, name));
            let just_ended = known.as_ref().and_then(|known| known.just_ended(now, is_ended));
            let known = known.and_then(|known| known.after_pause(now, is_ended));
            let name = known.as_ref().and_then(|known| known.control.incident());
            let told = name.map(|name| format!("going on with incident {name}, which was cut off"));
            Found { known, just_ended, told: told.into_iter().collect() }
        }
        Err(why) => {
            let told = vec![format!("what is normal is learnt anew: {} {why}", path.display())];
            Found { told, ..Found::default() }
        }
    }
}

/// Where this program is.
fn own_path() -> Option<PathBuf> {
    std::env::current_exe().ok()
}

/// Time until the clock's next tick: a second that is over is looked at when it ends, and not up to
/// a tick later.
fn until_tick(now: Timestamp) -> Duration {
    let tick_ns = TICK.as_nanos() as i64;
    Duration::from_nanos(tick_ns.saturating_sub(now.0.rem_euclid(tick_ns)).unsigned_abs())
}

fn settings(guard: &GuardConfig, mode: Mode) -> anyhow::Result<Settings> {
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

/// The checks of what the service needs beside itself.
fn checks(guard: &GuardConfig) -> anyhow::Result<Option<Checks>> {
    let start = || Checks::start(&guard.checks).context("cannot start the checks");
    (!guard.checks.is_empty()).then(start).transpose()
}

/// Says that we guard: to whom we take over from, and to the service manager.
fn ready(predecessor: Option<Predecessor>) {
    predecessor.into_iter().for_each(Predecessor::ready);
    tell_service_manager("READY=1");
}

/// The servers that are already there, cleared of what an earlier guard may have left. In observe
/// mode they are not touched.
fn servers(guard: &GuardConfig, mode: Mode) -> anyhow::Result<Option<Servers>> {
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
    })
}

/// A secret that nobody has seen.
fn secret() -> anyhow::Result<[u8; 32]> {
    let mut secret = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut secret))
        .context("cannot read /dev/urandom")?;
    Ok(secret)
}

/// Tells who started the program as a service how it is (`sd_notify`), where somebody asks.
fn tell_service_manager(state: &str) {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(rest) => SocketAddr::from_abstract_name(rest),
        None => SocketAddr::from_pathname(&name),
    };
    if let (Ok(address), Ok(socket)) = (address, UnixDatagram::unbound()) {
        // Whoever asked may have gone; serving goes on.
        let _ = socket.send_to_addr(state.as_bytes(), &address);
    }
}

fn greet(
    live: &mut Live<'_>,
    edge: &Edge,
    dns: &[DnsControl],
    socket: &Path,
    mode: Mode,
    cut_off: &[String],
    carriers: &[String],
) -> anyhow::Result<()> {
    if live.json {
        writeln!(live.out, "{}", events::text(&events::listening(edge, dns, socket, mode, clock::now())))?;
        live.out.flush()?;
        return Ok(());
    }
    guard_dns::greet(dns, live.out)?;
    for line in carriers {
        writeln!(live.out, "{line}")?;
    }
    for (address, site) in edge.addresses().iter().zip(&edge.settings().sites) {
        let names: Vec<&str> = site.upstreams.iter().map(|u| u.name.as_str()).collect();
        let scheme = if site.tls.is_some() { "https" } else { "http" };
        writeln!(live.out, "guarding {scheme}://{address} in front of {}", names.join(", "))?;
    }
    let does = match mode {
        Mode::Observe => "observing: measures are proposed, none is taken",
        Mode::Enforce if edge.settings().sites.is_empty() && dns.is_empty() && carriers.is_empty() => {
            "what a log shows is named; nothing is done about it"
        }
        Mode::Enforce => "measures are taken when an attack is named; `seawall undo` withdraws them",
    };
    writeln!(live.out, "{does}\nadmin socket {}", socket.display())?;
    for name in cut_off {
        writeln!(live.out, "incident {name} was cut off by the end of the program; it is written up now")?;
    }
    live.out.flush()?;
    Ok(())
}

/// Who carries measures out beside the edges, in a line each.
fn carriers(packets: Option<&Packets>, servers: Option<&Servers>, mode: Mode) -> Vec<String> {
    let names = servers.map(Servers::names).unwrap_or_default();
    let told = names.iter().map(|name| format!("measures on requests go to {}", text::visible(name)));
    packets.map(|p| carried(p.carrier(), mode)).into_iter().chain(told).collect()
}

/// Attaches the kernel filter, with room for DNS answers where there are fronts of name servers.
fn start_packets(interface: &str, sees_requests: bool, dns: &[DnsConfig]) -> anyhow::Result<Packets> {
    let secret = secret()?;
    let word = |at: usize| u64::from_ne_bytes(std::array::from_fn(|i| secret[at + i]));
    Ok(Packets::start(interface, sees_requests, guard_dns::places(dns), [word(0), word(8)])?)
}

/// How packets are seen and dropped, in a sentence.
fn carried(carrier: &Carrier, mode: Mode) -> String {
    let does = match mode {
        Mode::Observe => "seen",
        Mode::Enforce => "seen and dropped",
    };
    let way = match carrier {
        Carrier::Nftables(why) => {
            let drops = match mode {
                Mode::Observe => "",
                Mode::Enforce => ", and dropped by nftables",
            };
            return format!("packets are not seen{drops}: {}", text::visible(why));
        }
        Carrier::Xdp { attachment: Attachment::Native, .. } => "XDP in the driver",
        Carrier::Xdp { .. } => "XDP in the kernel's generic path, because the driver cannot",
    };
    let answers = match carrier {
        Carrier::Xdp { sees_answers: false, .. } => ", incoming only: this kernel is older than Linux 6.6",
        _ => "",
    };
    format!("packets are {does} by {way}{answers}")
}
