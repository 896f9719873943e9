//! The engine, second by second.

use super::*;
use crate::LastSecond;
use seawall_model::Cause;
use seawall_model::change::ChangeKind;
use seawall_model::hash;
use seawall_model::observation::{
    BackendEvent, BackendEventKind, Connection, ConnectionEvent, Method, Observation, Request,
};

/// Requests, each from an address of its own; in calm times every other one for a part of a page.
fn pages(second: i64, requests: u32) -> Window {
    let is_calm = requests < 100;
    let mut window = Window::default();
    for n in 0..requests {
        let time = Timestamp::from_seconds(second).plus_ns(i64::from(n) * 500_000);
        let client = IpAddr::from((0x0A00_0000 + second as u32 * 5_000 + n).to_be_bytes());
        let path: &[u8] = if is_calm && n % 2 == 0 { b"/static/a.css" } else { b"/item/7" };
        let user_agent: &[u8] = if is_calm { b"Mozilla/5.0 (X11)" } else { b"python-requests/2.31" };
        let request = Request { path, user_agent, status: 200, ..Request::new(time, client) };
        window.observe(&Observation::Request(request), u64::from(n));
    }
    window
}

fn feed(engine: &mut Engine, second: i64, window: Window) -> Vec<Effect> {
    let tick = Timestamp::from_seconds(second);
    engine.step(tick, Input::Window { tick, window: Box::new(window) })
}

fn after_calm() -> Engine {
    let mut engine = Engine::new(Policy::default(), None);
    for second in 0..30 {
        assert_eq!(feed(&mut engine, second, pages(second, 18 + (second * 7 % 5) as u32)), []);
    }
    engine
}

fn opened(effects: &[Effect]) -> Option<Timestamp> {
    effects.iter().find_map(|e| if let Effect::Opened { onset } = e { Some(*onset) } else { None })
}

#[test]
fn a_flood_is_noticed_before_its_first_second_is_over_and_dated_as_if_nobody_had_looked() {
    let (mut looking, mut waiting) = (after_calm(), after_calm());
    let (part, rest) = (pages(30, 400), pages(30, 700));
    assert!(!looking.is_rising(&pages(30, 22), &[]) && looking.is_rising(&part, &[]));
    assert_eq!(opened(&feed(&mut looking, 30, part.clone())), None);
    let now = Timestamp::from_seconds(30).plus_ns(350_000_000);
    let early = opened(&looking.step(now, Input::Glance { last_second: Vec::new() }));
    assert!(early.is_some());
    feed(&mut looking, 30, rest.clone());
    feed(&mut waiting, 30, part);
    feed(&mut waiting, 30, rest);
    let (one, other) = (feed(&mut looking, 31, Window::default()), feed(&mut waiting, 31, Window::default()));
    assert_eq!((opened(&one), opened(&other)), (None, early));
    assert_eq!(looking.findings(), waiting.findings());
}

/// Broke: a flood that began late in a second of the clock was noticed after more than a second, since
/// neither that second nor the begin of the next one held enough of it.
#[test]
fn a_flood_that_begins_late_in_a_second_is_noticed_as_soon_as_any_other() {
    let mut engine = after_calm();
    let mut last = LastSecond::default();
    let mut noticed = None;
    let begin = Timestamp::from_seconds(30);
    for tick in 0..20 {
        let now = begin.plus_ns((tick + 1) * SECOND_NS / 10);
        let window = pages(30 + tick / 10, if tick >= 6 { 30 } else { 2 });
        last.add(now, &window);
        let tick_of = now.plus_ns(-1).floor_to(SECOND_NS);
        let _ = engine.step(tick_of, Input::Window { tick: tick_of, window: Box::new(window) });
        let effects = engine.step(now, Input::Glance { last_second: last.counts() });
        noticed = noticed.or(opened(&effects).map(|onset| (now.since_s(begin), onset)));
    }
    let (at_s, onset) = noticed.expect("it is noticed");
    assert!(at_s <= 1.2 && onset == begin, "{at_s} {onset}");
}

/// Visitors come in bursts.
fn after_bursts() -> Engine {
    let mut engine = Engine::new(Policy::default(), None);
    for second in 0..30 {
        let calm = pages(second, if second % 5 == 0 { 50 } else { 4 + (second * 7 % 9) as u32 });
        assert_eq!(feed(&mut engine, second, calm), []);
    }
    engine
}

