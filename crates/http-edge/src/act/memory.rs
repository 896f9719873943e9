//! What is remembered of each client, and what that says of it when there is not room for all.
//!
//! A table of fixed size that all threads share, 16 bytes a client: when it was first and last
//! seen, and what it did. It answers one question, the client's [`Standing`]: who was here before
//! the trouble, who behaves as people do, who does not.
//!
//! What people do without knowing: a browser that is given a page fetches, within seconds, what
//! the page is made of, and says from which page it does (the referrer). A program that walks
//! pages does not, unless it was written to be a browser. What nobody can show with a first
//! request is who he is: such a client is unknown, and is asked to come back (see `wait`).
//!
//! Evaded by: real browsers under remote control, one for each address; programs that fetch a
//! page's parts with the page as referrer; clients that visited politely for days before. Each of
//! these costs the attacker more per request than the flood did. Innocent clients that look
//! suspect: text browsers and readers on a site of many assets, after three pages; they still get
//! what is left over.
//!
//! Keys are hashes of address (or /64) and user agent, so that no address is kept; a session
//! cookie that the site itself has set, or a token of ours, tells people behind one address
//! apart.
//!
//! A user agent and a token are the client's to choose or to collect, so the place in the table is
//! chosen by the network first (see [`Memory::placed`]): whoever shows ever others of them drives out
//! its neighbours at most.

use crate::Request;
use seawall_detection::feature::classify::{PathKind, path_kind};
use seawall_model::observation::Method;
use seawall_model::{Prefix, Timestamp, hash};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

/// How a client stands when there is not room for all, from last to first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Takes pages as no person does: too many, or never what they are made of.
    Suspect,
    /// Nothing is known for or against it.
    #[default]
    Unknown,
    /// Was asked to come back, and did, as a browser does.
    Returned,
    /// Sat a challenge out instead of working. As good as returned when there is not room for all:
    /// waiting costs a program nothing.
    Patient,
    /// In the middle of a visit that looks like a person's.
    Visiting,
    /// Was here before the trouble, or has long behaved well.
    Known,
    /// Did the work that a challenge asks for, or sat it out and then behaved as people do.
    Cleared,
    /// Named by the policy.
    Protected,
}

/// What a client showed by a token of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clearance {
    #[default]
    None,
    /// A ticket that was picked up as a browser does; the number tells tickets apart.
    Ticket(u64),
    /// A challenge that was sat out.
    SatOut(u64),
    /// A challenge that was worked out.
    Worked(u64),
}

/// One request as the memory sees it; to be handed back when the request is let through.
#[derive(Clone, Copy, Debug)]
pub struct Sighting {
    pub standing: Standing,
    pub kind: PathKind,
    key: u64,
    /// The first request that shows this token of ours: the one asked again for which the token was
    /// given.
    pub is_repeat: bool,
    /// Its client has looked at a page since the trouble began, as people do.
    pub is_looking: bool,
    /// An asset that names the client's last page as its referrer.
    is_linked: bool,
    page: u8,
}

/// Entries of one bucket: one cache line.
const WAYS: usize = 4;
/// Buckets that the clients of one network share (a /24 or a /48), and those of them for one address.
const NETWORK_BUCKETS: u64 = 1_024;
const ADDRESS_BUCKETS: u64 = 128;
/// How clients are placed; what was kept of other places is of no use here.
const PLACING: u64 = 1 << 32;
/// Seconds before the onset from which a client must have been known.
const SETTLED_S: u32 = 5;
/// Seconds between calm requests of a client that needs no parts, such as a program's.
const STEADY_S: u32 = 30;
/// Parts of a page in calm times that show a visit which has just begun.
const PARTS_OF_VISIT: u8 = 2;
/// Pages in trouble without any part after which a client that used to fetch them is not taken for the
/// visitor that it was.
const PAGES_NOT_LOOKED_AT: u8 = 4;
/// Pages that a client asks for, given or refused, after which it is forgotten that it has looked at one.
const LOOKED_FOR: u8 = 3;
/// Seconds within which a page's parts are fetched.
const PARTS_S: u32 = 20;
/// Pages without any part after which a client is suspect, on a site whose pages have parts.
const PAGES_WITHOUT_PARTS: u8 = 3;
/// Pages at once, and quarter pages earned back per second (two: a page every other second).
const PACE_PAGES: u8 = 12;
const PACE_EARNED: u32 = 2;
const PACE_COST: u8 = 4;
/// Requests after which what was learnt of the site counts.
const LEARNT_PAGES: u64 = 20;
/// Numbers that are kept at most: half a million clients.
const KEPT_WORDS: usize = 1_500_000;
/// Cookies of one request that are looked up.
const COOKIES: usize = 8;
const SECOND: u64 = 1_000_000_000;
/// The low half of a word.
const LOW: u64 = 0xFFFF_FFFF;

