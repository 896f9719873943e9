//! What came on top, and what became of what was usual.

use super::*;
use crate::measure::sampled::sampled;
use seawall_model::Timestamp;
use seawall_model::observation::Request;
use seawall_model::record::RequestRecord;

fn record(agent: &str, path: &str, status: u16) -> RequestRecord {
    let mut request = Request::new(Timestamp(0), IpAddr::from([192, 0, 2, 1]));
    request.user_agent = agent.as_bytes();
    request.path = path.as_bytes();
    request.status = status;
    RequestRecord::from(&request)
}

/// Broke: a crawler that tripled the pages of a site with many assets was normal, as all requests rose by a tenth.
#[test]
fn a_crawler_is_seen_beside_many_assets() {
    let visit = |n: u8| {
        let assets = (0..15).map(|_| record("Mozilla/5.0", "/media/cover.webp", 200));
        assets.chain([record("Mozilla/5.0", &format!("/item/{n}"), 200)])
    };
    let crawler = "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)";
    let crawl = (0..40).map(|n| record(crawler, &format!("/item/{n}"), 200));
    let now = sampled((0..20).flat_map(visit).chain(crawl).collect());
    let before = sampled((0..20).flat_map(visit).collect());
    let sides = Sides {
        now: &now,
        before: &before,
        now_per_s: 36.0,
        before_per_s: 32.0,
        beside_people: false,
        times_slower: 1.0,
    };
    let excess = sides.measure().into_iter().find(|(metric, ..)| *metric == Metric::CrawlerExcess);
    assert!(excess.is_some_and(|(_, share, _)| share > 0.9), "{excess:?}");
}

/// Broke: the colleagues of one office, who came in at nine, were called a crowd: beside visitors who come
/// and go, they were not most of what was new.
#[test]
fn who_comes_and_goes_is_no_part_of_a_rise() {
    let page = |client: [u8; 4]| {
        let mut record = record("Mozilla/5.0", "/", 200);
        record.client = client.into();
        record
    };
    let visitors = |came: u8| (0..40).map(move |n| page([24, came, n, 1]));
    let office: [u8; 4] = [62, 154, 200, 10];
    let now = sampled(visitors(2).chain((0..40).map(|_| page(office))).collect());
    let before = sampled(visitors(1).collect());
    let sides = Sides {
        now: &now,
        before: &before,
        now_per_s: 2.0,
        before_per_s: 1.0,
        beside_people: false,
        times_slower: 1.0,
    };
    let excess = sides.busiest()[0];
    assert_eq!((excess.0, excess.1 < 0.6), (office.into(), true));
    assert_eq!(sides.part_of_rise(office.into()), 1.0);
    assert_eq!(sides.part_of_rise([24, 2, 1, 1].into()), 1.0 / 40.0);
}

fn people() -> Vec<RequestRecord> {
    (0..60).map(|n| record("Mozilla/5.0", ["/", "/news", "/shop"][n % 3], 200)).collect()
}

fn measured(now: &[RequestRecord], before: &[RequestRecord], rise: f64, metric: Metric) -> Option<f64> {
    let (now, before) = (&sampled(now.to_vec()), &sampled(before.to_vec()));
    let sides =
        Sides { now, before, now_per_s: rise, before_per_s: 1.0, beside_people: false, times_slower: 1.0 };
    sides.measure().into_iter().find(|m| m.0 == metric).map(|m| m.1)
}

#[test]
fn our_own_program_in_a_loop_is_told_from_people_around_it() {
    let app = |path| record("ShopApp/4.2", path, 401);
    let mut before = people();
    before.extend((0..10).map(|_| app("/v1/cart")));
    let mut now = people();
    now.extend((0..120).map(|_| app("/v1/token")));
    assert!(measured(&now, &before, 3.0, Metric::OwnProgramExcess).is_some_and(|s| s > 0.9));
    assert!(measured(&now, &before, 3.0, Metric::RepeatedExcess).is_some_and(|s| s > 0.8));
    let mut flood = people();
    flood.extend((0..120).map(|_| record("python-requests/2.31", "/v1/token", 200)));
    assert!(measured(&flood, &before, 3.0, Metric::OwnProgramExcess).is_some_and(|s| s < 0.1));
    assert!(measured(&flood, &before, 3.0, Metric::NewAgentExcess).is_some_and(|s| s > 0.9));
}

#[test]
fn a_program_that_has_done_its_work_is_told_from_a_way_that_is_cut() {
    let mut before = people();
    before.extend((0..300).map(|_| record("Importer/1.0", "/v1/items", 200)));
    let fall = |now: &[RequestRecord], per_s: f64| measured(now, &before, per_s, Metric::FallOfFewKinds);
    assert!(fall(&people(), 60.0 / 360.0).is_some_and(|r| r > 0.9));
    assert!(fall(&before, 0.1).is_some_and(|p| p < 0.1));
    assert_eq!(fall(&before, 1.0), None);
}