/// Broke: what had been looked at, and was not sure yet, did not count at the next look, so that a flood that
/// went on was looked at again after four tenths of a second.
#[test]
fn a_rise_that_was_looked_at_goes_on_rising() {
    let mut engine = after_bursts();
    let (more, now) = (pages(30, 20), Timestamp::from_seconds(30).plus_ns(300_000_000));
    assert!(!engine.is_rising(&more, &[]), "alone it is little");
    feed(&mut engine, 30, burst());
    assert_eq!(opened(&engine.step(now, Input::Glance { last_second: Vec::new() })), None);
    assert!(engine.is_rising(&more, &[]));
}

/// More than usual, and no attack.
fn burst() -> Window {
    let mut burst = pages(30, 80);
    (31..33).for_each(|others| burst.merge(&pages(others, 80)));
    burst
}

/// Broke: on a site whose visitors come in bursts, a flood of few requests was noticed after more than a
/// second, since it was no further above the usual than a burst may be.
#[test]
fn a_flood_on_a_site_of_bursts_is_noticed_by_its_name_and_a_burst_is_none() {
    let mut engine = after_bursts();
    let now = Timestamp::from_seconds(30).plus_ns(600_000_000);
    let look = |engine: &mut Engine, part: Window| {
        assert!(engine.is_rising(&part, &[]));
        feed(engine, 30, part);
        let before = engine.clone();
        let effects = engine.step(now, Input::Glance { last_second: Vec::new() });
        (opened(&effects).is_some(), *engine == before)
    };
    assert_eq!(look(&mut engine.clone(), burst()), (false, true));
    assert_eq!(look(&mut engine, pages(30, 240)), (true, false));
    assert_eq!(engine.diagnosis().map(|d| d.verdict.class), Some(Class::Attack));
}

/// Pages of readers: of every one that is known the parts are kept, so that a part of a second's
/// few requests is for pages alone, by chance many or few.
fn readers(seed: u64, second: i64) -> Window {
    let mut window = Window::default();
    let mut bits = hash::mix(hash::combine(seed, second as u64));
    for n in 0..8 + (bits >> 40) % 6 {
        bits = hash::mix(bits);
        let time = Timestamp::from_seconds(second).plus_ns(n as i64 * 500_000);
        let client = IpAddr::from((0x0A80_0000 + (bits % 60) as u32).to_be_bytes());
        let path: &[u8] = if bits >> 32 & 3 == 0 { b"/item/7" } else { b"/static/a.css" };
        let request = Request { path, status: 200, ..Request::new(time, client) };
        window.observe(&Observation::Request(request), n);
    }
    window
}

#[test]
fn it_is_quiet_soon_after_a_flood_on_a_small_site_whose_shares_scatter() {
    for seed in 0..20 {
        let mut engine = Engine::new(Policy::default(), None);
        for second in 0..40 {
            feed(&mut engine, second, readers(seed, second));
        }
        for second in 40..50 {
            feed(&mut engine, second, pages(second, 600));
        }
        assert_eq!(engine.quiet_s(), Some(0.0));
        let quiet = (50..80).find(|second| {
            feed(&mut engine, *second, readers(seed, *second));
            engine.quiet_s().is_none_or(|s| s >= 4.0)
        });
        assert!(quiet.is_some_and(|second| second <= 57), "seed {seed}: {quiet:?}");
    }
}

#[test]
fn a_pulse_is_loud_before_its_first_second_is_over() {
    let mut engine = after_calm();
    for second in 30..35 {
        feed(&mut engine, second, pages(second, 600));
    }
    for second in 35..42 {
        feed(&mut engine, second, pages(second, 20));
    }
    assert!(engine.quiet_s().is_some_and(|s| s >= 4.0));
    assert!(!engine.is_loud_again(&pages(42, 20)) && engine.is_loud_again(&pages(42, 90)));
}

