//! Programs that mean no harm, and walkers of both kinds: applications, crawlers, scrapers,
//! scanners, monitors, feed readers, imports.

use super::actor::{Actor, Ask, Piece};
use super::behaviour::{App, Periodic, Walk, Walker};
use super::scene::{Sink, World};
use super::site::{Site, Work};
use seawall_model::observation::Method;
use seawall_model::time::{MILLISECOND_NS, SECOND_NS};

/// An app's tries are counted up to here while it works, and stay above while it loops.
const LOOPING: u8 = 200;

const PROBES: [&str; 40] = [
    "/.env",
    "/.git/config",
    "/wp-login.php",
    "/wp-admin/setup-config.php",
    "/phpmyadmin/index.php",
    "/admin",
    "/administrator/index.php",
    "/config.php.bak",
    "/backup.zip",
    "/db.sql",
    "/server-status",
    "/.aws/credentials",
    "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
    "/solr/admin/info/system",
    "/actuator/env",
    "/.DS_Store",
    "/cgi-bin/luci",
    "/boaform/admin/formLogin",
    "/HNAP1/",
    "/api/v1/pods",
    "/console",
    "/manager/html",
    "/xmlrpc.php",
    "/old/",
    "/test.php",
    "/info.php",
    "/shell.php",
    "/1.php",
    "/up.php",
    "/.svn/entries",
    "/telescope/requests",
    "/_ignition/execute-solution",
    "/owa/auth/logon.aspx",
    "/remote/fgt_lang",
    "/autodiscover/autodiscover.xml",
    "/dump.sql",
    "/wp-content/plugins/",
    "/.vscode/sftp.json",
    "/id_rsa",
    "/web.config",
];