#[test]
fn what_services_add_is_no_crowd() {
    let with = |agent: &str| -> Vec<RequestRecord> {
        people().into_iter().chain((0..120).map(|_| record(agent, "/v1/items", 200))).collect()
    };
    let added = |agent| measured(&with(agent), &people(), 3.0, Metric::ServiceExcess);
    assert!(added("Apache-Maven/3.9.6").is_some_and(|s| s > 0.9));
    assert!(added("okhttp/4.12.0").is_some_and(|s| s < 0.1));
}

#[test]
fn more_health_checks_are_told_from_a_program_in_a_loop() {
    let checks = |agent: &str, count: usize| -> Vec<RequestRecord> {
        people().into_iter().chain((0..count).map(|_| record(agent, "/health", 200))).collect()
    };
    let watched = |agent| measured(&checks(agent, 120), &checks(agent, 10), 3.0, Metric::WatchExcess);
    for agent in ["kube-probe/1.31", "ELB-HealthChecker/2.0", "Amazon-Route53-Health-Check-Service"] {
        assert!(watched(agent).is_some_and(|s| s > 0.9), "{agent}");
    }
    assert!(watched("ShopApp/4.2").is_some_and(|s| s < 0.1));
}

#[test]
fn a_crawler_comes_from_few_networks() {
    let crawl = |networks: u8| -> Vec<RequestRecord> {
        let agent = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
        let one = |n: u8| RequestRecord {
            client: IpAddr::from([66, n % networks, 64, n]),
            ..record(agent, &format!("/page{n}"), 200)
        };
        people().into_iter().chain((0..200).map(one)).collect()
    };
    assert!(measured(&crawl(2), &people(), 4.0, Metric::CrawlerExcess).is_some_and(|s| s > 0.9));
    assert_eq!(measured(&crawl(100), &people(), 4.0, Metric::CrawlerExcess), Some(0.0));
}

#[test]
fn a_new_name_from_everywhere_is_not_ours() {
    let crowd = (0..120)
        .map(|n| {
            let mut request = Request::new(Timestamp(0), IpAddr::from([198, 51, 100, n]));
            (request.user_agent, request.path, request.status) = (b"ShopApp/5.2", b"/api/v2/news", 200);
            RequestRecord::from(&request)
        })
        .collect();
    let (now, before) = (&sampled(crowd), &sampled(people()));
    let own = |beside_people| {
        let sides =
            Sides { now, before, now_per_s: 3.0, before_per_s: 1.0, beside_people, times_slower: 1.0 };
        sides.measure().into_iter().find(|m| m.0 == Metric::OwnProgramExcess).map(|m| m.1)
    };
    assert_eq!((own(false), own(true)), (Some(0.0), Some(1.0)));
}

#[test]
fn a_new_version_of_our_application_is_ours() {
    let poll = |agent: &str| record(agent, "/api/v1/unread", 200);
    let mut before = people();
    before.extend((0..10).map(|_| poll("Shop/5.2.1 (iOS 17.5)")));
    let now = |agent: &str| -> Vec<RequestRecord> {
        people().into_iter().chain((0..120).map(|_| poll(agent))).collect()
    };
    let own = |agent: &str| measured(&now(agent), &before, 3.0, Metric::OwnProgramExcess);
    assert!(own("Shop/5.3.0 (iOS 17.6)").is_some_and(|s| s > 0.9));
    assert!(own("okhttp/4.9.3").is_some_and(|s| s < 0.1));
}

#[test]
fn a_version_that_is_a_hash_is_no_other_program() {
    let hook = |agent: &str| record(agent, "/hooks", 202);
    let mut before = people();
    before.extend((0..10).map(|n| hook(&format!("GitHub-Hookshot/a{n}fe{n}d"))));
    let now: Vec<RequestRecord> =
        people().into_iter().chain((0..120).map(|_| hook("GitHub-Hookshot/3f8d2ab"))).collect();
    assert!(measured(&now, &before, 3.0, Metric::OwnProgramExcess).is_some_and(|s| s > 0.9));
}

#[test]
fn a_partners_list_is_a_batch_and_a_repeated_call_is_none() {
    let agent = "Apache-HttpClient/4.5.14 (Java/17.0.9)";
    let with = |url: &dyn Fn(usize) -> String| -> Vec<RequestRecord> {
        people().into_iter().chain((0..120).map(|n| record(agent, &url(n), 200))).collect()
    };
    let batch = |now: &[RequestRecord]| measured(now, &people(), 3.0, Metric::BatchExcess);
    assert!(batch(&with(&|n| format!("/api/v1/stock/{}", 9_000 + n))).is_some_and(|s| s > 0.9));
    assert!(batch(&with(&|_| "/api/v1/stock/9000".to_owned())).is_some_and(|s| s < 0.1));
}

