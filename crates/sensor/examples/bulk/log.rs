//! Access logs in the Combined format: page views with what belongs to them, an interface for
//! programs, crawlers, and at the end of the busy one a flood that evades caches.

use super::{Random, nth_address};
use seawall_model::Timestamp;
use seawall_model::time::SECOND_NS;
use std::io::{self, Write};

const START_S: i64 = 1_765_000_000;
const CLIENTS: u64 = 60_000;
const BOTS: u64 = 20_000;
const PAGES: u64 = 8_000;
const IMAGES: u64 = 20_000;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WORDS: [&str; 24] = [
    "lamp", "oak", "garden", "blue", "table", "outdoor", "kids", "linen", "steel", "classic", "summer",
    "storage", "chair", "wool", "desk", "light", "kitchen", "round", "small", "bath", "frame", "green",
    "shelf", "mirror",
];
const STATIC: [&str; 10] = [
    "/static/css/main.8f14e45f.css",
    "/static/css/print.c9f0f895.css",
    "/static/js/vendor.45c48cce.js",
    "/static/js/app.d3d94468.js",
    "/static/js/consent.6512bd43.js",
    "/static/fonts/inter-regular.woff2",
    "/static/fonts/inter-bold.woff2",
    "/static/img/logo.svg",
    "/favicon.ico",
    "/site.webmanifest",
];
const SYSTEMS: [&str; 6] = [
    "Windows NT 10.0; Win64; x64",
    "Macintosh; Intel Mac OS X 10_15_7",
    "X11; Linux x86_64",
    "Linux; Android 14; SM-A546B",
    "Linux; Android 13; Pixel 7",
    "iPhone; CPU iPhone OS 17_5 like Mac OS X",
];
const CRAWLERS: [&str; 3] = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
];

/// A busy shop; the last third belongs to a flood beside it, which doubles the rate.
pub fn busy(lines: u64, out: &mut dyn Write) -> io::Result<()> {
    shop(lines, &Clock { per_second: 2_000, flood_from: lines / 3 * 2 }, out)
}

/// The same shop without haste and without a flood.
pub fn quiet(lines: u64, out: &mut dyn Write) -> io::Result<()> {
    shop(lines, &Clock { per_second: 40, flood_from: lines }, out)
}

/// Each line from another address.
pub fn sources(lines: u64, out: &mut dyn Write) -> io::Result<()> {
    let mut random = Random::new(3);
    let clock = Clock { per_second: 10_000, flood_from: lines };
    let mut path = String::new();
    for n in 0..lines {
        path.clear();
        page(&mut path, random.ranked(PAGES));
        let line =
            Line { client: nth_address(n), path: &path, agent: &agent(n % CLIENTS), ..Line::default() };
        line.write(clock.time(n), out)?;
    }
    Ok(())
}

fn shop(lines: u64, clock: &Clock, out: &mut dyn Write) -> io::Result<()> {
    let mut random = Random::new(1);
    let agents: Vec<String> = (0..CLIENTS).map(agent).collect();
    let mut written = 0;
    while written < lines {
        if written >= clock.flood_from {
            // As many as the lines of a page view.
            for _ in 0..5 {
                flood(clock.time(written), &mut random, out)?;
                written += 1;
            }
        }
        let client = random.ranked(CLIENTS);
        let mut view = View { client, agent: &agents[client as usize], random: &mut random };
        written += view.write(written, clock, out)?;
    }
    Ok(())
}

/// Tells the time by the number of lines.
struct Clock {
    per_second: u64,
    /// The line from which on the rate is double.
    flood_from: u64,
}

impl Clock {
    fn time(&self, line: u64) -> Timestamp {
        let calm = line.min(self.flood_from);
        let seconds = calm / self.per_second + (line - calm) / (2 * self.per_second);
        Timestamp((START_S + seconds as i64) * SECOND_NS)
    }
}

/// One line, with what most lines have.
struct Line<'a> {
    client: u32,
    method: &'a str,
    path: &'a str,
    version: &'a str,
    status: u16,
    bytes: u64,
    referrer: &'a str,
    agent: &'a str,
}

impl Default for Line<'_> {
    fn default() -> Self {
        Self {
            client: 0,
            method: "GET",
            path: "/",
            version: "HTTP/1.1",
            status: 200,
            bytes: 5_120,
            referrer: "-",
            agent: "-",
        }
    }
}

