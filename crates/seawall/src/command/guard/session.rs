//! The control loop of a guard: what it does with each tick, order and signal, until somebody asks for
//! the end or another program takes over.

use super::parts::secret;
use super::reload::reload;
use crate::cli::GuardArgs;
use crate::command::signals::Signals;
use crate::config::GuardConfig;
use crate::guard::access_log::AccessLog;
use crate::guard::admin::{Order, Reply};
use crate::guard::control::Control;
use crate::guard::dns::{self, DnsControl};
use crate::guard::dns_kernel::KernelAnswers;
use crate::guard::expiry::Expiries;
use crate::guard::handover::Successor;
use crate::guard::incident::Told;
use crate::guard::knowledge;
use crate::guard::live::Live;
use crate::guard::store::Store;
use crate::guard::{self, admin, clock};
use crate::reroute::watch::Watch;
use anyhow::{Context, ensure};
use seawall_http_edge::Edge;
use seawall_kernel::Moment;
use seawall_model::Timestamp;
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

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Asked,
    /// Another program has taken over.
    TakenOver,
}

/// Everything that the loop works with.
pub(super) struct Session<'a> {
    pub(super) args: &'a GuardArgs,
    /// The configuration in use.
    pub(super) guard: GuardConfig,
    pub(super) socket: PathBuf,
    /// Where this program was when it was started: another one may be there by now.
    pub(super) program: Option<PathBuf>,
    pub(super) edge: Arc<Edge>,
    pub(super) admin: admin::Admin,
    pub(super) control: Control,
    pub(super) dns: Vec<DnsControl>,
    /// What the kernel answers in place of the fronts of name servers.
    pub(super) answers: Option<KernelAnswers>,
    /// Keeps providers ready.
    pub(super) reroute: Option<Watch>,
    pub(super) live: Live<'a>,
    pub(super) log: Option<AccessLog>,
    pub(super) signals: Signals,
    /// What is known is being written down.
    pub(super) saving: Option<JoinHandle<anyhow::Result<()>>>,
    /// That could not be done last, and was told.
    pub(super) is_unsaved: bool,
    /// When its certificates end.
    pub(super) expiries: Expiries,
}

impl Session<'_> {
    /// Works until somebody asks for the end.
    pub(super) fn work(&mut self) -> anyhow::Result<End> {
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
                self.renew_metrics();
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
                let mut notes = reload(args, guard, edge, control, dns, log, now)?;
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
        self.renew_metrics();
    }

    /// What is shown beside the counters of sites.
    fn renew_metrics(&self) {
        let shown = self.expiries.metrics() + &dns::metrics(&self.dns);
        *self.admin.metrics.lock().unwrap_or_else(PoisonError::into_inner) = shown;
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
        let told = match reload(args, guard, edge, control, dns, log, now) {
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
    known.write(&successor.known())?;
    drop(control.give_up_store());
    let begun = successor.go();
    if begun.is_err()
        && let Some(state) = &guard.state()
    {
        control.take_store(Some(Store::open(state, control.policy(), known.control.incident())?.0));
    }
    begun
}

/// Time until the clock's next tick: a second that is over is looked at when it ends, and not up to
/// a tick later.
fn until_tick(now: Timestamp) -> Duration {
    let tick_ns = TICK.as_nanos() as i64;
    Duration::from_nanos(tick_ns.saturating_sub(now.0.rem_euclid(tick_ns)).unsigned_abs())
}

/// Tells who started the program as a service how it is (`sd_notify`), where somebody asks.
pub(super) fn tell_service_manager(state: &str) {
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
