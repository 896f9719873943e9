//! What the additional columns of a Combined-like log mean, judged by their values over many
//! lines: administrators append response times, forwarded-for lists, hosts and cache states
//! without saying so anywhere in the file.

use super::common::{column, find_date};
use super::draft::{Field, Unit, cache, forwarded_client};
use super::names;
use super::scan::{Cursor, address_and_port, decimal, integer, is_host};
use seawall_model::observation::CacheResult;

/// Columns on each side that are looked at; further ones are ignored.
const COLUMNS: usize = 24;
/// Values of one column that are kept for judging it.
const VALUES: usize = 400;

/// The meaning of the columns between size and referrer and after the user agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    before: Vec<Field>,
    after: Vec<Field>,
    has_agent: bool,
    is_traefik: bool,
}

impl Layout {
    pub(super) fn before(&self) -> &[Field] {
        &self.before
    }

    pub(super) fn after(&self) -> &[Field] {
        &self.after
    }

    pub(super) fn name(&self) -> &'static str {
        match (self.has_agent, self.is_traefik) {
            (_, true) => "traefik-clf",
            (true, _) => "combined",
            (false, _) => "common",
        }
    }

    /// Whether the lines carry the time that answering took.
    #[must_use]
    pub fn has_duration(&self) -> bool {
        self.before.iter().chain(&self.after).any(|f| matches!(f, Field::Duration(_)))
    }

    /// Judges the columns of sample lines.
    pub(super) fn infer<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut before: Vec<Column<'a>> = Vec::new();
        let mut after: Vec<Column<'a>> = Vec::new();
        let mut agents = 0_usize;
        let mut seen = 0_usize;
        for line in lines.take(VALUES) {
            let Some(sample) = Sample::of(line) else { continue };
            seen += 1;
            agents += usize::from(sample.has_agent);
            collect(&mut before, &sample.before, sample.bytes);
            collect(&mut after, &sample.after, sample.bytes);
        }
        if let Some(layout) = Self::traefik(&after) {
            return layout;
        }
        // Where a column holds fractions, those are the spans, and whole numbers are something else.
        let has_fractions = before.iter().chain(&after).any(Column::is_fractions);
        let mut judge = Judge { given: Vec::new(), has_fractions };
        let before = before.iter().map(|c| judge.field(c)).collect();
        let after = after.iter().map(|c| judge.field(c)).collect();
        let (before, after) = (trimmed(before), trimmed(after));
        Self { before, after, has_agent: agents * 2 > seen, is_traefik: false }
    }
}

impl Layout {
    /// Traefik's own addition: a running number, router or service, server, and milliseconds.
    fn traefik(after: &[Column<'_>]) -> Option<Self> {
        let [count, service, server, duration] = after else { return None };
        let is_ms = |v: &[u8]| v.strip_suffix(b"ms").and_then(integer).is_some();
        let fits = count.mostly(|v| integer(v).is_some())
            && service.quoted
            && server.quoted
            && !duration.values.is_empty()
            && duration.mostly(is_ms);
        let after = vec![Field::Ignored, Field::Backend, Field::Server, Field::Duration(Unit::Written)];
        fits.then(|| Self { before: Vec::new(), after, has_agent: true, is_traefik: true })
    }
}

/// Without the columns at the end that mean nothing, so that reading can stop early.
fn trimmed(mut fields: Vec<Field>) -> Vec<Field> {
    let used = fields.iter().rposition(|f| *f != Field::Ignored).map_or(0, |at| at + 1);
    fields.truncate(used);
    fields
}

/// The additional columns of one line.
struct Sample<'a> {
    bytes: u64,
    has_agent: bool,
    before: Vec<(&'a [u8], bool)>,
    after: Vec<(&'a [u8], bool)>,
}

impl<'a> Sample<'a> {
    fn of(line: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(line);
        cursor.skip(find_date(line)?.after);
        cursor.quoted_before(|after| matches!(after, [] | [b' ', b'0'..=b'9' | b'-', ..]))?;
        cursor.token()?;
        let bytes = cursor.token().and_then(integer).unwrap_or(0);
        let mut sample = Self { bytes, has_agent: false, before: Vec::new(), after: Vec::new() };
        while !cursor.is_done() && cursor.peek() != Some(b'"') && sample.before.len() < COLUMNS {
            sample.before.push((column(&mut cursor)?, false));
        }
        cursor.quoted();
        sample.has_agent = cursor.quoted().is_some();
        while !cursor.is_done() && sample.after.len() < COLUMNS {
            let quoted = cursor.peek() == Some(b'"');
            sample.after.push((column(&mut cursor)?, quoted));
        }
        Some(sample)
    }
}

/// The values of one column over many lines.
#[derive(Default)]
struct Column<'a> {
    values: Vec<&'a [u8]>,
    /// The sizes of the answers on the same lines.
    bytes: Vec<u64>,
    quoted: bool,
}

fn collect<'a>(columns: &mut Vec<Column<'a>>, values: &[(&'a [u8], bool)], bytes: u64) {
    for (index, &(value, quoted)) in values.iter().enumerate() {
        if index >= columns.len() {
            columns.push(Column::default());
        }
        columns[index].quoted |= quoted;
        if !matches!(value, b"-" | b"") {
            columns[index].values.push(value);
            columns[index].bytes.push(bytes);
        }
    }
}

impl Column<'_> {
    /// Whether nearly all values pass; a few odd ones are forgiven.
    fn mostly(&self, test: impl Fn(&[u8]) -> bool) -> bool {
        let passed = self.values.iter().filter(|v| test(v)).count();
        passed * 10 >= self.values.len() * 9
    }

    fn is_fractions(&self) -> bool {
        let pointed = self.values.iter().filter(|v| v.contains(&b'.')).count();
        pointed * 2 > self.values.len() && self.mostly(is_number_list)
    }
}

/// Gives fields to columns from left to right; each field is given once.
struct Judge {
    given: Vec<Field>,
    has_fractions: bool,
}

impl Judge {
    fn field(&mut self, column: &Column<'_>) -> Field {
        let field = self.guess(column);
        let repeats = field != Field::Pair && self.given.contains(&field);
        let field = if repeats { Field::Ignored } else { field };
        if field != Field::Ignored {
            self.given.push(field);
        }
        field
    }

