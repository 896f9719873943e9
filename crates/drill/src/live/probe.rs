//! A short, bounded rehearsal against a service of the team's own on this machine: what it is made of,
//! what a flood does to it as it stands, and what would have happened behind a guard.
//!
//! Only loopback addresses are taken, nothing but `GET` is sent, and no more than so many requests a
//! second for some seconds. Links that end a session or remove something are left alone.

use super::address::{Door, Population, Source};
use super::attack::{self, bounded};
use super::browser::{Answer, Browser, PATIENCE};
use super::card::{ANSWERED, Card};
use super::guard::{Front, Guard};
use super::machine::Watch;
use super::people::{Asked, People, Taste};
use super::play::{ALONE_S, CALM_S, FILLS_S, Options, Play, Progress, Stage};
use super::seen::{Seen, course, decided, good_share};
use super::stage::on_a_runtime;
use super::world::{Flood, Wanted};
use seawall_model::Cause;
use serde::{Deserialize, Serialize};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::time::Instant;

/// The schema's name and version.
pub const PROBE_SCHEMA: &str = "seawall.drill-probe/1";
/// About how long it takes, in seconds.
pub const PROBE_S: f64 = 2.0 + 4.0 * ALONE_S + WITHOUT_S + CALM_S + ATTACK_S + 6.0;

/// Seconds of the flood, without a guard and with one.
const WITHOUT_S: f64 = 5.0;
const ATTACK_S: f64 = 12.0;
/// People beside it.
const VISITS_PER_S: f64 = 3.0;
/// Pages and parts that are looked for, and pages that are read for that.
const MOST_PAGES: usize = 40;
const MOST_PARTS: usize = 20;
const MOST_READ: usize = 6;
/// Pages that are timed.
const TIMED: usize = 12;
/// Addresses that the flood comes from.
const SOURCES: u64 = 8_000;
/// Names of links that may do something, although a `GET` should not.
const LEFT_ALONE: [&str; 8] =
    ["logout", "signout", "sign-out", "log-out", "delete", "remove", "unsubscribe", "cancel"];

/// What a probe showed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeCard {
    /// `http://127.0.0.1:3000/`.
    pub target: String,
    pub pages: usize,
    pub parts: usize,
    /// Median time for a page, one after the other, in milliseconds.
    pub page_ms: f64,
    /// Requests of people that the guard's rules refused, closed or challenged, and of the flood.
    pub interfered: u64,
    /// What was measured; its world is `probe`, and it has no bars.
    pub card: Card,
}

impl ProbeCard {
    /// Whether people were answered, and kept being answered, behind the guard.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.card.contained_s.is_some() && self.card.answered_after.value().is_some_and(|v| v >= ANSWERED)
    }
}

/// A service on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    door: Door,
    /// Under which name it is asked.
    host: String,
    path: String,
}

impl Target {
    /// Reads `http://127.0.0.1:3000/path`.
    ///
    /// # Errors
    /// If it is not plain HTTP on an IPv4 loopback address, with what to do.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = text
            .strip_prefix("http://")
            .ok_or_else(|| format!("{text} is not plain HTTP: name it as http://127.0.0.1:PORT"))?;
        let (place, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let (host, port) = place.rsplit_once(':').unwrap_or((place, "80"));
        let port: u16 = port.parse().map_err(|_| format!("`{port}` in {text} is no port"))?;
        let ip: IpAddr = match host {
            "localhost" => Ipv4Addr::LOCALHOST.into(),
            _ => host.trim_matches(['[', ']']).parse().map_err(|_| {
                format!("{host} is a name: a probe stays on this machine, so name it as 127.0.0.1")
            })?,
        };
        if !ip.is_ipv4() {
            return Err(format!("{ip} is not IPv4: people and flood come from addresses of 127.0.0.0/8"));
        }
        let door = Door::new(SocketAddr::new(ip, port)).map_err(|e| e.to_string())?;
        if !is_path(path) {
            return Err(format!("{text} holds characters that no path has"));
        }
        Ok(Self { door, host: place.to_owned(), path: path.to_owned() })
    }

