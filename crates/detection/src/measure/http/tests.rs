//! Small windows, each beside its innocent or hostile twin.

use super::*;
use crate::measure::findings;
use seawall_model::Timestamp;
use seawall_model::observation::Method;
use seawall_model::observation::{Ending, Observation, Request};

/// One request for a test: client, second, path, user agent, milliseconds it took, status.
type Asked<'a> = ([u8; 4], f64, String, &'a str, u64, u16);

fn window(asked: &[Asked<'_>]) -> Window {
    let mut window = Window::default();
    for (n, (client, at_s, path, agent, ms, status)) in asked.iter().enumerate() {
        let time = Timestamp((at_s * 1e9) as i64);
        let mut request = Request::new(time, IpAddr::from(*client));
        (request.path, request.user_agent, request.status) = (path.as_bytes(), agent.as_bytes(), *status);
        (request.method, request.duration_us) = (Method::Get, Some(ms * 1_000));
        request.response_bytes = 5_000;
        window.observe(&Observation::Request(request), n as u64);
    }
    window
}

fn seen(now: &[Asked<'_>], before: Option<&[Asked<'_>]>, metric: Metric) -> Option<f64> {
    let reference = before.map(window);
    findings(&window(now), reference.as_ref(), Some(Timestamp(0))).observed(metric)
}

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64) Firefox/120.0";

#[test]
fn whoever_waits_for_many_dear_answers_at_once_is_told_from_many_who_wait_for_one() {
    let exports = |clients: usize| -> Vec<Asked<'static>> {
        let one = |n: usize| ([24, 1, (n % clients / 200) as u8, (n % clients % 200) as u8], n as f64 / 8.0);
        (0..800)
            .map(|n| {
                let (c, t) = one(n);
                (c, t, "/export".to_owned(), BROWSER, 25_000, 504)
            })
            .collect()
    };
    assert!(seen(&exports(25), None, Metric::CostPathHold).is_some_and(|held| held > 5.0));
    assert!(seen(&exports(400), None, Metric::CostPathHold).is_some_and(|held| held < 1.0));
}

/// Broke: a flood of a dear path that nobody had asked for before was a flood of any path once the service was
/// full, since by then everything took as long.
#[test]
fn a_path_is_dear_by_its_first_answers_once_everything_waits() {
    let page = |n: usize| format!("/page/{}", n % 7);
    let calm: Vec<Asked<'_>> =
        (0..100).map(|n| ([10, 4, 0, (n % 50) as u8], n as f64, page(n), BROWSER, 20, 200)).collect();
    let flood_of = |first_ms: u64| -> Vec<Asked<'_>> {
        let one = |n: usize| {
            let path = if n.is_multiple_of(4) { page(n) } else { "/pdf".to_owned() };
            let ms = if n < 8 { first_ms } else { 9_000 };
            ([10, 5, 0, (n % 200) as u8], 200.0 + n as f64 / 20.0, path, BROWSER, ms, 200)
        };
        (0..300).map(one).collect()
    };
    let weight = |first_ms| seen(&flood_of(first_ms), Some(&calm), Metric::CostPathWeight);
    assert!(weight(300).is_some_and(|weight| weight > 8.0), "{:?}", weight(300));
    assert!(weight(20).is_some_and(|weight| weight < 1.5), "{:?}", weight(20));
}