#[derive(Debug)]
#[repr(align(64))]
struct Bucket([(AtomicU64, AtomicU64); WAYS]);

/// The memory of a site's clients.
#[derive(Debug)]
pub struct Memory {
    buckets: Box<[Bucket]>,
    seed: u64,
    start: Timestamp,
    kept_s: u32,
    /// Second of the memory's clock at which the trouble began; 0: there is none.
    onset_s: AtomicU32,
    /// What calm traffic is like: pages, their parts, and parts that name their page.
    pages: AtomicU64,
    parts: AtomicU64,
    linked: AtomicU64,
}

impl Memory {
    /// A memory of `bytes`, rounded down to a power of two; clients unseen for `kept_days` are
    /// forgotten. `seed` must be unknown to clients.
    #[must_use]
    pub fn new(bytes: usize, kept_days: u32, seed: u64, start: Timestamp) -> Self {
        let buckets = (bytes / size_of::<Bucket>()).max(1);
        let buckets = if buckets.is_power_of_two() { buckets } else { buckets.next_power_of_two() / 2 };
        let empty = || Bucket(std::array::from_fn(|_| (AtomicU64::new(0), AtomicU64::new(0))));
        Self {
            buckets: (0..buckets).map(|_| empty()).collect(),
            seed,
            start,
            kept_s: kept_days.min(700) * 86_400,
            onset_s: AtomicU32::new(0),
            pages: AtomicU64::new(0),
            parts: AtomicU64::new(0),
            linked: AtomicU64::new(0),
        }
    }

    /// The clients that showed something, for the memory that comes after this one. None of
    /// them has an address.
    #[must_use]
    pub fn kept(&self) -> Vec<u64> {
        let counts = [&self.pages, &self.parts, &self.linked].map(|n| n.load(Relaxed));
        let mut words =
            vec![self.size_and_placing(), self.start.0 as u64, u64::from(self.onset_s.load(Relaxed))];
        words.extend(counts);
        for (at, bucket) in self.buckets.iter().enumerate() {
            for (head, body) in &bucket.0 {
                let (head, body) = (head.load(Acquire), body.load(Relaxed));
                if head != 0 && Entry::unpacked(body).has_merit() {
                    words.extend([at as u64, head, body]);
                }
            }
            if words.len() > KEPT_WORDS {
                break;
            }
        }
        words
    }

    /// A memory that goes on with what another kept; with nothing, where that was of another size or had
    /// other places.
    /// `seed` must be the same.
    #[must_use]
    pub fn recalled(bytes: usize, kept_days: u32, seed: u64, start: Timestamp, kept: &[u64]) -> Self {
        let mut memory = Self::new(bytes, kept_days, seed, start);
        let Some(([size, start, onset_s, pages, parts, linked], entries)) = kept.split_first_chunk() else {
            return memory;
        };
        if *size != memory.size_and_placing() {
            return memory;
        }
        memory.start = Timestamp(*start as i64);
        memory.onset_s = AtomicU32::new(u32::try_from(*onset_s).unwrap_or(0));
        memory.pages = AtomicU64::new(*pages);
        memory.parts = AtomicU64::new(*parts);
        memory.linked = AtomicU64::new(*linked);
        for entry in entries.chunks_exact(3) {
            let free = memory
                .buckets
                .get(entry[0] as usize)
                .and_then(|bucket| bucket.0.iter().find(|(head, _)| head.load(Relaxed) == 0));
            if let Some((head, body)) = free {
                body.store(entry[2], Relaxed);
                head.store(entry[1], Release);
            }
        }
        memory
    }

    /// Trouble began then: clients first seen later are not known for having been seen. A second
    /// call moves the onset back at most.
    pub fn trouble(&self, onset: Timestamp) {
        let onset_s = self.second(onset);
        let earlier = |old: u32| Some(if old == 0 { onset_s } else { old.min(onset_s) });
        // Cannot fail: the closure always gives a value.
        let _ = self.onset_s.fetch_update(Relaxed, Relaxed, earlier);
    }

