//! User agents: what clients say they are, with the versions and shares that a site sees.

use crate::rng::{Rng, Weighted};
use crate::world::{Span, Text, WORDS};

/// One user agent with the fingerprint family that really goes with it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Agent {
    pub text: Span,
    pub family: u8,
}

/// Families of TLS and header fingerprints.
pub mod family {
    pub const CHROME: u8 = 0;
    pub const FIREFOX: u8 = 1;
    pub const SAFARI: u8 = 2;
    pub const EDGE: u8 = 3;
    pub const APP: u8 = 4;
    pub const GO: u8 = 5;
    pub const PYTHON: u8 = 6;
    pub const CURL: u8 = 7;
    pub const CRAWLER: u8 = 8;
    pub const JAVA: u8 = 9;
    pub const COUNT: usize = 10;
}

/// JA4 fingerprints by family, in the form of the published ones.
pub const JA4: [&str; family::COUNT] = [
    "t13d1516h2_8daaf6152771_d8a2da3f94cd",
    "t13d1715h2_5b57614c22b0_3d5424432f57",
    "t13d2014h2_a09f3c656075_7f0f34a4126d",
    "t13d1516h2_8daaf6152771_e5627efa2ab1",
    "t13d1312h2_f57a46bbacb6_ef7df7f74e48",
    "t13d1311h2_f57a46bbacb6_e7c285222651",
    "t13i181000_85036bcba153_d41ae481755e",
    "t13d3112h2_e8f1e7e78f70_6bebaf5329ac",
    "t13d1811h1_e8a523a41297_d267a5f792d4",
    "t13d1411h2_2b729b4bf6f3_5ae7d3fe3d9a",
];

/// The agents of an episode.
#[derive(Clone, Debug)]
pub struct AgentPool {
    /// Browsers by popularity.
    pub browsers: Vec<Agent>,
    pub browser_weights: Weighted,
    /// The site's own application, a few versions.
    pub apps: Vec<Agent>,
    pub crawlers: Vec<Agent>,
    pub monitors: Vec<Agent>,
    pub readers: Vec<Agent>,
    pub tools: Vec<Agent>,
}

/// Which agent an actor shows.
#[derive(Clone, Debug)]
pub enum Who {
    /// Drawn from the browsers by popularity, kept for the actor's life.
    Browser,
    /// Drawn evenly from a list, kept for the actor's life.
    OneOf(Vec<Agent>),
    /// Drawn anew for each request.
    Rotating(Vec<Agent>),
    /// Sends none.
    Nothing,
}

impl AgentPool {
    pub fn new(rng: &mut Rng, text: &mut Text) -> Self {
        let count = rng.log_uniform(25.0, 220.0) as usize;
        let newest = rng.between(96, 136);
        let mobile_share = rng.uniform(0.2, 0.75);
        let browsers = (0..count).map(|_| browser(rng, text, newest, mobile_share)).collect();
        let browser_weights = Weighted::zipf(count, rng.uniform(0.6, 1.3));
        Self {
            browsers,
            browser_weights,
            apps: apps(rng, text),
            crawlers: all(text, &CRAWLERS, family::CRAWLER),
            monitors: all(text, &MONITORS, family::GO),
            readers: all(text, &READERS, family::CURL),
            tools: tools(rng, text),
        }
    }

    #[must_use]
    pub fn popular_browser(&self, rng: &mut Rng) -> Agent {
        self.browsers[self.browser_weights.draw(rng)]
    }
}

const CRAWLERS: [&str; 8] = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "Mozilla/5.0 (compatible; archive.org_bot +http://archive.org/details/archive.org_bot)",
    "Mozilla/5.0 (compatible; MJ12bot/v1.4.8; http://mj12bot.com/)",
];
const MONITORS: [&str; 4] = [
    "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
    "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)",
    "check_http/v2.3.3 (monitoring-plugins 2.3.3)",
    "Blackbox Exporter/0.24.0",
];
const READERS: [&str; 4] = [
    "Feedly/1.0 (+http://www.feedly.com/fetcher.html; like FeedFetcher-Google)",
    "Tiny Tiny RSS/23.06 (https://tt-rss.org/)",
    "NewsBlur Feed Fetcher - 212 subscribers - http://www.newsblur.com/site/118",
    "FreshRSS/1.21.0 (Linux; https://freshrss.org)",
];

fn all(text: &mut Text, list: &[&str], family: u8) -> Vec<Agent> {
    list.iter().map(|line| Agent { text: text.add(line), family }).collect()
}

fn browser(rng: &mut Rng, text: &mut Text, newest: u64, mobile_share: f64) -> Agent {
    let age = rng.exponential(3.0) as u64;
    let version = newest.saturating_sub(age).max(60);
    let (line, family) = if rng.chance(mobile_share) { mobile(rng, version) } else { desktop(rng, version) };
    Agent { text: text.add(&line), family }
}

