//! Reading a line of unknown format by its looks. Serves detection, files that mix formats (an
//! access log with errors in between, a container's output), and lines inside JSON.

use super::common::find_date;
use super::date::Dates;
use super::draft::Draft;
use super::envelope::{self, Envelope};
use super::layout::Layout;
use super::{
    Line, LineError, apache_error, auth, aws, common, dns_log, envoy, haproxy, haproxy_event, kernel,
    nginx_error, proxies, workers,
};
use memchr::memmem;
use seawall_model::observation::{Observation, Request};

/// The formats that a single line shows by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Combined,
    Haproxy,
    DateFirst,
    Envoy,
    Alb,
    ClassicElb,
    Nlb,
    Squid,
    Zoraxy,
    Gin,
    Uwsgi,
    Uvicorn,
    PhpFpm,
    NginxError,
    ApacheError,
    Auth,
    Kernel,
    Dns,
    Traefik,
}

/// Reads a line of any format that shows itself; tells which it was. `lower` keeps text that had
/// to be changed.
pub(super) fn read<'a>(
    dates: &mut Dates,
    lower: &'a mut Vec<u8>,
    line: &'a [u8],
) -> Result<(Kind, Line<'a>), LineError> {
    if let Some(found) = with_clf_date(dates, line) {
        return Ok(found);
    }
    let envelope = envelope::open(dates, line);
    if dns_log::is_one(&envelope) {
        return dns_log::read(dates, lower, &envelope).map(|read| (Kind::Dns, read));
    }
    by_shape(dates, &envelope)
        .or_else(|| by_words(dates, line, &envelope))
        .ok_or(LineError { reason: "no format that is known", at_byte: line.len() - envelope.body.len() })
}

fn request<'a>(kind: Kind, read: Result<Request<'a>, LineError>) -> Option<(Kind, Line<'a>)> {
    read.ok().map(|r| (kind, Line::Observation(Observation::Request(r))))
}

fn line<'a>(kind: Kind, read: Result<Line<'a>, LineError>) -> Option<(Kind, Line<'a>)> {
    read.ok().map(|l| (kind, l))
}

/// Formats with `[17/May/2015:10:05:03 …]` in them.
fn with_clf_date<'a>(dates: &mut Dates, text: &'a [u8]) -> Option<(Kind, Line<'a>)> {
    let dated = find_date(text)?;
    if dated.head.is_empty()
        && let Some(found) = request(Kind::DateFirst, proxies::date_first(dates, text))
    {
        return Some(found);
    }
    if text.get(dated.after) == Some(&b'"') {
        let mut draft = Draft::new(dates);
        let read = common::read(&mut draft, dates, &Layout::default(), text);
        return request(Kind::Combined, read.map(|()| draft.request));
    }
    line(Kind::Haproxy, haproxy::read(dates, text))
}

/// Formats that their first bytes tell apart.
fn by_shape<'a>(dates: &mut Dates, envelope: &Envelope<'a>) -> Option<(Kind, Line<'a>)> {
    let body = envelope.body;
    match body.first()? {
        b'[' => request(Kind::Gin, proxies::gin(dates, body))
            .or_else(|| line(Kind::Envoy, envoy::read(dates, body)))
            .or_else(|| request(Kind::Uwsgi, workers::uwsgi(dates, body)))
            .or_else(|| line(Kind::PhpFpm, workers::php_fpm(dates, body)))
            .or_else(|| line(Kind::ApacheError, apache_error::read(dates, envelope))),
        b'h' | b'w' | b'g' => request(Kind::Alb, aws::application(dates, body)),
        b't' => line(Kind::Nlb, aws::network(dates, body))
            .or_else(|| line(Kind::Traefik, kernel::traefik(dates, body))),
        b'0'..=b'9' => request(Kind::Zoraxy, proxies::zoraxy(dates, body))
            .or_else(|| line(Kind::NginxError, nginx_error::read(dates, body)))
            .or_else(|| line(Kind::ClassicElb, aws::classic(dates, body)))
            .or_else(|| request(Kind::Squid, proxies::squid(dates, body)))
            .or_else(|| line(Kind::PhpFpm, workers::php_fpm(dates, body)))
            .or_else(|| request(Kind::Uvicorn, workers::uvicorn(dates, envelope))),
        b'I' => request(Kind::Uvicorn, workers::uvicorn(dates, envelope)),
        _ => None,
    }
}

/// Formats that only their words tell apart.
fn by_words<'a>(dates: &mut Dates, whole: &'a [u8], envelope: &Envelope<'a>) -> Option<(Kind, Line<'a>)> {
    if memmem::find(envelope.body, b"SRC=").is_some()
        && let Some(found) = line(Kind::Kernel, kernel::read(dates, envelope))
    {
        return Some(found);
    }
    if envelope.program == b"filterlog" {
        return line(Kind::Kernel, kernel::pf(dates, envelope));
    }
    if let Some(read) = haproxy_event::read(dates, whole) {
        return Some((Kind::Haproxy, read));
    }
    line(Kind::Auth, auth::read(dates, envelope))
}
