//! What is done to a request before it goes to an upstream: the plan's rules, the waiting room and
//! the shedder, asked in their order. One for all threads; nothing in it is locked.

mod own;

use crate::Request;
use crate::act::cache::{Found, Key};
use crate::act::{
    self, Answer, CompileContext, CompileErrors, Gate, Memory, Page, Place, Price, Priority, Room, RuleIndex,
    RuleTable, Shedder, Sighting, Standing, TokenKeys, TokenSecrets, Verdict, WaitingRoom, is_navigation,
    page, part_of,
};
use crate::counters::Counter;
use crate::exchange::Fault;
use crate::held_back::BodyWait;
use crate::http1::{Field, Kind};
use crate::kept::Kept;
use crate::rate_limits;
use crate::settings::{Site, Upstream};
use crate::stored::{self, Taking};
use crate::thread::Thread;
use arc_swap::ArcSwap;
use seawall_detection::feature::classify::PathKind;
use seawall_model::plan::{Outcome, Plan};
use seawall_model::policy::Policy;
use seawall_model::time::SECOND_NS;
use seawall_model::{Timestamp, hash};
use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Memory of clients: 16 bytes each, for about a million.
const MEMORY_BYTES: usize = 16 << 20;
const MEMORY_DAYS: u32 = 30;
/// State of rate limits.
const LIMITS_BYTES: usize = 4 << 20;
/// Requests at once that the shedder begins with, and never goes beyond.
const AT_ONCE: (u32, u32) = (256, 4_096);
/// Seconds for which an answer that says nothing of caching is as good as new.
const FRESH_S: u32 = 2;
/// Longest that a request waits for the answer that another has asked for.
const WAIT_FOR_OTHER: Duration = Duration::from_secs(1);
/// How often a request that waits for room asks again.
const ASK_AGAIN: Duration = Duration::from_millis(5);

/// What acts on requests.
#[derive(Debug)]
pub struct Acting {
    rules: ArcSwap<RuleTable>,
    limits: act::Limits,
    memory: Memory,
    gate: ArcSwap<Gate>,
    tokens: Mutex<TokenSecrets>,
    price: Price,
    /// Every site that there is or was.
    sites: Mutex<Vec<(SiteKey, Arc<SiteActing>)>>,
    /// What an earlier edge learnt of its sites.
    kept_sites: Vec<(String, Vec<u64>)>,
    seed: u64,
    nonces: AtomicU64,
    in_trouble: AtomicBool,
}

/// What acts on one site: its waiting room, and the gate to its upstreams.
#[derive(Debug)]
pub struct SiteActing {
    room: WaitingRoom,
    shedder: Shedder,
}

/// What makes a site the same after a reload.
type SiteKey = (SocketAddr, Vec<Upstream>);

/// What is found of a request before anything is decided.
#[derive(Debug, Default)]
pub struct Seen {
    /// How its client stands.
    pub standing: Cell<Standing>,
    /// Its client has looked at a page since the trouble began.
    pub is_looking: Cell<bool>,
    /// It asks for a page.
    pub is_page: Cell<bool>,
    /// It was asked before, put off, and is asked again as it was told to.
    pub is_repeat: Cell<bool>,
    /// Its answer is wanted in the cache.
    pub taking: RefCell<Option<Taking>>,
    /// What it is answered if the upstream fails.
    pub instead: RefCell<Option<Box<Page>>>,
}

impl Seen {
    fn note(&self, standing: Standing, sighting: &Sighting) {
        self.standing.set(standing);
        self.is_looking.set(sighting.is_looking);
        self.is_page.set(sighting.kind == PathKind::Page);
        self.is_repeat.set(sighting.is_repeat);
    }

    #[must_use]
    pub fn has_instead(&self) -> bool {
        self.instead.borrow().is_some()
    }
}

/// A request, as it is decided about.
pub struct Asked<'r> {
    /// Index of the site.
    pub site: usize,
    /// When it came.
    pub began: Instant,
    pub request: &'r Request<'r>,
    /// See [`stored::variant`]; found only where it is needed.
    pub variant: &'r dyn Fn() -> Option<Vec<u8>>,
}

