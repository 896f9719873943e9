//! The parts of a site: how long answers take there in calm times, how many requests are under way,
//! and which parts wait and do not work.

use super::arrivals::Arrivals;
use super::shed::{KEPT_OVER_USED, LEAST, START_GROWTH, TOLERANCE, followed};
use crate::Request;
use seawall_detection::feature::classify::PathKind;
use seawall_model::observation::Method;
use seawall_model::{hash, math};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Parts of the site that are told apart.
const PARTS: usize = 256;
/// Words of a path that name a part of an interface, where `/api/v1/orders` is another than
/// `/api/v1/export`.
const LEVELS_OF_INTERFACE: usize = 3;
/// Answers until a part's normal is trusted.
const YOUNG: u64 = 32;
/// Answers over which a part's normal moves.
const MEMORY: f64 = 512.0;
/// What is left of a window's answers in the next.
const LEFT: f64 = 0.7;
/// Answers of other parts, and their part of all, from which it is known how these do.
const ELSEWHERE: f64 = 4.0;
const ELSEWHERE_SHARE: f64 = 0.1;
/// Answers of a part, from which it is known how it does.
const ANSWERS_LEAST: f64 = 1.0;
/// By how much longer answers of a part take than usual, over what could be so elsewhere unseen, from
/// which it is the part that is slow. What waits behind others waits as long whatever it asks for, and of
/// what is there at once that is many times the usual.
const OF_ITS_OWN: f64 = 2.0;
/// Most microseconds that one answer counts as late.
const MOST_EXCESS_US: f64 = 10e6;
/// Growth of a part's limit per window, over its square root, where answers are as fast as ever.
const GROWTH: f64 = 0.15;
/// Mean latency of a part from which its requests are thought to wait and not to work.
const WAITS_US: f64 = 2_000_000.0;

/// The part of the site a request belongs to, for what latency is normal there: the first word of its path,
/// and of an interface some more, but no numbers. What changes something takes another time than what only
/// reads. `key` must be unknown to clients, so that nobody can choose paths that share the part of
/// another, and stay the same for as long as what is learnt of parts is kept.
#[must_use]
pub fn part_of(key: u64, request: &Request<'_>, kind: PathKind) -> u8 {
    let levels = if kind == PathKind::Api { LEVELS_OF_INTERFACE } else { 1 };
    let rest = request.path.strip_prefix(b"/").unwrap_or(request.path);
    let words = rest.split(|b| *b == b'/').take(levels).enumerate();
    let named = words.filter(|(level, word)| *level == 0 || !is_number(word));
    let writes = matches!(request.method, Method::Post | Method::Put | Method::Patch | Method::Delete);
    let kind = hash::combine(kind as u64, u64::from(writes));
    let part = named.fold(kind, |part, (_, word)| hash::combine(part, hash::keyed(key, word)));
    (part % PARTS as u64) as u8
}

/// Whether a word of a path is one of many of its kind; a version (`v1`) is not.
fn is_number(word: &[u8]) -> bool {
    word.len() > 2 && word.iter().any(u8::is_ascii_digit) || word.iter().all(u8::is_ascii_digit)
}

/// When an answer comes, which says what can be learnt from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lesson {
    Calm,
    /// Slower than ever, and nothing is said to be wrong.
    Abnormal,
    Trouble,
}

/// What the answers of a part were like of late.
struct Seen {
    answers: f64,
    /// Latency over normal, latency beyond normal, and what is normal: means.
    ratio: f64,
    excess_us: f64,
    normal_us: f64,
}

impl Seen {
    /// Whether it is known how the part does.
    fn is_enough(&self) -> bool {
        self.answers >= ANSWERS_LEAST
    }
}

/// What answers of a part that are slow are blamed on; each is more than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Blame {
    /// A fault: no more is asked for of the part than in calm times.
    Nothing,
    /// More is asked for.
    Demand,
    /// And the part is slower than what waits behind others is anyhow.
    Part,
    /// And others are as fast as ever.
    PartAlone,
}