impl Line<'_> {
    fn write(&self, time: Timestamp, out: &mut dyn Write) -> io::Result<()> {
        let t = time.civil();
        let [a, b, c, d] = self.client.to_be_bytes();
        writeln!(
            out,
            "{a}.{b}.{c}.{d} - - [{:02}/{}/{}:{:02}:{:02}:{:02} +0000] \"{} {} {}\" {} {} \"{}\" \"{}\"",
            t.day,
            MONTHS[usize::from(t.month) - 1],
            t.year,
            t.hour,
            t.minute,
            t.second,
            self.method,
            self.path,
            self.version,
            self.status,
            self.bytes,
            self.referrer,
            self.agent,
        )
    }
}

/// One visit to a page, with what a browser fetches along.
struct View<'a> {
    client: u64,
    agent: &'a str,
    random: &'a mut Random,
}

impl View<'_> {
    /// Returns the number of lines written.
    fn write(&mut self, at: u64, clock: &Clock, out: &mut dyn Write) -> io::Result<u64> {
        let address = nth_address(self.client * 7 + 1);
        let mut path = String::new();
        let number = self.random.ranked(PAGES);
        page(&mut path, number);
        let base = path.len();
        self.query(&mut path);
        let version = if self.client.is_multiple_of(4) { "HTTP/1.1" } else { "HTTP/2.0" };
        let line = Line { client: address, version, agent: self.agent, ..Line::default() };
        let status = match self.random.below(100) {
            0..=1 => 404,
            2..=4 => 302,
            5 => 500,
            _ => 200,
        };
        let bytes = 4_000 + self.random.below(60_000);
        let method = if self.random.chance(4) { "POST" } else { "GET" };
        let came_from =
            ["-", "https://www.google.com/", "https://shop.example/"][self.random.below(3) as usize];
        Line { method, path: &path, status, bytes, referrer: came_from, ..line }
            .write(clock.time(at), out)?;
        if status != 200 || self.client.is_multiple_of(17) {
            return Ok(1);
        }
        let referrer = format!("https://shop.example{}", &path[..base]);
        let count = self.random.below(9);
        for n in 0..count {
            let asset = self.asset();
            let status = if self.random.chance(35) { 304 } else { 200 };
            let bytes = if status == 304 { 0 } else { 300 + self.random.below(90_000) };
            Line { path: &asset, status, bytes, referrer: &referrer, ..line }
                .write(clock.time(at + 1 + n), out)?;
        }
        Ok(1 + count)
    }

    fn query(&mut self, path: &mut String) {
        match self.random.below(20) {
            0 => path.push_str(&format!("?page={}&sort=price", 1 + self.random.ranked(40))),
            1 => path.push_str(&format!("?q={}+{}", self.word(), self.word())),
            2 => path.push_str(&format!("?utm_source=newsletter&utm_campaign={}", self.word())),
            _ => {}
        }
    }

    fn asset(&mut self) -> String {
        match self.random.below(10) {
            0..=4 => STATIC[self.random.ranked(10) as usize].to_owned(),
            5..=8 => format!("/media/products/{:05}-small.webp", self.random.ranked(IMAGES)),
            _ => format!("/api/v1/stock/{}", self.random.ranked(PAGES)),
        }
    }

    fn word(&mut self) -> &'static str {
        WORDS[self.random.below(WORDS.len() as u64) as usize]
    }
}

fn page(path: &mut String, number: u64) {
    let word = |n: u64| WORDS[(n % WORDS.len() as u64) as usize];
    match number {
        0 => path.push('/'),
        1..=40 => path.push_str(&format!("/category/{}", word(number))),
        _ => path.push_str(&format!(
            "/shop/{}/{}-{}-{number}",
            word(number),
            word(number / 7),
            word(number / 3)
        )),
    }
}

fn flood(time: Timestamp, random: &mut Random, out: &mut dyn Write) -> io::Result<()> {
    let bot = random.below(BOTS);
    let path = format!("/search?q={:x}", random.next());
    let line =
        Line { client: nth_address(bot * 3 + 2), path: &path, agent: &agent(bot % 40), ..Line::default() };
    line.write(time, out)
}

/// What the n-th client says it is: a few hundred different ones.
fn agent(client: u64) -> String {
    let mut random = Random::new(client ^ 0xA9E7);
    let version = 138 - random.ranked(30);
    let system = SYSTEMS[random.ranked(SYSTEMS.len() as u64) as usize];
    match random.below(20) {
        0 => CRAWLERS[random.below(3) as usize].to_owned(),
        1..=4 => format!("Mozilla/5.0 ({system}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"),
        5..=8 => format!(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_{} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
             Version/17.{} Mobile/15E148 Safari/604.1",
            version % 7,
            version % 7
        ),
        _ => format!(
            "Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
        ),
    }
}
