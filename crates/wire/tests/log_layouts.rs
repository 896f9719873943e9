//! Columns that administrators append to the Combined format, recognised by their values.

use seawall_model::hash;
use seawall_model::observation::{CacheResult, Observation, Request};
use seawall_wire::log::{Line, Parser, detect};

/// Reads the last of 200 lines that end as `tail` says, after recognising them all.
fn last_of(tail: impl Fn(u64) -> String, check: impl FnOnce(&Request<'_>)) {
    let line = |i: u64| {
        let bytes = hash::mix(i) % 90_000;
        let tail = tail(i);
        format!(
            r#"10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET /{i} HTTP/1.1" 200 {bytes} "-" "curl/7" {tail}"#
        )
    };
    let text: String = (0..200).map(|i| line(i) + "\n").collect();
    let mut parser = Parser::new(detect(text.as_bytes()).expect("is recognised"));
    let last = line(199);
    match parser.parse(last.as_bytes()) {
        Ok(Line::Observation(Observation::Request(r))) => check(&r),
        other => panic!("{last}: {other:?}"),
    }
}

#[test]
fn spans_of_time_take_their_unit_from_their_size() {
    let spread = |i: u64| hash::mix(i + 7) % 1_000;
    last_of(|i| format!("0.{:03}", spread(i)), |r| assert_eq!(r.duration_us, Some(spread(199) * 1_000)));
    // Apache's %D: microseconds, never near zero.
    last_of(
        |i| format!("{}", 180 + spread(i) * 300),
        |r| assert_eq!(r.duration_us, Some(180 + spread(199) * 300)),
    );
    // Milliseconds: many tiny values.
    last_of(|i| format!("{}", spread(i) % 90), |r| assert_eq!(r.duration_us, Some(spread(199) % 90 * 1_000)));
    // Apache's %T: whole seconds, mostly none.
    last_of(
        |i| format!("{}", spread(i) / 700),
        |r| assert_eq!(r.duration_us, Some(spread(199) / 700 * 1_000_000)),
    );
    last_of(|i| format!("{}ms", spread(i)), |r| assert_eq!(r.duration_us, Some(spread(199) * 1_000)));
}

#[test]
fn of_the_servers_that_nginx_tried_the_last_one_answered() {
    last_of(
        |i| {
            format!(
                "{} 0.250 [shop-web-80] [] 10.1.0.7:80, 10.1.0.9:80 0, 512 0.1, 0.05 504, 200 {i:032x}",
                i % 50
            )
        },
        |r| assert_eq!(r.server, b"10.1.0.9:80"),
    );
}

#[test]
fn the_extended_formats_of_nginx_guides() {
    last_of(
        |_| r#""198.51.100.7, 10.0.0.9" rt=0.250 uct="0.000" uht="0.100" urt="0.100, 0.050""#.to_owned(),
        |r| {
            assert_eq!(
                (r.client.to_string(), r.duration_us, r.upstream_us),
                ("198.51.100.7".into(), Some(250_000), Some(150_000))
            );
        },
    );
    // The ingress controller of Kubernetes.
    last_of(
        |i| {
            format!(
                "{} 0.250 [shop-web-80] [] 10.1.0.{}:80, 10.1.0.9:80 0, 512 0.100, 0.050 504, 200 0123456789abcdef{i:016}",
                400 + i % 50,
                i % 9
            )
        },
        |r| assert_eq!((r.duration_us, r.upstream_us), (Some(250_000), Some(150_000))),
    );
    last_of(
        |i| format!(r#"0.250 0.100 "a.example" {} "-""#, if i % 3 == 0 { "HIT" } else { "MISS" }),
        |r| {
            assert_eq!(
                (r.duration_us, r.upstream_us, r.host),
                (Some(250_000), Some(100_000), &b"a.example"[..])
            );
            assert_eq!(r.cache, CacheResult::Miss);
        },
    );
}

#[test]
fn sizes_and_counters_are_not_taken_for_times() {
    // combinedio: bytes in and bytes out.
    last_of(
        |i| format!("{} {}", 300 + hash::mix(i + 3) % 200, hash::mix(i) % 90_000 + 250),
        |r| assert_eq!(r.upstream_us, None),
    );
    last_of(|i| format!("{}", 5_000 + i), |r| assert_eq!(r.duration_us, None));
}

#[test]
fn columns_between_size_and_referrer() {
    let line = |i: u64| {
        format!(
            r#"198.51.100.7 - - [17/May/2015:10:05:03 +0000] "GET /{i} HTTP/1.1" 200 17 0.{:03} "-" "curl/7""#,
            i % 900
        )
    };
    let text: String = (0..100).map(|i| line(i) + "\n").collect();
    let mut parser = Parser::new(detect(text.as_bytes()).expect("is recognised"));
    let last = line(99);
    match parser.parse(last.as_bytes()) {
        Ok(Line::Observation(Observation::Request(r))) => {
            assert_eq!((r.duration_us, r.user_agent), (Some(99_000), &b"curl/7"[..]));
        }
        other => panic!("{other:?}"),
    }
}
