//! Every format with its own small lines: recognised by content, dirt and carriers around it
//! forgiven, and no mutation of a line ever a panic.

use seawall_model::Timestamp;
use seawall_model::hash;
use seawall_model::observation::{Observation, Request};
use seawall_wire::log::{Format, Line, Parser, detect};

/// Name of the format, and lines of it.
const SAMPLES: &[(&str, &str)] = &[
    (
        "common",
        r#"198.51.100.7 - - [17/May/2015:10:05:03 +0000] "GET /a?b HTTP/1.1" 200 17
host.example - anna [17/May/2015:10:05:04 +0000] "POST /c HTTP/1.0" 404 -"#,
    ),
    (
        "combined",
        r#"198.51.100.7 - - [17/May/2015:10:05:03 +0000] "GET /a?b HTTP/1.1" 200 17 "http://e.example/" "Mozilla \"x\"" 0.123 "203.0.113.9, 10.0.0.1"
shop.example:443 10.0.0.7 - - [17/May/2015:10:05:04 +0000] "\x16\x03" 400 0 "-" "-" 0.001 "-""#,
    ),
    (
        "traefik-clf",
        r#"198.51.100.7 - - [08/Dec/2021:09:16:05 +0000] "GET /a HTTP/1.1" 200 414 "-" "-" 500 "test@docker" "http://172.17.0.3:80" 12ms"#,
    ),
    (
        "haproxy",
        r#"Apr  4 14:30:19 lb haproxy[39463]: 198.51.100.7:55032 [04/Apr/2024:14:30:18.885] front~ app/web1 1/2/3/169/175 404 1541 - - ---- 5/6/9/1/0 7/8 {shop.example} {} "GET /r?x HTTP/1.1"
Apr  4 14:30:19 lb haproxy[39463]: 198.51.100.7:33 [04/Apr/2024:14:30:18.885] fnt bck/srv1 0/0/5007 212 -- 0/0/0/0/3 0/0
Apr  4 14:30:20 lb haproxy[39463]: Server app/web1 is DOWN, reason: Layer4 timeout, check duration: 2000ms.
Apr  4 14:30:21 lb haproxy[39463]: 198.51.100.7:50033 [28/Feb/2025:02:43:10.123] front/1: SSL handshake failure"#,
    ),
    (
        "caddy-json",
        r#"{"level":"info","ts":1693840791.75,"request":{"remote_ip":"172.17.0.1","client_ip":"198.51.100.7","proto":"HTTP/2.0","method":"GET","host":"a.example","uri":"/x?y=1\u00262","headers":{"User-Agent":["curl/7"],"Accept":["*/*"]}},"duration":0.0025,"size":11,"status":200,"resp_headers":{"Server":["Caddy"]}}"#,
    ),
    (
        "traefik-json",
        r#"{"ClientAddr":"198.51.100.7:39490","ClientHost":"198.51.100.7","DownstreamContentSize":356,"DownstreamStatus":404,"Duration":2155630,"OriginDuration":1000000,"RequestHost":"a.example","RequestMethod":"GET","RequestPath":"/x?y","RequestProtocol":"HTTP/1.1","ServiceName":"web@docker","ServiceAddr":"10.0.0.1:80","StartUTC":"2021-12-08T09:16:05.123456789Z","request_User-Agent":"curl/7","time":"2021-12-08T09:16:05Z"}"#,
    ),
    (
        "envoy-json",
        r#"2025-12-31T17:37:40.493035218+01:00 stdout F {":authority":"a.example","bytes_received":5,"bytes_sent":121258,"downstream_remote_address":"198.51.100.7:59292","duration":11,"method":"GET","protocol":"HTTP/2","response_code":503,"response_flags":"UH","start_time":"2025-12-31T16:37:40.479Z","upstream_cluster":"c1","upstream_host":null,"user-agent":"curl/7","x-envoy-origin-path":"/x?y"}"#,
    ),
    (
        "json",
        r#"{"@timestamp":"2024-05-01T10:00:00.250Z","remote_addr":"10.0.0.1","http_x_forwarded_for":"198.51.100.7","request":"GET /x?y HTTP/1.1","status":"502","body_bytes_sent":17,"request_time":"1.250","http_user_agent":"a \"b\"","host":"a.example"}"#,
    ),
    (
        "json-carrier",
        r#"{"log":"198.51.100.7 - - [17/May/2015:10:05:03 +0000] \"GET /a HTTP/1.1\" 200 17 \"-\" \"curl\"\n","stream":"stdout","time":"2015-05-17T10:05:03.5Z"}"#,
    ),
    (
        "envoy",
        r#"[2016-04-15T20:17:00.310Z] "POST /api?x=1 HTTP/2" 204 - 154 17 226 100 "198.51.100.28" "nsq2http" "cc21" "a.example" "tcp://10.0.2.1:80""#,
    ),
    (
        "aws-alb",
        r#"https 2023-04-26T12:23:00.186641Z app/my-lb/490d 198.51.100.11:44740 10.0.0.1:80 0.086 0.048 0.037 200 200 12 57 "GET https://www.example.com:443/r?a HTTP/1.1" "curl/7" ECDHE TLSv1.2 arn:aws:elasticloadbalancing:us:1:targetgroup/t/73 "Root=1" "www.example.com" "arn" 1 2023-04-26T12:23:00.010000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-""#,
    ),
    (
        "aws-elb",
        r#"2021-05-13T23:39:43.945958Z my-lb 198.51.100.39:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 3 29 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.38.0" - -"#,
    ),
    (
        "aws-nlb",
        r#"tls 2.0 2022-04-01T08:51:42 net/my-nlb/c6 g3 198.51.100.154:51341 172.100.100.185:443 5 2 98 246 - arn - ECDHE tlsv12 - my-nlb h2 h2 "h2""#,
    ),
    (
        "cloudfront",
        "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query time-taken\n2019-12-04\t21:02:31\tLAX1\t392\t198.51.100.7\tGET\td1.cloudfront.net\t/i.html\t200\t-\tMozilla/5.0%20(X)\t-\t0.001",
    ),
    (
        "iis-w3c",
        "#Software: IIS\n#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query c-ip cs(User-Agent) sc-status time-taken\n2021-04-01 00:00:21 192.0.2.1 GET /f.asp a=b 198.51.100.222 Mozilla/5.0+(X) 200 65",
    ),
    ("table", "time\tclient_ip\tmethod\turl\tstatus\n2021-04-01T00:00:21Z\t198.51.100.7\tGET\t/x?y\t200"),
    (
        "nginx-proxy-manager",
        r#"[01/Oct/2025:14:32:15 +0000] HIT 200 201 - POST https a.example "/api?x" [Client 198.51.100.100] [Length 1543] [Gzip 2.45] [Sent-to 10.0.0.15:8080] "Mozilla (X)" "https://a.example/d""#,
    ),
    (
        "squid",
        "1286536309.586    921 198.51.100.68 TCP_MISS/200 507 GET http://www.example.com/a?b - HIER_DIRECT/192.0.2.8 text/html",
    ),
    (
        "zoraxy",
        "2025/05/01 07:57:03 [2025-05-01 07:57:03.150624] [router:host-http] [origin:a.example] [client: 198.51.100.1] [useragent: Mozilla/5.0 [en] (X)] POST /x.php?a 404",
    ),
    (
        "nginx-error",
        r#"2021/09/30 09:23:53 [error] 19#19: *17 connect() failed (111: Connection refused) while connecting to upstream, client: 198.51.100.7, server: shop, request: "GET /a HTTP/1.1", upstream: "http://10.0.0.1:8080/a", host: "shop.example""#,
    ),
    (
        "apache-error",
        "[Thu Oct 13 12:24:49.880562 2022] [auth_basic:error] [pid 10:tid 14] [client 198.51.100.7:50229] AH01618: user sss not found: /",
    ),
    (
        "auth",
        "Apr  4 14:30:19 web sshd[1]: Failed password for invalid user a b from 198.51.100.7 port 22 ssh2",
    ),
    (
        "firewall",
        "Jun  8 14:34:33 gw kernel: [500.08] IN=enp1s0 OUT= MAC=00:08 SRC=198.51.100.107 DST=192.0.2.67 LEN=44 TTL=245 PROTO=TCP SPT=8080 DPT=8123 WINDOW=1024 RES=0x00 SYN URGP=0",
    ),
    (
        "dns-query",
        "19-Oct-2022 05:34:02.425 queries: info: client @0x7f 198.51.100.7#3076 (Example.COM): query: Example.COM IN AAAA +E(0)TK (10.0.0.1)",
    ),
    (
        "traefik",
        r#"time="2024-01-15T18:43:09Z" level=debug msg="Handling TCP connection from 198.51.100.7:35501 to 10.0.0.3:21116""#,
    ),
];