impl World<'_> {
    pub(crate) fn act_app(
        &mut self,
        app: &App,
        actor: &mut Actor,
        at_ns: i64,
        sink: Sink<'_>,
    ) -> Option<i64> {
        let site = &self.scene.site;
        let t_s = at_ns as f64 / SECOND_NS as f64;
        let looping = app.loops.filter(|l| actor.flag && t_s >= l.from_s && t_s < l.to_s);
        if actor.left == 0 && looping.is_none() {
            return None;
        }
        let index =
            looping.map_or_else(|| self.rng.index(site.calls.len()), |l| l.call as usize % site.calls.len());
        let mut ask = Ask::page(u32::MAX, &site.calls[index]);
        ask.cookie = false;
        if let Some(l) = looping {
            actor.tries = LOOPING;
            ask.status = l.status;
        } else {
            actor.tries = 0;
            if self.rng.chance(0.2) {
                ask.method = Method::Post;
                ask.request_bytes = 300;
                ask.status = 201;
            }
        }
        let reply = self.send(actor, &ask, at_ns, sink);
        if let Some(l) = looping {
            return Some(reply.end_ns + self.seconds_ns(l.gap_s));
        }
        if reply.is_failure() {
            let again = app.retry_s > 0.0;
            return again.then(|| reply.end_ns + self.seconds_ns(app.retry_s));
        }
        actor.left = actor.left.saturating_sub(1);
        let waits_for_bug = actor.flag && app.loops.is_some_and(|l| t_s < l.from_s);
        let gap_ns = self.pause_ns(app.gap_s);
        (actor.left > 0 || waits_for_bug).then_some(reply.end_ns + gap_ns)
    }

    pub(crate) fn act_walker(
        &mut self,
        walker: &Walker,
        actor: &mut Actor,
        at_ns: i64,
        sink: Sink<'_>,
    ) -> Option<i64> {
        if actor.left == 0 {
            return None;
        }
        if let Some(wake_ns) = self.asleep(&walker.envelope, at_ns) {
            return wake_ns;
        }
        if actor.asset_next < actor.asset_end {
            return Some(self.fetch_asset(actor, at_ns, walker.gap_s, sink));
        }
        actor.left -= 1;
        let ask = self.step_of(walker, actor);
        let reply = self.send(actor, &ask, at_ns, sink);
        actor.previous = Some(actor.page);
        if walker.with_assets > 0.0 && reply.status == 200 && self.rng.chance(walker.with_assets) {
            let site = &self.scene.site;
            actor.asset_end =
                u32::from(site.frame_assets) + u32::from(site.pages[actor.page as usize].assets);
        }
        let gap_ns = if walker.regular {
            (walker.gap_s * SECOND_NS as f64) as i64 + self.rng.below(4_000_000) as i64
        } else {
            self.seconds_ns(walker.gap_s)
        };
        Some((at_ns + gap_ns).max(reply.end_ns) + MILLISECOND_NS)
    }

    fn step_of(&mut self, walker: &Walker, actor: &mut Actor) -> Ask {
        let site = &self.scene.site;
        let n = site.pages.len() as u32;
        if actor.flag {
            actor.flag = false;
            return Ask::page(u32::MAX, &site.robots);
        }
        match walker.walk {
            Walk::InOrder => actor.page = (actor.page + 1) % n,
            Walk::LongTail => actor.page = readable(site, self.rng.below(u64::from(n)) as u32),
            Walk::Import => return self.import(actor),
            Walk::Probes => return self.probe(actor),
        }
        let mut ask = Ask::page(actor.page, &site.pages[actor.page as usize]);
        if let (true, Some(previous)) = (walker.sends_referrer, actor.previous) {
            ask.referrer = Piece::Fixed(site.pages[previous as usize % site.pages.len()].url);
        }
        if walker.robots_first {
            let draw = self.rng.below(100);
            ask.status = if draw < 4 {
                404
            } else if draw < 10 {
                304
            } else {
                200
            };
        }
        ask.accept_language = walker.sends_referrer;
        ask
    }

    fn import(&mut self, actor: &mut Actor) -> Ask {
        let site = &self.scene.site;
        actor.page = actor.page.wrapping_add(1);
        let base = site.calls.first().unwrap_or(&site.report);
        let mut ask = Ask::page(u32::MAX, base);
        self.scratch.clear();
        self.scratch.extend_from_slice(self.scene.text.get(base.path));
        self.scratch.push(b'/');
        let mut digits = [0u8; 10];
        let mut at = digits.len();
        let mut rest = 100_000 + actor.page;
        while rest > 0 {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.scratch.extend_from_slice(&digits[at..]);
        ask.path = Piece::Scratch(0, self.scratch.len() as u32);
        ask.query = None;
        ask.work = Work::Api;
        ask.method = if self.rng.chance(0.7) { Method::Put } else { Method::Post };
        ask.status = if self.rng.chance(0.97) { 200 } else { 409 };
        ask.request_bytes = 2_000;
        ask.accept_language = false;
        ask
    }

    fn probe(&mut self, actor: &mut Actor) -> Ask {
        actor.page = actor.page.wrapping_add(1);
        let mut ask = Ask::page(u32::MAX, &self.scene.site.pages[0]);
        self.scratch.clear();
        let probe = PROBES[actor.page as usize % PROBES.len()];
        self.scratch.extend_from_slice(probe.as_bytes());
        if actor.page as usize >= PROBES.len() && self.rng.chance(0.5) {
            self.scratch.extend_from_slice(&[b'0' + (actor.page % 10) as u8]);
        }
        ask.path = Piece::Scratch(0, self.scratch.len() as u32);
        ask.query = None;
        let draw = self.rng.below(100);
        ask.status = match draw {
            0..=84 => 404,
            85..=94 => 403,
            95..=97 => 301,
            _ => 200,
        };
        ask.cacheable = false;
        ask.accept_language = false;
        ask
    }

    pub(crate) fn act_periodic(
        &mut self,
        periodic: &Periodic,
        actor: &mut Actor,
        at_ns: i64,
        sink: Sink<'_>,
    ) -> Option<i64> {
        let mut ask = Ask::page(u32::MAX, &periodic.page);
        ask.method = periodic.method;
        ask.accept_language = false;
        if self.rng.chance(periodic.unchanged) {
            ask.status = 304;
        }
        self.send(actor, &ask, at_ns, sink);
        let jitter = 1.0 + periodic.jitter * self.rng.uniform(-1.0, 1.0);
        Some(at_ns + (periodic.period_s * jitter * SECOND_NS as f64) as i64)
    }
}

/// The page drawn, or the next one that is no archive.
fn readable(site: &Site, drawn: u32) -> u32 {
    let n = site.pages.len() as u32;
    let mut pages = (0..n).map(|step| (drawn + step) % n);
    pages.find(|page| site.pages[*page as usize].work != Work::Download).unwrap_or(drawn)
}
