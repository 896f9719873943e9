//! Troubles of our own making or of our suppliers', which look like attacks at first.

use super::http_base::HttpDraft;
use crate::episode::{Draft, Origin, Truth};
use crate::http::{
    App, Behaviour, Fault, Loop, Scope, ServerLine, SiteKind, Trouble, View, ViewKind, Who, Work,
};
use crate::rng::Rng;
use crate::world::{Envelope, Networks, Timing};
use seawall_model::Cause;
use seawall_model::change::ChangeKind;
use seawall_model::observation::BackendEventKind;

/// Sites on which a fault can show: with pages or calls that need work, and people who want them.
const KINDS: [SiteKind; 7] = [
    SiteKind::Small,
    SiteKind::Catalogue,
    SiteKind::News,
    SiteKind::Php,
    SiteKind::Forum,
    SiteKind::SinglePage,
    SiteKind::Search,
];

fn draft(seed: u64, kind: Option<SiteKind>) -> HttpDraft {
    let mut rng = Rng::new(seed);
    let timing = Timing::with_lead_in(&mut rng);
    let kind = kind.unwrap_or_else(|| *rng.pick(&KINDS));
    let mut draft = HttpDraft::empty(seed, Some(kind), timing, rng);
    let per_page = draft.session_requests / draft.people.pages_mean;
    let most = (45_000.0 / timing.length_s / per_page).max(4.0);
    let pages_per_s = draft.rng.log_uniform(3.0, most.clamp(4.0, 40.0));
    draft.base_per_s = pages_per_s * per_page;
    let load = draft.rng.log_uniform(0.05, 0.4);
    draft.server = crate::http::ServerModel::sized(&mut draft.rng, pages_per_s * 1.2, load);
    // caches would hide errors
    draft.server.cache_s = 0.0;
    draft
}

fn fault(draft: &mut HttpDraft, scope: Scope, trouble: Trouble) {
    let (from_s, to_s) = (draft.timing.onset_s, draft.timing.end_s);
    draft.faults.push(Fault { from_s, to_s, scope, trouble });
}

/// New code fails: errors at once on some or all pages, nobody new comes.
pub(super) fn release(seed: u64) -> Draft {
    let mut draft = draft(seed, None);
    draft.usual_visitors();
    let share = draft.rng.uniform(0.5, 1.0);
    let status = fault_of_release(&mut draft, share);
    let known = draft.rng.chance(0.75);
    if known {
        let at_s = draft.timing.onset_s - draft.rng.log_uniform(0.5, 20.0);
        draft.change(at_s, ChangeKind::Deploy, "release 4.12.0");
    }
    let also: &[Cause] = match (known, status) {
        (true, _) => &[],
        // no server to answer, and nothing that says why
        (false, 502) => &[Cause::Misconfiguration, Cause::LoadBalancerFault],
        (false, _) => &[Cause::Misconfiguration],
    };
    let truth = Truth::new(Cause::ReleaseFault, &draft.timing).or(also);
    draft.finish(truth)
}

/// New code fails, and the application calls again at once. Evaluation only.
pub(super) fn release_with_retries(seed: u64) -> Draft {
    let mut draft = draft(seed, Some(SiteKind::SinglePage));
    draft.usual_visitors();
    for group in &mut draft.groups {
        if let Behaviour::App(app) = &mut group.behaviour {
            app.retry_s = 0.4;
        }
    }
    let share = draft.rng.uniform(0.5, 0.95);
    fault(&mut draft, Scope::Work(Work::Api), Trouble::Fails { status: 500, share });
    let at_s = draft.timing.onset_s - draft.rng.log_uniform(0.5, 15.0);
    draft.change(at_s, ChangeKind::Deploy, "deployed api");
    let truth = Truth::new(Cause::ReleaseFault, &draft.timing).or(&[Cause::ClientFault]);
    draft.finish(truth)
}

/// Returns what failing requests are answered with.
fn fault_of_release(draft: &mut HttpDraft, share: f64) -> u16 {
    let every = draft.rng.between(1, 3) as u32;
    let scope = *draft.rng.pick(&[Scope::Dynamic, Scope::Pages { every, remainder: 0 }, Scope::Dynamic]);
    let status = *draft.rng.pick(&[500, 500, 500, 502]);
    fault(draft, scope, Trouble::Fails { status, share });
    status
}