fn observations(format: Format, text: &[u8]) -> usize {
    let mut parser = Parser::new(format);
    let read = |line| matches!(parser.parse(line), Ok(Line::Observation(_)));
    text.split(|&b| b == b'\n').map(read).filter(|&is_one| is_one).count()
}

fn data_lines(text: &str) -> usize {
    text.lines().filter(|l| !l.starts_with('#') && !l.starts_with("time\t")).count()
}

#[test]
fn every_format_is_recognised_and_every_line_read() {
    for (name, text) in SAMPLES {
        let format = detect(text.as_bytes()).unwrap_or_else(|| panic!("{name} is recognised"));
        assert_eq!(format.name(), *name);
        assert_eq!(observations(format, text.as_bytes()), data_lines(text), "{name}");
    }
}

#[test]
fn dirt_around_the_lines_is_forgiven() {
    for (name, text) in SAMPLES {
        let header = text.starts_with('#') || text.starts_with("time\t");
        let junk = if header { "" } else { "what is this?\n\n" };
        let dirty =
            format!("\u{feff}{junk}{}\r\n\r\n{text}\n# a comment\nhalf a li", text.replace('\n', "\r\n"));
        let format = detect(dirty.as_bytes()).unwrap_or_else(|| panic!("{name} is recognised"));
        assert_eq!(format.name(), *name);
        assert_eq!(observations(format, dirty.as_bytes()), 2 * data_lines(text), "{name}");
    }
}