    fn has_duration(&self) -> bool {
        self.given.iter().any(|f| matches!(f, Field::Duration(_)))
    }

    fn guess(&self, column: &Column<'_>) -> Field {
        if column.values.is_empty() {
            // A quoted column of nothing but dashes is nearly always a forwarded-for that no
            // proxy has filled yet; read as one, it does no harm if it is not.
            return if column.quoted { Field::ForwardedFor } else { Field::Ignored };
        }
        if column.mostly(names::is_pair) {
            return Field::Pair;
        }
        if column.mostly(|v| forwarded_client(v).is_some() || v.contains(&b',') && is_address_list(v)) {
            let last = |v: &'_ [u8]| v.rsplit(|&b| b == b' ').next().and_then(address_and_port);
            return if column.mostly(|v| last(v).is_some_and(|(_, port)| port != 0)) {
                Field::Server
            } else {
                Field::ForwardedFor
            };
        }
        if column.mostly(|v| v.ends_with(b"ms") && decimal(&v[..v.len() - 2], 3).is_some()) {
            return self.span(Unit::Written);
        }
        if column.mostly(is_number_list) {
            return self.number(column);
        }
        self.word(column)
    }

    fn word(&self, column: &Column<'_>) -> Field {
        if column.mostly(|v| cache(v) != CacheResult::Unknown) {
            Field::Cache
        } else if column.mostly(names::is_ja4) {
            Field::Ja4
        } else if column.mostly(|v| v.starts_with(b"http://") && address_and_port(&v[7..]).is_some()) {
            Field::Server
        } else if column.mostly(|v| is_host(v) && has_letters_and_dot(v)) {
            Field::Host
        } else {
            Field::Ignored
        }
    }

    fn span(&self, unit: Unit) -> Field {
        if self.has_duration() { Field::Upstream(unit) } else { Field::Duration(unit) }
    }

    fn number(&self, column: &Column<'_>) -> Field {
        if column.is_fractions() {
            return self.span(Unit::Seconds);
        }
        let mut numbers: Vec<u64> = column.values.iter().filter_map(|v| integer(v)).collect();
        numbers.sort_unstable();
        let Some(&middle) = numbers.get(numbers.len() / 2) else { return Field::Ignored };
        if self.has_duration()
            || self.has_fractions
            || numbers.windows(2).all(|w| w[0] == w[1]) && numbers.len() > 3
        {
            return Field::Ignored;
        }
        if counts_up(column) || is_answer_size(column) {
            return Field::Ignored;
        }
        let low = numbers[numbers.len() / 20];
        // Apache's %D counts microseconds and never comes near zero; %T counts seconds, mostly
        // zero; other servers count milliseconds.
        let high = numbers[numbers.len() * 19 / 20];
        if (low >= 40 && middle >= 100) || high > LONGEST_MS {
            Field::Duration(Unit::Microseconds)
        } else if middle == 0 && numbers[numbers.len() - 1] <= 300 {
            Field::Duration(Unit::Seconds)
        } else {
            Field::Duration(Unit::Milliseconds)
        }
    }
}

/// One request in twenty takes no longer than this, in milliseconds: larger numbers are microseconds.
const LONGEST_MS: u64 = 120_000;

fn is_address_list(text: &[u8]) -> bool {
    text.split(|&b| b == b',').all(|part| address_and_port(part.trim_ascii()).is_some())
}

fn is_number_list(text: &[u8]) -> bool {
    text.split(|b| matches!(b, b',' | b':' | b' '))
        .filter(|part| !part.is_empty())
        .all(|part| part == b"-" || decimal(part, 0).is_some())
}

fn has_letters_and_dot(text: &[u8]) -> bool {
    text.contains(&b'.') && text.iter().any(u8::is_ascii_alphabetic) && !text.starts_with(b"TLS")
}

/// A running number of requests or a process number, as Traefik and Apache can write.
fn counts_up(column: &Column<'_>) -> bool {
    let numbers: Vec<u64> = column.values.iter().filter_map(|v| integer(v)).collect();
    numbers.len() > 3 && numbers.windows(2).all(|w| w[0] <= w[1])
}

/// The size of the answer again, with or without its headers.
fn is_answer_size(column: &Column<'_>) -> bool {
    let alike = column.values.iter().zip(&column.bytes);
    let near =
        alike.filter(|(v, bytes)| integer(v).is_some_and(|n| n >= **bytes && n - **bytes <= 2_000)).count();
    let large = column.bytes.iter().filter(|&&b| b > 4_000).count();
    near * 10 >= column.values.len() * 9 && large * 4 >= column.bytes.len()
}