    /// The trouble is over.
    pub fn calm(&self) {
        self.onset_s.store(0, Relaxed);
    }

    /// How the client of a request stands.
    #[must_use]
    pub fn sight(&self, request: &Request<'_>, clearance: Clearance, now: Timestamp) -> Sighting {
        let kind = path_kind(request.path);
        let now_s = self.second(now);
        let onset_s = self.onset_s.load(Relaxed);
        let own = self.client_key(request);
        let key = match clearance {
            Clearance::None => own,
            Clearance::Ticket(number) | Clearance::SatOut(number) | Clearance::Worked(number) => {
                self.placed(request.client, number, hash::combine(self.seed, number))
            }
        };
        let mut sighting = self.judge(key, request, clearance, kind, now_s, onset_s);
        let is_open = clearance == Clearance::None && sighting.standing < Standing::Known && onset_s != 0;
        if is_open && let Some(session) = self.session_of(request.cookie, now_s) {
            let by_session = self.judge(session, request, clearance, kind, now_s, onset_s);
            if by_session.standing > Standing::Unknown || sighting.standing == Standing::Suspect {
                sighting = by_session;
            }
        }
        sighting
    }

    /// The request is let through to be answered.
    pub fn admit(&self, sighting: &Sighting, now: Timestamp) {
        let now_s = self.second(now);
        let in_trouble = self.onset_s.load(Relaxed) != 0;
        if !in_trouble {
            self.learn(sighting);
        }
        self.change(sighting.key, now_s, |entry, first_s| {
            entry.took(sighting, now_s, in_trouble);
            entry.has_begun |= !in_trouble && entry.was_served && entry.parts >= PARTS_OF_VISIT;
            entry.is_settled |= !in_trouble && entry.was_served && now_s >= first_s + STEADY_S;
        });
    }

    /// A measure refused the request. It earns its client nothing, and counts for its pace.
    pub fn refused(&self, sighting: &Sighting, now: Timestamp) {
        let now_s = self.second(now);
        self.change(sighting.key, now_s, |entry, _| entry.hurried(sighting.kind, now_s));
    }

    /// The request was answered as it should be (not by an error of the server's).
    pub fn answered(&self, sighting: &Sighting, now: Timestamp) {
        let now_s = self.second(now);
        let in_trouble = self.onset_s.load(Relaxed) != 0;
        let pages_have_parts = self.pages_have_parts();
        self.change(sighting.key, now_s, |entry, _| {
            entry.was_served = true;
            entry.was_given(sighting.kind, in_trouble);
            entry.has_turned |= in_trouble && pages_have_parts && entry.looks_no_more();
        });
    }

    /// The site set a cookie (`name=value`, without its attributes): whoever brings it back later
    /// is the one it was given to.
    pub fn cookie_set(&self, pair: &[u8], now: Timestamp) {
        let key = self.cookie_key(pair);
        self.change(key, self.second(now), |entry, _| entry.was_served = true);
    }

    #[must_use]
    pub fn bytes(&self) -> usize {
        self.buckets.len() * size_of::<Bucket>()
    }

    fn judge(
        &self,
        key: u64,
        request: &Request<'_>,
        clearance: Clearance,
        kind: PathKind,
        now_s: u32,
        onset_s: u32,
    ) -> Sighting {
        let found = self.find(key, now_s);
        let page = page_hash(request.path);
        let is_linked = kind == PathKind::Asset
            && found.is_some_and(|(_, e)| e.pages > 0 && e.page == referrer_hash(request.referrer));
        let standing = found.map_or_else(
            || unseen(clearance),
            |(first_s, entry)| {
                let seen = Seen { first_s, entry, now_s, onset_s };
                self.standing(&seen, clearance, kind, is_linked)
            },
        );
        let is_repeat = found.is_none() && clearance != Clearance::None;
        let is_looking = found.is_some_and(|(_, entry)| entry.is_looking());
        Sighting { standing, kind, key, is_repeat, is_looking, is_linked, page }
    }