#[test]
fn text_that_is_no_log_is_not_recognised() {
    let binary: Vec<u8> = (0..20_000_u64).map(|i| hash::mix(i) as u8).collect();
    for text in [
        &b""[..],
        b"\n\n\n",
        b"The quick brown fox jumps over the lazy dog.\nIt does so every day.\n",
        b"{\"name\":\"seawall\",\"version\":1}\n",
        b"a,b,c\n1,2,3\n",
        b"fn main() {\n    println!(\"hello\");\n}\n",
        &binary,
    ] {
        assert!(detect(text).is_none(), "{}", String::from_utf8_lossy(&text[..text.len().min(60)]));
    }
}

/// Truncations, flipped bits and replaced bytes of every sample line must neither panic nor read
/// beyond the line; detection of the damaged text as well.
#[test]
fn no_mutation_is_a_panic() {
    for (name, text) in SAMPLES {
        let format = detect(text.as_bytes()).unwrap_or_else(|| panic!("{name} is recognised"));
        let mut parser = Parser::new(format);
        for line in text.lines() {
            let line = line.as_bytes();
            for end in 0..line.len() {
                check(&mut parser, &line[..end]);
                check(&mut parser, &line[end..]);
            }
            let mut changed = line.to_vec();
            for bit in 0..line.len() * 8 {
                changed[bit / 8] ^= 1 << (bit % 8);
                check(&mut parser, &changed);
                changed[bit / 8] = line[bit / 8];
            }
            for seed in 0..400_u64 {
                let mut changed = line.to_vec();
                for step in 0..1 + seed % 8 {
                    let bits = hash::mix(seed * 100 + step);
                    let at = (bits >> 16) as usize % changed.len();
                    changed[at] = b"\"[]{}:,\\/ -\x00\xff9a"[bits as usize % 15];
                }
                check(&mut parser, &changed);
            }
        }
        for end in 0..text.len() {
            let _ = detect(&text.as_bytes()[..end]);
        }
    }
}

#[test]
fn random_bytes_are_errors_and_no_panic() {
    for (_, text) in SAMPLES {
        let mut parser = Parser::new(detect(text.as_bytes()).expect("a sample is recognised"));
        for seed in 0..300_u64 {
            let line: Vec<u8> = (0..seed % 97).map(|i| hash::mix(seed * 1_000 + i) as u8).collect();
            check(&mut parser, &line);
        }
    }
}

/// Whatever a line gives, its texts lie inside the line or are shorter than it.
fn check(parser: &mut Parser, line: &[u8]) {
    if let Ok(Line::Observation(Observation::Request(r))) = parser.parse(line) {
        for text in
            [r.path, r.host, r.user_agent, r.referrer, r.user, r.backend, r.server, r.query.unwrap_or(b"")]
        {
            assert!(text.len() <= line.len());
        }
    }
}

#[test]
fn long_lines_are_refused() {
    let mut parser = Parser::new(detect(SAMPLES[0].1.as_bytes()).expect("a sample is recognised"));
    let long = vec![b'x'; 70_000];
    assert_eq!(parser.parse(&long).map(|_| ()).unwrap_err().reason, "line too long");
}