/// A wrong line in a configuration: one status, one place, at once.
pub(super) fn misconfiguration(seed: u64) -> Draft {
    let mut draft = draft(seed, None);
    draft.usual_visitors();
    let every = draft.rng.between(2, 4) as u32;
    let scopes =
        [Scope::Everything, Scope::Pages { every, remainder: 0 }, Scope::Work(Work::Static), Scope::Dynamic];
    let scope = match *draft.rng.pick(&scopes) {
        // nothing is wrong where nothing is asked for
        Scope::Work(Work::Static) if draft.site.frame_assets == 0 => Scope::Everything,
        scope => scope,
    };
    let status = *draft.rng.pick(&[404, 403, 403, 404, 500, 301]);
    fault(&mut draft, scope, Trouble::Fails { status, share: 1.0 });
    let known = draft.rng.chance(0.7);
    if known {
        let at_s = draft.timing.onset_s - draft.rng.log_uniform(0.3, 8.0);
        draft.change(at_s, ChangeKind::Configuration, "configuration reloaded");
    }
    let also: &[Cause] = if known { &[] } else { &[Cause::ReleaseFault] };
    let truth = Truth::new(Cause::Misconfiguration, &draft.timing).or(also);
    draft.finish(truth)
}

/// The database slows down; arrivals are as ever, later people load again.
pub(super) fn slow_backend(seed: u64) -> Draft {
    let mut draft = draft(seed, None);
    draft.view = View::with_durations(&mut draft.rng);
    draft.usual_visitors();
    let trouble =
        Trouble::Slow { factor: draft.rng.log_uniform(8.0, 120.0), rise_s: draft.rng.log_uniform(1.0, 25.0) };
    fault(&mut draft, Scope::Dynamic, trouble);
    if draft.rng.chance(0.2) {
        let at_s = draft.timing.onset_s - draft.rng.uniform(1.0, 30.0);
        draft.change(at_s, ChangeKind::Database, "index rebuild started");
    }
    let truth = Truth::new(Cause::SlowBackend, &draft.timing);
    draft.finish(truth)
}

/// The back end stalls again and again, each time for seconds. Evaluation only.
pub(super) fn stalling_backend(seed: u64) -> Draft {
    let mut draft = draft(seed, None);
    draft.view = View::with_durations(&mut draft.rng);
    draft.usual_visitors();
    let timing = draft.timing;
    let period_s = draft.rng.uniform(8.0, 20.0);
    let factor = draft.rng.log_uniform(30.0, 200.0);
    let mut from_s = timing.onset_s;
    while from_s < timing.end_s {
        let to_s = (from_s + period_s * 0.6).min(timing.end_s);
        draft.faults.push(Fault {
            from_s,
            to_s,
            scope: Scope::Dynamic,
            trouble: Trouble::Slow { factor, rise_s: 0.5 },
        });
        from_s += period_s;
    }
    let truth = Truth::new(Cause::SlowBackend, &timing);
    draft.finish(truth)
}

/// One server of several fails, and the balancer goes on asking it.
pub(super) fn load_balancer(seed: u64) -> Draft {
    let mut draft = balanced(seed);
    let server = draft.rng.below(u64::from(draft.server.servers)) as u32;
    let refuses = draft.rng.chance(0.6);
    fault(&mut draft, Scope::Server(server), Trouble::Dead { refuses });
    if draft.rng.chance(0.5) {
        let (at_s, end_s) = (draft.timing.onset_s + draft.rng.uniform(1.0, 10.0), draft.timing.end_s);
        draft.server_lines.push(line(
            at_s,
            BackendEventKind::ServerDown,
            server,
            "Server app/web is DOWN, reason: Layer4 timeout",
        ));
        draft.server_lines.push(line(end_s, BackendEventKind::ServerUp, server, "Server app/web is UP"));
    }
    if draft.rng.chance(0.3) {
        let at_s = draft.timing.onset_s - draft.rng.uniform(0.5, 5.0);
        draft.change(at_s, ChangeKind::LoadBalancer, "member added to pool");
    }
    let truth = Truth::new(Cause::LoadBalancerFault, &draft.timing);
    draft.finish(truth)
}