    fn standing(&self, seen: &Seen, clearance: Clearance, kind: PathKind, is_linked: bool) -> Standing {
        let entry = &seen.entry;
        let is_worked = matches!(clearance, Clearance::Worked(_));
        let was_before = seen.was_before();
        if entry.pace_at(seen.now_s) > (PACE_PAGES - 1) * PACE_COST {
            return Standing::Suspect;
        }
        if is_worked {
            return Standing::Cleared;
        }
        let walks = entry.pages >= PAGES_WITHOUT_PARTS && entry.parts == 0;
        if walks && kind == PathKind::Page && !(was_before && entry.was_served) && self.pages_have_parts() {
            return Standing::Suspect;
        }
        if seen.onset_s != 0 && entry.has_turned {
            return unseen(clearance);
        }
        if was_before && entry.was_served {
            return Standing::Known;
        }
        let is_part = kind == PathKind::Asset
            && seen.now_s.saturating_sub(entry.last_s) <= PARTS_S
            && entry.pages > 0
            && (is_linked || !self.parts_name_pages());
        if entry.parts > 0 || is_part {
            let is_patient = matches!(clearance, Clearance::SatOut(_));
            return if is_patient { Standing::Cleared } else { Standing::Visiting };
        }
        unseen(clearance)
    }

    fn pages_have_parts(&self) -> bool {
        let pages = self.pages.load(Relaxed);
        pages >= LEARNT_PAGES && self.parts.load(Relaxed) * 2 >= pages
    }

    /// Some sites tell browsers to send no referrer.
    fn parts_name_pages(&self) -> bool {
        let parts = self.parts.load(Relaxed);
        parts < LEARNT_PAGES || self.linked.load(Relaxed) * 2 >= parts
    }

    fn learn(&self, sighting: &Sighting) {
        match sighting.kind {
            PathKind::Page => self.pages.fetch_add(1, Relaxed),
            PathKind::Asset if sighting.is_linked => {
                self.linked.fetch_add(1, Relaxed);
                self.parts.fetch_add(1, Relaxed)
            }
            PathKind::Asset => self.parts.fetch_add(1, Relaxed),
            PathKind::Api => 0,
        };
    }

    /// The key of the first of the request's cookies that the site has set.
    fn session_of(&self, cookie: &[u8], now_s: u32) -> Option<u64> {
        cookie
            .split(|b| *b == b';')
            .take(COOKIES)
            .map(|pair| self.cookie_key(pair.trim_ascii()))
            .find(|key| self.find(*key, now_s).is_some())
    }

    fn cookie_key(&self, pair: &[u8]) -> u64 {
        hash::mix(hash::combine(self.seed ^ 0x5E55_1011, hash::bytes(pair)))
    }

    fn client_key(&self, request: &Request<'_>) -> u64 {
        let address = match request.client.to_canonical() {
            IpAddr::V6(v6) => Prefix::new(v6.into(), 64).map_or(v6.into(), Prefix::address),
            v4 => v4,
        };
        let home = hash::combine(self.seed, hash::address(address));
        let own = hash::combine(self.seed ^ hash::address(address), hash::bytes(request.user_agent));
        let within = (home & !(ADDRESS_BUCKETS - 1)) | (own & (ADDRESS_BUCKETS - 1));
        self.placed(request.client, within, own)
    }

    /// A key whose bucket is one of its network's, the one that `within` names.
    fn placed(&self, client: IpAddr, within: u64, own: u64) -> u64 {
        let network = Prefix::network_of(client.to_canonical()).address();
        let first = hash::combine(!self.seed, hash::address(network)) & !(NETWORK_BUCKETS - 1);
        let bucket = (first | (within & (NETWORK_BUCKETS - 1))) & LOW;
        hash::mix(own) & !LOW | bucket
    }

    fn size_and_placing(&self) -> u64 {
        PLACING | self.buckets.len() as u64
    }

    /// Seconds since the start, and one: 0 is no time.
    fn second(&self, now: Timestamp) -> u32 {
        ((now.since_ns(self.start).max(0) as u64 / SECOND) as u32).saturating_add(1)
    }

    /// The bucket that the low half of a key names, and the high half, which tells its clients apart there.
    fn bucket(&self, key: u64) -> (&Bucket, u64) {
        (&self.buckets[key as usize & (self.buckets.len() - 1)], (key >> 32).max(1) << 32)
    }

    /// When the client was first seen, and its entry.
    fn find(&self, key: u64, now_s: u32) -> Option<(u32, Entry)> {
        let (bucket, tag) = self.bucket(key);
        let (head, body) = bucket.0.iter().find_map(|(head, body)| {
            let head = head.load(Acquire);
            (head >> 32 == tag >> 32).then(|| (head, body.load(Relaxed)))
        })?;
        let entry = Entry::unpacked(body);
        (now_s.saturating_sub(entry.last_s) <= self.kept_s).then_some((head as u32, entry))
    }

