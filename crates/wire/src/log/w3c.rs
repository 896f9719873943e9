//! W3C Extended Log Files: IIS (columns by spaces) and CloudFront (columns by tabs). The columns
//! are named by `#Fields:` in the file, which may change in the middle of it.

use super::date::{self, Dates};
use super::draft::{Draft, Field, Unit};
use super::{Line, LineError};
use seawall_model::Timestamp;
use seawall_model::observation::Observation;

/// Columns of one line that are read.
const COLUMNS: usize = 64;

/// What IIS logs unless told otherwise, since version 8 and before: for a piece of a log whose
/// directives were cut off.
const IIS_FIELDS: [&str; 2] = [
    "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip \
     cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken",
    "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip \
     cs(User-Agent) sc-status sc-substatus sc-win32-status time-taken",
];

/// What the directives of a file have said so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct W3c {
    fields: Vec<Field>,
    /// Where the query stands; IIS writes it as sent, spaces included.
    query_at: Option<usize>,
    is_cloudfront: bool,
    /// `#Date:`, for lines without a date.
    day: Option<Timestamp>,
}

impl W3c {
    pub(super) fn name(&self) -> &'static str {
        if self.is_cloudfront { "cloudfront" } else { "iis-w3c" }
    }

    pub(super) fn has_fields(&self) -> bool {
        !self.fields.is_empty()
    }

    /// The columns of lines that stand without directives, if they are those of IIS.
    pub(super) fn guess(lines: &[&[u8]]) -> Option<Self> {
        IIS_FIELDS.iter().find_map(|fields| {
            let mut state = Self::default();
            state.directive(fields.as_bytes());
            let (mut dates, mut agent) = (Dates::default(), Vec::new());
            let fits = |line: &&[u8]| match read(&mut state, &mut dates, &mut agent, line) {
                Ok(Line::Observation(Observation::Request(r))) => {
                    r.path.first() == Some(&b'/') && (100..600).contains(&r.status)
                }
                _ => false,
            };
            (!lines.is_empty() && lines.iter().all(fits)).then_some(state)
        })
    }

    /// Takes a line that begins with `#`.
    pub(super) fn directive(&mut self, line: &[u8]) {
        if let Some(names) = line.strip_prefix(b"#Fields:") {
            let names: Vec<&[u8]> =
                names.split(u8::is_ascii_whitespace).filter(|n| !n.is_empty()).take(COLUMNS).collect();
            self.is_cloudfront = names.contains(&&b"x-edge-location"[..]);
            let has_forwarded = names.iter().any(|n| n.eq_ignore_ascii_case(b"x-forwarded-for"));
            self.fields = names.iter().map(|name| self.field(name)).collect();
            self.query_at = self.fields.iter().position(|f| *f == Field::Query);
            // A CDN's own view of the client needs no forwarded-for, which the client may write.
            if self.is_cloudfront && has_forwarded {
                self.fields
                    .iter_mut()
                    .filter(|f| **f == Field::ForwardedFor)
                    .for_each(|f| *f = Field::Ignored);
            }
        } else if let Some(date) = line.strip_prefix(b"#Date:") {
            let day = date.trim_ascii().get(..10).and_then(date::day_start);
            self.day = day.or(self.day);
        }
    }

    fn field(&self, name: &[u8]) -> Field {
        let lower = name.to_ascii_lowercase();
        match lower.as_slice() {
            b"date" => Field::Date,
            b"time" => Field::TimeOfDay,
            b"c-ip" => Field::Peer,
            b"x-forwarded-for" | b"cs(x-forwarded-for)" => Field::ForwardedFor,
            b"cs(x-real-ip)" | b"cs(cf-connecting-ip)" => Field::RealAddress,
            b"cs-username" => Field::User,
            b"cs-method" => Field::Method,
            b"cs-uri-stem" | b"cs-uri" => Field::Target,
            b"cs-uri-query" => Field::Query,
            b"cs-version" | b"cs-protocol-version" => Field::Version,
            b"cs-host" | b"x-host-header" => Field::Host,
            b"cs(host)" if !self.is_cloudfront => Field::Host,
            b"sc-status" => Field::Status,
            b"sc-bytes" => Field::ResponseBytes,
            b"cs-bytes" => Field::RequestBytes,
            b"time-taken" if self.is_cloudfront => Field::Duration(Unit::Seconds),
            b"time-taken" => Field::Duration(Unit::Milliseconds),
            b"time-to-first-byte" => Field::Upstream(Unit::Seconds),
            b"cs(user-agent)" => Field::UserAgent,
            b"cs(referer)" => Field::Referrer,
            b"cs(cookie)" => Field::Cookie,
            b"s-ip" | b"s-computername" => Field::Server,
            b"s-sitename" | b"x-edge-location" => Field::Backend,
            b"x-edge-result-type" => Field::Cache,
            _ => Field::Ignored,
        }
    }
}

