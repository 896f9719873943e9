//! What every HTTP episode begins with: a site, its server, and the people and programs that
//! come on any day.

use crate::episode::{Draft, Origin, Scene, Truth};
use crate::http::{
    AgentPool, App, Behaviour, Entry, Fault, Group, HttpScene, Joining, Page, People, Periodic, ServerLine,
    ServerModel, Site, SiteKind, View, Walk, Walker, Who, family,
};
use crate::rng::Rng;
use crate::world::{Envelope, Networks, Text, Timing};
use seawall_model::change::{Change, ChangeKind};
use seawall_model::observation::Method;

/// An HTTP episode in the making.
pub(super) struct HttpDraft {
    pub(super) seed: u64,
    pub(super) rng: Rng,
    pub(super) timing: Timing,
    pub(super) text: Text,
    pub(super) site: Site,
    pub(super) pool: AgentPool,
    pub(super) view: View,
    pub(super) server: ServerModel,
    /// Requests per second on any day.
    pub(super) base_per_s: f64,
    pub(super) groups: Vec<Group>,
    pub(super) faults: Vec<Fault>,
    pub(super) server_lines: Vec<ServerLine>,
    pub(super) changes: Vec<Change>,
    /// How people use the site.
    pub(super) people: People,
    pub(super) session_requests: f64,
    /// How the number of visitors moves on this day.
    pub(super) day: Envelope,
    pub(super) hidden_behind: Option<std::net::IpAddr>,
}

/// Requests that background traffic may make in an episode, about.
const BACKGROUND_BUDGET: f64 = 25_000.0;
/// Requests that a flood or crowd may make in an episode, about.
const TROUBLE_BUDGET: f64 = 70_000.0;

impl HttpDraft {
    /// A site of this kind (any, if none is given) with nobody on it.
    pub(super) fn empty(seed: u64, kind: Option<SiteKind>, timing: Timing, mut rng: Rng) -> Self {
        let mut text = Text::default();
        let kind = kind.unwrap_or_else(|| *rng.pick(&SiteKind::FOR_PEOPLE));
        let mut site = Site::new(&mut rng, &mut text, kind);
        if rng.chance(0.18) {
            // a content network serves the assets, and this log shows none
            site.frame_assets = 0;
            site.pages.iter_mut().for_each(|p| p.assets = 0);
        }
        let pool = AgentPool::new(&mut rng, &mut text);
        let view = View::any(&mut rng);
        let most = (BACKGROUND_BUDGET / timing.length_s).clamp(1.0, 90.0);
        let base_per_s = rng.log_uniform(0.3, most);
        let people = usual_people(&mut rng);
        let session_requests = requests_of_a_visit(&site, &people);
        let dynamic_per_s = base_per_s * people.pages_mean / session_requests * 1.2;
        let load = rng.log_uniform(0.02, 0.45);
        let day = Envelope::day(&mut rng, timing.length_s);
        let server = ServerModel::sized(&mut rng, dynamic_per_s.max(0.2), load);
        Self {
            seed,
            rng,
            timing,
            text,
            site,
            pool,
            view,
            server,
            base_per_s,
            groups: Vec::new(),
            faults: Vec::new(),
            server_lines: Vec::new(),
            changes: Vec::new(),
            people,
            session_requests,
            day,
            hidden_behind: None,
        }
    }

    /// A site with its usual visitors.
    pub(super) fn new(seed: u64, kind: Option<SiteKind>, timing: Timing, rng: Rng) -> Self {
        let mut draft = Self::empty(seed, kind, timing, rng);
        draft.usual_visitors();
        draft
    }

    pub(super) fn usual_visitors(&mut self) {
        let day = self.day.clone();
        let per_s = self.base_per_s / self.session_requests;
        let networks = self.rng.log_uniform(15.0, 600.0) as usize;
        let v6 = if self.rng.chance(0.4) { self.rng.uniform(0.05, 0.5) } else { 0.0 };
        let from = Networks::access(&mut self.rng, networks, v6);
        if self.site.kind != SiteKind::Api {
            let people = self.people.clone();
            self.add(
                Joining::Arrivals { per_s, envelope: day.clone() },
                Behaviour::People(people),
                Origin::Normal,
                from,
                Who::Browser,
            );
        }
        if !self.site.calls.is_empty() {
            let calls_mean = self.rng.uniform(4.0, 25.0);
            let app = App { calls_mean, gap_s: self.rng.log_uniform(0.3, 8.0), retry_s: 0.0, loops: None };
            let per_s = self.base_per_s * self.rng.uniform(0.1, 1.0) / calls_mean;
            let from = Networks::access(&mut self.rng, networks, 0.2);
            let who = Who::OneOf(self.pool.apps.clone());
            self.add(
                Joining::Arrivals { per_s, envelope: day },
                Behaviour::App(app),
                Origin::Normal,
                from,
                who,
            );
        }
        self.usual_programs();
    }