    /// Changes the client's entry, made if there is none. Another thread that changes the same
    /// entry at the same time may win; what is lost is one step of a count.
    fn change(&self, key: u64, now_s: u32, change: impl Fn(&mut Entry, u32)) {
        let (bucket, tag) = self.bucket(key);
        let found = bucket.0.iter().find(|(head, _)| head.load(Acquire) >> 32 == tag >> 32);
        if let Some((head, body)) = found {
            let first_s = head.load(Relaxed) as u32;
            let old = body.load(Relaxed);
            let mut entry = Entry::unpacked(old);
            if now_s.saturating_sub(entry.last_s) <= self.kept_s {
                change(&mut entry, first_s);
                entry.last_s = now_s;
                // Losing the race loses one step of a count.
                let _ = body.compare_exchange(old, entry.packed(), Relaxed, Relaxed);
                return;
            }
        }
        let Some((head, body)) = found.or_else(|| bucket.least(now_s)) else { return };
        let mut entry = Entry { last_s: now_s, ..Entry::default() };
        change(&mut entry, now_s);
        entry.last_s = now_s;
        // The body goes first, so that a reader that finds the key never finds another's merits.
        body.store(entry.packed(), Relaxed);
        head.store(tag | u64::from(now_s), Release);
    }
}

impl Bucket {
    /// The entry that is missed least: none at all, then those that showed nothing, then the one
    /// unseen for longest.
    fn least(&self, now_s: u32) -> Option<&(AtomicU64, AtomicU64)> {
        self.0.iter().min_by_key(|(head, body)| {
            let entry = Entry::unpacked(body.load(Relaxed));
            let is_taken = head.load(Relaxed) != 0;
            let has_merit = is_taken && entry.has_merit();
            (is_taken, has_merit, u32::MAX - now_s.saturating_sub(entry.last_s))
        })
    }
}

struct Seen {
    first_s: u32,
    entry: Entry,
    now_s: u32,
    onset_s: u32,
}

impl Seen {
    /// Whether it was here before the trouble and showed more than one request: what pages are
    /// made of, or requests some time apart. One alone may be the flood's, from before it was
    /// noticed. Whoever had come a moment before, and was seen then to take a page with its parts, is
    /// in the first page of a visit.
    fn was_before(&self) -> bool {
        let until = if self.onset_s == 0 { self.now_s } else { self.onset_s };
        let is_older = self.first_s.saturating_add(SETTLED_S) <= until;
        let has_begun = self.entry.has_begun && self.first_s < until;
        has_begun || (is_older && (self.entry.is_settled || self.entry.parts > 0))
    }
}

fn unseen(clearance: Clearance) -> Standing {
    match clearance {
        Clearance::None => Standing::Unknown,
        Clearance::Ticket(_) => Standing::Returned,
        Clearance::SatOut(_) => Standing::Patient,
        Clearance::Worked(_) => Standing::Cleared,
    }
}

/// What is remembered beside the first sight. Counts stop at their ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Entry {
    /// 26 bits: two years.
    last_s: u32,
    /// Hash of the last page's path.
    page: u8,
    pages: u8,
    /// Assets that were fetched as a browser does.
    parts: u8,
    /// Quarter pages beyond what was earned back by the second of the last sight.
    pace: u8,
    was_served: bool,
    /// Was answered in calm times, and came back [`STEADY_S`] after its first sight.
    is_settled: bool,
    /// Took a page with [`PARTS_OF_VISIT`] of its parts in calm times.
    has_begun: bool,
    /// Pages that it was given in trouble, one after the other without any part. Three bits.
    not_looked_at: u8,
    /// It used to fetch the parts of pages, and in trouble took page after page without.
    has_turned: bool,
    /// It has fetched the parts of a page in trouble, and since then asked for so many pages, given or not.
    /// Two bits.
    has_looked: bool,
    asked_since: u8,
}

impl Entry {
    fn took(&mut self, sighting: &Sighting, now_s: u32, in_trouble: bool) {
        self.hurried(sighting.kind, now_s);
        self.has_looked &= in_trouble;
        match sighting.kind {
            PathKind::Asset if self.is_part(sighting) => {
                self.parts = (self.parts + 1).min(63);
                (self.not_looked_at, self.has_turned) = (0, false);
                (self.has_looked, self.asked_since) = (in_trouble, 0);
            }
            PathKind::Asset | PathKind::Api => {}
            PathKind::Page => {
                self.pages = (self.pages + 1).min(63);
                self.page = sighting.page;
            }
        }
    }

