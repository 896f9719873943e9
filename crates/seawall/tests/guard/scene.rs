//! One scene: a guard before a site, people who visit it, and what happens to them.

use super::attack::{self, Attack};
use super::browser::{AGENTS, Browser};
use super::guard::{Folder, Guard};
use super::site::{self, Trouble};
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

/// Visits that begin each second in calm times.
const VISITS_PER_S: f64 = 3.0;
const PARTS: usize = 4;
/// An answer that takes longer has not helped.
const IN_TIME: Duration = Duration::from_secs(2);

/// Seeded numbers.
#[derive(Clone, Copy, Debug)]
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        seawall_model::hash::mix(self.0)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }
}

/// What goes on from the onset on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Happening {
    Nothing,
    Attack(Attack),
    /// So many times the visits, nearly all by strangers, who come from an advertisement.
    Sale(f64),
    /// Somebody tells of a deploy, and so many of a hundred pages fail.
    BrokenRelease(u32),
    /// Everything takes so many times as long.
    SlowUpstream(u64),
}

#[derive(Clone, Copy, Debug)]
pub struct Script {
    pub happening: Happening,
    pub calm_s: u64,
    pub trouble_s: u64,
    pub after_s: u64,
    pub seed: u64,
}

/// One request of a person that is over.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub at: Instant,
    pub took: Duration,
    /// 0: no answer.
    pub status: u16,
}

impl Asked {
    fn is_good(&self) -> bool {
        (200..400).contains(&self.status) && self.took <= IN_TIME
    }
}

/// What a scene showed.
pub struct Outcome {
    pub onset: Instant,
    pub end: Instant,
    pub asked: Vec<Asked>,
    pub guard: Guard,
    _folder: Folder,
}

impl Outcome {
    /// Requests of people in a stretch of seconds after the onset: how many, how many answered
    /// well and in time, how many refused by the guard.
    pub fn people(&self, from_s: f64, to_s: f64) -> (usize, usize, usize) {
        let stretch = |a: &&Asked| {
            let at = a.at.duration_since(self.onset).as_secs_f64();
            a.at >= self.onset && at >= from_s && at < to_s
        };
        let all: Vec<&Asked> = self.asked.iter().filter(stretch).collect();
        let good = all.iter().filter(|a| a.is_good()).count();
        let refused = all.iter().filter(|a| matches!(a.status, 403 | 429 | 503)).count();
        (all.len(), good, refused)
    }

    pub fn share_in_time(&self, from_s: f64, to_s: f64) -> f64 {
        let (all, good, _) = self.people(from_s, to_s);
        good as f64 / all.max(1) as f64
    }

    /// Seconds from the onset to the first line of the story that holds a text.
    pub fn seconds_to(&self, text: &str) -> Option<f64> {
        let line = self.guard.lines_with(text, self.onset.into_std()).into_iter().next()?;
        Some(line.at.duration_since(self.onset.into_std()).as_secs_f64())
    }

    /// Names that were given from the onset on.
    pub fn names(&self) -> Vec<String> {
        let lines = self.guard.lines_with("  named: ", self.onset.into_std());
        lines.iter().filter_map(|l| l.text.split("named: ").nth(1)).map(str::to_owned).collect()
    }

    pub fn print(&self, title: &str) {
        let (all, good, refused) = self.people(3.0, f64::MAX);
        println!("== {title}: {good}/{all} of people in time from 3 s on, {refused} refused");
        let last = self.end.duration_since(self.onset).as_secs();
        for second in 0..last {
            let (all, good, refused) = self.people(second as f64, second as f64 + 1.0);
            print!(
                "{second}:{good}/{all}{} ",
                if refused > 0 { format!("-{refused}") } else { String::new() }
            );
        }
        println!("\ncpu of the guard {:.2} s", self.guard.cpu_s());
        for line in self.guard.story() {
            let at = line.at.saturating_duration_since(self.onset.into_std()).as_secs_f64();
            if line.text.starts_with(|c: char| c.is_ascii_digit()) || line.text.starts_with("          m") {
                println!("{at:6.2}  {}", line.text.trim_end());
            }
        }
        println!("the story in full:\n{}", self.guard.story_text());
    }
}

type Record = Rc<RefCell<Vec<Asked>>>;

/// Plays a scene to its end.
pub fn play(name: &str, script: Script) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let local = tokio::task::LocalSet::new();
    runtime.block_on(local.run_until(scene(name, script)))
}

