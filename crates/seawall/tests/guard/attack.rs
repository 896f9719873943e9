//! Attacks on a site through the guard. Each runs until it is dropped.

use super::browser::{AGENTS, Browser, connect};
use super::scene::Dice;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Attack {
    /// Requests a second, hardly two from one source, each to the byte what a first visit sends.
    Distributed { per_s: f64 },
    /// The same in pulses: seconds on, seconds off.
    Pulses { per_s: f64, on_s: u64, off_s: u64 },
    /// Sources, each as fast as it is answered, up to so many a second.
    Loud { sources: u32, per_s_each: f64 },
    /// As distributed, for pages with a query that nobody asked before.
    CacheBusting { per_s: f64 },
    /// As distributed, from some hundred sources, for the search.
    DearSearch { per_s: f64 },
    /// Connections that send a header a byte a second.
    SlowHeaders { connections: u32 },
    /// Connections that do nothing.
    Idle { connections: u32 },
}

/// Any address of the attackers': none of the people's.
fn source(dice: &mut Dice, among: u32) -> IpAddr {
    let number = dice.below(u64::from(among)) as u32;
    // Spread over many networks, as rented machines are.
    let spread = number.wrapping_mul(2_654_435_761) >> 9;
    IpAddr::V4(Ipv4Addr::from(0x7F80_0000 | (spread & 0x007F_FFFF) | 1))
}

pub async fn run(attack: Attack, guard: SocketAddr, seed: u64) {
    let mut dice = Dice(seed);
    let started = Instant::now();
    let mut all = JoinSet::new();
    match attack {
        Attack::Distributed { per_s } => flood(guard, &mut dice, per_s, 50_000, item, |_| true).await,
        Attack::Pulses { per_s, on_s, off_s } => {
            let is_on = move |at: Instant| (at - started).as_secs() % (on_s + off_s) < on_s;
            flood(guard, &mut dice, per_s, 50_000, item, is_on).await;
        }
        Attack::CacheBusting { per_s } => {
            let bust = |dice: &mut Dice| format!("{}?r={:x}", item(dice), dice.next());
            flood(guard, &mut dice, per_s, 2_000, bust, |_| true).await;
        }
        Attack::DearSearch { per_s } => {
            let search = |dice: &mut Dice| format!("/search?q=w{}", dice.below(100_000));
            flood(guard, &mut dice, per_s, 300, search, |_| true).await;
        }
        Attack::Loud { sources, per_s_each } => {
            for number in 0..sources {
                all.spawn_local(loud(guard, number, per_s_each, Dice(seed + u64::from(number))));
            }
            std::future::pending::<()>().await;
        }
        Attack::SlowHeaders { connections } => {
            for _ in 0..connections {
                all.spawn_local(drip(guard, source(&mut dice, 400)));
                sleep(Duration::from_millis(2)).await;
            }
            std::future::pending::<()>().await;
        }
        Attack::Idle { connections } => {
            for _ in 0..connections {
                all.spawn_local(idle(guard, source(&mut dice, 400)));
                sleep(Duration::from_millis(2)).await;
            }
            std::future::pending::<()>().await;
        }
    }
}

fn item(dice: &mut Dice) -> String {
    format!("/item/{}", dice.below(500))
}

async fn flood(
    guard: SocketAddr,
    dice: &mut Dice,
    per_s: f64,
    sources: u32,
    path: impl Fn(&mut Dice) -> String,
    is_on: impl Fn(Instant) -> bool,
) {
    let (mut next, step) = (Instant::now(), Duration::from_secs_f64(1.0 / per_s));
    let mut all = JoinSet::new();
    loop {
        next += step;
        sleep_until(next).await;
        while all.try_join_next().is_some() {}
        if !is_on(next) {
            continue;
        }
        let agent = AGENTS[dice.below(AGENTS.len() as u64) as usize];
        let mut browser = Browser::new(source(dice, sources), agent);
        let path = path(dice);
        all.spawn_local(async move {
            let _ = browser.get(guard, &path, "").await;
        });
    }
}

async fn loud(guard: SocketAddr, number: u32, per_s: f64, mut dice: Dice) {
    let source = IpAddr::V4(Ipv4Addr::from(0x7FC8_0001 + number * 0x101));
    let mut browser = Browser::new(source, AGENTS[number as usize % AGENTS.len()]);
    let (mut next, step) = (Instant::now(), Duration::from_secs_f64(1.0 / per_s));
    loop {
        next = (next + step).max(Instant::now() - Duration::from_secs(1));
        sleep_until(next).await;
        let path = item(&mut dice);
        let _ = browser.get(guard, &path, "").await;
    }
}

/// Sends a header a byte a second, and begins anew when it is cut.
async fn drip(guard: SocketAddr, source: IpAddr) {
    loop {
        let Some(mut stream) = connect(source, guard).await else { return };
        for byte in b"GET / HTTP/1.1\r\nHost: shop.example\r\nX-Filler: ".iter().chain([b'a'].iter().cycle())
        {
            if stream.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_secs(1)).await;
        }
    }
}

async fn idle(guard: SocketAddr, source: IpAddr) {
    loop {
        let Some(mut stream) = connect(source, guard).await else { return };
        // Until it is closed.
        let _ = stream.read(&mut [0; 64]).await;
    }
}
