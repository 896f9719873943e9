//! Sites: pages with their assets, sizes and work, in several shapes.

use crate::rng::{Rng, Weighted};
use crate::world::{Span, Text, WORDS, random_word};

/// The shape of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteKind {
    /// A handful of pages.
    Small,
    /// A shop or collection of thousands of items.
    Catalogue,
    /// Articles by date.
    News,
    /// Old pages with file extensions and queries.
    Php,
    /// Topics by number.
    Forum,
    /// Interface for programs, no pages.
    Api,
    /// One page, then calls to an interface.
    SinglePage,
    /// Large files.
    Downloads,
    /// Everything is a search.
    Search,
}

impl SiteKind {
    /// Sites that people visit with browsers.
    pub const FOR_PEOPLE: [Self; 8] = [
        Self::Small,
        Self::Catalogue,
        Self::News,
        Self::Php,
        Self::Forum,
        Self::SinglePage,
        Self::Downloads,
        Self::Search,
    ];
}

/// Kinds of work that a request makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Static,
    Page,
    Api,
    Search,
    Login,
    Report,
    Download,
}

impl Work {
    pub const COUNT: usize = 7;
}

/// Something with an address on the site.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    pub path: Span,
    pub query: Option<Span>,
    pub work: Work,
    /// Median answer.
    pub bytes: u32,
    pub host: u8,
    /// Own assets, as indices into the asset table.
    pub first_asset: u32,
    pub assets: u8,
    /// Full address, as browsers send it as a referrer.
    pub url: Span,
}

/// What a site consists of.
#[derive(Clone, Debug)]
pub struct Site {
    pub kind: SiteKind,
    pub hosts: Vec<Span>,
    pub pages: Vec<Page>,
    /// Index into `pages` by popularity.
    pub popularity: Weighted,
    pub assets: Vec<Page>,
    /// The first assets are those of the frame, shown on every page.
    pub frame_assets: u8,
    /// Calls to the interface, where there is one.
    pub calls: Vec<Page>,
    pub login: Page,
    pub search: Page,
    pub report: Page,
    pub robots: Page,
    pub feed: Page,
    /// Outside referrers by weight.
    pub referrers: Vec<Span>,
    pub referrer_weights: Weighted,
    /// What a failed login answers; many sites answer 200.
    pub login_failure_status: u16,
}

struct Builder<'a> {
    rng: &'a mut Rng,
    text: &'a mut Text,
    origin: String,
}

impl Site {
    pub fn new(rng: &mut Rng, text: &mut Text, kind: SiteKind) -> Self {
        let domain = format!("{}{}.example", rng.pick(&WORDS), rng.pick(&WORDS));
        let hosts = hosts(rng, text, &domain);
        let mut b = Builder { rng, text, origin: format!("https://www.{domain}") };
        let frame_assets = b.rng.between(3, 16) as u8;
        let (assets, per_page) = b.assets(kind, frame_assets);
        let pages = b.pages(kind, u32::from(frame_assets), assets.len() as u32, per_page, hosts.len());
        let exponent = b.rng.uniform(0.6, 1.25);
        let (referrers, referrer_weights) = b.referrers();
        let calls = b.calls(kind);
        let special = b.specials();
        Self {
            kind,
            hosts,
            popularity: Weighted::zipf(pages.len(), exponent),
            pages,
            assets,
            frame_assets,
            calls,
            login: special[0],
            search: special[1],
            report: special[2],
            robots: special[3],
            feed: special[4],
            referrers,
            referrer_weights,
            login_failure_status: *rng.pick(&[401, 401, 401, 403, 200, 200, 302]),
        }
    }
}

fn hosts(rng: &mut Rng, text: &mut Text, domain: &str) -> Vec<Span> {
    let mut names = vec![format!("www.{domain}")];
    if rng.chance(0.3) {
        for label in ["shop", "blog", "static", "m"].iter().take(rng.between(1, 4) as usize) {
            names.push(format!("{label}.{domain}"));
        }
    }
    names.iter().map(|n| text.add(n)).collect()
}