/// Reads one line; directives change `state`. The user agent is decoded into `agent`.
pub(super) fn read<'a>(
    state: &mut W3c,
    dates: &mut Dates,
    agent: &'a mut Vec<u8>,
    line: &'a [u8],
) -> Result<Line<'a>, LineError> {
    if line.first() == Some(&b'#') {
        state.directive(line);
        return Ok(Line::Nothing);
    }
    if !state.has_fields() {
        return Err(LineError { reason: "no #Fields: before this line", at_byte: 0 });
    }
    let mut columns: [&[u8]; COLUMNS] = [b""; COLUMNS];
    let count = split(line, state.is_cloudfront, &mut columns)?;
    if count < state.fields.len() {
        return Err(LineError { reason: "fewer columns than #Fields: names", at_byte: line.len() });
    }
    // More columns than names: the query holds spaces, so that what follows it is counted from
    // the end.
    let surplus = count - state.fields.len();
    let shifted = |index: usize| match state.query_at {
        Some(query) if index > query => index + surplus,
        _ => index,
    };
    agent.clear();
    let agent_at = state.fields.iter().position(|f| *f == Field::UserAgent);
    if let Some(index) = agent_at {
        decode(columns[shifted(index)], state.is_cloudfront, agent);
    }
    let agent: &'a [u8] = agent;
    let mut draft = Draft::new(dates);
    for (index, field) in state.fields.iter().enumerate() {
        let text = if agent_at == Some(index) { agent } else { columns[shifted(index)] };
        draft.set(*field, text, dates);
    }
    draft.default_day(state.day);
    let request = draft.finish()?;
    dates.saw(request.time);
    Ok(Line::Observation(Observation::Request(request)))
}

fn split<'a>(line: &'a [u8], by_tabs: bool, columns: &mut [&'a [u8]; COLUMNS]) -> Result<usize, LineError> {
    let separator = if by_tabs { b'\t' } else { b' ' };
    let mut count = 0;
    for part in line.split(|&b| b == separator).filter(|part| by_tabs || !part.is_empty()) {
        let error = LineError { reason: "too many columns", at_byte: line.len() };
        *columns.get_mut(count).ok_or(error)? = part;
        count += 1;
    }
    Ok(count)
}

/// Takes out IIS's `+` for a space, or CloudFront's percent-encoding (which some of its formats
/// apply twice).
fn decode(text: &[u8], is_cloudfront: bool, out: &mut Vec<u8>) {
    if !is_cloudfront {
        out.extend(text.iter().map(|&b| if b == b'+' { b' ' } else { b }));
        return;
    }
    let mut at = 0;
    while at < text.len() {
        let (byte, used) = percent(&text[at..]);
        out.push(byte);
        at += used;
    }
}