/// All parts, by the number that [`part_of`] gives.
#[derive(Debug)]
pub(super) struct Parts {
    /// Answers counted (upper half), and mean latency in microseconds as `f32`.
    normal: [AtomicU64; PARTS],
    /// Requests at the upstream, with a place and without.
    under_way: [AtomicU32; PARTS],
    arrivals: [Arrivals; PARTS],
    /// The most of them at once that did no harm in calm times.
    borne: [AtomicU32; PARTS],
    /// Answers of the last windows and the sum of their latency over normal, in thousandths both.
    answers: [AtomicU64; PARTS],
    ratio_sum: [AtomicU64; PARTS],
    /// Sum of what these answers took longer than usual, in microseconds.
    excess_us: [AtomicU64; PARTS],
    /// Bits of an `f64`: requests at once while the part is slow and others are not; 0: no limit of its
    /// own.
    caps: [AtomicU64; PARTS],
}

impl Parts {
    pub(super) fn new() -> Self {
        Self {
            normal: [const { AtomicU64::new(0) }; PARTS],
            under_way: [const { AtomicU32::new(0) }; PARTS],
            arrivals: std::array::from_fn(|_| Arrivals::default()),
            borne: [const { AtomicU32::new(0) }; PARTS],
            answers: [const { AtomicU64::new(0) }; PARTS],
            ratio_sum: [const { AtomicU64::new(0) }; PARTS],
            excess_us: [const { AtomicU64::new(0) }; PARTS],
            caps: [const { AtomicU64::new(0) }; PARTS],
        }
    }

    /// What was learnt, for whoever comes after.
    pub(super) fn kept(&self) -> impl Iterator<Item = u64> {
        let borne = self.borne.iter().map(|n| u64::from(n.load(Relaxed)));
        self.normal.iter().map(|n| n.load(Relaxed)).chain(borne)
    }

    /// Goes on with that; false if it is of another form.
    pub(super) fn recall(&self, kept: &[u64]) -> bool {
        if kept.len() != 2 * PARTS {
            return false;
        }
        self.normal.iter().zip(kept).for_each(|(to, from)| to.store(*from, Relaxed));
        for (to, from) in self.borne.iter().zip(&kept[PARTS..]) {
            to.store(u32::try_from(*from).unwrap_or(0), Relaxed);
        }
        true
    }

    /// A request for a part arrives.
    pub(super) fn arrives(&self, part: u8) {
        self.arrivals[usize::from(part)].add();
    }

    /// A request goes to the upstream.
    pub(super) fn begin(&self, part: u8) {
        self.under_way[usize::from(part)].fetch_add(1, Relaxed);
    }

    /// The same, if fewer than so many for the part are there. Says whether it does.
    pub(super) fn begin_within(&self, part: u8, places: u32) -> bool {
        let slot = &self.under_way[usize::from(part)];
        slot.fetch_update(Relaxed, Relaxed, |n| (n < places).then_some(n + 1)).is_ok()
    }

    /// It is over.
    pub(super) fn end(&self, part: u8) {
        less(&self.under_way[usize::from(part)]);
    }

    /// How many requests for the part there may be at once, where it has a limit of its own.
    pub(super) fn cap(&self, part: u8) -> Option<f64> {
        Some(f64::from_bits(self.caps[usize::from(part)].load(Relaxed))).filter(|cap| *cap > 0.0)
    }

    /// An answer took so many times as long as usual, which is so many microseconds more.
    pub(super) fn answered(&self, part: u8, ratio: f64, excess_us: f64) {
        self.answers[usize::from(part)].fetch_add(1_000, Relaxed);
        self.ratio_sum[usize::from(part)].fetch_add((ratio * 1e3) as u64, Relaxed);
        self.excess_us[usize::from(part)].fetch_add(excess_us.clamp(0.0, MOST_EXCESS_US) as u64, Relaxed);
    }