/// What happens to a request.
pub enum Entry<'a> {
    Go(Pass<'a>),
    /// Its body did not come.
    Failed(Fault),
    /// It is answered by us: a rule says so.
    Answer(Box<Page>),
    /// It asked for a page of ours. `is_part`: as a browser does that was given a page of ours, in place of
    /// what it had asked for, and that has been counted.
    Own {
        page: Box<Page>,
        is_part: bool,
    },
    /// It is answered from the cache.
    Stored(Box<Page>),
    /// There is no room for it, or it is beyond a limit of the operator's, whatever the plan says; it is
    /// answered by us.
    Full(Box<Page>),
    /// The connection ends without an answer.
    Close,
}

/// A request that was let through. Dropping it without [`Pass::done`] gives its places back.
pub struct Pass<'a> {
    shedder: &'a Shedder,
    memory: &'a Memory,
    sighting: Sighting,
    part: u8,
    cap: Cell<Option<(Arc<RuleTable>, RuleIndex)>>,
    /// When it was let through.
    begun: Instant,
    /// What it has at the upstream.
    holds: Cell<Holds>,
}

/// What a request has at the upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Holds {
    /// Nothing, or nothing any more.
    #[default]
    Nothing,
    Place,
    /// It waits there, and takes nobody's place.
    Aside,
}

impl Pass<'_> {
    /// The request is over.
    pub fn done(self, answered: Instant, asked: Option<Instant>, failed: bool, now: Timestamp) {
        self.answered(answered, asked, failed, now);
        if !failed {
            self.memory.answered(&self.sighting, now);
        }
    }

    /// The upstream has done its work, and gets its place back. How long that took counts from when all of
    /// the request had been sent, if it had been before, else from when it was let through: what its client
    /// was waited for is not the upstream's.
    pub fn answered(&self, answered: Instant, asked: Option<Instant>, failed: bool, now: Timestamp) {
        let begun = asked.filter(|asked| *asked <= answered).map_or(self.begun, |a| a.max(self.begun));
        let latency = answered.saturating_duration_since(begun);
        let latency_ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        match self.holds.take() {
            Holds::Nothing => {}
            Holds::Place => self.shedder.done(&Answer { part: self.part, latency_ns, failed }, now),
            Holds::Aside => self.shedder.back(self.part, (!failed).then_some(latency_ns)),
        }
        self.leave_cap();
    }

    /// What follows is no work of the upstream's, however long it lasts: gives the place back.
    pub fn leave_room(&self) {
        match self.holds.take() {
            Holds::Nothing => {}
            Holds::Place => self.shedder.abandoned(self.part),
            Holds::Aside => self.shedder.back(self.part, None),
        }
    }

    fn leave_cap(&self) {
        if let Some((rules, cap)) = self.cap.take() {
            rules.leave(cap);
        }
    }

    /// The site's answer begins with these fields of `head`.
    pub fn answer_begins(&self, fields: &[Field], head: &[u8], now: Timestamp) {
        for field in fields {
            match field.kind {
                Kind::SetCookie => {
                    let pair = field.value(head).split(|b| *b == b';').next().unwrap_or_default();
                    self.memory.cookie_set(pair.trim_ascii(), now);
                }
                // Events come for as long as somebody listens (WHATWG HTML section 9.2).
                Kind::Other if is_event_stream(field, head) => self.leave_room(),
                _ => {}
            }
        }
    }
}

fn is_event_stream(field: &Field, head: &[u8]) -> bool {
    const EVENTS: &[u8] = b"text/event-stream";
    let begins = |value: &[u8]| value.get(..EVENTS.len()).is_some_and(|v| v.eq_ignore_ascii_case(EVENTS));
    field.name(head).eq_ignore_ascii_case(b"content-type") && begins(field.value(head))
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.leave_room();
        self.leave_cap();
    }
}

impl Acting {
    #[must_use]
    pub fn new(policy: &Policy, seed: u64, now: Timestamp, kept: Kept) -> Self {
        let start = now.plus_ns(-SECOND_NS);
        let memory = Memory::recalled(MEMORY_BYTES, MEMORY_DAYS, seed, start, &kept.clients);
        Self {
            rules: ArcSwap::from_pointee(RuleTable::empty(policy, seed)),
            limits: act::Limits::new(LIMITS_BYTES, seed),
            memory,
            gate: ArcSwap::from_pointee(Gate::new(TokenKeys::new(&kept.tokens))),
            tokens: Mutex::new(kept.tokens),
            price: Price::default(),
            sites: Mutex::default(),
            kept_sites: kept.sites,
            seed,
            // The seed outlives the program, and so do the tokens: none of their numbers is given twice.
            nonces: AtomicU64::new(now.0 as u64),
            in_trouble: AtomicBool::new(false),
        }
    }