#[test]
fn a_flood_is_not_lost_to_the_calm_that_follows() {
    let mut engine = after_calm();
    for second in 30..60 {
        feed(&mut engine, second, pages(second, 400));
    }
    let mut named = engine.clone();
    for second in 60..900 {
        feed(&mut engine, second, pages(second, 18 + (second * 7 % 5) as u32));
    }
    let cause = |engine: &mut Engine| match engine.step(Timestamp::from_seconds(900), Input::Finish).pop() {
        Some(Effect::Concluded(conclusion)) => Some(conclusion.diagnosis.verdict.cause),
        _ => None,
    };
    assert_eq!(cause(&mut engine), cause(&mut named));
    assert_eq!(cause(&mut named.clone()).map(|c| c.class()), Some(Class::Attack));
}

/// Broke: a flood that had stopped twenty minutes before the end of a log was told as going on, because a part of
/// the site that it had broken went on failing.
#[test]
fn a_flood_that_has_stopped_does_not_go_on_for_what_it_has_broken() {
    let failing = |second: i64| {
        let mut window = pages(second, 18 + (second * 7 % 5) as u32);
        for n in 0..6_u8 {
            let (time, client) = (Timestamp::from_seconds(second), IpAddr::from([192, 0, 2, n]));
            let request = Request { path: b"/search", status: 503, ..Request::new(time, client) };
            window.observe(&Observation::Request(request), u64::from(n));
        }
        window
    };
    let end = |until: i64| {
        let mut engine = after_calm();
        for second in 30..90 {
            let mut window = pages(second, 400);
            window.merge(&failing(second));
            feed(&mut engine, second, window);
        }
        (90..until).for_each(|second| _ = feed(&mut engine, second, failing(second)));
        match engine.step(Timestamp::from_seconds(until), Input::Finish).pop() {
            Some(Effect::Concluded(c)) => (c.diagnosis.verdict.class, c.diagnosis.verdict.end),
            _ => (Class::Undecided, None),
        }
    };
    assert_eq!(end(300), (Class::Attack, Some(Timestamp::from_seconds(90))));
    assert_eq!(end(120), (Class::Attack, None), "too early to say");
}

/// Broke: after a thousand changes a guard took no more, though it answered that it had.
#[test]
fn the_last_change_is_kept_however_many_came_before() {
    let mut engine = Engine::new(Policy::default(), None);
    for n in (0..1_100).rev() {
        let time = Timestamp::from_seconds(n);
        let change = Change { time, kind: ChangeKind::Deploy, text: format!("release {n}") };
        drop(engine.step(time, Input::Change(change)));
    }
    let near = engine.changes_near(Timestamp::from_seconds(1_100));
    assert_eq!(near[0].text, "release 1099");
    assert_eq!(engine.changes.len(), CHANGES_KEPT);
    assert_eq!(engine.changes[0].text, "release 100");
}

#[test]
fn a_look_at_a_calm_second_changes_nothing() {
    let mut engine = after_calm();
    feed(&mut engine, 30, pages(30, 9));
    let before = engine.clone();
    let now = Timestamp::from_seconds(30).plus_ns(500_000_000);
    assert_eq!(engine.step(now, Input::Glance { last_second: Vec::new() }), []);
    assert_eq!(engine, before);
}

/// Broke: while a table was locked its check failed second after second, and nothing was said for
/// nine of them, or that all was normal.
#[test]
fn a_check_that_fails_twice_is_a_slow_back_end_and_once_is_nothing() {
    let failing = |second: i64| {
        let mut window = readers(1, second);
        let failed = BackendEvent {
            time: Timestamp::from_seconds(second),
            kind: BackendEventKind::CheckFailed,
            backend: b"",
            server: b"orders",
            text: b"check `orders`: no answer within 500 ms",
        };
        window.observe(&Observation::Backend(failed), second as u64);
        window
    };
    let calm = || {
        let mut engine = Engine::new(Policy::default(), None);
        for second in 0..30 {
            feed(&mut engine, second, readers(1, second));
        }
        engine
    };
    let mut engine = calm();
    feed(&mut engine, 30, failing(30));
    for second in 31..50 {
        assert_eq!(feed(&mut engine, second, readers(1, second)), [], "{second}");
    }
    for second in 50..53 {
        feed(&mut engine, second, failing(second));
    }
    assert_eq!(engine.diagnosis().map(|d| d.verdict.cause), Some(Cause::SlowBackend));
    let mut flooded = calm();
    for second in 30..40 {
        let mut window = failing(second);
        window.merge(&pages(second, 600));
        feed(&mut flooded, second, window);
    }
    assert_eq!(flooded.diagnosis().map(|d| d.verdict.cause), Some(Cause::HttpFlood));
}

