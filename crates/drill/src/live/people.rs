//! People: visits with sessions, parts of pages, time to read, and coming back. They also measure:
//! what became of every request that a person made.

use super::address::{Door, Population, Source};
use super::browser::{Browser, HOST};
use super::world::Habits;
use crate::rng::{Rng, Weighted};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

/// An answer that takes longer has not helped.
pub(crate) const IN_TIME: Duration = Duration::from_secs(2);
/// Parts that a browser keeps once it has them, and parts of each page.
const KEPT_PARTS: u64 = 3;
const PAGE_PARTS: u64 = 2;
/// Parts of a found site that a visit fetches.
const MOST_PARTS: usize = 4;
const PAGES_MEAN: f64 = 3.0;
const READING_MEAN_S: f64 = 1.5;
const ITEMS: u64 = 2_000;

/// One request of a person.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) at: Instant,
    /// `None` while it waits for an answer.
    pub(crate) took: Option<Duration>,
    /// 0: no answer.
    pub(crate) status: u16,
    pub(crate) is_sites: bool,
    /// A part of a page, not the page.
    pub(crate) is_part: bool,
}

impl Asked {
    /// Answered well and in time.
    pub(crate) fn is_good(&self) -> bool {
        (200..400).contains(&self.status) && self.took.is_some_and(|t| t <= IN_TIME)
    }

    /// Refused by whoever stands before the site, in the end: whatever was asked of the browser
    /// first (a challenge, a place in line), the page never came.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.status, 400..600) && !self.is_sites
    }
}

/// What happened to everybody, in the order of asking.
pub(crate) type Record = Rc<RefCell<Vec<Asked>>>;

/// The people of one world; they come until it is dropped.
#[derive(Debug)]
pub(crate) struct People {
    pub(crate) record: Record,
    /// So many times as many come as usual.
    pub(crate) crowd: Rc<Cell<f64>>,
    visits: tokio::task::JoinHandle<()>,
}

impl Drop for People {
    fn drop(&mut self) {
        self.visits.abort();
    }
}

/// What people ask for.
#[derive(Clone, Debug)]
pub(crate) enum Taste {
    /// A drill's own site.
    Site { habits: Habits, words: Rc<Vec<String>>, likely: Rc<Weighted> },
    /// Pages and parts that a site was found to have.
    Found { host: Rc<str>, pages: Rc<Vec<String>>, parts: Rc<Vec<String>> },
}

impl Taste {
    pub(crate) fn of_site(habits: Habits, words: &[String]) -> Self {
        let likely = Rc::new(Weighted::zipf(words.len().max(1), 1.0));
        Self::Site { habits, words: Rc::new(words.to_vec()), likely }
    }

    pub(crate) fn found(host: &str, pages: &[String], parts: &[String]) -> Self {
        Self::Found { host: host.into(), pages: Rc::new(pages.to_vec()), parts: Rc::new(parts.to_vec()) }
    }

    fn host(&self) -> &str {
        match self {
            Self::Site { .. } => HOST,
            Self::Found { host, .. } => host,
        }
    }

    /// Nobody begins with a form or with a script's call.
    fn first(&self, rng: &mut Rng) -> (&'static str, String) {
        match self {
            Self::Site { .. } => page(rng),
            Self::Found { .. } => self.wanted(rng),
        }
    }

    fn wanted(&self, rng: &mut Rng) -> (&'static str, String) {
        let (Habits { item, search, save, .. }, words, likely) = match self {
            Self::Site { habits, words, likely } => (*habits, words, likely),
            Self::Found { pages, .. } => {
                return ("GET", pages.get(rng.index(pages.len().max(1))).map_or("/", |p| p).to_owned());
            }
        };
        let number = rng.below(ITEMS);
        match rng.below(100) {
            n if n < item => page(rng),
            n if n < item + search => {
                let word = |rng: &mut Rng| words.get(likely.draw(rng)).cloned().unwrap_or_default();
                let words: Vec<String> = (0..rng.between(1, 2)).map(|_| word(rng)).collect();
                ("GET", format!("/search?q={}", words.join("+")))
            }
            n if n < item + search + save => ("POST", format!("/basket/{number}")),
            _ => ("GET", format!("/api/entry/{number}")),
        }
    }