    /// The same service, asked under another name.
    ///
    /// # Errors
    /// If it is no name that a request could bear.
    pub fn named(self, host: &str) -> Result<Self, String> {
        if host.is_empty() || !is_path(host) {
            return Err(format!("`{host}` is no name of a host"));
        }
        Ok(Self { host: host.to_owned(), ..self })
    }
}

/// Probes a service with so many requests a second.
///
/// # Errors
/// If the service does not answer, the guard cannot be started, or somebody asked for the end.
pub fn probe(
    target: &Target,
    per_s: f64,
    options: Options<'_>,
    tell: &mut dyn FnMut(&Progress),
) -> io::Result<ProbeCard> {
    on_a_runtime(play(target, bounded(per_s), options, tell))
}

async fn play(
    target: &Target,
    per_s: f64,
    options: Options<'_>,
    tell: &mut dyn FnMut(&Progress),
) -> io::Result<ProbeCard> {
    let mut play = Play::new("probe", options, tell)?;
    let found = find(target, options.seed).await?;
    let flood = Flood {
        wanted: Wanted::FoundPages,
        times: 1.0,
        sources: SOURCES,
        changes_after_s: 5,
        slow_connections: 0,
        causes: &[Cause::HttpFlood, Cause::CacheBusting, Cause::ExpensiveEndpoint, Cause::ConnectionFlood],
    };
    let people = |door| {
        People::come(door, Taste::found(&target.host, &found.pages, &found.parts), VISITS_PER_S, options.seed)
    };
    let attack = |door| attack::start(flood, (door, &target.host), per_s, &found.pages, options.seed);

    play.stage(Stage::Without { per_s });
    let alone = people(target.door);
    play.watch(Some(&alone.record));
    play.wait(4.0 * ALONE_S, None).await?;
    let onset = Instant::now();
    let flooding = attack(target.door)?;
    play.wait(WITHOUT_S, None).await?;
    let end = Instant::now();
    drop(flooding);
    let asked = alone.record.borrow().clone();
    drop(alone);
    let answered_without = Some(good_share(&asked, onset + Duration::from_secs_f64(FILLS_S), end));
    let course_without = course(&decided(&asked, end), onset);

    let guard =
        Guard::start(options.program, play.folder(), &play.state_folder()?, &Front::Http(target.door), None)?;
    let visitors = people(guard.door());
    play.watch(Some(&visitors.record));
    play.stage(Stage::Calm);
    play.wait(CALM_S, Some(&guard)).await?;
    let onset = play.begin();
    play.stage(Stage::Attack { per_s });
    let watch = Watch::start(guard.id(), false);
    let flooding = attack(guard.door())?;
    play.wait(ATTACK_S, Some(&guard)).await?;
    let end = Instant::now();
    let (not_taken, machine, interfered) = (guard.not_taken()?, watch.finish(), guard.interfered()?);
    drop(flooding);
    play.stage(Stage::After);
    play.wait_for_release(&guard).await?;
    let asked: Vec<Asked> = visitors.record.borrow().iter().map(as_own).collect();
    drop(visitors);
    let until = Instant::now();
    let events = guard.end()?;
    play.hear(&events);
    let right = flood.causes.iter().map(|c| c.as_str()).collect();
    let seen =
        Seen { theories: &[], right, forged: Vec::new(), onset, end, until, asked: &asked, events: &events };
    let seen = seen.card("probe", options.seed);
    let card = Card { attack_per_s: per_s, answered_without, course_without, not_taken, machine, ..seen };
    let (pages, parts) = (found.pages.len(), found.parts.len());
    Ok(ProbeCard { target: found.url, pages, parts, page_ms: found.page_ms, interfered, card })
}

/// A service of the team's own bears no mark: what says "not you", "too many" or "not now" counts as
/// a refusal, whoever says it, and any other error as the service's.
fn as_own(asked: &Asked) -> Asked {
    Asked { is_sites: !matches!(asked.status, 403 | 429 | 503), ..*asked }
}

/// What a service is made of.
struct Found {
    url: String,
    pages: Vec<String>,
    parts: Vec<String>,
    page_ms: f64,
}