/// Connections of eight sources that are held open by requests which never end.
fn held_open(second: i64) -> Window {
    let mut window = readers(1, second);
    for n in 0..24_u8 {
        let held = Connection {
            time: Timestamp::from_seconds(second),
            event: ConnectionEvent::SlowRequest,
            client: IpAddr::from([203, 0, 113, n % 8]),
            server: IpAddr::from([192, 0, 2, 1]),
            client_port: 2_000 + u16::from(n),
            server_port: 443,
            client_bytes: 90,
            server_bytes: 0,
            duration_us: 5_000_000,
            requests: 0,
            ja4: 0,
        };
        window.observe(&Observation::Connection(held), u64::from(n));
    }
    window
}

/// Broke: a crowd of slow clients that stood was told of as it came and never again, so that ten
/// seconds later its incident was over, and its measures went after four.
#[test]
fn slow_clients_that_are_still_held_are_no_calm() {
    let mut engine = Engine::new(Policy::default(), None);
    for second in 0..30 {
        feed(&mut engine, second, readers(1, second));
    }
    for second in 30..34 {
        feed(&mut engine, second, held_open(second));
    }
    let is_over = |effects: Vec<Effect>| effects.iter().any(|e| matches!(e, Effect::Closed { .. }));
    let standing = |second: i64, held: u64| {
        let mut window = readers(1, second);
        window.observe_held(Timestamp::from_seconds(second), held, 0);
        window
    };
    for second in 34..60 {
        assert!(!is_over(feed(&mut engine, second, standing(second, 60))), "{second}");
    }
    assert_eq!(engine.quiet_s(), Some(0.0));
    let closes = (60..80).find(|&second| is_over(feed(&mut engine, second, standing(second, 0))));
    assert_eq!(closes, Some(71), "ten seconds after the last was gone");
}

/// Pages that no cache has, for sources that come once.
fn uncached(second: i64) -> Window {
    let mut window = Window::default();
    for n in 0..300_u64 {
        let bits = hash::mix(hash::combine(second as u64, n));
        let query = format!("_={bits:x}");
        let query = Some(query.as_bytes());
        let client = IpAddr::from((0xC633_0000 + (bits >> 50) as u32).to_be_bytes());
        let time = Timestamp::from_seconds(second).plus_ns(n as i64 * 3_000_000);
        let request = Request { path: b"/item/7", query, status: 200, ..Request::new(time, client) };
        window.observe(&Observation::Request(request), bits);
    }
    window
}

/// Broke: a flood that began 22 seconds into a slow attack got no name, because the diagnosis looked
/// at the disturbance as a whole, in which it was thinned out.
#[test]
fn an_attack_that_begins_during_another_is_named_in_seconds() {
    let mut engine = Engine::new(Policy::default(), None);
    for second in 0..40 {
        feed(&mut engine, second, readers(1, second));
    }
    for second in 40..160 {
        feed(&mut engine, second, held_open(second));
    }
    assert_eq!(engine.diagnosis().map(|d| (d.verdict.cause, d.also.len())), Some((Cause::SlowHttp, 0)));
    for second in 160..164 {
        let mut window = held_open(second);
        window.merge(&uncached(second));
        feed(&mut engine, second, window);
    }
    let diagnosis = engine.diagnosis().expect("something goes on");
    let both: Vec<_> = [&diagnosis.verdict].into_iter().chain(&diagnosis.also).map(|v| v.cause).collect();
    assert!(both.contains(&Cause::CacheBusting) && both.contains(&Cause::SlowHttp), "{both:?}");
    assert_eq!(diagnosis.verdict.onset, Some(Timestamp::from_seconds(160)));
    let earlier = engine.present().map(|c| c.episodes).unwrap_or_default();
    let told: Vec<_> = earlier.iter().map(|e| (e.verdict.cause, e.verdict.end)).collect();
    assert_eq!(told, [(Cause::SlowHttp, Some(Timestamp::from_seconds(160)))]);
}