/// Broke: a service that said after seconds that it was busy, while its database was locked, was called a balancer
/// without servers.
#[test]
fn answers_that_were_waited_for_are_no_want_of_servers() {
    let took = |status: u16, ending: Ending, duration_us: Option<u64>| {
        let mut window = Window::default();
        for n in 0..100 {
            let mut request = Request::new(Timestamp::from_seconds(n), IpAddr::from([24, 8, 0, 1]));
            (request.status, request.ending, request.path) = (status, ending, b"/");
            request.duration_us = duration_us;
            window.observe(&Observation::Request(request), n as u64);
        }
        findings(&window, None, None).observed(Metric::NoServerShare)
    };
    let failing = |status, ending| took(status, ending, None);
    assert_eq!(failing(504, Ending::UpstreamTimedOut), Some(0.0));
    assert_eq!(failing(503, Ending::QueueTimedOut), Some(0.0));
    assert_eq!(failing(503, Ending::NoUpstream), Some(1.0));
    assert_eq!(failing(502, Ending::UpstreamFailed), Some(1.0));
    assert_eq!(failing(502, Ending::AnswerRefused), Some(0.0), "the server was there");
    assert_eq!(took(503, Ending::Normal, Some(4_000_000)), Some(0.0), "a busy server says so");
    assert_eq!(took(503, Ending::Normal, Some(2_000)), Some(1.0), "nobody was asked");
    assert_eq!(took(502, Ending::UpstreamFailed, Some(3_000_000)), Some(1.0), "connected to in vain");
}

#[test]
fn a_catalogue_walked_by_a_thousand_addresses_keeps_its_order() {
    let items = |number: &dyn Fn(usize) -> usize| -> Vec<Asked<'static>> {
        let one = |n: usize| {
            ([45, 86, (n % 4) as u8, (n * 7 % 250) as u8], n as f64, format!("/product/{}", number(n)))
        };
        (0..400)
            .map(|n| {
                let (c, t, p) = one(n);
                (c, t, p, BROWSER, 60, 200)
            })
            .collect()
    };
    let walked = items(&|n| 10_000 + n);
    assert!(seen(&walked, None, Metric::OrderedShare).is_some_and(|share| share > 0.9));
    let visited = items(&|n| n * 7_919 % 400);
    assert_eq!(seen(&visited, None, Metric::OrderedShare), Some(0.0));
}

#[test]
fn a_page_that_asks_each_second_is_told_from_more_pages_that_ask_as_ever() {
    let pages = |count: u8, every_s: f64| -> Vec<Asked<'static>> {
        let of_one = |c: u8| {
            let asks = (0..(240.0 / every_s) as usize).map(move |n| n as f64 * every_s);
            let asks = asks.map(move |t| ([24, 9, 0, c], t, "/api/news".to_owned(), BROWSER, 10, 200));
            [([24, 9, 0, c], 0.0, "/app.js".to_owned(), BROWSER, 1, 200)].into_iter().chain(asks)
        };
        (0..count).flat_map(of_one).collect()
    };
    let with_referrers = |asked: &[Asked<'_>]| {
        let mut window = Window::default();
        for (n, (client, at_s, path, agent, _, status)) in asked.iter().enumerate() {
            let time = Timestamp((at_s * 1e9) as i64);
            let mut request = Request::new(time, IpAddr::from(*client));
            (request.path, request.user_agent, request.status) = (path.as_bytes(), agent.as_bytes(), *status);
            request.referrer = b"https://shop.example/";
            window.observe(&Observation::Request(request), n as u64);
        }
        window
    };
    let rise = |now: &[Asked<'_>]| {
        let before = with_referrers(&pages(20, 30.0));
        findings(&with_referrers(now), Some(&before), None).observed(Metric::PollRise)
    };
    assert!(rise(&pages(20, 1.0)).is_some_and(|rise| rise > 10.0));
    assert!(rise(&pages(100, 30.0)).is_some_and(|rise| rise < 1.5));
    // Broke: a script in a loop was a crowd where no page had asked for anything before.
    let first = |every_s: f64| {
        let visits = with_referrers(&pages(20, 300.0));
        findings(&with_referrers(&pages(20, every_s)), Some(&visits), None).observed(Metric::PollRise)
    };
    assert!(first(0.15).is_some_and(|rise| rise > 5.0));
    assert!(first(2.0).is_some_and(|rise| rise < 1.0));
}

