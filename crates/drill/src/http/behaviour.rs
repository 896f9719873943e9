//! What actors do, as data; the sibling modules play it.

use super::site::{Page, Work};
use crate::world::{Envelope, Span};
use seawall_model::observation::Method;

/// The part that an actor plays.
#[derive(Clone, Debug)]
pub enum Behaviour {
    People(People),
    App(App),
    Walker(Walker),
    Periodic(Periodic),
    Bot(Bot),
    Slow(Slow),
    Resetter(Resetter),
}

/// Where visits begin.
#[derive(Clone, Debug)]
pub enum Entry {
    /// By popularity, from the usual referrers.
    Usual,
    /// At one page, from one place; `None`: typed or from an app without a referrer.
    Campaign { page: u32, referrer: Option<Span> },
}

/// People with browsers.
#[derive(Clone, Debug)]
pub struct People {
    pub pages_mean: f64,
    /// Median of reading time.
    pub think_s: f64,
    pub entry: Entry,
    /// Share that was here before: cookies, frame assets in their caches.
    pub returning: f64,
    /// Share of visits with a log-in.
    pub logs_in: f64,
    /// Chance to search instead of following a link.
    pub searches: f64,
    /// Chance to load again when the answer is slow or an error.
    pub reloads: f64,
    /// Waits so long before giving up.
    pub patience_s: f64,
    /// Share that blocks or never loads assets (text browsers, caches in the network).
    pub without_assets: f64,
    /// Waits at the page and reloads it with this mean gap; 0: does not.
    pub refresh_gap_s: f64,
}

/// Applications that call the interface.
#[derive(Clone, Debug)]
pub struct App {
    pub calls_mean: f64,
    pub gap_s: f64,
    /// On failure tries again after this; 0: gives up.
    pub retry_s: f64,
    /// From this moment a bug makes it call again at once, with this gap.
    pub loops: Option<Loop>,
}

/// A client that cannot stop.
#[derive(Clone, Copy, Debug)]
pub struct Loop {
    pub from_s: f64,
    pub to_s: f64,
    pub gap_s: f64,
    /// Share of the app's users with the broken version.
    pub share: f64,
    /// What the server says to the looping call.
    pub status: u16,
    /// Which call it repeats.
    pub call: u32,
}

/// How a walker goes through the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// Item by item in order; each actor takes its own stretch.
    InOrder,
    /// Any page, the unpopular as often as the popular; whoever reads a site fetches no archives.
    LongTail,
    /// Sends changes for item after item.
    Import,
    /// Paths that only scanners ask for.
    Probes,
}

/// Crawlers, scrapers, scanners, partners.
#[derive(Clone, Debug)]
pub struct Walker {
    pub walk: Walk,
    pub gap_s: f64,
    /// Gaps are all alike instead of random.
    pub regular: bool,
    pub robots_first: bool,
    pub with_assets: f64,
    pub requests: u32,
    pub sends_referrer: bool,
    pub envelope: Envelope,
}

/// Monitors and feed readers.
#[derive(Clone, Debug)]
pub struct Periodic {
    pub period_s: f64,
    pub jitter: f64,
    pub page: Page,
    pub method: Method,
    /// Share of 304.
    pub unchanged: f64,
}

/// How a bot spaces its requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rhythm {
    /// At random, with this mean.
    Random { gap_s: f64 },
    /// Like a clock.
    Regular { gap_s: f64 },
    /// The next as soon as the last is answered.
    Closed,
    /// As a reader would: log-normal pauses with this median.
    Human { gap_s: f64 },
}

/// What a bot asks for.
#[derive(Clone, Debug)]
pub enum Aim {
    /// One page.
    One(Page),
    /// Real pages with their real popularity.
    Popular,
    /// Paths that do not exist.
    RandomPath { style: u8, length: u8 },
    /// One of a few.
    Few(Vec<Page>),
    /// Bytes that are no request.
    Garbage,
    /// The log-in, with this chance of success.
    Login { succeeds: f64 },
}

/// What a bot puts after the question mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryStyle {
    /// The page's own.
    Own,
    /// One random word.
    Word { style: u8, length: u8 },
    /// Random names and values, as HULK does.
    Pairs { pairs: u8 },
    /// A known name with a random value.
    Stamp,
    /// A search for words.
    Search,
}

/// What a bot sends as referrer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferrerStyle {
    Nothing,
    /// The site's own pages.
    Internal,
    /// Search engines with random words, as HULK does.
    RandomSearch,
    /// Like people come.
    Usual,
}

/// A member of a flood, or a guesser of passwords.
#[derive(Clone, Debug)]
pub struct Bot {
    pub rhythm: Rhythm,
    /// After so many it stops.
    pub requests: u32,
    pub aim: Aim,
    pub query: QueryStyle,
    pub referrer: ReferrerStyle,
    pub method: Method,
    pub request_bytes: u64,
    pub cookie: bool,
    pub accept_language: bool,
    /// Chance per page to fetch the page's assets as browsers do.
    pub assets: f64,
    /// Speaks HTTP/1.0.
    pub old_version: bool,
    /// Shows the fingerprint of a real browser instead of its own.
    pub real_fingerprint: bool,
    pub envelope: Envelope,
}

/// Clients that never finish their requests.
#[derive(Clone, Debug)]
pub struct Slow {
    /// How long the server lets them.
    pub hold_s: f64,
    /// Comes again after that.
    pub again: bool,
    /// Sends a body byte by byte instead of headers.
    pub slow_body: bool,
    pub envelope: Envelope,
}

/// An HTTP/2 connection that opens streams and resets them (CVE-2023-44487).
#[derive(Clone, Debug)]
pub struct Resetter {
    pub gap_s: f64,
    /// Share of the streams that the log shows as requests.
    pub logged: f64,
    pub envelope: Envelope,
}

impl Bot {
    /// A plain bot that asks for one page at random moments and sends nothing else.
    #[must_use]
    pub fn plain(page: Page, gap_s: f64, envelope: Envelope) -> Self {
        Self {
            rhythm: Rhythm::Random { gap_s },
            requests: u32::MAX,
            aim: Aim::One(page),
            query: QueryStyle::Own,
            referrer: ReferrerStyle::Nothing,
            method: Method::Get,
            request_bytes: 0,
            cookie: false,
            accept_language: false,
            assets: 0.0,
            old_version: false,
            real_fingerprint: false,
            envelope,
        }
    }
}

impl Page {
    /// Whether shared caches may keep it.
    #[must_use]
    pub fn is_cacheable(&self) -> bool {
        matches!(self.work, Work::Page | Work::Static | Work::Download)
    }
}