/// Log-in attempts of sources that come once, all held back.
fn guesses(second: i64) -> Window {
    let mut window = Window::default();
    for n in 0..50_u64 {
        let bits = hash::mix(hash::combine(second as u64, n));
        let client = IpAddr::from((0xC612_0000 + (bits >> 50) as u32).to_be_bytes());
        let time = Timestamp::from_seconds(second).plus_ns(n as i64 * 3_000_000);
        let request = Request { method: Method::Post, path: b"/login", ..Request::new(time, client) };
        window.observe_arrival(&request, bits);
    }
    window
}

/// Broke: password guessing that began inside a flood had its name after 22 seconds or never: beside the
/// flood it changed hardly a figure.
#[test]
fn guessing_on_top_of_a_flood_is_named_in_seconds_and_as_long_as_it_goes_on() {
    let mut engine = after_calm();
    for second in 30..50 {
        feed(&mut engine, second, pages(second, 180));
    }
    let beside = |engine: &Engine| -> Vec<Cause> {
        engine.diagnosis().map(|d| d.also.iter().map(|v| v.cause).collect()).unwrap_or_default()
    };
    assert_eq!(beside(&engine), []);
    for second in 50..56 {
        let mut window = pages(second, 180);
        window.merge(&guesses(second));
        feed(&mut engine, second, window);
    }
    assert_eq!(engine.diagnosis().map(|d| d.verdict.cause), Some(Cause::HttpFlood));
    assert_eq!(beside(&engine), [Cause::CredentialAbuse]);
    for second in 56..100 {
        feed(&mut engine, second, pages(second, 180));
    }
    assert_eq!(beside(&engine), [], "it is over, and the flood is not");
    // Broke: the write-up of several attacks did not name those that were over before the last was.
    let told = engine.present().map(|c| c.episodes).unwrap_or_default();
    let told: Vec<_> = told.iter().map(|e| (e.verdict.cause, e.verdict.end)).collect();
    assert_eq!(told, [(Cause::CredentialAbuse, Some(Timestamp::from_seconds(56)))]);
}

/// Broke: an attack that rose from what another had left was a part of it, because it rose no higher than that
/// had been.
#[test]
fn an_attack_that_rises_from_the_ebb_of_another_is_told_by_itself() {
    let mut engine = after_calm();
    for second in 30..60 {
        feed(&mut engine, second, pages(second, 400));
    }
    for second in 60..120 {
        feed(&mut engine, second, pages(second, 100));
    }
    assert_eq!(engine.diagnosis().map(|d| d.verdict.cause), Some(Cause::HttpFlood));
    for second in 120..126 {
        let mut window = pages(second, 100);
        window.merge(&uncached(second));
        feed(&mut engine, second, window);
    }
    let earlier = engine.present().map(|c| c.episodes).unwrap_or_default();
    let told: Vec<_> = earlier.iter().map(|e| (e.verdict.cause, e.verdict.end)).collect();
    assert_eq!(told, [(Cause::HttpFlood, Some(Timestamp::from_seconds(120)))]);
}

#[test]
fn an_attack_that_only_grows_is_no_other_one() {
    let mut engine = after_calm();
    for second in 30..120 {
        feed(&mut engine, second, pages(second, if second < 60 { 400 } else { 1_500 }));
    }
    assert_eq!(engine.present().map(|c| c.episodes.len()), Some(0));
}

/// Broke: a monitor that asked for three pages nine times a second was a flood, because in the six
/// seconds before it only three visitors had come, beside whom everything was new.
#[test]
fn a_few_visitors_of_some_seconds_are_not_what_is_usual() {
    let of = |clients: u32, seconds: i64| {
        let mut window = Window::default();
        for n in 0..40_u32 {
            let time = Timestamp::from_seconds(i64::from(n) * seconds / 40);
            let client = IpAddr::from((0x0A00_0000 + n % clients).to_be_bytes());
            window.observe(&Observation::Request(Request::new(time, client)), u64::from(n));
        }
        window.seal(seconds as f64);
        window
    };
    assert!(!is_enough(&of(3, 6)));
    assert!(is_enough(&of(12, 6)) && is_enough(&of(3, 60)));
}

