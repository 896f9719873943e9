//! A small chart of one rate over time: bars, the axis labelled, the onset marked.

use super::page::{Page, Span, Style};
use crate::report::moment::{self, Clock};
use crate::report::plot::{Axis, Marks};
use crate::report::text;
use seawall_model::Timestamp;

const ROWS: usize = 5;
const LABEL_COLUMNS: usize = 12;
const MOST_BARS: usize = 100;
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Draws a series with its marks.
pub fn draw(page: &mut Page, axis: &Axis<'_>, marks: &Marks, clock: Clock) {
    let columns = page.width().saturating_sub(LABEL_COLUMNS + 2).clamp(8, MOST_BARS);
    let bars = widened(&axis.highest_of(columns), columns);
    let top = axis.highest();
    page.cut(2, &[Span::faint(axis.title())]);
    let from = marks.onset.and_then(|t| column(axis, t, bars.len())).unwrap_or(bars.len());
    let to = marks.end.and_then(|t| column(axis, t, bars.len())).unwrap_or(bars.len()).max(from);
    for row in (0..ROWS).rev() {
        let label = match row {
            r if r + 1 == ROWS => axis.label(top),
            0 => "0".into(),
            _ => String::new(),
        };
        draw_row(page, &bars, top, row, &label, (from, to));
    }
    draw_axis(page, axis, marks, clock, bars.len());
}

/// Where there are fewer values than columns, each gets its part of them.
fn widened(values: &[f64], columns: usize) -> Vec<f64> {
    (0..columns).filter_map(|i| values.get(i * values.len() / columns)).copied().collect()
}

/// The first bar of the value that an instant falls on.
fn column(axis: &Axis<'_>, t: Timestamp, bars: usize) -> Option<usize> {
    let (k, n) = axis.step_of(t)?;
    Some(if n <= bars { (k * bars).div_ceil(n) } else { ((k + 1) * bars).div_ceil(n) - 1 })
}

fn draw_row(page: &mut Page, bars: &[f64], top: f64, row: usize, label: &str, (from, to): (usize, usize)) {
    let unicode = page.is_unicode();
    let tick = match (unicode, label.is_empty()) {
        (true, true) => '│',
        (true, false) => '┤',
        (false, true) => '|',
        (false, false) => '+',
    };
    let glyphs: Vec<char> = bars.iter().map(|x| glyph(*x, top, row, unicode)).collect();
    let label = format!("{}{label} ", " ".repeat((LABEL_COLUMNS - 1).saturating_sub(text::columns(label))));
    page.cut(
        0,
        &[
            Span::faint(label),
            Span::faint(tick.to_string()),
            Span::new(Style::Name, glyphs[..from].iter().collect::<String>()),
            Span::new(Style::Alarm, glyphs[from..to].iter().collect::<String>()),
            Span::new(Style::Name, glyphs[to..].iter().collect::<String>()),
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

fn draw_axis(page: &mut Page, axis: &Axis<'_>, marks: &Marks, clock: Clock, bars: usize) {
    let arrow = if page.is_unicode() { "▲" } else { "^" };
    let mut ruler = Ruler::new(bars);
    let end = marks.end.and_then(|t| column(axis, t, bars));
    let before_end = end.map_or(bars, |at| at.saturating_sub(2));
    for (word, t, limit) in
        [("onset", marks.onset, before_end), ("end", marks.end, bars), ("change", marks.change, bars)]
    {
        if let Some((t, at)) = t.and_then(|t| Some((t, column(axis, t, bars)?))) {
            ruler.mark(at, limit, arrow, &format!("{word} {}", clock.short(t)));
        }
    }
    let indent = " ".repeat(LABEL_COLUMNS + 1);
    if let Some(marked) = ruler.finish() {
        page.cut(0, &[Span::plain(indent.clone()), Span::new(Style::Strong, marked)]);
    }
    let (from, to) = (clock.short(axis.start()), clock.short(axis.end()));
    let has_dates = from.contains(' ');
    let day = if has_dates { "UTC".into() } else { format!("{} UTC", moment::date(axis.start())) };
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

    /// The label stands right of its arrow if it ends before `limit`, else left of it, else not.
    fn mark(&mut self, at: usize, limit: usize, arrow: &str, label: &str) {
        let right = format!("{arrow} {label}");
        let left = format!("{label} {arrow}");
        let length = right.chars().count();
        if at + length <= limit && self.is_free(at, length) {
            self.write(at, &right);
        } else if at + 1 >= length && self.is_free(at + 1 - length, length) {
            self.write(at + 1 - length, &left);
        }
    }

    /// Two marks keep two columns between them.
    fn is_free(&self, at: usize, length: usize) -> bool {
        let wide = self.cells.get(at.saturating_sub(2)..(at + length + 2).min(self.cells.len()));
        at + length <= self.cells.len() && wide.is_some_and(|cells| cells.iter().all(|c| *c == ' '))
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
    use seawall_model::report::Series;
    use seawall_model::time::SECOND_NS;

    fn series(values: Vec<f64>) -> Series {
        Series { metric: "request-rate".into(), start: Timestamp(0), step_ns: SECOND_NS, values }
    }

    fn drawn(console: Console, series: &Series, onset: i64) -> String {
        let mut page = Page::new(&console);
        let clock = Clock::for_times(&[Timestamp(0), Timestamp::from_seconds(3_600)]);
        let marks = Marks { onset: Some(Timestamp::from_seconds(onset)), ..Marks::default() };
        draw(&mut page, &Axis::of(series), &marks, clock);
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
        for n in [1, 2, 7, 60, 61, 99, 1_000] {
            for values in [vec![0.0; n], vec![f64::NAN; n], (0..n).map(|i| i as f64).collect()] {
                let text = drawn(Console { width: 60, unicode: false, ..Console::PIPE }, &series(values), 1);
                assert!(text.lines().all(|l| l.chars().count() <= 60), "{text}");
                assert!(text.is_ascii());
            }
        }
    }
}
