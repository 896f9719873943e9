//! Which format a sample of lines is in, by content only: every line votes.

use super::date::Dates;
use super::delimited::Table;
use super::envelope;
use super::json_map::JsonMap;
use super::layout::Layout;
use super::sight::{self, Kind};
use super::w3c::W3c;
use super::{Format, names, trimmed};
use seawall_model::Timestamp;

/// Bytes of a sample that are looked at.
const SAMPLE_BYTES: usize = 256 * 1024;
/// Lines of a sample that are looked at.
const LINES: usize = 2_000;

/// Lines of a sample that must all have the columns that nothing names.
const SHAPE_LINES: usize = 20;

/// So many lines of one format are no accident, whatever stands between them: a container's output
/// holds what the application says as well.
const MIXED_LINES: usize = 16;

/// Names the format of a file from its beginning (up to 256 KiB are of use): whole lines, a last
/// one that is cut is passed over. `None` if few of the lines look like any known log.
#[must_use]
pub fn detect(sample: &[u8]) -> Option<Format> {
    let sample = &sample[..sample.len().min(SAMPLE_BYTES)];
    let sample = sample.strip_prefix(b"\xef\xbb\xbf").unwrap_or(sample);
    let lines: Vec<&[u8]> = lines(sample).take(LINES).collect();
    let first = &lines[..lines.len().min(SHAPE_LINES)];
    let by_columns = || W3c::guess(first).map(Format::W3c).or_else(|| Table::guess(first).map(Format::Table));
    if let Some(format) = with_directives(&lines).or_else(|| with_header(&lines)).or_else(by_columns) {
        return Some(format);
    }
    let votes = Votes::count(&lines);
    let (kind, most) = votes.winner();
    for (found, is_json) in [(&votes.objects, true), (&votes.pairs, false)] {
        if found.len() * 3 < lines.len() || found.len() < most || found.is_empty() {
            continue;
        }
        let bodies = found.iter().map(|(body, _)| *body);
        let has_time = found.iter().all(|(_, has_time)| *has_time);
        let map =
            if is_json { JsonMap::guess(bodies, has_time) } else { JsonMap::guess_logfmt(bodies, has_time) };
        if let Some(map) = map {
            return Some(Format::Json(map));
        }
    }
    let is_mixed = most >= MIXED_LINES;
    (most > 0 && (is_mixed || votes.known * 3 >= lines.len())).then(|| format(kind, &lines))
}

/// Whether lines that [`detect`] does not know would be known if they had a date: programs that leave
/// it to what carries their lines.
#[must_use]
pub fn lacks_dates(sample: &[u8]) -> bool {
    let (mut dates, mut lower) = (Dates::default(), Vec::new());
    dates.saw(Timestamp(0));
    let (mut known, mut all) = (0, 0);
    for line in lines(&sample[..sample.len().min(SAMPLE_BYTES)]).take(LINES) {
        all += 1;
        known += usize::from(sight::read(&mut dates, &mut lower, line).is_ok());
    }
    known > 0 && known * 3 >= all
}

/// The lines that are not blank. The last one is left out if it has no end and is not alone.
fn lines(sample: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = match memchr::memrchr(b'\n', sample) {
        Some(end) => &sample[..end],
        None => sample,
    };
    whole.split(|&b| b == b'\n').map(trimmed).filter(|line| !line.is_empty())
}

/// IIS and CloudFront name their columns.
fn with_directives(lines: &[&[u8]]) -> Option<Format> {
    let mut state = W3c::default();
    for line in lines.iter().filter(|l| l.first() == Some(&b'#')) {
        state.directive(line);
        if state.has_fields() {
            return Some(Format::W3c(state));
        }
    }
    None
}

fn with_header(lines: &[&[u8]]) -> Option<Format> {
    let header = lines.first().filter(|l| l.len() <= 4_096)?;
    Table::from_header(header).map(Format::Table)
}

struct Votes<'a> {
    kinds: Vec<(Kind, usize)>,
    known: usize,
    /// JSON objects without their carrier, and whether that told the time.
    objects: Vec<(&'a [u8], bool)>,
    /// As `objects`, lines of `key=value`.
    pairs: Vec<(&'a [u8], bool)>,
}

impl<'a> Votes<'a> {
    fn count(lines: &[&'a [u8]]) -> Self {
        let mut votes = Self { kinds: Vec::new(), known: 0, objects: Vec::new(), pairs: Vec::new() };
        let (mut dates, mut lower) = (Dates::default(), Vec::new());
        for &line in lines {
            if line.first() == Some(&b'#') {
                votes.known += 1;
                continue;
            }
            let envelope = envelope::open(&mut dates, line);
            let object = (envelope.body, envelope.time.is_some());
            if envelope.body.first() == Some(&b'{') {
                votes.objects.push(object);
                continue;
            }
            let Ok((kind, _)) = sight::read(&mut dates, &mut lower, line) else {
                if is_pairs(envelope.body) {
                    votes.pairs.push(object);
                }
                continue;
            };
            votes.known += 1;
            match votes.kinds.iter_mut().find(|(k, _)| *k == kind) {
                Some((_, count)) => *count += 1,
                None => votes.kinds.push((kind, 1)),
            }
        }
        votes
    }

    fn winner(&self) -> (Kind, usize) {
        let most = self.kinds.iter().max_by_key(|(kind, count)| (*count, std::cmp::Reverse(*kind)));
        most.copied().unwrap_or((Kind::Combined, 0))
    }
}

/// Whether most words are `key=value`, and there are several.
fn is_pairs(body: &[u8]) -> bool {
    let words = body.split(|&b| b == b' ').filter(|w| !w.is_empty()).take(64);
    let (mut pairs, mut all) = (0, 0);
    for word in words {
        all += 1;
        pairs += usize::from(names::is_pair(word));
    }
    pairs >= 4 && pairs * 2 >= all
}

fn format(kind: Kind, lines: &[&[u8]]) -> Format {
    match kind {
        Kind::Combined => Format::Combined(Layout::infer(lines.iter().copied())),
        Kind::Haproxy => Format::Haproxy,
        Kind::DateFirst => Format::ProxyManager,
        Kind::Envoy => Format::Envoy,
        Kind::Alb => Format::Alb,
        Kind::ClassicElb => Format::ClassicElb,
        Kind::Nlb => Format::Nlb,
        Kind::Squid => Format::Squid,
        Kind::Zoraxy => Format::Zoraxy,
        Kind::Gin => Format::Gin,
        Kind::Uwsgi => Format::Uwsgi,
        Kind::Uvicorn => Format::Uvicorn,
        Kind::PhpFpm => Format::PhpFpm,
        Kind::NginxError => Format::NginxError,
        Kind::ApacheError => Format::ApacheError,
        Kind::Auth => Format::Auth,
        Kind::Kernel => Format::Firewall,
        Kind::Dns => Format::DnsQuery,
        Kind::Traefik => Format::Traefik,
    }
}