    /// Parts of a page that has come: those that a browser keeps, if it has none yet, and its own.
    fn parts(&self, has_parts: bool, rng: &mut Rng) -> Vec<String> {
        match self {
            Self::Site { .. } => {
                let kept = if has_parts { 0 } else { KEPT_PARTS };
                let kept = (0..kept).map(|n| format!("/static/{n}.css"));
                kept.chain((0..PAGE_PARTS).map(|_| format!("/static/{}.png", rng.below(ITEMS)))).collect()
            }
            Self::Found { .. } if has_parts => Vec::new(),
            Self::Found { parts, .. } => parts.iter().take(MOST_PARTS).cloned().collect(),
        }
    }
}

impl People {
    /// Must be called within a `LocalSet`.
    pub(crate) fn come(door: Door, taste: Taste, visits_per_s: f64, seed: u64) -> Self {
        let (record, crowd) = (Record::default(), Rc::new(Cell::new(1.0)));
        let all = visits(door, taste, visits_per_s, Rc::clone(&record), Rc::clone(&crowd), seed);
        Self { record, crowd, visits: spawn_local(all) }
    }
}

async fn visits(door: Door, taste: Taste, per_s: f64, record: Record, crowd: Rc<Cell<f64>>, seed: u64) {
    let known = Rc::new(RefCell::new(Vec::<Browser>::new()));
    let mut rng = Rng::new(seed ^ 0x9E09_1E00);
    let mut number = 0_u64;
    loop {
        let times = crowd.get();
        sleep(Duration::from_secs_f64(rng.exponential(1.0 / (per_s * times)))).await;
        let earlier =
            if rng.chance(if times > 1.0 { 0.08 } else { 0.33 }) { pick(&known, &mut rng) } else { None };
        let browser = earlier.unwrap_or_else(|| {
            number += 1;
            Browser::new(Source::new(seed, Population::People, number), rng.next()).of(taste.host())
        });
        let from = if times > 1.0 { "https://news.example/sale" } else { "" };
        let (record, known, taste) = (Rc::clone(&record), Rc::clone(&known), taste.clone());
        let rng = Rng::new(rng.next());
        spawn_local(async move {
            let browser = visit(door, browser, &record, &taste, rng, from).await;
            known.borrow_mut().push(browser);
        });
    }
}

/// Somebody who has been here before and is away.
fn pick(known: &RefCell<Vec<Browser>>, rng: &mut Rng) -> Option<Browser> {
    let mut known = known.borrow_mut();
    if known.len() < 10 {
        return None;
    }
    let at = rng.index(known.len());
    Some(known.swap_remove(at))
}

/// Some pages with their parts, and time to read each.
async fn visit(
    door: Door,
    mut browser: Browser,
    record: &Record,
    taste: &Taste,
    mut rng: Rng,
    from: &str,
) -> Browser {
    let mut referrer = from.to_owned();
    let mut is_first = true;
    for _ in 0..1 + rng.geometric(PAGES_MEAN - 1.0) {
        let (method, path) = if is_first { taste.first(&mut rng) } else { taste.wanted(&mut rng) };
        is_first = false;
        let noted = begin(record, false);
        let answer = browser.page(door, method, &path, &referrer).await;
        let (status, is_sites) = answer.map_or((0, false), |a| (a.status, a.is_sites));
        end(record, noted, status, is_sites);
        referrer = format!("https://{}{path}", taste.host());
        if status == 200 && !path.starts_with("/api/") {
            let parts = taste.parts(browser.has_parts, &mut rng);
            browser.has_parts = true;
            for part in parts {
                let noted = begin(record, true);
                let answer = browser.ask(door, "GET", &part, &referrer).await;
                end(
                    record,
                    noted,
                    answer.as_ref().map_or(0, |a| a.status),
                    answer.is_some_and(|a| a.is_sites),
                );
            }
        }
        sleep(Duration::from_secs_f64(0.4 + rng.exponential(READING_MEAN_S))).await;
    }
    browser.close();
    browser
}

fn page(rng: &mut Rng) -> (&'static str, String) {
    ("GET", format!("/item/{}", rng.below(ITEMS)))
}

fn begin(record: &Record, is_part: bool) -> usize {
    let mut record = record.borrow_mut();
    record.push(Asked { at: Instant::now(), took: None, status: 0, is_sites: false, is_part });
    record.len() - 1
}

fn end(record: &Record, noted: usize, status: u16, is_sites: bool) {
    if let Some(asked) = record.borrow_mut().get_mut(noted) {
        *asked = Asked { took: Some(asked.at.elapsed()), status, is_sites, ..*asked };
    }
}