/// Broke: a nightly export and the readers of a feed, at the same hour, were a flood of costly requests.
#[test]
fn programs_that_each_do_a_job_of_their_own_are_no_excess_of_another_kind() {
    let batch = |feed: &str| {
        let export = (0..60).map(|n| record("python-requests/2.32.3", &format!("/api/export?page={n}"), 200));
        let reader = |n: u8| RequestRecord {
            client: IpAddr::from([198, 51, 100, n]),
            ..record("FreshRSS/1.24.0 (Linux; https://freshrss.org)", feed, 200)
        };
        let now: Vec<RequestRecord> = people().into_iter().chain(export).chain((0..60).map(reader)).collect();
        measured(&now, &people(), 3.0, Metric::BatchExcess)
    };
    assert!(batch("/feed.xml").is_some_and(|s| s > 0.9), "{:?}", batch("/feed.xml"));
    assert!(batch("/item/7").is_some_and(|s| s < 0.7), "what nobody subscribes to");
}

/// Broke: a partner's nightly work without a user agent, from one address, was called a flood.
#[test]
fn orderly_work_without_a_name_is_a_batch_while_it_harms_nobody() {
    let works = |url: &dyn Fn(usize) -> String| -> Vec<RequestRecord> {
        people().into_iter().chain((0..120).map(|n| record("", &url(n), 200))).collect()
    };
    let batch = |now: &[RequestRecord], times_slower: f64| {
        let (now, before) = (&sampled(now.to_vec()), &sampled(people()));
        let (now_per_s, before_per_s, beside_people) = (3.0, 1.0, false);
        let sides = Sides { now, before, now_per_s, before_per_s, beside_people, times_slower };
        sides.measure().into_iter().find(|m| m.0 == Metric::BatchExcess).map_or(0.0, |m| m.1)
    };
    let orders = works(&|n| format!("/api/v1/orders/{}/items", 9_000 + n));
    assert!(batch(&orders, 1.0) > 0.9);
    assert!(batch(&orders, 4.0) < 0.1, "others have to wait for it");
    let again = works(&|_| "/api/v1/orders".to_owned());
    assert!(batch(&again, 1.0) < 0.1, "one path again and again");
    let written = |status: u16| -> Vec<RequestRecord> {
        let entry = |r: &RequestRecord| match r.user_agent.is_empty() {
            true => RequestRecord { method: Method::Post, status, ..r.clone() },
            false => r.clone(),
        };
        again.iter().map(entry).collect()
    };
    assert!(batch(&written(202), 1.0) > 0.9, "entries that are made");
    assert!(batch(&written(503), 1.0) < 0.1 && batch(&written(202), 4.0) < 0.1);
}

#[test]
fn a_catalogue_that_is_read_is_told_from_pages_that_are_hit() {
    let reads = |pages: usize| -> Vec<RequestRecord> {
        let items = (0..600).map(|n| record("Mozilla/5.0", &format!("/p/lamp-{}", n % pages), 200));
        people().into_iter().chain(items).collect()
    };
    let copied = |pages| measured(&reads(pages), &people(), 10.0, Metric::CopyExcess);
    assert!(copied(400).is_some_and(|s| s > 0.9));
    assert!(copied(20).is_some_and(|s| s < 0.1));
    // Broke: telephones that stored their pictures, each under a name of its own, seemed to read a whole site.
    let stored: Vec<RequestRecord> =
        reads(400).into_iter().map(|r| RequestRecord { method: Method::Put, ..r }).collect();
    assert!(measured(&stored, &people(), 10.0, Metric::CopyExcess).is_some_and(|s| s < 0.1));
}

/// Broke: a flood of searches for ever other words was one past the cache, or read the whole site.
#[test]
fn searches_are_told_from_pages_by_name_and_from_stamps_past_a_cache() {
    let words =
        ["harbour", "lamp", "garden", "winter", "silver", "paper", "copper", "island", "letter", "river"];
    let asks = |path: &str, query: &dyn Fn(usize) -> String| -> Vec<RequestRecord> {
        let one = |n| RequestRecord { query: Some(query(n)), ..record("Mozilla/5.0", path, 200) };
        (0..300).map(one).collect()
    };
    let titles = |n: usize| format!("q={}+{}+{}", words[n % 10], words[n / 10 % 10], words[n / 100]);
    let stamps = |n: usize| format!("_={}", 1_700_000_000 + n * 7_919);
    let after = |asked: &[RequestRecord]| [people(), asked.to_vec()].concat();
    let of = |now: &[RequestRecord], before: &[RequestRecord], metric| {
        measured(now, before, 10.0, metric).expect("more is asked")
    };
    let searched = after(&asks("/find", &titles));
    assert!(of(&searched, &people(), Metric::SearchedExcess) > 0.9);
    assert!(of(&searched, &people(), Metric::CopyExcess) < 0.1);
    let past_a_cache = after(&asks("/find", &stamps));
    assert!(of(&past_a_cache, &people(), Metric::SearchedExcess) < 0.1);
    // Where pages have always been named so, they are pages.
    let wiki = after(&asks("/index.php", &titles)[..100]);
    assert!(of(&[wiki.clone(), asks("/index.php", &titles)].concat(), &wiki, Metric::CopyExcess) > 0.5);
}