/// Broke: a line long before all others, and the silence after it, were what is usual, so that the site itself
/// was the disturbance.
#[test]
fn a_line_long_before_all_others_teaches_nothing() {
    let mut engine = Engine::new(Policy::default(), None);
    feed(&mut engine, 0, pages(0, 1));
    for second in 3_600..3_700 {
        assert_eq!(opened(&feed(&mut engine, second, pages(second, 18 + (second * 7 % 5) as u32))), None);
    }
    let usual = engine.known_normal().map_or(0.0, Window::seconds);
    assert!(usual > 20.0 && usual < 100.0, "{usual}");
}

/// Broke: a moment in which some visitors more came was told as the crowd of a long quiet log.
#[test]
fn a_moment_of_more_visitors_is_no_news_of_a_long_log() {
    let told = |crowd_s: i64| {
        let mut engine = Engine::new(Policy::default(), None);
        for second in 0..1_200 {
            let is_crowd = (600..600 + crowd_s).contains(&second);
            let visitors = if is_crowd { 8 } else { 1 + (second * 7 % 2) as u64 };
            let mut window = readers(second as u64, second);
            for n in 1..visitors {
                window.merge(&readers(second as u64 + n * 10_000, second));
            }
            feed(&mut engine, second, window);
        }
        let effects = engine.step(Timestamp::from_seconds(1_200), Input::Finish);
        effects.iter().find_map(|effect| match effect {
            Effect::Concluded(conclusion) => Some(conclusion.diagnosis.verdict.class),
            _ => None,
        })
    };
    assert_eq!(told(25), Some(Class::Normal));
    assert_eq!(told(200), Some(Class::Demand));
}

/// Visitors who look at a page and its parts, ever others, and a guess now and then.
fn busy_second(second: i64, guesses: u32) -> Window {
    let mut window = pages(second, 36 + (second * 7 % 5) as u32);
    for n in 0..guesses {
        let time = Timestamp::from_seconds(second).plus_ns(i64::from(n) * 200_000_000);
        let guess = Request {
            method: Method::Post,
            path: b"/login",
            user_agent: b"Mozilla/5.0 (Windows NT 6.1)",
            status: 401,
            ..Request::new(time, IpAddr::from([45, 155, 205, 33]))
        };
        window.observe(&Observation::Request(guess), u64::from(n));
    }
    window
}

/// Broke: one long guess on a busy site was cut into pieces, since its few requests did not show in every
/// single second, and the time between the pieces was learnt as normal.
#[test]
fn guesses_that_hardly_show_in_a_second_are_one_episode() {
    let mut engine = Engine::new(Policy::default(), None);
    for second in 0..120 {
        feed(&mut engine, second, busy_second(second, 0));
    }
    for second in 120..420 {
        feed(&mut engine, second, busy_second(second, (hash::mix(second as u64) % 7) as u32));
    }
    let Some(Effect::Concluded(found)) = engine.step(Timestamp::from_seconds(420), Input::Finish).pop()
    else {
        panic!("concluded")
    };
    assert_eq!(found.diagnosis.verdict.cause, Cause::CredentialAbuse);
    assert_eq!(found.episodes.len(), 0, "one episode");
    assert!(found.findings.duration_s >= 280.0, "{}", found.findings.duration_s);
}

/// Broke: of a scan that goes on all day, some minutes were told as an episode, or some more visitors instead.
#[test]
fn a_scan_that_goes_on_all_the_time_is_told_from_its_beginning() {
    const NAMES: [&str; 8] = ["admin", "backup", "old", "test", "config", "panel", "upload", "shell"];
    let mut engine = Engine::new(Policy::default(), None);
    for second in 0..3_000 {
        let mut window = Window::default();
        for n in 0..6 {
            let bits = hash::mix(second as u64 * 6 + n);
            let path: &[u8] = if n % 2 == 0 { b"/item/7" } else { b"/static/a.css" };
            let client = IpAddr::from((0x1800_0000 + (bits % 900) as u32).to_be_bytes());
            let time = Timestamp::from_seconds(second);
            let asked =
                Request { path, user_agent: b"Mozilla/5.0", status: 200, ..Request::new(time, client) };
            window.observe(&Observation::Request(asked), bits);
        }
        if second % 8 == 0 {
            let path = format!("/{}/{}", NAMES[second as usize / 8 % 8], NAMES[second as usize / 64 % 8]);
            let time = Timestamp::from_seconds(second);
            let user_agent: &[u8] = b"Mozilla/5.0 (Windows NT 10.0) Firefox/128.0";
            let client = IpAddr::from([45, 155, 205, 99]);
            let asked =
                Request { path: path.as_bytes(), user_agent, status: 404, ..Request::new(time, client) };
            window.observe(&Observation::Request(asked), hash::mix(1_000_000 + second as u64));
        }
        feed(&mut engine, second, window);
    }
    let Some(Effect::Concluded(found)) = engine.step(Timestamp::from_seconds(3_000), Input::Finish).pop()
    else {
        panic!("concluded")
    };
    assert_eq!(found.diagnosis.verdict.cause, Cause::Scan);
    assert!(found.findings.duration_s >= 2_900.0, "{}", found.findings.duration_s);
}