async fn scene(name: &str, script: Script) -> Outcome {
    let folder = Folder::new(name);
    let trouble = Arc::<Trouble>::default();
    let upstream = site::start(Arc::clone(&trouble)).await;
    let state = folder.path().join("state");
    let guard = Guard::start(
        &folder,
        &format!("http://{upstream}"),
        &["--state", state.to_str().expect("a plain path")],
    );
    let address = guard.address();
    let record = Record::default();
    let crowd = Rc::new(std::cell::Cell::new(1.0));
    let people = spawn_local(visits(address, Rc::clone(&record), Rc::clone(&crowd), Dice(script.seed)));
    sleep(Duration::from_secs(script.calm_s)).await;
    let onset = Instant::now();
    let mut running = None;
    match script.happening {
        Happening::Nothing => {}
        Happening::Attack(attack) => {
            running = Some(spawn_local(attack::run(attack, address, script.seed ^ 0xA77A)));
        }
        Happening::Sale(times) => crowd.set(times),
        Happening::BrokenRelease(percent) => {
            guard.order(&["change", "deploy 1.4.2"]);
            trouble.failing_percent.store(percent, std::sync::atomic::Ordering::Relaxed);
        }
        Happening::SlowUpstream(times) => trouble.slowness.store(times, std::sync::atomic::Ordering::Relaxed),
    }
    sleep(Duration::from_secs(script.trouble_s)).await;
    crowd.set(1.0);
    trouble.failing_percent.store(0, std::sync::atomic::Ordering::Relaxed);
    trouble.slowness.store(1, std::sync::atomic::Ordering::Relaxed);
    if let Some(attack) = running {
        attack.abort();
    }
    let end = Instant::now();
    sleep(Duration::from_secs(script.after_s)).await;
    people.abort();
    let asked = record.borrow().clone();
    Outcome { onset, end, asked, guard, _folder: folder }
}

async fn visits(guard: SocketAddr, record: Record, crowd: Rc<std::cell::Cell<f64>>, mut dice: Dice) {
    let known = Rc::new(RefCell::new(Vec::<Browser>::new()));
    let mut number = 0_u32;
    loop {
        let times = crowd.get();
        sleep(Duration::from_secs_f64(dice.exponential(1.0 / (VISITS_PER_S * times)))).await;
        let returns = dice.unit() < if times > 1.0 { 0.05 } else { 0.33 };
        let earlier = if returns { pick(&known, &mut dice) } else { None };
        let browser = earlier.unwrap_or_else(|| {
            number += 1;
            let address = 0x7F01_0000 | (number.wrapping_mul(40_503) & 0x003F_FFFF) | 1;
            Browser::new(IpAddr::V4(Ipv4Addr::from(address)), AGENTS[number as usize % AGENTS.len()])
        });
        let (record, known, dice) = (Rc::clone(&record), Rc::clone(&known), Dice(dice.next()));
        let from = if times > 1.0 { "https://news.example/sale" } else { "" };
        spawn_local(async move {
            let browser = visit(guard, browser, &record, dice, from).await;
            known.borrow_mut().push(browser);
        });
    }
}

fn pick(known: &RefCell<Vec<Browser>>, dice: &mut Dice) -> Option<Browser> {
    let mut known = known.borrow_mut();
    if known.len() < 10 {
        return None;
    }
    let at = dice.below(known.len() as u64) as usize;
    Some(known.swap_remove(at))
}

/// Some pages with their parts, and time to read each.
async fn visit(
    guard: SocketAddr,
    mut browser: Browser,
    record: &Record,
    mut dice: Dice,
    from: &str,
) -> Browser {
    let mut referrer = from.to_owned();
    for _ in 0..1 + dice.exponential(2.0) as usize {
        let path = format!("/item/{}", dice.below(500));
        let at = Instant::now();
        let status = browser.page(guard, &path, &referrer).await.unwrap_or(0);
        record.borrow_mut().push(Asked { at, took: at.elapsed(), status });
        referrer = format!("https://shop.example{path}");
        if status == 200 {
            for part in 0..PARTS {
                let at = Instant::now();
                let answer = browser.get(guard, &format!("/static/{part}.css"), &referrer).await;
                let status = answer.map_or(0, |a| a.status);
                record.borrow_mut().push(Asked { at, took: at.elapsed(), status });
            }
        }
        sleep(Duration::from_secs_f64(0.5 + dice.exponential(1.5))).await;
    }
    browser.close();
    browser
}