    /// Monitors, feed readers, crawlers and the scanners that every site sees.
    fn usual_programs(&mut self) {
        if self.rng.chance(0.6) {
            let agent = *self.rng.pick(&self.pool.monitors);
            let page = self.site.pages[0];
            let period_s = *self.rng.pick(&[5.0, 10.0, 30.0, 60.0]);
            let method = if self.rng.chance(0.4) { Method::Head } else { Method::Get };
            self.periodic(page, method, period_s, 0.01, 0.0, 2, vec![agent]);
        }
        if self.rng.chance(0.4) {
            let count = self.rng.between(2, 40) as u32;
            let (feed, readers) = (self.site.feed, self.pool.readers.clone());
            self.periodic(feed, Method::Get, 120.0, 0.3, 0.8, count, readers);
        }
        for _ in 0..self.rng.below(3) {
            let agent = *self.rng.pick(&self.pool.crawlers);
            let gap_s = self.rng.log_uniform(1.0, 20.0);
            let length_s = self.timing.length_s;
            let walker =
                self.walker(Walk::LongTail, gap_s, Envelope::day(&mut Rng::new(self.seed), length_s));
            let from = Networks::hosting(&mut self.rng, 1);
            let walker = Walker { robots_first: true, ..walker };
            self.cohort(
                1,
                0.0,
                30.0,
                Behaviour::Walker(walker),
                Origin::Normal,
                from,
                Who::OneOf(vec![agent]),
            );
        }
        if self.rng.chance(0.3) {
            // the odd probe that every public address gets
            let gap_s = self.rng.log_uniform(5.0, 40.0);
            let envelope = Envelope::day(&mut Rng::new(self.seed), self.timing.length_s);
            let walker = Walker {
                requests: self.rng.between(3, 12) as u32,
                ..self.walker(Walk::Probes, gap_s, envelope)
            };
            let from = Networks::hosting(&mut self.rng, 2);
            let who = Who::OneOf(self.pool.tools.clone());
            self.cohort(1, 0.0, self.timing.length_s, Behaviour::Walker(walker), Origin::Normal, from, who);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "each is a separate fact about the program")]
    pub(super) fn periodic(
        &mut self,
        page: Page,
        method: Method,
        period_s: f64,
        jitter: f64,
        unchanged: f64,
        count: u32,
        agents: Vec<crate::http::Agent>,
    ) {
        let from = Networks::hosting(&mut self.rng, 4);
        let periodic = Periodic { period_s, jitter, page, method, unchanged };
        self.cohort(
            count,
            -60.0,
            period_s,
            Behaviour::Periodic(periodic),
            Origin::Normal,
            from,
            Who::OneOf(agents),
        );
    }

    pub(super) fn walker(&self, walk: Walk, gap_s: f64, envelope: Envelope) -> Walker {
        Walker {
            walk,
            gap_s,
            regular: false,
            robots_first: false,
            with_assets: 0.0,
            requests: u32::MAX,
            sends_referrer: false,
            envelope,
        }
    }

    pub(super) fn add(
        &mut self,
        joining: Joining,
        behaviour: Behaviour,
        origin: Origin,
        networks: Networks,
        who: Who,
    ) {
        self.groups.push(Group { joining, behaviour, origin, networks, who });
    }

    #[allow(clippy::too_many_arguments, reason = "each is a separate fact about the group")]
    pub(super) fn cohort(
        &mut self,
        count: u32,
        from_s: f64,
        over_s: f64,
        behaviour: Behaviour,
        origin: Origin,
        networks: Networks,
        who: Who,
    ) {
        self.add(Joining::Cohort { count, from_s, over_s }, behaviour, origin, networks, who);
    }

    /// Requests per second of a disturbance that stands out from the usual traffic and stays
    /// within the budget.
    pub(super) fn trouble_per_s(&mut self, least_factor: f64, most_factor: f64) -> f64 {
        let most = (TROUBLE_BUDGET / self.timing.trouble_s()).max(20.0);
        let low =
            (self.base_per_s * least_factor).max(8.0).max(60.0 / self.timing.trouble_s()).min(most * 0.5);
        let high = (self.base_per_s * most_factor).max(60.0).min(most);
        self.rng.log_uniform(low, high.max(low * 1.01))
    }

    /// The envelope of a disturbance: on at the onset within `rise_s`, off at the end.
    pub(super) fn on(&self, rise_s: f64) -> Envelope {
        Envelope::On { from_s: self.timing.onset_s, to_s: self.timing.end_s, rise_s }
    }

    pub(super) fn change(&mut self, at_s: f64, kind: ChangeKind, text: &str) {
        self.changes.push(Change { time: self.timing.at(at_s), kind, text: text.to_owned() });
    }

    pub(super) fn finish(self, truth: Truth) -> Draft {
        let scene = HttpScene {
            seed: self.seed,
            timing: self.timing,
            text: self.text,
            site: self.site,
            pool: self.pool,
            view: self.view,
            server: self.server,
            faults: self.faults,
            groups: self.groups,
            server_lines: self.server_lines,
            bot_fingerprint: [family::GO, family::PYTHON, family::CURL, family::JAVA][self.seed as usize % 4],
            hidden_behind: self.hidden_behind,
        };
        Draft { truth, timing: self.timing, changes: self.changes, scene: Scene::Http(Box::new(scene)) }
    }
}

fn usual_people(rng: &mut Rng) -> People {
    People {
        pages_mean: rng.log_uniform(1.3, 8.0),
        think_s: rng.log_uniform(2.0, 25.0),
        entry: Entry::Usual,
        returning: rng.uniform(0.1, 0.7),
        logs_in: rng.uniform(0.0, 0.06),
        searches: rng.uniform(0.0, 0.2),
        reloads: rng.uniform(0.2, 0.7),
        patience_s: rng.log_uniform(6.0, 40.0),
        without_assets: rng.uniform(0.0, 0.08),
        refresh_gap_s: 0.0,
    }
}

/// Requests of one visit, about.
pub(super) fn requests_of_a_visit(site: &Site, people: &People) -> f64 {
    let assets: u32 = site.pages.iter().map(|p| u32::from(p.assets)).sum();
    let per_page = f64::from(assets) / site.pages.len() as f64 + 1.0;
    people.pages_mean * per_page + f64::from(site.frame_assets) * (1.0 - 0.85 * people.returning)
}