fn request_of<'a>(parser: &'a mut Parser, line: &'a str) -> Request<'a> {
    match parser.parse(line.as_bytes()) {
        Ok(Line::Observation(Observation::Request(r))) => r,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn foreign_lines_between_are_read_too() {
    let text = SAMPLES.iter().find(|(name, _)| *name == "combined").expect("there is one").1;
    let mut parser = Parser::new(detect(text.as_bytes()).expect("a sample is recognised"));
    for (name, lines) in SAMPLES
        .iter()
        .filter(|(name, _)| !matches!(*name, "cloudfront" | "iis-w3c" | "table" | "json-carrier"))
    {
        let json = lines.contains("{\"") || lines.contains("{:");
        for line in lines.lines().filter(|_| !json && !name.contains("json")) {
            assert!(matches!(parser.parse(line.as_bytes()), Ok(Line::Observation(_))), "{name}: {line}");
        }
    }
}

#[test]
fn variants_of_known_formats_are_read() {
    for line in [
        r#"198.51.100.7 - - [03/May/2024 10:00:00] "GET /a HTTP/1.1" 404 -"#,
        r#""198.51.100.7 - - [03/May/2024:10:00:00 +0000] "GET /a HTTP/1.1" 404 9 "-" "Firefox"""#,
        "2024-05-03T10:00:00Z method=GET path=/a format=html status=404 duration=1.5 remote_ip=198.51.100.7",
        r#"{"started_at":1714730400000,"client_ip":"198.51.100.7","request":{"uri":"/a","method":"GET"},"response":{"status":404}}"#,
    ] {
        let mut parser = Parser::new(detect(line.as_bytes()).unwrap_or_else(|| panic!("{line}")));
        let r = request_of(&mut parser, line);
        let seen = (r.client.to_string(), r.path, r.status, r.time.to_string());
        assert_eq!(seen, ("198.51.100.7".into(), &b"/a"[..], 404, "2024-05-03T10:00:00Z".into()), "{line}");
    }
}

#[test]
fn an_access_log_among_what_an_application_says_is_one() {
    let access = SAMPLES.iter().find(|(name, _)| *name == "combined").expect("there is one").1;
    let line = access.lines().next().expect("a line");
    let mixed = |accesses: usize| {
        let said = (0..400).map(|n| format!("worker {n}: cache warmed, queue of length 7\n"));
        (0..accesses).map(|_| format!("{line}\n")).chain(said).collect::<String>()
    };
    assert_eq!(detect(mixed(60).as_bytes()).map(|f| f.name()), Some("combined"));
    assert!(detect(mixed(3).as_bytes()).is_none(), "three lines may be quoted");
}

#[test]
fn a_field_map_says_what_keys_mean() {
    let format =
        Format::from_json_fields("time=when, client=who.ip, request=what\nstatus=result,duration_ms=took");
    let mut parser = Parser::new(format.expect("a good map"));
    let line =
        r#"{"when":1714557600,"who":{"ip":"198.51.100.7"},"what":"GET /x HTTP/1.1","result":404,"took":12}"#;
    let r = request_of(&mut parser, line);
    assert_eq!((r.client.to_string(), r.path, r.status), ("198.51.100.7".into(), &b"/x"[..], 404));
    assert_eq!((r.time.to_string(), r.duration_us), ("2024-05-01T10:00:00Z".into(), Some(12_000)));
    for (map, error) in [
        ("client", "'client' is not of the form meaning=key, such as client=remote_addr"),
        ("colour=x", "'colour' is no known meaning, such as time, client, status or duration_ms"),
        ("client=x", "'client=x' names no key for the time"),
        ("time=x", "'time=x' names no key for the client"),
    ] {
        assert_eq!(Format::from_json_fields(map).unwrap_err().to_string(), error);
    }
}

#[test]
fn stamps_without_a_year_take_the_given_one() {
    let line = "Apr  4 14:30:19 web sshd[1]: Failed password for root from 198.51.100.7 port 22 ssh2";
    let near = Timestamp::from_seconds(1_704_067_200); // The last midnight of 2023.
    let mut parser = Parser::new(detect(line.as_bytes()).expect("a sample is recognised"));
    assert!(parser.parse(line.as_bytes()).is_ok());
    assert_eq!(parser.date_with_year(), None);
    let mut parser = parser.near(near);
    assert_eq!(parser.date_with_year(), Some(near));
    match parser.parse(line.as_bytes()) {
        Ok(Line::Observation(o)) => assert_eq!(o.time().to_string(), "2024-04-04T14:30:19Z"),
        other => panic!("{other:?}"),
    }
}