    /// What acts on each of these sites; a site that was there before goes on with what it learnt.
    #[must_use]
    pub fn sites(&self, wanted: &[Site], now: Timestamp) -> Vec<Arc<SiteActing>> {
        let mut before = self.all_sites();
        let mut there = Vec::new();
        for site in wanted {
            let key = (site.listen, site.upstreams.clone());
            let same = before.iter().position(|(k, _)| *k == key).map(|at| before.swap_remove(at).1);
            there.push((key, same.unwrap_or_else(|| Arc::new(self.new_site(site.listen, now)))));
        }
        let sites = there.iter().map(|(_, site)| Arc::clone(site)).collect();
        *before = there;
        sites
    }

    fn new_site(&self, listen: SocketAddr, now: Timestamp) -> SiteActing {
        let shedder = Shedder::new(AT_ONCE.0, AT_ONCE.1, now);
        let listen = listen.to_string();
        let kept = self.kept_sites.iter().find(|(address, _)| *address == listen);
        kept.into_iter().for_each(|(_, learnt)| shedder.recall(learnt));
        shedder.set_trouble(self.in_trouble.load(Ordering::Relaxed));
        shedder.set_ceiling(self.rules.load().site().shed_concurrency.unwrap_or(AT_ONCE.1));
        SiteActing { room: WaitingRoom::new(now), shedder }
    }

    fn all_sites(&self) -> MutexGuard<'_, Vec<(SiteKey, Arc<SiteActing>)>> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a plan into force, whole.
    ///
    /// # Errors
    /// If it cannot be enforced here; what was in force stays.
    pub fn enforce(&self, plan: &Plan, policy: &Policy, now: Timestamp) -> Result<(), CompileErrors> {
        let table = RuleTable::compile(plan, policy, &CompileContext { now, seed: self.seed })?;
        self.install(table);
        Ok(())
    }

    /// What the measures in force held back since the last call.
    #[must_use]
    pub fn take_outcomes(&self) -> Vec<Outcome> {
        let of =
            |(measure, requests): (&str, u64)| Outcome { measure: measure.to_owned(), requests, packets: 0 };
        self.rules.load().take_hits().map(of).collect()
    }

    /// Takes all measures away.
    pub fn lift(&self, policy: &Policy) {
        self.install(RuleTable::empty(policy, self.seed));
    }