fn percent(text: &[u8]) -> (u8, usize) {
    let prefix = if text.starts_with(b"%25") { 3 } else { 1 };
    let digits = text.get(prefix..prefix + 2).filter(|_| text[0] == b'%');
    let value = digits.and_then(|d| {
        let [high, low] = [d[0], d[1]].map(|b| char::from(b).to_digit(16));
        Some((high? * 16 + low?) as u8)
    });
    value.map_or((text[0], 1), |byte| (byte, prefix + 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::observation::{CacheResult, Method, Presence, Request};

    fn last_of(lines: &[&str], check: impl FnOnce(&Request<'_>)) {
        let (mut state, mut dates, mut agent) = (W3c::default(), Dates::default(), Vec::new());
        let (last, before) = lines.split_last().unwrap();
        for line in before {
            assert!(matches!(read(&mut state, &mut dates, &mut agent, line.as_bytes()), Ok(Line::Nothing)));
        }
        match read(&mut state, &mut dates, &mut agent, last.as_bytes()) {
            Ok(Line::Observation(Observation::Request(r))) => check(&r),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn iis_with_every_field() {
        let fields = "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Cookie) cs(Referer) sc-status sc-substatus sc-win32-status sc-bytes cs-bytes time-taken";
        let line = "2021-04-01 00:00:21 192.0.2.1 POST /foo.asp a=b c=d 80 realm\\anna 198.51.100.222 Mozilla/5.0+(X) id=1 http://example.com/ 200 0 0 512 99 65";
        last_of(&["#Software: Microsoft Internet Information Services 10.0", fields, line], |r| {
            assert_eq!(
                (r.time.to_string(), r.client.to_string()),
                ("2021-04-01T00:00:21Z".into(), "198.51.100.222".into())
            );
            assert_eq!((r.method, r.path, r.query), (Method::Post, &b"/foo.asp"[..], Some(&b"a=b"[..])));
            assert_eq!((r.user, r.user_agent), (&b"realm\\anna"[..], &b"Mozilla/5.0 (X)"[..]));
            assert_eq!((r.cookie, r.referrer), (Presence::Present, &b"http://example.com/"[..]));
            assert_eq!((r.status, r.response_bytes, r.request_bytes), (200, 512, Some(99)));
            assert_eq!((r.duration_us, r.server), (Some(65_000), &b"192.0.2.1"[..]));
        });
    }

    #[test]
    fn a_piece_of_iis_without_its_directives_is_known_by_its_columns() {
        let new = "2024-05-03 10:00:00 10.0.0.1 GET /a b=c 443 - 198.51.100.7 Mozilla/5.0 - 200 0 0 12";
        let old = "2012-05-03 10:00:00 10.0.0.1 GET /a - 80 - 198.51.100.7 Mozilla/5.0 404 0 2 12";
        for (line, status) in [(new, 200), (old, 404)] {
            let mut state = W3c::guess(&[line.as_bytes()]).expect("known");
            match read(&mut state, &mut Dates::default(), &mut Vec::new(), line.as_bytes()) {
                Ok(Line::Observation(Observation::Request(r))) => {
                    assert_eq!((r.client.to_string().as_str(), r.status), ("198.51.100.7", status));
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(W3c::guess(&[]), None);
        assert_eq!(W3c::guess(&[new.as_bytes(), &b"something else"[..]]), None);
    }

    #[test]
    fn lines_without_a_date_take_the_directive() {
        let fields = "#Fields: time c-ip cs-method cs-uri-stem sc-status";
        last_of(&["#Date: 2013-07-30 00:00:00", fields, "00:00:03 198.51.100.1 GET /x 404"], |r| {
            assert_eq!((r.time.to_string(), r.status), ("2013-07-30T00:00:03Z".into(), 404));
        });
    }

    #[test]
    fn cloudfront_by_tabs() {
        let fields = "#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query x-edge-result-type x-host-header cs-bytes time-taken x-forwarded-for cs-protocol-version";
        let line = "2019-12-04\t21:02:31\tLAX1\t392\t2001:db8::1\tGET\td1.cloudfront.net\t/index.html\t200\t-\tMozilla/5.0%2520(Windows)%20x\t-\tHit\twww.example.com\t23\t0.001\t6.6.6.6\tHTTP/2.0";
        last_of(&["#Version: 1.0", fields, line], |r| {
            assert_eq!((r.client.to_string(), r.host), ("2001:db8::1".into(), &b"www.example.com"[..]));
            assert_eq!((r.user_agent, r.cache), (&b"Mozilla/5.0 (Windows) x"[..], CacheResult::Hit));
            assert_eq!((r.duration_us, r.query, r.backend), (Some(1_000), None, &b"LAX1"[..]));
        });
    }

    #[test]
    fn lines_that_do_not_fit_are_errors() {
        let (mut state, mut dates, mut agent) = (W3c::default(), Dates::default(), Vec::new());
        let mut reason = |line: &[u8]| read(&mut state, &mut dates, &mut agent, line).err().map(|e| e.reason);
        assert_eq!(reason(b"a b c"), Some("no #Fields: before this line"));
        assert_eq!(reason(b"#Fields: date time c-ip"), None);
        assert_eq!(reason(b"2013-07-30 00:00:00"), Some("fewer columns than #Fields: names"));
        assert_eq!(reason("x ".repeat(100).as_bytes()), Some("too many columns"));
    }
}