fn desktop(rng: &mut Rng, version: u64) -> (String, u8) {
    let system = rng.pick(&[
        "Windows NT 10.0; Win64; x64",
        "Windows NT 10.0; Win64; x64",
        "Macintosh; Intel Mac OS X 10_15_7",
        "X11; Linux x86_64",
        "Windows NT 6.1; Win64; x64",
        "X11; CrOS x86_64 14541.0.0",
    ]);
    let kit = "AppleWebKit/537.36 (KHTML, like Gecko)";
    match rng.below(10) {
        0..=4 => {
            let build = if rng.chance(0.6) {
                "0.0.0".to_owned()
            } else {
                format!("0.{}.{}", rng.between(4_500, 6_900), rng.below(220))
            };
            (format!("Mozilla/5.0 ({system}) {kit} Chrome/{version}.{build} Safari/537.36"), family::CHROME)
        }
        5 | 6 => (
            format!("Mozilla/5.0 ({system}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"),
            family::FIREFOX,
        ),
        7 => (
            format!(
                "Mozilla/5.0 ({system}) {kit} Chrome/{version}.0.0.0 Safari/537.36 Edg/{version}.0.{}.{}",
                rng.between(1_000, 2_800),
                rng.below(120)
            ),
            family::EDGE,
        ),
        8 => (
            format!(
                "Mozilla/5.0 ({system}) {kit} Chrome/{version}.0.0.0 Safari/537.36 OPR/{}.0.0.0",
                version - 14
            ),
            family::CHROME,
        ),
        _ => (
            format!(
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{}.{} Safari/605.1.15",
                rng.between(13, 18),
                rng.below(7)
            ),
            family::SAFARI,
        ),
    }
}

fn mobile(rng: &mut Rng, version: u64) -> (String, u8) {
    let models = ["K", "SM-G991B", "SM-A536B", "Pixel 7", "Redmi Note 11", "M2101K6G", "CPH2211", "SM-S918U"];
    let kit = "AppleWebKit/537.36 (KHTML, like Gecko)";
    match rng.below(6) {
        0..=2 => (
            format!(
                "Mozilla/5.0 (Linux; Android {}; {}) {kit} Chrome/{version}.0.0.0 Mobile Safari/537.36",
                rng.between(9, 15),
                rng.pick(&models)
            ),
            family::CHROME,
        ),
        3 | 4 => {
            let (major, minor) = (rng.between(14, 18), rng.below(7));
            (
                format!(
                    "Mozilla/5.0 (iPhone; CPU iPhone OS {major}_{minor} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{major}.{minor} Mobile/15E148 Safari/604.1"
                ),
                family::SAFARI,
            )
        }
        _ => (
            format!(
                "Mozilla/5.0 (Linux; Android {}; {}) {kit} SamsungBrowser/{}.0 Chrome/{version}.0.0.0 Mobile Safari/537.36",
                rng.between(10, 14),
                rng.pick(&models),
                rng.between(16, 25)
            ),
            family::CHROME,
        ),
    }
}

fn apps(rng: &mut Rng, text: &mut Text) -> Vec<Agent> {
    let word = rng.pick(&WORDS);
    let mut name = (*word).to_owned();
    name[..1].make_ascii_uppercase();
    let (major, minor) = (rng.between(1, 9), rng.below(20));
    let style = rng.below(4);
    (0..3)
        .map(|i| {
            let patch = minor + i;
            let line = match style {
                0 => format!("{name}App/{major}.{patch} (iPhone; iOS 17.{i}; Scale/3.00)"),
                1 => format!("{name}/{major}.{patch} CFNetwork/1494.0.7 Darwin/23.{i}.0"),
                2 => format!("{name}-Android/{major}.{patch} okhttp/4.{}.0", 9 + i),
                _ => format!("Dart/3.{i} (dart:io) {name}/{major}.{patch}"),
            };
            Agent { text: text.add(&line), family: family::APP }
        })
        .collect()
}

fn tools(rng: &mut Rng, text: &mut Text) -> Vec<Agent> {
    let lines = [
        (format!("python-requests/2.{}.0", rng.between(20, 32)), family::PYTHON),
        (format!("curl/8.{}.0", rng.below(12)), family::CURL),
        ("Go-http-client/1.1".to_owned(), family::GO),
        (format!("Apache-HttpClient/4.5.{} (Java/17.0.8)", rng.between(2, 14)), family::JAVA),
        (format!("axios/1.{}.0", rng.below(8)), family::CURL),
        ("Wget/1.21.3".to_owned(), family::CURL),
        (format!("okhttp/4.{}.1", rng.between(2, 12)), family::JAVA),
        ("Python/3.11 aiohttp/3.9.1".to_owned(), family::PYTHON),
    ];
    lines.into_iter().map(|(line, family)| Agent { text: text.add(&line), family }).collect()
}

/// Old browsers, as lists inside flood tools have them: a few fixed lines of ten years ago.
pub fn outdated(rng: &mut Rng, text: &mut Text, count: usize) -> Vec<Agent> {
    (0..count)
        .map(|_| {
            let line = match rng.below(5) {
                0 => format!("Mozilla/5.0 (Windows; U; Windows NT 6.{}; en; rv:1.9.1.3) Gecko/20090824 Firefox/3.5.{} (.NET CLR 3.5.30729)", rng.below(2), rng.below(9)),
                1 => format!("Mozilla/4.0 (compatible; MSIE {}.0; Windows NT {}.{}; Trident/4.0; SLCC2)", rng.between(6, 9), rng.between(5, 6), rng.below(3)),
                2 => format!("Opera/9.80 (Windows NT 5.{}; U; ru) Presto/2.5.22 Version/10.{}", rng.below(3), rng.between(10, 63)),
                3 => format!("Mozilla/5.0 (Windows; U; Windows NT 5.2; en-US) AppleWebKit/532.1 (KHTML, like Gecko) Chrome/4.0.219.{} Safari/532.1", rng.below(10)),
                _ => format!("Mozilla/5.0 (X11; U; Linux x86_64; en-US; rv:1.9.1.{}) Gecko/20090718 Firefox/3.5.1", rng.below(9)),
            };
            Agent { text: text.add(&line), family: family::PYTHON }
        })
        .collect()
}
