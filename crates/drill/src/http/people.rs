//! People with browsers: a page, its assets, a pause to read, the next page. They wait, lose
//! patience, load again, give up.

use super::actor::{Actor, Ask, Piece, Reply};
use super::behaviour::{Entry, People};
use super::scene::{Sink, World};
use super::site::{SiteKind, Work};
use crate::world::WORDS;
use seawall_model::observation::Method;
use seawall_model::time::{MILLISECOND_NS, SECOND_NS};

impl World<'_> {
    pub(crate) fn act_people(
        &mut self,
        people: &People,
        actor: &mut Actor,
        at_ns: i64,
        sink: Sink<'_>,
    ) -> Option<i64> {
        if actor.asset_next < actor.asset_end {
            return Some(self.fetch_asset(actor, at_ns, people.think_s, sink));
        }
        if actor.left == 0 {
            return None;
        }
        let mut ask = self.choose_page(people, actor);
        ask.cookie = actor.returning || actor.previous.is_some();
        ask.patience_us = people.patience_s * 1e6;
        if self.scene.site.pages.get(actor.page as usize).is_some_and(|p| p.work == Work::Download) {
            ask.patience_us = f64::INFINITY;
        }
        if ask.status == 200 && self.rng.chance(0.015) {
            // old links and moved pages
            ask.status = *self.rng.pick(&[404, 301, 302]);
        }
        let reply = self.send(actor, &ask, at_ns, sink);
        if reply.is_failure() || reply.took_us > 8e6 && ask.work != Work::Download {
            return self.after_trouble(people, actor, reply);
        }
        self.after_page(people, actor, reply)
    }

    fn after_page(&mut self, people: &People, actor: &mut Actor, reply: Reply) -> Option<i64> {
        actor.tries = 0;
        actor.left -= 1;
        actor.previous = Some(actor.page);
        if people.refresh_gap_s > 0.0 && self.rng.chance(0.7) {
            actor.left = actor.left.max(1);
            return Some(reply.end_ns + self.seconds_ns(people.refresh_gap_s));
        }
        let site = &self.scene.site;
        let own = site.pages.get(actor.page as usize).map_or(0, |p| u32::from(p.assets));
        let frame = u32::from(site.frame_assets);
        if !actor.flag && reply.status == 200 {
            actor.asset_next = if actor.warm { frame } else { 0 };
            actor.asset_end = frame + own;
            actor.warm = true;
        }
        if actor.asset_next < actor.asset_end {
            return Some(reply.end_ns + self.rng.between(20, 300) as i64 * MILLISECOND_NS);
        }
        actor.asset_end = 0;
        (actor.left > 0).then(|| reply.end_ns + self.pause_ns(people.think_s))
    }

    fn after_trouble(&mut self, people: &People, actor: &mut Actor, reply: Reply) -> Option<i64> {
        actor.tries = actor.tries.saturating_add(1);
        if actor.tries > 8 || !self.rng.chance(people.reloads) {
            return None;
        }
        Some(reply.end_ns + self.seconds_ns(3.0))
    }

    pub(crate) fn fetch_asset(&mut self, actor: &mut Actor, at_ns: i64, think_s: f64, sink: Sink<'_>) -> i64 {
        let site = &self.scene.site;
        let frame = u32::from(site.frame_assets);
        let page = &site.pages[actor.page as usize];
        let index = if actor.asset_next < frame {
            actor.asset_next
        } else {
            page.first_asset + actor.asset_next - frame
        };
        let index = index as usize % site.assets.len();
        let mut ask = Ask::page(u32::MAX, &site.assets[index]);
        ask.host = page.host;
        ask.cookie = actor.returning || actor.left > 0;
        ask.referrer = Piece::Fixed(page.url);
        if actor.returning && self.rng.chance(0.3) {
            ask.status = 304;
        } else if self.rng.chance(0.004) {
            ask.status = 404;
        }
        actor.asset_next += 1;
        let reply = self.send(actor, &ask, at_ns, sink);
        if actor.asset_next < actor.asset_end {
            // browsers fetch several at a time
            return at_ns + self.rng.between(1, 40) as i64 * MILLISECOND_NS;
        }
        actor.asset_next = 0;
        actor.asset_end = 0;
        reply.end_ns + self.pause_ns(think_s)
    }

    fn choose_page(&mut self, people: &People, actor: &mut Actor) -> Ask {
        let scene = self.scene;
        let site = &scene.site;
        let Some(previous) = actor.previous else { return self.first_page(people, actor) };
        if people.refresh_gap_s > 0.0 && actor.tries == 0 {
            let mut ask = Ask::page(previous, &site.pages[previous as usize]);
            ask.cacheable = false;
            return ask;
        }
        let referrer = Piece::Fixed(site.pages[previous as usize].url);
        let mut ask = if site.kind == SiteKind::SinglePage && !site.calls.is_empty() {
            let call = self.rng.index(site.calls.len());
            let mut ask = Ask::page(u32::MAX, &site.calls[call]);
            if self.rng.chance(0.15) {
                ask.method = Method::Post;
            }
            ask
        } else if self.rng.chance(people.searches) {
            self.search()
        } else if self.rng.chance(people.logs_in) {
            self.log_in()
        } else {
            let near = self.rng.chance(0.5);
            let n = site.pages.len() as u32;
            actor.page = if near {
                (previous + self.rng.between(1, 12) as u32) % n
            } else {
                site.popularity.draw(&mut self.rng) as u32
            };
            Ask::page(actor.page, &site.pages[actor.page as usize])
        };
        ask.referrer = referrer;
        ask
    }

    fn first_page(&mut self, people: &People, actor: &mut Actor) -> Ask {
        let site = &self.scene.site;
        let (page, referrer) = match people.entry {
            Entry::Usual => {
                let page = site.popularity.draw(&mut self.rng) as u32;
                let referrer = if self.rng.chance(0.35) {
                    Piece::None
                } else {
                    Piece::Fixed(site.referrers[site.referrer_weights.draw(&mut self.rng)])
                };
                (page, referrer)
            }
            Entry::Campaign { page, referrer } => {
                (page % site.pages.len() as u32, referrer.map_or(Piece::None, Piece::Fixed))
            }
        };
        actor.page = page;
        let mut ask = Ask::page(page, &site.pages[page as usize]);
        ask.referrer = referrer;
        ask
    }

    /// A search for one or two words.
    pub(crate) fn search(&mut self) -> Ask {
        let (a, b) = (*self.rng.pick(&WORDS), *self.rng.pick(&WORDS));
        self.scratch.clear();
        self.scratch.extend_from_slice(b"q=");
        self.scratch.extend_from_slice(a.as_bytes());
        if self.rng.chance(0.4) {
            self.scratch.push(b'+');
            self.scratch.extend_from_slice(b.as_bytes());
        }
        let mut ask = Ask::page(u32::MAX, &self.scene.site.search);
        ask.query = Some(Piece::Scratch(0, self.scratch.len() as u32));
        ask
    }

    fn log_in(&mut self) -> Ask {
        let site = &self.scene.site;
        let mut ask = Ask::page(u32::MAX, &site.login);
        if self.rng.chance(0.6) {
            ask.method = Method::Post;
            ask.request_bytes = 80;
            ask.status = if self.rng.chance(0.12) { site.login_failure_status } else { 302 };
        }
        ask
    }

    /// A pause to read, in nanoseconds.
    pub(crate) fn pause_ns(&mut self, median_s: f64) -> i64 {
        (self.rng.log_normal(median_s, 0.9) * SECOND_NS as f64) as i64
    }

    /// A random span with this mean, in nanoseconds.
    pub(crate) fn seconds_ns(&mut self, mean_s: f64) -> i64 {
        (self.rng.exponential(mean_s) * SECOND_NS as f64) as i64
    }
}
