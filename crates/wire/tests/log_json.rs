//! JSON access logs of several servers with every field.

use seawall_model::observation::{Ending, HttpVersion, Method, Observation, Presence, Request};
use seawall_wire::log::{Line, Parser, detect};

fn with_request(line: &str, name: &str, check: impl FnOnce(&Request<'_>)) {
    let format = detect(line.as_bytes()).unwrap_or_else(|| panic!("{name} is recognised"));
    assert_eq!(format.name(), name);
    match Parser::new(format).parse(line.as_bytes()) {
        Ok(Line::Observation(Observation::Request(r))) => check(&r),
        other => panic!("{other:?}"),
    }
}

#[test]
fn caddy() {
    let line = r#"{"level":"info","ts":1693840791.7564995,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"172.17.0.1","remote_port":"44790","client_ip":"198.51.100.7","proto":"HTTP/2.0","method":"POST","host":"a.example:443","uri":"/x?y=1\u00262","headers":{"User-Agent":["curl \"7\""],"Referer":["http://b.example/"],"Cookie":["REDACTED"]}},"bytes_read":5,"user_id":"anna","duration":0.0025,"size":11,"status":404,"resp_headers":{"Server":["Caddy"]}}"#;
    with_request(line, "caddy-json", |r| {
        assert_eq!(r.time.to_string(), "2023-09-04T15:19:51.756Z");
        assert_eq!(
            (r.client.to_string(), r.peer.map(|p| p.to_string())),
            ("198.51.100.7".into(), Some("172.17.0.1".into()))
        );
        assert_eq!(
            (r.method, r.host, r.path, r.query),
            (Method::Post, &b"a.example"[..], &b"/x"[..], Some(&b"y=1&2"[..]))
        );
        assert_eq!(
            (r.version, r.status, r.response_bytes, r.request_bytes),
            (HttpVersion::Http2, 404, 11, Some(5))
        );
        assert_eq!((r.duration_us, r.user), (Some(2_500), &b"anna"[..]));
        assert_eq!((r.user_agent, r.referrer), (&b"curl \"7\""[..], &b"http://b.example/"[..]));
        assert_eq!((r.cookie, r.accept_language), (Presence::Present, Presence::Absent));
    });
}

/// Broke: the keys of Akamai's DataStream and the sizes and servers of Azure's gateways were not known, and
/// `HTTPS` for a protocol was an invalid version.
#[test]
fn akamai_and_azure() {
    let line = r#"{"version":1,"cp":"123456","reqId":"1239f220","reqTimeSec":"1573840000.250","bytes":"4995","cliIP":"198.51.100.7","statusCode":"503","proto":"HTTPS","reqHost":"a.example","reqMethod":"GET","reqPath":"/b/c","reqPort":"443","UA":"curl/8","queryStr":"d=1","referer":"-","xForwardedFor":"-","turnAroundTimeMSec":"1100","transferTimeMSec":"125"}"#;
    with_request(line, "json", |r| {
        assert_eq!(
            (r.time.to_string(), r.client.to_string()),
            ("2019-11-15T17:46:40.250Z".into(), "198.51.100.7".into())
        );
        assert_eq!((r.host, r.path, r.query), (&b"a.example"[..], &b"/b/c"[..], Some(&b"d=1"[..])));
        assert_eq!((r.status, r.response_bytes, r.upstream_us), (503, 4995, Some(1_100_000)));
        assert_eq!((r.version, r.user_agent), (HttpVersion::Unknown, &b"curl/8"[..]));
    });
    let line = r#"{"operationName":"ApplicationGatewayAccess","time":"2017-04-26T19:27:38Z","category":"ApplicationGatewayAccessLog","properties":{"instanceId":"gw_1","clientIP":"198.51.100.7","clientPort":46886,"httpMethod":"GET","requestUri":"/a","userAgent":"-","httpStatus":502,"httpVersion":"HTTP/1.1","receivedBytes":65,"sentBytes":553,"timeTaken":0.205,"sslEnabled":"on","serverRouted":"10.0.0.4:80","serverStatus":"502","serverResponseLatency":"0.023","host":"a.example"}}"#;
    with_request(line, "json", |r| {
        assert_eq!((r.status, r.response_bytes, r.request_bytes), (502, 553, Some(65)));
        assert_eq!((r.duration_us, r.upstream_us), (Some(205_000), Some(23_000)));
        assert_eq!(r.server, b"10.0.0.4:80");
    });
}

#[test]
fn traefik() {
    let line = r#"{"ClientAddr":"10.0.0.1:39490","ClientHost":"10.0.0.1","ClientUsername":"-","DownstreamContentSize":356,"DownstreamStatus":502,"Duration":2155630,"OriginDuration":1000000,"OriginStatus":502,"Overhead":10855,"RequestContentSize":7,"RequestHost":"a.example","RequestMethod":"GET","RequestPath":"/x?y","RequestProtocol":"HTTP/1.1","ServiceName":"web@docker","ServiceAddr":"10.0.0.1:80","StartUTC":"2021-12-08T09:16:05.123456789Z","request_User-Agent":"curl/7","request_X-Forwarded-For":"198.51.100.7","time":"2021-12-08T09:16:05Z"}"#;
    with_request(line, "traefik-json", |r| {
        assert_eq!(
            (r.time.to_string(), r.client.to_string()),
            ("2021-12-08T09:16:05.123Z".into(), "198.51.100.7".into())
        );
        assert_eq!((r.status, r.response_bytes, r.request_bytes), (502, 356, Some(7)));
        assert_eq!((r.duration_us, r.upstream_us), (Some(2_155), Some(1_000)));
        assert_eq!(
            (r.backend, r.server, r.user_agent),
            (&b"web@docker"[..], &b"10.0.0.1:80"[..], &b"curl/7"[..])
        );
        assert_eq!((r.ending, r.user), (Ending::UpstreamFailed, &b""[..]));
    });
}

#[test]
fn envoy() {
    let line = r#"{":authority":"a.example","bytes_received":5,"bytes_sent":121258,"downstream_remote_address":"198.51.100.7:59292","duration":11,"method":"GET","protocol":"HTTP/2","response_code":503,"response_flags":"UH","start_time":"2025-12-31T16:37:40.479Z","upstream_cluster":"c1","upstream_host":null,"user-agent":"curl/7","x-envoy-original-path":"/x?y"}"#;
    with_request(line, "envoy-json", |r| {
        assert_eq!(
            (r.time.to_string(), r.client.to_string()),
            ("2025-12-31T16:37:40.479Z".into(), "198.51.100.7".into())
        );
        assert_eq!(
            (r.host, r.path, r.query, r.status),
            (&b"a.example"[..], &b"/x"[..], Some(&b"y"[..]), 503)
        );
        assert_eq!(
            (r.duration_us, r.ending, r.backend, r.server),
            (Some(11_000), Ending::NoUpstream, &b"c1"[..], &b""[..])
        );
    });
}

#[test]
fn names_that_other_programs_use() {
    let nginx = r#"{"time_iso8601":"2024-05-01T10:00:00+00:00","remote_addr":"198.51.100.7","remote_user":"","request":"GET /x?y HTTP/1.1","status":"200","body_bytes_sent":"17","request_time":"0.250","upstream_response_time":"0.100, 0.100","http_referrer":"","http_user_agent":"curl/7","host":"a.example"}"#;
    let elastic = r#"{"@timestamp":"2024-05-01T10:00:00Z","source":{"ip":"198.51.100.7"},"http":{"request":{"method":"GET"},"response":{"status_code":200,"body":{"bytes":17}},"version":"1.1"},"url":{"original":"/x?y","domain":"a.example"},"user_agent":{"original":"curl/7"},"event":{"duration":250000000}}"#;
    let cloudflare = r#"{"ClientIP":"198.51.100.7","ClientRequestHost":"a.example","ClientRequestMethod":"GET","ClientRequestURI":"/x?y","ClientRequestProtocol":"HTTP/1.1","ClientRequestUserAgent":"curl/7","EdgeEndTimestamp":"2024-05-01T10:00:00Z","EdgeResponseBytes":17,"EdgeResponseStatus":200,"duration_ms":250}"#;
    let google = r#"{"timestamp":"2024-05-01T10:00:00Z","httpRequest":{"requestMethod":"GET","requestUrl":"https://a.example/x?y","status":200,"responseSize":"17","userAgent":"curl/7","remoteIp":"198.51.100.7","latency":"0.250s","protocol":"HTTP/1.1"}}"#;
    let service = r#"{"ts":1714557600000,"clientIp":"198.51.100.7","method":"GET","url":"https://a.example/x?y","proto":"HTTP/1.1","statusCode":200,"size":17,"elapsed":250,"userAgent":"curl/7"}"#;
    for line in [nginx, elastic, cloudflare, google, service] {
        with_request(line, "json", |r| {
            assert_eq!(
                (r.time.to_string(), r.client.to_string()),
                ("2024-05-01T10:00:00Z".into(), "198.51.100.7".into()),
                "{line}"
            );
            assert_eq!(
                (r.method, r.host, r.path, r.query),
                (Method::Get, &b"a.example"[..], &b"/x"[..], Some(&b"y"[..])),
                "{line}"
            );
            assert_eq!((r.version, r.status, r.response_bytes), (HttpVersion::Http11, 200, 17), "{line}");
            assert_eq!((r.duration_us, r.user_agent), (Some(250_000), &b"curl/7"[..]), "{line}");
        });
    }
}

#[test]
fn carriers_of_other_lines() {
    let docker = r#"{"log":"198.51.100.7 - - [17/May/2015:10:05:03 +0000] \"GET /a HTTP/1.1\" 200 17 \"-\" \"curl\"\n","stream":"stdout","time":"2015-05-17T10:05:03.5Z"}"#;
    let journal = r#"{"__REALTIME_TIMESTAMP":"1431857103500000","SYSLOG_IDENTIFIER":"nginx","MESSAGE":"198.51.100.7 - - [17/May/2015:10:05:03 +0000] \"GET /a HTTP/1.1\" 200 17 \"-\" \"curl\""}"#;
    for line in [docker, journal] {
        with_request(line, "json-carrier", |r| {
            assert_eq!(
                (r.time.to_string(), r.client.to_string()),
                ("2015-05-17T10:05:03Z".into(), "198.51.100.7".into())
            );
            assert_eq!((r.path, r.status, r.user_agent), (&b"/a"[..], 200, &b"curl"[..]));
        });
    }
    let event = r#"{"log":"[WARNING] (8) : Server app/web1 is DOWN, reason: Layer4 timeout","time":"2015-05-17T10:05:03.5Z"}"#;
    match Parser::new(detect(event.as_bytes()).expect("is recognised")).parse(event.as_bytes()) {
        Ok(Line::Observation(Observation::Backend(b))) => {
            assert_eq!((b.time.to_string(), b.server), ("2015-05-17T10:05:03.500Z".into(), &b"web1"[..]));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn messages_of_the_same_program_are_nothing() {
    let access = r#"{"level":"info","ts":1693840791.75,"request":{"remote_ip":"198.51.100.7","method":"GET","uri":"/"},"duration":0.1,"status":200}"#;
    let mut parser = Parser::new(detect(access.as_bytes()).expect("is recognised"));
    let message = br#"{"level":"info","ts":1693840791.75,"logger":"admin","msg":"admin endpoint started"}"#;
    assert!(matches!(parser.parse(message), Ok(Line::Nothing)));
    assert_eq!(parser.parse(br#"{"level":"#).map(|_| ()).unwrap_err().reason, "JSON ends early");
}

#[test]
fn pairs_of_key_and_value() {
    let own = r#"time="2024-05-01T10:00:00Z" lvl=info remote_addr=198.51.100.7 method=GET path="/x?y" proto=HTTP/1.1 status=503 size=17 duration=250ms user_agent="a \"b\"""#;
    let routed = r#"<158>1 2024-05-01T10:00:00.250000+00:00 host heroku router - at=info method=GET path="/x?y" host=a.example request_id=1 fwd="198.51.100.7" dyno=web.1 connect=1ms service=250ms status=503 bytes=17 protocol=http"#;
    for line in [own, routed] {
        with_request(line, "logfmt", |r| {
            assert_eq!(
                (r.time.seconds(), r.client.to_string()),
                (1_714_557_600, "198.51.100.7".into()),
                "{line}"
            );
            assert_eq!((r.path, r.query, r.status), (&b"/x"[..], Some(&b"y"[..]), 503), "{line}");
            assert_eq!((r.response_bytes, r.duration_us), (17, Some(250_000)), "{line}");
        });
    }
}

#[test]
fn the_carrier_may_be_the_only_one_to_tell_the_time() {
    let line = r#"2024-05-01T10:00:00.5Z stdout F {"remote_addr":"198.51.100.7","method":"GET","path":"/x","status":200}"#;
    with_request(line, "json", |r| assert_eq!(r.time.to_string(), "2024-05-01T10:00:00.500Z"));
}
