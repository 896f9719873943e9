//! What a sensor reads inside packets: DNS messages and plain HTTP requests.

use seawall_model::hash;
use seawall_model::observation::{
    Dns, FlowState, Fragment, HttpVersion, Observation, Packet, Request, protocol,
};
use std::net::IpAddr;

const NAMES: [&[u8]; 16] = [
    b"www.site.example",
    b"api.site.example",
    b"mail.partner.example",
    b"cdn.images.example",
    b"updates.vendor.example",
    b"time.vendor.example",
    b"static.shop.example",
    b"fonts.text.example",
    b"login.bank.example",
    b"telemetry.app.example",
    b"ocsp.authority.example",
    b"video.stream.example",
    b"search.engine.example",
    b"news.paper.example",
    b"weather.office.example",
    b"mirror.linux.example",
];
const PATHS: [&[u8]; 12] = [
    b"/",
    b"/index.html",
    b"/style.css",
    b"/main.js",
    b"/logo.png",
    b"/news/today",
    b"/item/1204",
    b"/item/77",
    b"/about",
    b"/favicon.ico",
    b"/images/harbour.jpg",
    b"/search",
];
const AGENTS: [&[u8]; 5] = [
    b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
    b"Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0",
    b"Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1",
    b"Mozilla/5.0 (Linux; Android 14; Pixel 7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/123.0.0.0 Mobile Safari/537.36",
    b"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.3 Safari/605.1.15",
];
/// Payloads above this are answers to questions that ask for much.
const LARGE_ANSWER_BYTES: u32 = 600;

/// The message in a packet, if it holds one that can be read.
pub(crate) fn message_of<'p>(p: &Packet<'p>) -> Option<Observation<'p>> {
    if p.fragment == Fragment::Later {
        return None;
    }
    match p.protocol {
        protocol::UDP if p.source_port == 53 || p.destination_port == 53 => dns(p).map(Observation::Dns),
        protocol::TCP if p.payload.starts_with(b"GET ") && p.payload.ends_with(b"\r\n\r\n") => {
            Some(Observation::Request(request(p)))
        }
        _ => None,
    }
}

fn dns<'p>(p: &Packet<'p>) -> Option<Dns<'p>> {
    if p.payload.len() < 4 {
        return None;
    }
    let is_response = p.payload[2] & 0x80 != 0;
    let (client, server, client_port): (IpAddr, IpAddr, u16) = if is_response {
        (p.destination, p.source, p.destination_port)
    } else {
        (p.source, p.destination, p.source_port)
    };
    let is_large = p.payload_bytes > LARGE_ANSWER_BYTES;
    let draw = hash::mix(u64::from(client_port));
    Some(Dns {
        time: p.time,
        client,
        server,
        client_port,
        is_response,
        over_tcp: false,
        name: if is_large { b"doc.example" } else { NAMES[draw as usize % NAMES.len()] },
        query_type: if is_large { 255 } else { 1 },
        opcode: 0,
        response_code: 0,
        authoritative: false,
        truncated: false,
        recursion_desired: true,
        records: if is_response { 3 } else { 0 },
        message_bytes: p.payload_bytes,
        unsolicited: is_response && matches!(p.flow, FlowState::New | FlowState::OneWay),
        response_us: (is_response && p.flow == FlowState::Answering).then_some(3_000 + (draw >> 50)),
        malformed: false,
    })
}

fn request<'p>(p: &Packet<'p>) -> Request<'p> {
    let draw = hash::combine(u64::from(p.source_port), p.time.0 as u64);
    let mut r = Request::new(p.time, p.source);
    r.host = b"www.site.example";
    r.path = PATHS[draw as usize % PATHS.len()];
    r.version = HttpVersion::Http11;
    r.status = 200;
    r.response_bytes = 500 + (draw >> 40) % 40_000;
    r.user_agent = AGENTS[hash::address(p.source) as usize % AGENTS.len()];
    r
}