/// Ten things asked for and thirty files a second; of the former, so many are refused, by 403.
fn with_files(second: i64, refused: u32) -> Window {
    let mut window = Window::default();
    for n in 0..40 {
        let time = Timestamp::from_seconds(second).plus_ns(i64::from(n) * 20_000_000);
        let client = IpAddr::from((0x0A00_0000 + (second as u32 * 7 + n / 4) % 60).to_be_bytes());
        let path: &[u8] = if n % 4 == 0 { b"/search" } else { b"/static/a.css" };
        let status = if n % 4 == 0 && n / 4 < refused { 403 } else { 200 };
        let request =
            Request { path, user_agent: b"Mozilla/5.0 (X11)", status, ..Request::new(time, client) };
        window.observe(&Observation::Request(request), u64::from(n));
    }
    window
}

/// Broke: a form that the server refused to everybody was noticed after 11 s, since the files of the pages
/// made it a twentieth of all requests.
#[test]
fn what_nobody_may_have_any_more_is_noticed_among_the_many_files_of_pages() {
    let mut engine = Engine::new(Policy::default(), None);
    for second in 0..30 {
        assert_eq!(feed(&mut engine, second, with_files(second, 0)), []);
    }
    let noticed =
        (30..45).find(|second| opened(&feed(&mut engine, *second, with_files(*second, 2))).is_some());
    assert!(noticed.is_some_and(|second| second <= 33), "{noticed:?}");
}

/// One refusal now and then, as of a browser that has forgotten its password, begins nothing.
#[test]
fn a_refusal_now_and_then_begins_nothing() {
    let mut engine = Engine::new(Policy::default(), None);
    for second in 0..300 {
        let refused = u32::from(second % 7 == 0);
        assert_eq!(feed(&mut engine, second, with_files(second, refused)), [], "second {second}");
    }
}

/// Connections as the log of a balancer tells of them, when they end.
fn logged_connections(second: i64, count: u32, server_bytes: u64) -> Window {
    let mut window = Window::default();
    for n in 0..count {
        let connection = Connection {
            time: Timestamp::from_seconds(second).plus_ns(i64::from(n) * 1_000_000),
            event: ConnectionEvent::Closed,
            client: IpAddr::from((0x0A00_0000 + (second as u32 * 131 + n) % 5_000).to_be_bytes()),
            server: IpAddr::from([0, 0, 0, 0]),
            client_port: 50_000,
            server_port: 0,
            client_bytes: 0,
            server_bytes,
            duration_us: 90_000,
            requests: 0,
            ja4: 0,
        };
        window.observe(&Observation::Connection(connection), u64::from(n));
    }
    window
}

/// Broke: a log of TCP connections alone taught nothing, so that a flood in it had no onset and was compared
/// with nothing.
#[test]
fn a_flood_of_logged_connections_is_compared_with_those_before() {
    let mut engine = Engine::new(Policy::default(), None);
    for second in 0..60 {
        assert_eq!(feed(&mut engine, second, logged_connections(second, 4 + second as u32 % 3, 4_000)), []);
    }
    let noticed =
        (60..66).find_map(|second| opened(&feed(&mut engine, second, logged_connections(second, 120, 0))));
    assert_eq!(noticed, Some(Timestamp::from_seconds(60)));
    let findings = engine.findings().expect("something goes on");
    let usual = findings.get(seawall_model::metric::Metric::ConnectionRate).and_then(|f| f.expected);
    assert!(usual.is_some_and(|per_s| (4.0..6.0).contains(&per_s)), "{usual:?}");
}