impl Builder<'_> {
    fn page(&mut self, path: &str, query: Option<&str>, work: Work, bytes: f64) -> Page {
        let url = match query {
            Some(q) => format!("{}{path}?{q}", self.origin),
            None => format!("{}{path}", self.origin),
        };
        Page {
            path: self.text.add(path),
            query: query.map(|q| self.text.add(q)),
            work,
            bytes: bytes as u32,
            host: 0,
            first_asset: 0,
            assets: 0,
            url: self.text.add(&url),
        }
    }

    /// The frame's assets first, then those of pages; with them how many a page has.
    fn assets(&mut self, kind: SiteKind, frame: u8) -> (Vec<Page>, (u64, u64)) {
        let per_page = match kind {
            SiteKind::Small | SiteKind::Php => (0, 6),
            SiteKind::Catalogue | SiteKind::News => (3, 18),
            SiteKind::Forum | SiteKind::Search => (0, 8),
            SiteKind::Api | SiteKind::SinglePage | SiteKind::Downloads => (0, 2),
        };
        let total = usize::from(frame) + self.rng.log_uniform(20.0, 600.0) as usize;
        let folder =
            *self.rng.pick(&["/static", "/assets", "/wp-content/themes/main", "/_next/static", "/media", ""]);
        let hashed = self.rng.chance(0.4);
        let mut path = Vec::new();
        let assets = (0..total)
            .map(|i| {
                let extensions: &[&str] = if i < usize::from(frame) {
                    &["css", "js", "js", "woff2", "svg", "ico"]
                } else {
                    &["jpg", "png", "webp", "gif", "js", "svg"]
                };
                path.clear();
                path.extend_from_slice(format!("{folder}/{}-{i}", self.rng.pick(&WORDS)).as_bytes());
                if hashed {
                    path.push(b'.');
                    random_word(self.rng, 3, 8, &mut path);
                }
                let name = format!("{}.{}", String::from_utf8_lossy(&path), self.rng.pick(extensions));
                let bytes = self.rng.log_uniform(400.0, 180_000.0);
                self.page(&name, None, Work::Static, bytes)
            })
            .collect();
        (assets, per_page)
    }

    fn pages(
        &mut self,
        kind: SiteKind,
        frame: u32,
        assets: u32,
        per_page: (u64, u64),
        hosts: usize,
    ) -> Vec<Page> {
        let count = match kind {
            SiteKind::Small | SiteKind::SinglePage => self.rng.log_uniform(4.0, 40.0),
            SiteKind::Api => 2.0,
            SiteKind::Downloads => self.rng.log_uniform(15.0, 300.0),
            _ => self.rng.log_uniform(80.0, 3_000.0),
        } as usize;
        let style = self.rng.below(3);
        let median_bytes = self.rng.log_uniform(3_000.0, 90_000.0);
        (0..count)
            .map(|i| {
                let mut page = self.one_page(kind, i, style, median_bytes);
                page.assets = self.rng.between(per_page.0, per_page.1) as u8;
                let own = assets.saturating_sub(frame + u32::from(page.assets)).max(1);
                page.first_asset = frame + self.rng.below(u64::from(own)) as u32;
                if hosts > 1 && self.rng.chance(0.2) {
                    page.host = self.rng.index(hosts) as u8;
                }
                page
            })
            .collect()
    }

    fn one_page(&mut self, kind: SiteKind, i: usize, style: u64, median_bytes: f64) -> Page {
        let bytes = self.rng.log_normal(median_bytes, 0.5);
        if i == 0 {
            return self.page("/", None, Work::Page, bytes);
        }
        let (a, b, c) = (*self.rng.pick(&WORDS), *self.rng.pick(&WORDS), *self.rng.pick(&WORDS));
        let number = 1_000 + i * 7;
        match kind {
            SiteKind::Catalogue => match style {
                0 => self.page(&format!("/product/{number}-{a}-{b}"), None, Work::Page, bytes),
                1 => self.page(&format!("/item/{number}"), None, Work::Page, bytes),
                _ => self.page(&format!("/{a}/{b}/{c}-{number}.html"), None, Work::Page, bytes),
            },
            SiteKind::News => self.page(
                &format!("/20{:02}/{:02}/{a}-{b}-{c}-{i}", 10 + i % 15, 1 + i % 12),
                None,
                Work::Page,
                bytes,
            ),
            SiteKind::Php => match style {
                0 => self.page("/index.php", Some(&format!("page={a}&id={i}")), Work::Page, bytes),
                1 => self.page(&format!("/{a}.php"), Some(&format!("id={number}")), Work::Page, bytes),
                _ => self.page(&format!("/{a}/{b}{i}.html"), None, Work::Page, bytes),
            },
            SiteKind::Forum => self.page(&format!("/t/{a}-{b}/{number}"), None, Work::Page, bytes),
            SiteKind::Search => {
                self.page("/search", Some(&format!("q={a}+{b}&page={}", i % 5)), Work::Search, bytes)
            }
            SiteKind::Downloads if !i.is_multiple_of(3) => {
                let size = self.rng.log_uniform(1e6, 8e8);
                self.page(&format!("/download/{a}-{}.{}.tar.gz", i % 9, i), None, Work::Download, size)
            }
            _ => self.page(&format!("/{a}/{b}-{i}"), None, Work::Page, bytes),
        }
    }

    fn calls(&mut self, kind: SiteKind) -> Vec<Page> {
        if !matches!(kind, SiteKind::Api | SiteKind::SinglePage) && self.rng.chance(0.6) {
            return Vec::new();
        }
        let prefix = *self.rng.pick(&["/api/v1", "/api", "/v2", "/api/v3", "/rest", "/graphql"]);
        let count = self.rng.between(5, 60);
        (0..count)
            .map(|i| {
                let bytes = self.rng.log_uniform(150.0, 20_000.0);
                let word = *self.rng.pick(&WORDS);
                match i % 3 {
                    _ if prefix == "/graphql" => self.page(prefix, None, Work::Api, bytes),
                    0 => self.page(&format!("{prefix}/{word}"), None, Work::Api, bytes),
                    1 => self.page(&format!("{prefix}/{word}/{}", 100 + i * 13), None, Work::Api, bytes),
                    _ => self.page(
                        &format!("{prefix}/{word}"),
                        Some(&format!("limit=20&offset={}", i * 20)),
                        Work::Api,
                        bytes,
                    ),
                }
            })
            .collect()
    }

    /// Login, search, report, robots and feed.
    fn specials(&mut self) -> [Page; 5] {
        let login = *self.rng.pick(&[
            "/login",
            "/wp-login.php",
            "/account/signin",
            "/users/sign_in",
            "/api/auth/login",
            "/oauth/token",
            "/session",
        ]);
        let search = *self.rng.pick(&["/search", "/find", "/catalog/search", "/api/search", "/suche"]);
        let report = *self.rng.pick(&[
            "/report/export",
            "/stats",
            "/catalog/export.csv",
            "/api/reports/daily",
            "/pdf",
            "/compare",
        ]);
        let feed = *self.rng.pick(&["/feed.xml", "/rss", "/feed/", "/atom.xml"]);
        [
            self.page(login, None, Work::Login, 3_000.0),
            self.page(search, None, Work::Search, 25_000.0),
            self.page(report, Some("format=full"), Work::Report, 60_000.0),
            self.page("/robots.txt", None, Work::Static, 300.0),
            self.page(feed, None, Work::Page, 30_000.0),
        ]
    }

    fn referrers(&mut self) -> (Vec<Span>, Weighted) {
        let fixed = [
            "https://www.google.com/",
            "https://www.bing.com/",
            "https://duckduckgo.com/",
            "https://www.facebook.com/",
            "https://t.co/xYz81kQp",
            "https://www.reddit.com/",
        ];
        let mut referrers: Vec<Span> = fixed.iter().map(|r| self.text.add(r)).collect();
        for _ in 0..self.rng.between(2, 30) {
            let line = format!(
                "https://{}-{}.example/{}",
                self.rng.pick(&WORDS),
                self.rng.pick(&WORDS),
                self.rng.pick(&WORDS)
            );
            referrers.push(self.text.add(&line));
        }
        let weights = Weighted::zipf(referrers.len(), self.rng.uniform(0.8, 1.6));
        (referrers, weights)
    }
}