/// Reads some pages for the links and parts that they name.
async fn find(target: &Target, seed: u64) -> io::Result<Found> {
    let url = format!("http://{}{}", target.door.address(), target.path);
    let mut browser = Browser::new(Source::new(seed, Population::People, 0), seed).of(&target.host);
    let (mut pages, mut parts) = (vec![target.path.clone()], Vec::new());
    let mut read = 0;
    while let Some(page) = pages.get(read).filter(|_| read < MOST_READ).cloned() {
        let answer = browser.ask(target.door, "GET", &page, "").await;
        match answer {
            Some(answer) if (200..300).contains(&answer.status) => {
                links(&answer, &mut pages, &mut parts);
                read += 1;
            }
            Some(Answer { status, .. }) if read == 0 => {
                let text = format!("{url} answers {status}: name a page that answers 200");
                return Err(io::Error::other(text));
            }
            None if read == 0 => {
                let text = format!("{url} gave no whole answer within {} s", PATIENCE.as_secs());
                return Err(io::Error::other(text));
            }
            // A page that cannot be read is not asked for by people either.
            _ => {
                pages.remove(read);
            }
        }
    }
    let mut took_ms = Vec::new();
    for page in pages.iter().cycle().take(TIMED) {
        let begun = Instant::now();
        browser.ask(target.door, "GET", page, "").await;
        took_ms.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    took_ms.sort_by(f64::total_cmp);
    Ok(Found { url, pages, parts, page_ms: took_ms[took_ms.len() / 2] })
}

/// Adds the paths of this service that a page names.
fn links(answer: &Answer, pages: &mut Vec<String>, parts: &mut Vec<String>) {
    for piece in answer.body().split(['<', '>']) {
        let is_link = piece.starts_with("a ") || piece.starts_with("A ");
        let named = ["href=", "src="].iter().find_map(|word| {
            let rest = piece.split_once(word)?.1;
            let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            rest.get(1..)?.split(quote).next()
        });
        let Some(path) = named.and_then(|p| p.split('#').next()) else { continue };
        let is_own = path.starts_with('/') && !path.starts_with("//") && is_path(path);
        let lower = path.to_ascii_lowercase();
        if !is_own || LEFT_ALONE.iter().any(|word| lower.contains(word)) {
            continue;
        }
        let (all, most) = if is_link { (&mut *pages, MOST_PAGES) } else { (&mut *parts, MOST_PARTS) };
        if all.len() < most && !all.iter().any(|p| p == path) {
            all.push(path.to_owned());
        }
    }
}

/// Whether nothing of it could be more than a path in a request line.
fn is_path(text: &str) -> bool {
    text.len() <= 400 && text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_on_this_machine_is_a_target() {
        for good in
            ["http://127.0.0.1:3000", "http://127.0.0.1:3000/shop", "http://localhost", "http://127.8.0.1:1/"]
        {
            assert!(Target::parse(good).is_ok(), "{good}");
        }
        let refused = [
            ("https://127.0.0.1", "is not plain HTTP"),
            ("http://10.0.0.1:80", "is not a loopback address"),
            ("http://example.org", "is a name"),
            ("http://127.0.0.1.example.org", "is a name"),
            ("http://[::1]:80", "is not IPv4"),
            ("http://0.0.0.0:80", "is not a loopback address"),
            ("http://127.0.0.1:99999", "is no port"),
            ("http://127.0.0.1:80/a b", "no path has"),
            ("http://127.0.0.1:80/a\r\nX: y", "no path has"),
        ];
        for (bad, why) in refused {
            let said = Target::parse(bad).expect_err(bad);
            assert!(said.contains(why), "{bad}: {said}");
        }
    }

    #[test]
    fn pages_and_parts_are_found_and_what_may_do_something_is_left_alone() {
        let body = r#"<link rel="stylesheet" href="/look.css"><a class=x href="/item/1">one</a> <A HREF='/no'>
            <a href='/item/2#top'>two</a><a href="/logout">bye</a><a href="//other.example/x">x</a>
            <a href="https://other.example/">y</a><img src="/a.png"><script src='/a.js'></script>
            <a href="/item/1">again</a><a href="/cart/delete?id=1">z</a>"#;
        let (mut pages, mut parts) = (vec!["/".to_owned()], Vec::new());
        links(&Answer::of_body(body), &mut pages, &mut parts);
        assert_eq!(pages, ["/", "/item/1", "/item/2"]);
        assert_eq!(parts, ["/look.css", "/a.png", "/a.js"]);
    }
}
