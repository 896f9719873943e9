//! A client that behaves as a browser does: one connection, cookies, and the pages of whoever
//! stands before the site, as their script or their timed refresh has it.

use super::address::{Door, Source};
use super::message::read_message;
use super::site::MARK;
use sha2::{Digest, Sha256};
use std::time::Duration;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

pub(crate) const AGENTS: [&str; 6] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
    "Mozilla/5.0 (Linux; Android 14; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0",
];
/// The name of a drill's own site.
pub(crate) const HOST: &str = "site.example";
/// Longest that anybody waits for one answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(12);
/// What a telephone takes to read and start a script, and how many numbers it tries in a millisecond.
const STARTING: Duration = Duration::from_millis(15);
const TRIES_PER_MS: u64 = 110;
/// Puzzles of one challenge.
const PUZZLES: usize = 8;
/// How often a browser comes back to a page that asks it to.
const TRIES: u32 = 6;
/// Largest answer that is read.
const MOST_BYTES: usize = 1 << 20;

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The site's own answer, not one of whoever stands before it.
    pub(crate) is_sites: bool,
    head: String,
    body: String,
}

impl Answer {
    pub(crate) fn body(&self) -> &str {
        &self.body
    }

    /// A page with this text.
    #[cfg(test)]
    pub(crate) fn of_body(body: &str) -> Self {
        Self { status: 200, is_sites: true, head: String::new(), body: body.to_owned() }
    }
}

/// A browser at an address.
#[derive(Debug)]
pub(crate) struct Browser {
    source: Source,
    /// The name under which it knows the site.
    host: String,
    agent: &'static str,
    cookies: Vec<String>,
    /// It has been here, and keeps the site's parts.
    pub(crate) has_parts: bool,
    connection: Option<BufReader<TcpStream>>,
}

impl Browser {
    pub(crate) fn new(source: Source, number: u64) -> Self {
        let agent = AGENTS[(number % AGENTS.len() as u64) as usize];
        let host = HOST.to_owned();
        Self { source, host, agent, cookies: Vec::new(), has_parts: false, connection: None }
    }

    /// The same, for a site of another name.
    pub(crate) fn of(self, host: &str) -> Self {
        Self { host: host.to_owned(), ..self }
    }

    pub(crate) fn close(&mut self) {
        self.connection = None;
    }