#[test]
fn a_crowd_behind_a_cdn_that_names_no_clients_is_no_return_of_old_ones() {
    let through = |nodes: usize, seconds: usize, per_s: usize| -> Vec<Asked<'static>> {
        let one = |n: usize| {
            let paths = ["/", "/a.js", "/b.css", "/news", "/c.png", "/d.png", "/shop", "/e.woff2"];
            let path = paths[n * 5 % 8].to_owned();
            ([172, 64, 0, (n * 31 % nodes) as u8], n as f64 / per_s as f64, path, "", 20, 200)
        };
        (0..seconds * per_s).map(one).collect()
    };
    let returning = |nodes| {
        let (now, before) = (through(nodes, 100, 60), through(nodes, 200, 6));
        seen(&now, Some(&before), Metric::ReturningShare)
    };
    assert_eq!(returning(61), None);
    assert!(returning(5).is_some(), "five are an office");
}

/// Broke: health checks that one machine fails, while visitors are served, were a fault of the balancer.
#[test]
fn errors_that_only_health_checks_meet_are_told_from_those_of_visitors() {
    let failing = |visitors_fail: bool| -> Vec<Asked<'static>> {
        (0..200)
            .map(|n| {
                let check = n % 4 == 0;
                let status = if check || visitors_fail { 503 } else { 200 };
                let (path, agent) = if check { ("/ready", "kube-probe/1.31") } else { ("/", BROWSER) };
                ([24, 1, 0, (n % 50) as u8], n as f64, path.to_owned(), agent, 20, status)
            })
            .collect()
    };
    assert_eq!(seen(&failing(false), None, Metric::CheckErrorShare), Some(1.0));
    assert_eq!(seen(&failing(true), None, Metric::CheckErrorShare), Some(0.0));
}

/// Broke: the files of pages drowned the pages that the servers behind did not answer.
#[test]
fn failures_of_servers_are_told_as_part_of_what_is_asked_for() {
    let pages: Vec<Asked<'_>> = (0..300)
        .map(|n| {
            let (path, status) = if n % 3 == 0 { ("/shop", 504) } else { ("/a.css", 200) };
            ([24, 1, 0, (n % 50) as u8], n as f64, path.to_owned(), BROWSER, 20, status)
        })
        .collect();
    assert!(seen(&pages, None, Metric::GatewayErrorShare).is_some_and(|share| share > 0.9));
}

/// Broke: two visitors who had sent their log-in in the first second of a flood made it password guessing.
#[test]
fn a_log_in_or_two_in_a_trouble_that_has_just_begun_are_no_guessing() {
    let lost = |logins: u8| {
        let mut window = Window::default();
        for n in 0..80_u8 {
            let is_login = n < logins;
            let request = Request {
                method: if is_login { Method::Post } else { Method::Get },
                path: if is_login { b"/login" } else { b"/" },
                status: 200,
                ..Request::new(Timestamp(i64::from(n) * 10_000_000), IpAddr::from([24, 1, 0, n]))
            };
            window.observe(&Observation::Request(request), u64::from(n));
        }
        findings(&window, None, Some(Timestamp(0))).observed(Metric::LostLoginRate)
    };
    assert_eq!(lost(2), Some(0.0));
    assert!(lost(30).is_some_and(|rate| rate > 20.0), "{:?}", lost(30));
}

/// Broke: a flood by one program, on a site that had one other kind of client, was "the mix of browsers as
/// ever", and called a crowd.
#[test]
fn another_program_in_the_place_of_the_usual_one_is_not_the_usual_mix() {
    let visits = |agent: &'static str| -> Vec<Asked<'static>> {
        let client = |n: usize| [24, 1, (n / 200) as u8, (n % 200) as u8];
        (0..600).map(|n| (client(n), n as f64 / 10.0, "/news".to_owned(), agent, 20, 200)).collect()
    };
    let before = window(&visits(BROWSER));
    let expected = |agent| {
        let found = findings(&window(&visits(agent)), Some(&before), Some(Timestamp(0)));
        found.get(Metric::TopUserAgentShare).and_then(|f| f.expected)
    };
    assert_eq!(expected("python-requests/2.31"), Some(0.0));
    assert_eq!(expected("Mozilla/5.0 (X11; Linux x86_64) Firefox/121.0"), Some(1.0), "a newer version");
}