    /// A window of so many seconds is over, calm or not, in which the site as a whole was too slow or not.
    /// Where that is a matter of some parts, and more is asked for of them than in calm times, these get or
    /// keep limits of their own; returns how long answers take elsewhere.
    pub(super) fn close_window(
        &self,
        (age_s, is_lesson): (f64, bool),
        is_slow: bool,
        limit: f64,
    ) -> Option<f64> {
        let seen: [Seen; PARTS] = std::array::from_fn(|part| self.seen(part));
        let all: f64 = seen.iter().map(|part| part.answers).sum();
        let fast = || seen.iter().filter(|part| part.is_enough() && part.ratio <= TOLERANCE);
        let elsewhere: f64 = fast().map(|part| part.answers).sum();
        let mean = |of: fn(&Seen) -> f64| fast().map(|part| part.answers * of(part)).sum::<f64>() / elsewhere;
        let is_of_parts = is_slow && elsewhere >= ELSEWHERE.max(ELSEWHERE_SHARE * all);
        let unseen_us = if elsewhere > 0.0 { (TOLERANCE - 1.0) * mean(|part| part.normal_us) } else { 0.0 };
        for (number, part) in seen.iter().enumerate() {
            let is_demand = self.arrivals[number].close_window(age_s, is_lesson);
            let is_own = part.excess_us > OF_ITS_OWN * unseen_us;
            let blame = match (is_demand, is_own) {
                (false, _) => Blame::Nothing,
                (true, false) => Blame::Demand,
                (true, true) if is_of_parts => Blame::PartAlone,
                (true, true) => Blame::Part,
            };
            self.adjust(number, part.is_enough().then_some(part.ratio), blame, limit);
        }
        is_of_parts.then(|| mean(|part| part.ratio))
    }

    /// What the last windows say of a part; some of it is forgotten.
    fn seen(&self, part: usize) -> Seen {
        let answers = faded(&self.answers[part]) / 1e3;
        let per_answer = |sum: f64| if answers > 0.0 { sum / answers } else { 0.0 };
        Seen {
            answers,
            ratio: per_answer(faded(&self.ratio_sum[part]) / 1e3),
            excess_us: per_answer(faded(&self.excess_us[part])),
            normal_us: mean_of(self.normal[part].load(Relaxed)),
        }
    }

    /// Follows the latency of a part as the site's limit follows the site's.
    fn adjust(&self, part: usize, ratio: Option<f64>, blame: Blame, limit: f64) {
        let under_way = f64::from(self.under_way[part].load(Relaxed));
        let cap = f64::from_bits(self.caps[part].load(Relaxed));
        let is_used = under_way * 2.0 >= cap;
        let next = match (cap > 0.0, ratio) {
            (false, Some(ratio)) if blame == Blame::PartAlone && ratio > TOLERANCE => {
                followed(under_way.max(LEAST), ratio)
            }
            (true, Some(ratio)) if ratio > TOLERANCE && blame >= Blame::Part => followed(cap, ratio),
            (true, Some(_)) if is_used && blame >= Blame::Demand => cap + GROWTH * math::sqrt(cap),
            (true, Some(_)) => cap * START_GROWTH,
            (true, None) if under_way == 0.0 => cap * START_GROWTH,
            // It has none, or does not answer at all.
            _ => return,
        };
        let next = if next >= limit { 0.0 } else { next.max(LEAST) };
        self.caps[part].store(next.to_bits(), Relaxed);
    }

    /// Mean latency in calm times, in microseconds; 0: not known.
    pub(super) fn normal_us(&self, part: u8) -> f64 {
        mean_of(self.normal[usize::from(part)].load(Relaxed))
    }