#[test]
fn pages_that_send_elsewhere_are_a_loop_and_a_moved_flood_is_none() {
    let looping: Vec<RequestRecord> =
        people().into_iter().map(|r| RequestRecord { status: 301, ..r }).collect();
    assert!(measured(&looping, &people(), 1.0, Metric::LoopShare).is_some_and(|s| s > 0.8));
    let flood = (0..600).map(|n| record("Mozilla/5.0", &format!("/x{n}"), 301));
    let flooded: Vec<RequestRecord> = people().into_iter().chain(flood).collect();
    assert!(measured(&flooded, &people(), 10.0, Metric::LoopShare).is_some_and(|s| s < 0.1));
}

#[test]
fn failing_scanners_break_nothing_that_worked() {
    let mut scanned = people();
    scanned.extend((0..60).map(|n| record("x", &format!("/.env{}", n * 7919), 404)));
    assert!(measured(&scanned, &people(), 2.0, Metric::BrokenShare).is_some_and(|s| s < 0.05));
    let broken: Vec<RequestRecord> = (0..60)
        .map(|n| record("Mozilla/5.0", ["/", "/news", "/shop"][n % 3], [200, 403, 200][n % 3]))
        .collect();
    assert!(measured(&broken, &people(), 1.0, Metric::BrokenShare).is_some_and(|s| s > 0.2));
}

/// Broke: forms that fail since a disk was full used to be answered with the way on, which counted as failing.
#[test]
fn a_form_that_showed_the_way_on_was_accepted() {
    let sent = |status: u16| -> Vec<RequestRecord> {
        let form = record("Mozilla/5.0", "/submit", status);
        people()
            .into_iter()
            .chain((0..60).map(|_| RequestRecord { method: Method::Post, ..form.clone() }))
            .collect()
    };
    let broken = |now: u16, before: u16| measured(&sent(now), &sent(before), 1.0, Metric::BrokenShare);
    assert!(broken(500, 302).is_some_and(|s| s > 0.3));
    assert!(broken(302, 302).is_some_and(|s| s < 0.01));
}

/// Broke: a backup to a store that names things by their hash was called a flood past the cache.
#[test]
fn storing_under_hashes_is_a_batch_and_asking_for_made_up_names_is_none() {
    let named = |n: u64| format!("/repo/data/{:016x}{:016x}", hash::mix(n), hash::mix(n + 999));
    let with = |method: &dyn Fn(u64) -> (Method, u16)| -> Vec<RequestRecord> {
        let one = |n: u64| {
            let (method, status) = method(n);
            RequestRecord { method, ..record("Go-http-client/2.0", &named(n), status) }
        };
        people().into_iter().chain((0..120).map(one)).collect()
    };
    let stores = with(&|n| if n % 2 == 0 { (Method::Head, 404) } else { (Method::Post, 200) });
    let batch = |now: &[RequestRecord]| measured(now, &people(), 3.0, Metric::BatchExcess);
    assert!(batch(&stores).is_some_and(|s| s > 0.9));
    assert!(batch(&with(&|_| (Method::Get, 200))).is_some_and(|s| s < 0.1));
}

/// Broke: a site whose articles had moved was called normal, as hardly one is asked for twice.
#[test]
fn a_part_of_a_site_that_is_gone_is_broken_and_a_part_that_is_searched_is_not() {
    let read = |from: usize, count: usize, status: u16| -> Vec<RequestRecord> {
        let slug = |n: usize| format!("/news/{}", (n * 7_919) % 9_973).replace(['1', '2', '3', '7'], "ab");
        let one = |n: usize| record("Mozilla/5.0", &format!("{}-more", slug(n)), status);
        (from..from + count).map(one).collect()
    };
    let before = [people(), read(0, 60, 200)].concat();
    let gone = [people(), read(100, 60, 404)].concat();
    assert!(measured(&gone, &before, 1.0, Metric::BrokenShare).is_some_and(|s| s > 0.3));
    let searched = [people(), read(100, 60, 200), read(200, 300, 404)].concat();
    assert!(measured(&searched, &before, 4.0, Metric::BrokenShare).is_some_and(|s| s < 0.2));
}
