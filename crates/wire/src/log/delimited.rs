//! Tables with a header line: columns by tabs, commas, semicolons or bars, named by the first line.

use super::LineError;
use super::date::Dates;
use super::draft::{Draft, Field, Unit};
use super::{Line, names};
use memchr::memchr;
use seawall_model::observation::Observation;

/// Columns of one line that are read.
const COLUMNS: usize = 64;

/// The columns of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    separator: u8,
    header: Vec<u8>,
    fields: Vec<Field>,
}

impl Table {
    /// Reads a header line. `None` if it does not name a time, a client and what was asked for.
    pub(super) fn from_header(line: &[u8]) -> Option<Self> {
        let separator = *b"\t,;|".iter().max_by_key(|&&s| memchr::memchr_iter(s, line).count())?;
        let names: Vec<&[u8]> = line.split(|&b| b == separator).take(COLUMNS).map(unquoted).collect();
        let mut fields: Vec<Field> = Vec::new();
        for name in names.iter().filter(|n| n.len() <= 64) {
            let field = names::json_field(name).map_or(Field::Ignored, |(field, _)| field);
            let field = match field {
                Field::Duration(Unit::Written) => Field::Duration(Unit::Milliseconds),
                // A table is read as requests only; a message column would need its own format.
                Field::Message => Field::Ignored,
                field if fields.contains(&field) => Field::Ignored,
                field => field,
            };
            fields.push(field);
        }
        let has = |fields: &[Field], wanted: &[Field]| fields.iter().any(|f| wanted.contains(f));
        if !has(&fields, &[Field::Peer, Field::Client])
            && let Some(host) = fields.iter().position(|f| *f == Field::Host)
        {
            // Where no column is the client, `host` is the remote host, as in the oldest logs.
            fields[host] = Field::Peer;
        }
        let is_access = has(&fields, &[Field::Time, Field::StartTime])
            && has(&fields, &[Field::Peer, Field::Client])
            && has(&fields, &[Field::Target, Field::RequestLine, Field::Status]);
        is_access.then(|| Self { separator, header: line.to_vec(), fields })
    }

    /// The columns of lines that stand without a header, if they are those of bunny.net.
    pub(super) fn guess(lines: &[&[u8]]) -> Option<Self> {
        let table = Self::from_header(BUNNY)?;
        let fits = |line: &&[u8]| match read(&table, &mut Dates::default(), line) {
            Ok(Line::Observation(Observation::Request(r))) => {
                r.path.first() == Some(&b'/') && !r.host.is_empty() && (100..600).contains(&r.status)
            }
            _ => false,
        };
        (!lines.is_empty() && lines.iter().all(fits)).then_some(table)
    }
}

/// What bunny.net calls its columns: `HIT|200|1742075824321|412|89|198.51.100.7|-|https://a.example/b|…`.
const BUNNY: &[u8] =
    b"cache_status|status|timestamp|bytes|zone|remote_ip|referer|url|edge|user_agent|id|country";

/// Reads one line. Columns missing at the end are not given; the header again is nothing.
pub(super) fn read<'a>(table: &Table, dates: &mut Dates, line: &'a [u8]) -> Result<Line<'a>, LineError> {
    if line == table.header {
        return Ok(Line::Nothing);
    }
    let mut draft = Draft::new(dates);
    let mut rest = Some(line);
    for field in &table.fields {
        let Some(text) = rest else { break };
        let (column, after) = next(text, table.separator);
        draft.set(*field, column, dates);
        rest = after;
    }
    Ok(Line::Observation(Observation::Request(draft.finish()?)))
}

/// The next column and what follows its separator. A column in quotes may hold the separator.
fn next(text: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    if let Some(inside) = text.strip_prefix(b"\"") {
        let mut from = 0;
        while let Some(step) = memchr(b'"', &inside[from..]) {
            let end = from + step;
            match inside.get(end + 1) {
                None => return (&inside[..end], None),
                Some(&byte) if byte == separator => return (&inside[..end], Some(&inside[end + 2..])),
                // A doubled quote is a quote; any other does not end the column either.
                Some(b'"') => from = end + 2,
                Some(_) => from = end + 1,
            }
            if from > inside.len() {
                break;
            }
        }
    }
    match memchr(separator, text) {
        Some(end) => (&text[..end], Some(&text[end + 1..])),
        None => (text, None),
    }
}

fn unquoted(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii();
    text.strip_prefix(b"\"").and_then(|t| t.strip_suffix(b"\"")).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::observation::{Method, Request};

    fn of<'a>(header: &str, line: &'a str) -> Request<'a> {
        let table = Table::from_header(header.as_bytes()).unwrap();
        match read(&table, &mut Dates::default(), line.as_bytes()) {
            Ok(Line::Observation(Observation::Request(r))) => r,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lines_of_bunny_are_known_without_a_header() {
        let lines = [
            &b"MISS|503|1742075824321|479|1234|198.51.100.7|-|https://a.example/b?c|DE|Mozilla/5.0 (X)|289735|DE"[..],
            b"HIT|200|1742075825321|479|1234|2001:db8::7|https://e.example/|https://a.example/|DE|curl/8|289736|DE",
        ];
        let table = Table::guess(&lines).unwrap();
        let Ok(Line::Observation(Observation::Request(r))) = read(&table, &mut Dates::default(), lines[0])
        else {
            panic!("no request")
        };
        assert_eq!(
            (r.time.to_string(), r.client.to_string()),
            ("2025-03-15T21:57:04.321Z".into(), "198.51.100.7".into())
        );
        assert_eq!((r.host, r.path, r.query), (&b"a.example"[..], &b"/b"[..], Some(&b"c"[..])));
        assert_eq!((r.status, r.response_bytes, r.user_agent), (503, 479, &b"Mozilla/5.0 (X)"[..]));
        assert_eq!(Table::guess(&[lines[0], b"MISS|503|-|479|1234|198.51.100.7"]), None);
    }

    #[test]
    fn tables_by_tabs_and_commas() {
        let r = of(
            "host\tlogname\ttime\tmethod\turl\tresponse\tbytes\treferer\tuseragent",
            "pppa006.example.com\t-\t807256800\tGET\t/images/a.gif?x\t200\t1713",
        );
        assert_eq!(
            (r.client_name, r.time.to_string()),
            (&b"pppa006.example.com"[..], "1995-08-01T06:00:00Z".into())
        );
        assert_eq!((r.method, r.path, r.query), (Method::Get, &b"/images/a.gif"[..], Some(&b"x"[..])));
        assert_eq!((r.status, r.response_bytes), (200, 1713));
        let r = of(
            "timestamp,client_ip,host,method,path,status,duration_ms,\"user_agent\"",
            "2024-05-01T10:00:00Z,198.51.100.7,shop.example,POST,/a,503,12.5,\"Mozilla, \"\"x\"\"\"",
        );
        assert_eq!((r.client.to_string(), r.host), ("198.51.100.7".into(), &b"shop.example"[..]));
        assert_eq!((r.status, r.duration_us), (503, Some(12_500)));
        assert_eq!(r.user_agent, br#"Mozilla, ""x"""#);
    }

    #[test]
    fn other_tables_are_no_access_logs() {
        for header in ["a,b,c", "time,value", "", "time\tclient\tcolour", "client,status,path"] {
            assert_eq!(Table::from_header(header.as_bytes()), None, "{header}");
        }
    }
}