    /// See [`crate::Edge::renew_secret`].
    pub fn renew_secret(&self, draw: impl FnOnce() -> Option<[u8; 32]>, now: Timestamp) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.is_due(now)
            && let Some(secret) = draw()
        {
            *tokens = tokens.renewed(secret, now);
            self.gate.store(Arc::new(Gate::new(TokenKeys::new(&tokens))));
        }
    }

    /// What the next edge goes on with; the secret is the caller's.
    #[must_use]
    pub fn kept(&self, secret: [u8; 32]) -> Kept {
        let site = |(key, site): &(SiteKey, Arc<SiteActing>)| (key.0.to_string(), site.shedder.kept());
        let tokens = *self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        Kept {
            secret,
            tokens,
            clients: self.memory.kept(),
            sites: self.all_sites().iter().map(site).collect(),
        }
    }

    /// Seconds for a header, and connections per source, while a plan asks for it.
    #[must_use]
    pub fn header_deadline(&self) -> Option<(u32, u32)> {
        self.rules.load().site().header_deadline
    }

    /// Trouble began then, or is over.
    pub fn trouble(&self, onset: Option<Timestamp>) {
        self.in_trouble.store(onset.is_some(), Ordering::Relaxed);
        match onset {
            Some(onset) => self.memory.trouble(onset),
            None => self.memory.calm(),
        }
        self.all_sites().iter().for_each(|(_, site)| site.shedder.set_trouble(onset.is_some()));
    }

    /// While there is trouble: whether it is nothing but visitors, of whom the sites bear as many. They
    /// are a lesson in what is normal, as in calm times.
    pub fn bear(&self, is_borne: bool) {
        self.in_trouble.store(!is_borne, Ordering::Relaxed);
        self.all_sites().iter().for_each(|(_, site)| site.shedder.set_trouble(!is_borne));
    }

    /// Decides about a request, and waits for room where it must.
    pub async fn enter<'a>(
        &'a self,
        thread: &'a Thread,
        asked: &Asked<'_>,
        now: Timestamp,
        seen: &Seen,
        body: Option<BodyWait<'_>>,
    ) -> Entry<'a> {
        let request = asked.request;
        let SiteActing { room, shedder } = &*thread.sites[asked.site];
        let clearance = self.gate.load().clearance(request, now);
        let sighting = self.memory.sight(request, clearance, now);
        let rules = self.rules.load_full();
        let is_protected = rules.is_protected(request.client);
        let standing = if is_protected { Standing::Protected } else { sighting.standing };
        seen.note(standing, &sighting);
        if standing >= Standing::Known && sighting.kind == PathKind::Asset {
            thread.counters.add(Counter::known_parts, 1);
        }
        if let Some(entry) = self.own_answer(thread, asked, (&rules, standing, &sighting), seen, now) {
            return entry;
        }
        if !is_protected && let Some(retry_after_s) = self.beyond_limits(thread, asked, now) {
            return Entry::Full(Box::new(Page::refusal(429, retry_after_s)));
        }
        let decision = rules.decide(&self.limits, now, request, standing);
        match decision.verdict {
            Verdict::Pass => {}
            Verdict::Delay { ms } => {
                thread.counters.add(Counter::rule_delayed, 1);
                tokio::time::sleep(Duration::from_millis(u64::from(ms))).await;
            }
            verdict => {
                if matches!(verdict, Verdict::Refuse { .. } | Verdict::CloseSilently) {
                    self.memory.refused(&sighting, now);
                }
                if let Some(entry) = self.hold(thread, (room, standing), &rules, verdict, asked, now) {
                    return entry;
                }
            }
        }
        if let Some(page) = pin!(self.stored_for(thread, asked, &rules, decision.stale_s, seen)).await {
            self.memory.admit(&sighting, now);
            self.memory.answered(&sighting, now);
            return Entry::Stored(page);
        }
        let (mut now, mut begun) = (now, asked.began);
        if let Some(body) = body {
            if let Err(fault) = body.await {
                return Entry::Failed(fault);
            }
            begun = Instant::now();
            now = thread.clock.timestamp(begun);
        }
        let cap = decision.cap.map(|cap| (Arc::clone(&rules), cap));
        if let Some((rules, cap)) = &cap
            && !rules.enter(*cap)
        {
            thread.counters.add(Counter::rule_refused, 1);
            return Entry::Answer(Box::new(Page::refusal(503, 2)));
        }
        let pass = Pass {
            shedder,
            memory: &self.memory,
            part: part_of(self.seed, request, sighting.kind),
            sighting,
            cap: Cell::new(cap),
            begun,
            holds: Cell::default(),
        };
        if !thread.settings.enforce {
            self.memory.admit(&pass.sighting, now);
            return Entry::Go(pass);
        }
        pin!(self.let_through(thread, request, pass, (standing, seen), now)).await
    }

    /// Whether a request is beyond a limit that the operator has set, and is refused for it: the seconds
    /// after which to try again.
    fn beyond_limits(&self, thread: &Thread, asked: &Asked<'_>, now: Timestamp) -> Option<u32> {
        let limits = &thread.settings.sites[asked.site].rate_limits[..];
        let retry_after_s = rate_limits::exceeded((asked.site, limits), &self.limits, asked.request, now)?;
        thread.counters.add(Counter::rate_limits, 1);
        Some(retry_after_s).filter(|_| thread.settings.enforce)
    }

    /// Finds room for a request that nothing else holds up.
    async fn let_through<'a>(
        &'a self,
        thread: &Thread,
        request: &Request<'_>,
        mut pass: Pass<'a>,
        (standing, seen): (Standing, &Seen),
        now: Timestamp,
    ) -> Entry<'a> {
        let shedder = pass.shedder;
        let room = pin!(self.wait_for_room(thread, shedder, (standing, pass.part), now)).await;
        let Some((holds, has_queued)) = room else {
            if let Some(page) = seen.instead.take() {
                thread.counters.add(Counter::served_instead, 1);
                return Entry::Stored(page);
            }
            thread.counters.add(Counter::rule_shed, 1);
            return Entry::Full(Box::new(self.come_back(shedder, request, now)));
        };
        pass.holds.set(holds);
        if has_queued {
            pass.begun = Instant::now();
        }
        self.memory.admit(&pass.sighting, now);
        Entry::Go(pass)
    }

    /// Whether the policy in force names the client, whatever it asks for.
    #[must_use]
    pub fn is_protected(&self, client: IpAddr) -> bool {
        self.rules.load().is_protected(client)
    }

    /// A number for a token. Whoever holds the token can read it, and must learn nothing of the seed by it: from
    /// what [`hash::combine`] makes of two numbers, one of which is known, the other can be reckoned.
    fn nonce(&self) -> u64 {
        hash::child_name(self.seed, &self.nonces.fetch_add(1, Ordering::Relaxed).to_le_bytes())
    }

    /// A pass for work makes the next one dearer.
    fn note_sale(&self, page: &Page, now: Timestamp) {
        if let Some(pass) = page.set_cookie.as_ref().filter(|_| page.status == page::PASSED) {
            self.price.sold(pass.as_bytes(), now);
        }
    }

    fn install(&self, table: RuleTable) {
        for (_, site) in self.all_sites().iter() {
            site.shedder.set_ceiling(table.site().shed_concurrency.unwrap_or(AT_ONCE.1));
        }
        self.rules.store(Arc::new(table));
    }

    /// The stored answer to a request; `None` where the site has to be asked, with what is to be
    /// done about its answer in `seen`.
    async fn stored_for(
        &self,
        thread: &Thread,
        asked: &Asked<'_>,
        rules: &RuleTable,
        stale_s: u32,
        seen: &Seen,
    ) -> Option<Box<Page>> {
        if stale_s == 0 {
            if !rules.serves_stale() {
                thread.cache.borrow_mut().clear();
            }
            return None;
        }
        let key = Key::of(asked.request, &(asked.variant)()?)?;
        let begun = Instant::now();
        loop {
            let now = Instant::now();
            let found = thread.cache.borrow_mut().find(&key, stale_s, thread.clock.timestamp(now));
            match found {
                Found::Hit { stored, age_s, fetch: false } => {
                    thread.counters.add(Counter::served_stored, 1);
                    return Some(Box::new(stored::page(&stored, age_s)));
                }
                Found::Hit { stored, age_s, fetch: true } => {
                    seen.instead.replace(Some(Box::new(stored::page(&stored, age_s))));
                    break;
                }
                Found::Wait if now - begun < WAIT_FOR_OTHER => tokio::time::sleep(ASK_AGAIN).await,
                Found::Fetch | Found::Wait => break,
            }
        }
        let body = thread.cache.borrow().growing();
        seen.taking.replace(Some(Taking::new(key, stale_s.min(FRESH_S), body)));
        None
    }

    /// Carries out a verdict that does not let the request through; `None` lets it through.
    fn hold<'a>(
        &self,
        thread: &Thread,
        (room, standing): (&WaitingRoom, Standing),
        rules: &RuleTable,
        verdict: Verdict,
        asked: &Asked<'_>,
        now: Timestamp,
    ) -> Option<Entry<'a>> {
        let request = asked.request;
        let (counter, page) = match verdict {
            Verdict::CloseSilently => {
                thread.counters.add(Counter::rule_closed, 1);
                return Some(Entry::Close);
            }
            Verdict::Refuse { status, retry_after_s } => {
                (Counter::rule_refused, Page::refusal(status, retry_after_s))
            }
            Verdict::Challenge => {
                let nonce = self.nonce();
                let level = self.price.level(now);
                let gate = self.gate.load();
                let puzzle = gate.pose(request, level, nonce, now);
                let ticket = gate.ticket(request, nonce, now);
                (Counter::rule_challenged, page::challenge(request, &puzzle, level, &ticket))
            }
            Verdict::Wait => {
                let admitted_per_s = rules.site().admitted_per_s?;
                let gate = self.gate.load();
                let shown = act::gate::cookie_value(request.cookie);
                let shown = shown.and_then(|ticket| gate.place(request, ticket, now).ok());
                let number = room.arrive(shown.map(|number| place_of(asked.site, number)));
                let ahead = match room.show(number, admitted_per_s, standing == Standing::Suspect, now) {
                    Place::Come => return None,
                    Place::Ahead(ahead) => ahead,
                };
                let ticket = gate.ticket(request, on_ticket(asked.site, number), now);
                (Counter::rule_waiting, page::waiting(request, &ticket, ahead))
            }
            Verdict::Pass | Verdict::Delay { .. } => return None,
        };
        thread.counters.add(counter, 1);
        Some(Entry::Answer(Box::new(page)))
    }

    /// Finds room, and says whether it was waited for. `None`: there is none.
    async fn wait_for_room(
        &self,
        thread: &Thread,
        shedder: &Shedder,
        (standing, part): (Standing, u8),
        now: Timestamp,
    ) -> Option<(Holds, bool)> {
        let priority = Priority::from(standing);
        let mut queued = match shedder.ask(priority, part, now) {
            Room::Go => return Some((Holds::Place, false)),
            Room::Aside => return Some((Holds::Aside, false)),
            Room::Full => return None,
            Room::Queue(queued) => queued,
        };
        loop {
            tokio::time::sleep(ASK_AGAIN).await;
            let later = thread.clock.timestamp(Instant::now());
            queued = match shedder.again((priority, part), queued, now, later) {
                Room::Go => return Some((Holds::Place, true)),
                Room::Aside => return Some((Holds::Aside, true)),
                Room::Full => return None,
                Room::Queue(queued) => queued,
            };
        }
    }

    /// There is no room: a browser is asked to come back, which floods do not.
    fn come_back(&self, shedder: &Shedder, request: &Request<'_>, now: Timestamp) -> Page {
        if is_navigation(request) {
            return page::waiting(request, &self.gate.load().ticket(request, self.nonce(), now), 0);
        }
        Page::refusal(503, shedder.retry_after_s(hash::address(request.client)))
    }
}

