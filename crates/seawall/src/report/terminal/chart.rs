//! A small chart of one rate over time: bars, the axis labelled, the onset marked.

use super::page::{Page, Span, Style};
use crate::report::figure;
use crate::report::moment::{self, Clock};
use crate::report::text;
use seawall_model::Timestamp;
use seawall_model::metric::{Metric, Unit};
use seawall_model::report::Series;

const ROWS: usize = 5;
const LABEL_COLUMNS: usize = 11;
const MOST_BARS: usize = 100;
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Marks on the time axis.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks {
    pub onset: Option<Timestamp>,
    pub end: Option<Timestamp>,
}

/// Draws `series` with its marks.
pub fn draw(page: &mut Page, series: &Series, marks: Marks, clock: Clock) {
    let columns = page.width().saturating_sub(LABEL_COLUMNS + 2).clamp(8, MOST_BARS);
    let bars = resampled(&series.values, columns);
    let top = bars.iter().copied().fold(0.0, f64::max);
    page.cut(2, &[Span::faint(title(series))]);
    let onset = marks.onset.and_then(|t| column(series, t, bars.len()));
    for row in (0..ROWS).rev() {
        let label = match row {
            r if r + 1 == ROWS => scale_label(series, top),
            0 => "0".into(),
            _ => String::new(),
        };
        draw_row(page, &bars, top, row, &label, onset);
    }
    draw_axis(page, series, marks, clock, bars.len());
}

/// What the chart shows, for people.
#[must_use]
pub fn title(series: &Series) -> String {
    metric(series).map_or_else(|| series.metric.replace('-', " "), |m| m.title().to_owned())
}

/// A value of the series in its unit.
#[must_use]
pub fn scale_label(series: &Series, x: f64) -> String {
    metric(series).map_or_else(|| figure::quantity(x), |m| figure::value(m, x))
}

fn metric(series: &Series) -> Option<Metric> {
    let found = Metric::ALL.iter().copied().find(|m| m.as_str() == series.metric)?;
    matches!(found.unit(), Unit::PerSecond | Unit::BitsPerSecond | Unit::Share | Unit::Microseconds)
        .then_some(found)
}

/// The highest of the values that fall on each bar, so that no peak is lost; where there are
/// fewer values than columns each gets the same number of columns.
fn resampled(values: &[f64], columns: usize) -> Vec<f64> {
    let n = values.len();
    let sane = |x: f64| if x.is_finite() { x.max(0.0) } else { 0.0 };
    if n <= columns {
        let each = (columns / n.max(1)).max(1);
        return values.iter().flat_map(|x| std::iter::repeat_n(sane(*x), each)).collect();
    }
    (0..columns)
        .map(|i| {
            let (from, to) = (i * n / columns, ((i + 1) * n / columns).max(i * n / columns + 1));
            values[from..to].iter().map(|x| sane(*x)).fold(0.0, f64::max)
        })
        .collect()
}

/// The bar that an instant falls on.
fn column(series: &Series, t: Timestamp, bars: usize) -> Option<usize> {
    let span_ns = i128::from(series.step_ns) * series.values.len() as i128;
    let at_ns = i128::from(t.since_ns(series.start));
    let inside = span_ns > 0 && (0..span_ns).contains(&at_ns);
    inside.then(|| (at_ns * bars as i128 / span_ns) as usize)
}

fn draw_row(page: &mut Page, bars: &[f64], top: f64, row: usize, label: &str, onset: Option<usize>) {
    let unicode = page.is_unicode();
    let tick = match (unicode, label.is_empty()) {
        (true, true) => '│',
        (true, false) => '┤',
        (false, true) => '|',
        (false, false) => '+',
    };
    let glyphs: Vec<char> = bars.iter().map(|x| glyph(*x, top, row, unicode)).collect();
    let (before, after) = glyphs.split_at(onset.unwrap_or(bars.len()));
    let label = format!("{}{label} ", " ".repeat((LABEL_COLUMNS - 1).saturating_sub(text::columns(label))));
    page.cut(
        0,
        &[
            Span::faint(label),
            Span::faint(tick.to_string()),
            Span::new(Style::Name, before.iter().collect::<String>()),
            Span::new(Style::Alarm, after.iter().collect::<String>()),
        ],
    );
}

fn glyph(x: f64, top: f64, row: usize, unicode: bool) -> char {
    if top <= 0.0 || x <= 0.0 {
        return ' ';
    }
    let eighths = (x / top * (ROWS * 8) as f64).round().max(1.0) as usize;
    let here = eighths.saturating_sub(row * 8).min(8);
    match (unicode, here) {
        (true, n) => EIGHTHS[n],
        (false, 0) => ' ',
        (false, n) if n >= 4 => '#',
        (false, _) if row == 0 => '.',
        (false, _) => ' ',
    }
}