/// A server that comes and goes: health checks let it in and out again. Evaluation only.
pub(super) fn flapping_server(seed: u64) -> Draft {
    let mut draft = balanced(seed);
    let server = draft.rng.below(u64::from(draft.server.servers)) as u32;
    let (mut from_s, end_s) = (draft.timing.onset_s, draft.timing.end_s);
    let period_s = draft.rng.uniform(6.0, 20.0);
    while from_s < end_s {
        let to_s = (from_s + period_s * 0.7).min(end_s);
        draft.faults.push(Fault {
            from_s,
            to_s,
            scope: Scope::Server(server),
            trouble: Trouble::Dead { refuses: true },
        });
        draft.server_lines.push(line(
            from_s + 1.0,
            BackendEventKind::ServerDown,
            server,
            "Server app/web is DOWN",
        ));
        draft.server_lines.push(line(to_s, BackendEventKind::ServerUp, server, "Server app/web is UP"));
        from_s += period_s;
    }
    draft.server_lines.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    let truth = Truth::new(Cause::LoadBalancerFault, &draft.timing);
    draft.finish(truth)
}

fn balanced(seed: u64) -> HttpDraft {
    let mut draft = draft(seed, None);
    let kind = if draft.rng.chance(0.6) { ViewKind::Balancer } else { ViewKind::Edge };
    draft.view = View::of(kind);
    draft.server.servers = draft.rng.between(2, 6) as u32;
    draft.usual_visitors();
    draft
}

fn line(at_s: f64, kind: BackendEventKind, server: u32, text: &'static str) -> ServerLine {
    ServerLine { at_s, kind, server, text }
}

/// The line is lossy: fewer requests come in, those that do take long, many are given up.
pub(super) fn network(seed: u64) -> Draft {
    let mut draft = draft(seed, None);
    draft.view = View::with_durations(&mut draft.rng);
    let (from_s, to_s) = (draft.timing.onset_s, draft.timing.end_s);
    draft.day = Envelope::Step { from_s, to_s, inside: draft.rng.uniform(0.1, 0.5), outside: 1.0 };
    draft.usual_visitors();
    let trouble =
        Trouble::Lossy { factor: draft.rng.log_uniform(4.0, 40.0), gives_up: draft.rng.uniform(0.15, 0.6) };
    fault(&mut draft, Scope::Everything, trouble);
    let truth = Truth::new(Cause::NetworkFault, &draft.timing);
    draft.finish(truth)
}

/// A bug in our own application: installed copies call again and again.
pub(super) fn client_loop(seed: u64) -> Draft {
    let mut rng = Rng::new(seed ^ 3);
    let kind = if rng.chance(0.5) { SiteKind::Api } else { SiteKind::SinglePage };
    let mut draft = draft(seed, Some(kind));
    draft.view = View::with_agents(&mut draft.rng);
    draft.usual_visitors();
    let per_s = draft.trouble_per_s(2.5, 25.0);
    let copies = draft.rng.log_uniform(8.0, 600.0) as u32;
    let loops = Loop {
        from_s: draft.timing.onset_s,
        to_s: draft.timing.end_s,
        gap_s: f64::from(copies) / per_s,
        share: 1.0,
        status: *draft.rng.pick(&[200, 401, 404, 400, 500, 200]),
        call: draft.rng.next() as u32,
    };
    let gap_s = draft.rng.uniform(15.0, 60.0);
    let app = App { calls_mean: 9_999.0, gap_s, retry_s: 0.0, loops: Some(loops) };
    let networks = (copies as usize).clamp(5, 300);
    let from = Networks::access(&mut draft.rng, networks, 0.3);
    let one_version = draft.pool.apps[..1].to_vec();
    draft.cohort(copies, -60.0, 60.0, Behaviour::App(app), Origin::Unwanted, from, Who::OneOf(one_version));
    if draft.rng.chance(0.3) {
        let at_s = draft.timing.onset_s - draft.rng.uniform(2.0, 30.0);
        draft.change(at_s, ChangeKind::Other, "application update in the store");
    }
    let truth = Truth::new(Cause::ClientFault, &draft.timing);
    draft.finish(truth)
}