/// A place in the line of a site, as its ticket says it: each site has a line of its own.
fn on_ticket(site: usize, place: u64) -> u64 {
    (site as u64) << 48 | place
}

/// The place that a ticket says; one that was never given where the ticket is another site's.
fn place_of(site: usize, number: u64) -> u64 {
    number.wrapping_sub(on_ticket(site, 0))
}

/// The fields of a page, as they are sent.
#[must_use]
pub fn page_fields<'p>(page: &'p Page, retry_after: &'p str) -> Vec<(&'p str, &'p str)> {
    if !page.fields.is_empty() {
        return page.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    }
    let mut fields = vec![("Content-Type", page.content_type), ("Cache-Control", page.cache_control)];
    if page.retry_after_s > 0 {
        fields.push(("Retry-After", retry_after));
    }
    if !page.content_security_policy.is_empty() {
        fields.push(("Content-Security-Policy", page.content_security_policy));
    }
    fields.extend(page.set_cookie.as_deref().map(|value| ("Set-Cookie", value)));
    fields.extend(page.location.as_deref().map(|value| ("Location", value)));
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: u64 = 0x0123_4567_89AB_CDEF;

    fn started(second: i64) -> Acting {
        let now = Timestamp::from_seconds(second);
        Acting::new(&Policy::default(), SEED, now, Kept::new([1; 32], [2; 32], now))
    }

    /// Broke: the number that stands on each token was folded from the seed and a count, and whoever was given
    /// one could reckon the seed: what clients must not choose by it was theirs to choose.
    #[test]
    fn the_number_on_a_token_is_not_folded_from_the_seed() {
        let acting = started(1_700_000_000);
        let count = acting.nonces.load(Ordering::Relaxed);
        let number = acting.nonce();
        for seed in [SEED, !SEED] {
            assert!([0, 1, count].iter().all(|count| hash::combine(seed, *count) != number));
        }
    }

    /// Broke: a ticket for the short line of one site was a place at the front of another's long one, and two
    /// visitors with the same place at two sites were one.
    #[test]
    fn a_ticket_is_for_the_line_of_its_site() {
        let room = WaitingRoom::new(Timestamp::from_seconds(1_700_000_000));
        let third = (0..9).map(|_| room.arrive(None)).nth(2).expect("a place");
        for (site, other) in [(0, 1), (1, 0), (3, 1)] {
            let own = on_ticket(site, third);
            assert_eq!(room.arrive(Some(place_of(site, own))), third);
            assert_ne!(room.arrive(Some(place_of(site, on_ticket(other, third)))), third);
            assert_ne!(own, on_ticket(other, third));
        }
    }

    /// Broke: numbers began anew with each start, and a visitor shared a pass, and its pace, with whoever had
    /// been given the same number before.
    #[test]
    fn numbers_are_not_given_again_after_a_restart() {
        let numbers = |second| {
            let acting = started(second);
            (0..200).map(|_| acting.nonce()).collect::<Vec<_>>()
        };
        let before = numbers(1_700_000_000);
        assert!(numbers(1_700_000_001).iter().all(|number| !before.contains(number)));
    }
}