    /// Whether it showed more than that it can ask.
    fn has_merit(&self) -> bool {
        self.is_settled || self.parts > 0
    }

    /// Whether an asset is fetched as a browser fetches the parts of a page.
    fn is_part(&self, sighting: &Sighting) -> bool {
        let is_visitors = sighting.standing >= Standing::Visiting || (self.has_turned && sighting.is_linked);
        is_visitors && self.pages > 0
    }

    /// It asked for something.
    fn hurried(&mut self, kind: PathKind, now_s: u32) {
        let cost = match kind {
            PathKind::Asset => 0,
            PathKind::Page => PACE_COST,
            PathKind::Api => 1,
        };
        self.pace = self.pace_at(now_s).saturating_add(cost);
        self.asked_since = (self.asked_since + u8::from(kind == PathKind::Page)).min(LOOKED_FOR);
    }

    /// Looked at a page a moment ago.
    fn is_looking(&self) -> bool {
        self.has_looked && self.asked_since < LOOKED_FOR
    }

    /// It was given what it asked for.
    fn was_given(&mut self, kind: PathKind, in_trouble: bool) {
        match kind {
            _ if !in_trouble => (self.not_looked_at, self.has_turned) = (0, false),
            PathKind::Page => self.not_looked_at = (self.not_looked_at + 1).min(7),
            PathKind::Asset | PathKind::Api => {}
        }
    }

    /// Whether it fetches none of the parts that it used to fetch with every page.
    fn looks_no_more(&self) -> bool {
        self.not_looked_at >= PAGES_NOT_LOOKED_AT
            && self.pages.saturating_sub(self.not_looked_at) <= self.parts
    }

    fn pace_at(&self, now_s: u32) -> u8 {
        let earned = now_s.saturating_sub(self.last_s).saturating_mul(PACE_EARNED);
        u32::from(self.pace).saturating_sub(earned) as u8
    }

    fn packed(self) -> u64 {
        u64::from(self.last_s & 0x03FF_FFFF)
            | u64::from(self.page) << 26
            | u64::from(self.pages) << 34
            | u64::from(self.parts) << 40
            | u64::from(self.pace) << 46
            | u64::from(self.was_served) << 54
            | u64::from(self.is_settled) << 55
            | u64::from(self.has_begun) << 56
            | u64::from(self.not_looked_at) << 57
            | u64::from(self.has_turned) << 60
            | u64::from(self.has_looked) << 61
            | u64::from(self.asked_since) << 62
    }

    fn unpacked(bits: u64) -> Self {
        Self {
            last_s: bits as u32 & 0x03FF_FFFF,
            page: (bits >> 26) as u8,
            pages: (bits >> 34) as u8 & 63,
            parts: (bits >> 40) as u8 & 63,
            pace: (bits >> 46) as u8,
            was_served: bits >> 54 & 1 == 1,
            is_settled: bits >> 55 & 1 == 1,
            has_begun: bits >> 56 & 1 == 1,
            not_looked_at: (bits >> 57) as u8 & 7,
            has_turned: bits >> 60 & 1 == 1,
            has_looked: bits >> 61 & 1 == 1,
            asked_since: (bits >> 62) as u8,
        }
    }
}

/// Whether a person's browser asks for this to show it.
#[must_use]
pub fn is_navigation(request: &Request<'_>) -> bool {
    request.method == Method::Get
        && request.accept.windows(9).any(|w| w == b"text/html")
        && path_kind(request.path) != PathKind::Asset
}

fn page_hash(path: &[u8]) -> u8 {
    hash::bytes(path) as u8
}

/// The hash of the path that a referrer names.
fn referrer_hash(referrer: &[u8]) -> u8 {
    let start = referrer.windows(2).position(|w| w == b"//").map_or(0, |at| at + 2);
    let path = referrer[start..]
        .iter()
        .position(|b| *b == b'/')
        .map_or(b"/".as_slice(), |at| &referrer[start + at..]);
    let end = path.iter().position(|b| matches!(b, b'?' | b'#')).unwrap_or(path.len());
    page_hash(&path[..end])
}

#[cfg(test)]
mod tests;
