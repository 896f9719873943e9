//! Members of floods, guessers of passwords, and clients that never finish.

use super::actor::{Actor, Ask, Piece};
use super::behaviour::{Aim, Bot, QueryStyle, ReferrerStyle, Resetter, Rhythm, Slow};
use super::scene::{Sink, World};
use super::site::Work;
use crate::world::{Envelope, WORDS, random_word};
use seawall_model::observation::{Ending, Method};
use seawall_model::time::{MILLISECOND_NS, SECOND_NS};

/// How long an idle bot sleeps before it looks again whether it is its turn.
const SLEEP_NS: i64 = 250 * MILLISECOND_NS;

impl World<'_> {
    pub(crate) fn act_bot(
        &mut self,
        bot: &Bot,
        actor: &mut Actor,
        at_ns: i64,
        sink: Sink<'_>,
    ) -> Option<i64> {
        if actor.left == 0 {
            return None;
        }
        if actor.flag {
            // bots do not all begin with the same beat
            actor.flag = false;
            if let Rhythm::Random { gap_s } | Rhythm::Regular { gap_s } | Rhythm::Human { gap_s } = bot.rhythm
                && bot.requests > 1
            {
                return Some(at_ns + (self.rng.unit() * gap_s * SECOND_NS as f64) as i64);
            }
        }
        if let Some(wake_ns) = self.asleep(&bot.envelope, at_ns) {
            return wake_ns;
        }
        if actor.asset_next < actor.asset_end {
            return Some(self.fetch_asset(actor, at_ns, 1.0, sink));
        }
        actor.left -= 1;
        if bot.old_version {
            actor.version = 2;
        }
        self.scratch.clear();
        let mut ask = self.aim(bot, actor);
        self.add_query(bot.query, &mut ask);
        ask.referrer = self.bot_referrer(bot.referrer);
        ask.method = bot.method;
        ask.request_bytes = bot.request_bytes;
        ask.cookie = bot.cookie;
        ask.accept_language = bot.accept_language;
        let reply = self.send(actor, &ask, at_ns, sink);
        if bot.assets > 0.0
            && reply.status == 200
            && matches!(bot.aim, Aim::Popular)
            && self.rng.chance(bot.assets)
        {
            let site = &self.scene.site;
            actor.asset_end =
                u32::from(site.frame_assets) + u32::from(site.pages[actor.page as usize].assets);
            return Some(reply.end_ns + 50 * MILLISECOND_NS);
        }
        let gap_ns = match bot.rhythm {
            Rhythm::Random { gap_s } => self.seconds_ns(gap_s * actor.pace),
            Rhythm::Regular { gap_s } => (gap_s * actor.pace * SECOND_NS as f64) as i64,
            Rhythm::Human { gap_s } => self.pause_ns(gap_s),
            Rhythm::Closed => return Some(reply.end_ns + self.rng.between(1, 60) as i64 * MILLISECOND_NS),
        };
        Some(at_ns + gap_ns.max(MILLISECOND_NS))
    }

    /// `Some` while the envelope keeps the actor from acting: when to look again, if ever.
    pub(crate) fn asleep(&mut self, envelope: &Envelope, at_ns: i64) -> Option<Option<i64>> {
        let t_s = at_ns as f64 / SECOND_NS as f64;
        let level = envelope.at(t_s);
        if level >= 1.0 || self.rng.chance(level) {
            return None;
        }
        let over = t_s >= self.scene.timing.end_s && envelope.at(t_s) == 0.0;
        let nap_ns = SLEEP_NS / 2 + self.rng.below(SLEEP_NS as u64) as i64;
        Some((!over).then_some(at_ns + nap_ns))
    }

    fn aim(&mut self, bot: &Bot, actor: &mut Actor) -> Ask {
        let site = &self.scene.site;
        match &bot.aim {
            Aim::One(page) => Ask::page(self.page_number(page.work), page),
            Aim::Few(pages) => {
                let page = *self.rng.pick(pages);
                Ask::page(self.page_number(page.work), &page)
            }
            Aim::Popular => {
                actor.page = site.popularity.draw(&mut self.rng) as u32;
                Ask::page(actor.page, &site.pages[actor.page as usize])
            }
            Aim::RandomPath { style, length } => {
                self.scratch.push(b'/');
                random_word(&mut self.rng, *style, usize::from(*length), &mut self.scratch);
                let mut ask = Ask::page(u32::MAX, &site.pages[0]);
                ask.path = Piece::Scratch(0, self.scratch.len() as u32);
                ask.status = 404;
                ask.work = Work::Page;
                ask
            }
            Aim::Garbage => {
                let length = self.rng.between(4, 40) as usize;
                random_word(&mut self.rng, 2, length, &mut self.scratch);
                let mut ask = Ask::page(u32::MAX, &site.pages[0]);
                ask.path = Piece::Scratch(0, self.scratch.len() as u32);
                ask.status = 400;
                ask.ends = Some((Ending::ClientInvalid, 200.0));
                ask.malformed = true;
                ask
            }
            Aim::Login { succeeds } => {
                let mut ask = Ask::page(u32::MAX, &site.login);
                ask.status = if self.rng.chance(*succeeds) { 302 } else { site.login_failure_status };
                ask
            }
        }
    }

    fn page_number(&self, work: Work) -> u32 {
        if work == Work::Page { 0 } else { u32::MAX }
    }

    fn add_query(&mut self, style: QueryStyle, ask: &mut Ask) {
        let from = self.scratch.len() as u32;
        match style {
            QueryStyle::Own => return,
            QueryStyle::Word { style, length } => {
                random_word(&mut self.rng, style, usize::from(length), &mut self.scratch);
            }
            QueryStyle::Pairs { pairs } => {
                for i in 0..pairs {
                    if i > 0 {
                        self.scratch.push(b'&');
                    }
                    let (name, value) = (self.rng.between(3, 10) as usize, self.rng.between(3, 10) as usize);
                    random_word(&mut self.rng, 1, name, &mut self.scratch);
                    self.scratch.push(b'=');
                    random_word(&mut self.rng, 1, value, &mut self.scratch);
                }
            }
            QueryStyle::Stamp => {
                self.scratch.extend_from_slice(b"_=");
                random_word(&mut self.rng, 4, 13, &mut self.scratch);
            }
            QueryStyle::Search => {
                let (a, b) = (*self.rng.pick(&WORDS), *self.rng.pick(&WORDS));
                self.scratch.extend_from_slice(b"q=");
                self.scratch.extend_from_slice(a.as_bytes());
                self.scratch.extend_from_slice(b"%20");
                self.scratch.extend_from_slice(b.as_bytes());
            }
        }
        ask.query = Some(Piece::Scratch(from, self.scratch.len() as u32));
        ask.cacheable = false;
    }

    fn bot_referrer(&mut self, style: ReferrerStyle) -> Piece {
        let site = &self.scene.site;
        match style {
            ReferrerStyle::Nothing => Piece::None,
            ReferrerStyle::Internal => {
                let page = site.popularity.draw(&mut self.rng);
                Piece::Fixed(site.pages[page].url)
            }
            ReferrerStyle::Usual => Piece::Fixed(site.referrers[site.referrer_weights.draw(&mut self.rng)]),
            ReferrerStyle::RandomSearch => {
                const ENGINES: [&str; 4] = [
                    "http://www.google.com/?q=",
                    "http://www.usatoday.com/search/results?q=",
                    "http://engadget.search.aol.com/search?q=",
                    "http://www.bing.com/search?q=",
                ];
                let from = self.scratch.len() as u32;
                self.scratch.extend_from_slice(self.rng.pick(&ENGINES).as_bytes());
                let length = self.rng.between(5, 10) as usize;
                random_word(&mut self.rng, 1, length, &mut self.scratch);
                Piece::Scratch(from, self.scratch.len() as u32)
            }
        }
    }

    /// Opens streams and resets them at once; few of them reach the log.
    pub(crate) fn act_resetter(
        &mut self,
        resetter: &Resetter,
        actor: &mut Actor,
        at_ns: i64,
        sink: Sink<'_>,
    ) -> Option<i64> {
        if let Some(wake_ns) = self.asleep(&resetter.envelope, at_ns) {
            return wake_ns;
        }
        actor.page = actor.page.wrapping_add(1);
        self.tell_reset(actor, at_ns, sink);
        if self.rng.chance(resetter.logged) {
            let mut ask = Ask::page(0, &self.scene.site.pages[0]);
            ask.status = 499;
            ask.ends = Some((Ending::ClientAborted, 900.0));
            ask.accept_language = false;
            self.send(actor, &ask, at_ns, sink);
        }
        Some(at_ns + self.seconds_ns(resetter.gap_s).max(20_000))
    }

    /// The request shows in the log when the server stops waiting for it.
    pub(crate) fn act_slow(
        &mut self,
        slow: &Slow,
        actor: &mut Actor,
        at_ns: i64,
        sink: Sink<'_>,
    ) -> Option<i64> {
        if !actor.warm {
            if let Some(wake_ns) = self.asleep(&slow.envelope, at_ns) {
                return wake_ns;
            }
            let hold_s = slow.hold_s * self.rng.uniform(0.97, 1.1);
            if at_ns as f64 / SECOND_NS as f64 + hold_s > self.scene.timing.end_s {
                return None;
            }
            actor.warm = true;
            actor.pace = hold_s;
            return Some(at_ns + (hold_s * SECOND_NS as f64) as i64);
        }
        let page = &self.scene.site.pages[0];
        let mut ask = Ask::page(u32::MAX, page);
        ask.status = if slow.slow_body || self.rng.chance(0.9) { 408 } else { 400 };
        ask.ends = Some((Ending::ClientTimedOut, actor.pace * 1e6));
        if slow.slow_body {
            ask.method = Method::Post;
            ask.request_bytes = 1_000_000;
        } else if self.rng.chance(0.7) {
            // many servers log no request line at all
            ask.path = Piece::None;
        }
        self.send(actor, &ask, at_ns, sink);
        actor.warm = false;
        slow.again.then_some(at_ns + 20 * MILLISECOND_NS)
    }
}