    pub(super) fn learn(&self, part: u8, latency_us: f64, lesson: Lesson) {
        let slot = &self.normal[usize::from(part)];
        let before = slot.load(Relaxed);
        let count = before >> 32;
        if count >= YOUNG && lesson != Lesson::Calm {
            return;
        }
        let old = mean_of(before);
        let mean = if count == 0 {
            latency_us
        } else if lesson == Lesson::Trouble {
            old.min(latency_us)
        } else {
            old + (latency_us - old) / (count as f64 + 1.0).min(MEMORY)
        };
        let after = (count + 1).min(u64::from(u32::MAX)) << 32 | u64::from((mean as f32).to_bits());
        // Losing the race to another thread's answer loses one lesson.
        let _ = slot.compare_exchange(before, after, Relaxed, Relaxed);
    }

    /// What is under way now does no harm.
    pub(super) fn bear(&self) {
        for (under_way, borne) in self.under_way.iter().zip(&self.borne) {
            borne.fetch_max(under_way.load(Relaxed), Relaxed);
        }
    }

    /// Whether requests of a part wait and do not work, and are no more than do no harm.
    pub(super) fn is_known_to_wait(&self, part: u8, ceiling: u32) -> bool {
        let slot = self.normal[usize::from(part)].load(Relaxed);
        if slot >> 32 < YOUNG || mean_of(slot) < WAITS_US {
            return false;
        }
        let most = f64::from(self.borne[usize::from(part)].load(Relaxed)) * KEPT_OVER_USED;
        f64::from(self.under_way[usize::from(part)].load(Relaxed)) < most.min(f64::from(ceiling))
    }
}

/// Takes one away, but not from none.
pub(super) fn less(counter: &AtomicU32) {
    let _ = counter.fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1));
}

/// What a count is; some of it is forgotten.
fn faded(count: &AtomicU64) -> f64 {
    let all = count.load(Relaxed);
    count.fetch_sub(all - (all as f64 * LEFT) as u64, Relaxed);
    all as f64
}

fn mean_of(slot: u64) -> f64 {
    f64::from(f32::from_bits(slot as u32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn part_under(key: u64, path: &str, kind: PathKind) -> u8 {
        let request = Request { path: path.as_bytes(), ..Request::new(IpAddr::from([192, 0, 2, 1])) };
        part_of(key, &request, kind)
    }

    /// Broke: whoever knew the source could flood paths that share the part, and so the limit, of the
    /// log-in page.
    #[test]
    fn paths_that_share_a_part_under_one_key_do_not_under_others() {
        let shares = |key, path: &str| {
            part_under(key, path, PathKind::Page) == part_under(key, "/login", PathKind::Page)
        };
        let chosen: Vec<String> = (0..40_000).map(|n| format!("/x{n}")).filter(|p| shares(1, p)).collect();
        assert!(chosen.len() > 100, "{}", chosen.len());
        let still = chosen.iter().filter(|path| shares(2, path)).count();
        assert!(still * 20 < chosen.len(), "{still} of {}", chosen.len());
    }

    /// Broke: threads that asked at the same moment all found the room that there was for one.
    #[test]
    fn threads_together_take_no_more_places_of_a_part_than_there_are() {
        const PLACES: u32 = 10;
        for _ in 0..200 {
            let parts = Parts::new();
            let begun: usize = std::thread::scope(|scope| {
                let asks = || (0..PLACES).filter(|_| parts.begin_within(3, PLACES)).count();
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(asks)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).sum()
            });
            assert_eq!((begun, parts.under_way[3].load(Relaxed)), (PLACES as usize, PLACES));
        }
    }

    /// Broke: an export took ten times as long as other calls of the same interface, which passed for a
    /// flood that makes it slow: the export was put off.
    #[test]
    fn calls_of_an_interface_are_parts_of_their_own() {
        let part = |path: &'static str, kind| part_under(7, path, kind);
        let api = |path| part(path, PathKind::Api);
        assert_ne!(api("/api/export"), api("/api/feed"));
        assert_ne!(api("/api/v1/export"), api("/api/v1/feed"));
        assert_eq!(api("/api/orders/1731"), api("/api/orders/1732"));
        assert_eq!(api("/api/1731/orders"), api("/api/1732/orders"));
        assert_eq!(part("/item/oak-lamp", PathKind::Page), part("/item/rug", PathKind::Page));
    }
}