    /// One request; over a new connection if the old one has gone. `None`: no answer.
    pub(crate) async fn ask(
        &mut self,
        door: Door,
        method: &str,
        path: &str,
        referrer: &str,
    ) -> Option<Answer> {
        let text = self.request(method, path, referrer);
        let answer = tokio::time::timeout(PATIENCE, self.exchange(door, &text)).await.ok().flatten();
        let Some(answer) = &answer else {
            self.connection = None;
            return None;
        };
        for line in answer.head.lines() {
            match line.split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("set-cookie") => self.keep(value),
                Some((name, value))
                    if name.eq_ignore_ascii_case("connection")
                        && value.trim().eq_ignore_ascii_case("close") =>
                {
                    self.connection = None;
                }
                _ => {}
            }
        }
        Some(answer.clone())
    }

    /// Asks for a page until it is there, by the ways that a challenge or a waiting room offers.
    pub(crate) async fn page(
        &mut self,
        door: Door,
        method: &str,
        path: &str,
        referrer: &str,
    ) -> Option<Answer> {
        let mut last = None;
        for _ in 0..TRIES {
            let answer = self.ask(door, method, path, referrer).await?;
            let look = between(&answer.body, "href=\"/.seawall/look.css", "\"").map(str::to_owned);
            let Some(look) = look else { return Some(answer) };
            self.ask(door, "GET", &format!("/.seawall/look.css{look}"), "").await?;
            let puzzle = between(&answer.body, "data-puzzle=\"", "\"");
            let level = between(&answer.body, "data-level=\"", "\"").and_then(|l| l.parse().ok());
            if let (Some(puzzle), Some(level)) = (puzzle, level) {
                let solution = solved(puzzle, level);
                tokio::time::sleep(thinking(level)).await;
                let pass = format!("/.seawall/pass?puzzle={puzzle}&solution={solution}");
                self.ask(door, "POST", &pass, "").await?;
            } else {
                // What the page's own refresh says.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            last = Some(answer);
        }
        last
    }

    fn request(&self, method: &str, path: &str, referrer: &str) -> String {
        let accept = if path.starts_with("/static/") || path.contains(".css") || path.starts_with("/api/") {
            "*/*"
        } else {
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
        };
        let mut text = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {}\r\nAccept: {accept}\r\n\
             Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: {}\r\n",
            self.host,
            self.agent,
            // A team's own service is read, and packed text would have to be unpacked for that.
            if self.host == HOST { "gzip" } else { "identity" }
        );
        if !referrer.is_empty() {
            text.push_str(&format!("Referer: {referrer}\r\n"));
        }
        if !self.cookies.is_empty() {
            text.push_str(&format!("Cookie: {}\r\n", self.cookies.join("; ")));
        }
        if method == "POST" {
            text.push_str("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\nn=1");
        } else {
            text.push_str("\r\n");
        }
        text
    }

    fn keep(&mut self, value: &str) {
        let Some(cookie) = value.split(';').next().map(str::trim).filter(|c| c.contains('=')) else { return };
        let name = cookie.split('=').next().unwrap_or_default().to_owned() + "=";
        self.cookies.retain(|c| !c.starts_with(&name));
        self.cookies.push(cookie.to_owned());
    }

    async fn exchange(&mut self, door: Door, text: &str) -> Option<Answer> {
        let is_old = self.connection.is_some();
        if let Some(answer) = self.once(door, text).await {
            return Some(answer);
        }
        self.connection = None;
        // The server may have closed an idle connection at this moment; browsers try once more.
        if is_old { self.once(door, text).await } else { None }
    }

    async fn once(&mut self, door: Door, text: &str) -> Option<Answer> {
        if self.connection.is_none() {
            self.connection = Some(BufReader::new(door.connect(self.source).await?));
        }
        let stream = self.connection.as_mut()?;
        stream.get_mut().write_all(text.as_bytes()).await.ok()?;
        read_answer(stream).await
    }
}

async fn read_answer(stream: &mut BufReader<TcpStream>) -> Option<Answer> {
    let (head, body) = read_message(stream, MOST_BYTES).await?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let is_sites = head.to_ascii_lowercase().contains(MARK);
    Some(Answer { status, is_sites, head, body: String::from_utf8_lossy(&body).into_owned() })
}

/// Numbers whose SHA-256 together with the puzzle begins with so many zero bits, as the script of
/// the challenge finds them.
fn solved(puzzle: &str, level: u32) -> String {
    let is_solved = |index: usize, number: u32| {
        let hash = Sha256::digest(format!("{puzzle}.{index}.{number}"));
        u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]).leading_zeros() >= level
    };
    let find = |index| (0..1 << 24).find(|n| is_solved(index, *n)).unwrap_or(0).to_string();
    (0..PUZZLES).map(find).collect::<Vec<_>>().join("-")
}

/// What a telephone takes for a challenge: a puzzle of so many bits needs twice as many tries for
/// each of them.
fn thinking(level: u32) -> Duration {
    STARTING + Duration::from_millis((PUZZLES as u64) * (1 << level.min(24)) / TRIES_PER_MS)
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let start = text.find(before)? + before.len();
    let end = text[start..].find(after)?;
    Some(&text[start..start + end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::address::Population;

    #[test]
    fn puzzles_are_solved_as_their_script_does() {
        let numbers: Vec<u32> = solved("abc", 6).split('-').map(|n| n.parse().expect("a number")).collect();
        assert_eq!(numbers.len(), 8);
        for (index, number) in numbers.iter().enumerate() {
            let hash = Sha256::digest(format!("abc.{index}.{number}"));
            assert_eq!(hash[0] >> 2, 0);
        }
    }

    #[test]
    fn a_newer_cookie_replaces_the_one_of_its_name() {
        let mut browser = Browser::new(Source::new(1, Population::People, 1), 1);
        for value in [" session=1; Path=/", " pass=a", " session=2; Path=/; HttpOnly", " nonsense"] {
            browser.keep(value);
        }
        assert_eq!(browser.cookies, ["pass=a", "session=2"]);
        assert!(browser.request("GET", "/", "").contains("Cookie: pass=a; session=2\r\n"));
    }
}