fn draw_axis(page: &mut Page, series: &Series, marks: Marks, clock: Clock, bars: usize) {
    let arrow = if page.is_unicode() { "▲" } else { "^" };
    let mut row = Ruler::new(bars);
    if let Some((t, at)) = marks.onset.and_then(|t| Some((t, column(series, t, bars)?))) {
        row.mark(at, arrow, &format!("onset {}", clock.short(t)));
    }
    if let Some((t, at)) = marks.end.and_then(|t| Some((t, column(series, t, bars)?))) {
        row.mark(at, arrow, &format!("end {}", clock.short(t)));
    }
    let indent = " ".repeat(LABEL_COLUMNS + 1);
    if let Some(marked) = row.finish() {
        page.cut(0, &[Span::plain(indent.clone()), Span::new(Style::Strong, marked)]);
    }
    let last = series.start.plus_ns(series.step_ns.saturating_mul(series.values.len() as i64));
    let (from, to) = (clock.short(series.start), clock.short(last));
    let day = if from.len() > "00:00:00.000".len() {
        "UTC".into()
    } else {
        format!("{} UTC", moment::date(series.start))
    };
    let between = bars.saturating_sub(from.len() + to.len());
    let middle = if day.len() + 2 <= between { day } else { String::new() };
    let left = between.saturating_sub(middle.len()) / 2;
    let right = between.saturating_sub(middle.len() + left);
    page.cut(
        0,
        &[Span::faint(format!("{indent}{from}{}{middle}{}{to}", " ".repeat(left), " ".repeat(right)))],
    );
}

/// One line under the bars with marks at their columns; a mark without room is left out.
struct Ruler {
    cells: Vec<char>,
    marked: bool,
}

impl Ruler {
    fn new(columns: usize) -> Self {
        Self { cells: vec![' '; columns], marked: false }
    }

    /// The label stands right of its arrow, or left of it where the line ends.
    fn mark(&mut self, at: usize, arrow: &str, label: &str) {
        let right = format!("{arrow} {label}");
        let left = format!("{label} {arrow}");
        let length = right.chars().count();
        if at + length <= self.cells.len() && self.is_free(at, length) {
            self.write(at, &right);
        } else if at + 1 >= length && self.is_free(at + 1 - length, length) {
            self.write(at + 1 - length, &left);
        }
    }

    fn is_free(&self, at: usize, length: usize) -> bool {
        self.cells.get(at..at + length).is_some_and(|cells| cells.iter().all(|c| *c == ' '))
    }

    fn write(&mut self, at: usize, text: &str) {
        self.marked = true;
        for (cell, c) in self.cells[at..].iter_mut().zip(text.chars()) {
            *cell = c;
        }
    }

    fn finish(self) -> Option<String> {
        self.marked.then(|| self.cells.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::Console;
    use seawall_model::time::SECOND_NS;

    fn series(values: Vec<f64>) -> Series {
        Series { metric: "request-rate".into(), start: Timestamp(0), step_ns: SECOND_NS, values }
    }

    fn drawn(console: Console, series: &Series, onset: i64) -> String {
        let mut page = Page::new(&console);
        let clock = Clock::for_span(Timestamp(0), Timestamp::from_seconds(3_600));
        let marks = Marks { onset: Some(Timestamp::from_seconds(onset)), end: None };
        draw(&mut page, series, marks, clock);
        page.finish()
    }

    #[test]
    fn the_onset_stands_under_its_bar() {
        let mut values = vec![1.0; 30];
        values.extend([40.0; 30]);
        let text = drawn(Console { width: 80, ..Console::PIPE }, &series(values), 30);
        let lines: Vec<Vec<char>> = text.lines().map(|l| l.chars().collect()).collect();
        let first_high = lines[1].iter().position(|c| *c == '█').expect("a high bar");
        assert_eq!(lines[6].iter().position(|c| *c == '▲'), Some(first_high));
        assert!(text.contains("onset 00:00:30"));
    }

    #[test]
    fn every_shape_of_data_is_drawn_within_the_width() {
        for n in [2, 7, 60, 61, 99, 1_000] {
            for values in [vec![0.0; n], vec![f64::NAN; n], (0..n).map(|i| i as f64).collect()] {
                let text = drawn(Console { width: 60, unicode: false, ..Console::PIPE }, &series(values), 1);
                assert!(text.lines().all(|l| l.chars().count() <= 60), "{text}");
                assert!(text.is_ascii());
            }
        }
    }

    #[test]
    fn peaks_survive_resampling() {
        let mut values = vec![0.0; 1_000];
        values[501] = 9.0;
        assert!(resampled(&values, 60).contains(&9.0));
    }
}
