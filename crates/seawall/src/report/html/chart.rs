//! A rate over time as inline SVG. Shapes scale with the page; labels are text beside them, so
//! that they stay readable on a phone.

use super::builder::Html;
use super::drawing::{HEIGHT, WIDTH, coordinate, line};
use crate::report::moment::{self, Clock};
use crate::report::plot::{Axis, Marks};
use crate::report::text::capitalised;
use seawall_model::Timestamp;

/// Points of a curve: more than a screen has columns is waste.
const POINTS: usize = 480;

/// Draws one series. `usual` is the normal level, `low` a flatter drawing.
pub fn draw(html: &mut Html, axis: &Axis<'_>, marks: &Marks, usual: Option<f64>, clock: Clock, low: bool) {
    let values = axis.highest_of(POINTS);
    let usual = usual.filter(|level| level.is_finite() && (0.0..=axis.highest() * 2.0).contains(level));
    let top = nice_top(values.iter().copied().chain(usual).fold(0.0, f64::max));
    html.within("figure", &[], |html| {
        html.within("figcaption", &[], |html| {
            html.text(&capitalised(&axis.title()));
            let normal = usual.map(|level| format!("normal {}, ", axis.label(level))).unwrap_or_default();
            let highest = axis.label(axis.highest());
            html.element("span", &[], &format!("{normal}highest {highest}, {}", axis.step()));
        });
        let class = if low { "plot low" } else { "plot" };
        html.within("div", &[("class", class)], |html| {
            drawing(html, axis, marks, usual, clock, (&values, top));
            labels(html, axis, marks, clock, top);
        });
        if !low {
            legend(html, axis, marks, usual);
        }
    });
}

fn drawing(
    html: &mut Html,
    axis: &Axis<'_>,
    marks: &Marks,
    usual: Option<f64>,
    clock: Clock,
    (values, top): (&[f64], f64),
) {
    let view = format!("0 0 {WIDTH} {HEIGHT}");
    let attributes = [("viewBox", view.as_str()), ("preserveAspectRatio", "none"), ("role", "img")];
    html.within("svg", &attributes, |html| {
        html.element("title", &[], &axis.title());
        html.element("desc", &[], &in_words(axis, marks, usual, clock));
        if let Some(onset) = marks.onset.and_then(|t| axis.place(t)) {
            let end = marks.end.and_then(|t| axis.place(t)).unwrap_or(1.0);
            let (x, width) = (coordinate(onset * WIDTH), coordinate((end - onset).max(0.0) * WIDTH));
            html.element(
                "rect",
                &[("class", "wash"), ("x", &x), ("y", "0"), ("width", &width), ("height", "100")],
                "",
            );
        }
        line(html, "grid", (0.0, 0.0), (WIDTH, 0.0));
        line(html, "grid", (0.0, HEIGHT / 2.0), (WIDTH, HEIGHT / 2.0));
        let curve = curve(values, top);
        html.element(
            "path",
            &[("class", "area"), ("d", &format!("{curve}L{WIDTH} {HEIGHT}L0 {HEIGHT}Z"))],
            "",
        );
        html.element("path", &[("class", "curve"), ("d", &curve)], "");
        if let Some(level) = usual {
            let y = HEIGHT - level / top * HEIGHT;
            line(html, "usual", (0.0, y), (WIDTH, y));
        }
        let upright = |html: &mut Html, class, t: Option<Timestamp>| {
            if let Some(place) = t.and_then(|t| axis.place(t)) {
                line(html, class, (place * WIDTH, 0.0), (place * WIDTH, HEIGHT));
            }
        };
        upright(html, "change", marks.change);
        upright(html, "mark", marks.onset);
        upright(html, "mark", marks.end);
    });
}

fn labels(html: &mut Html, axis: &Axis<'_>, marks: &Marks, clock: Clock, top: f64) {
    for (share, value) in [("0%", top), ("50%", top / 2.0), ("100%", 0.0)] {
        let style = format!("top:{share}");
        let label = if value == 0.0 { "0".into() } else { axis.label(value) };
        html.element("i", &[("class", "y"), ("style", &style), ("aria-hidden", "true")], &label);
    }
    html.element("i", &[("class", "x first"), ("aria-hidden", "true")], &clock.short(axis.start()));
    html.element("i", &[("class", "x last"), ("aria-hidden", "true")], &clock.short(axis.end()));
    let mut mark = |row: &str, word: &str, t: Option<Timestamp>| {
        if let Some((t, place)) = t.and_then(|t| Some((t, axis.place(t)?))) {
            let class = format!("{} {row}", if place > 0.5 { "left" } else { "right" });
            let style = format!("left:{}%", coordinate(place * 100.0));
            let text = format!("{word} {}", clock.short(t));
            html.element("b", &[("class", &class), ("style", &style), ("aria-hidden", "true")], &text);
        }
    };
    mark("", "onset", marks.onset);
    mark("second", "change", marks.change);
}

fn legend(html: &mut Html, axis: &Axis<'_>, marks: &Marks, usual: Option<f64>) {
    let mut entries = vec![("curve", axis.title())];
    entries.extend(usual.map(|level| ("usual", format!("normal, {}", axis.label(level)))));
    if marks.onset.is_some_and(|t| axis.place(t).is_some()) {
        entries.push(("mark", "onset; shaded: disturbed".into()));
    }
    if marks.change.is_some_and(|t| axis.place(t).is_some()) {
        entries.push(("change", "change".into()));
    }
    if entries.len() < 2 {
        return;
    }
    html.within("ul", &[("class", "legend")], |html| {
        for (class, text) in entries {
            html.within("li", &[], |html| {
                html.within("svg", &[("viewBox", "0 0 16 6"), ("aria-hidden", "true")], |html| {
                    line(html, class, (0.0, 3.0), (16.0, 3.0));
                });
                html.text(&text);
            });
        }
    });
}

/// The drawing for people who cannot see it.
fn in_words(axis: &Axis<'_>, marks: &Marks, usual: Option<f64>, clock: Clock) -> String {
    let mut told = format!(
        "{} from {} to {} on {}; highest {}",
        axis.title(),
        clock.short(axis.start()),
        clock.short(axis.end()),
        moment::date(axis.start()),
        axis.label(axis.highest()),
    );
    if let Some(level) = usual {
        told.push_str(&format!("; normal is {}", axis.label(level)));
    }
    for (word, t) in [("onset", marks.onset), ("end", marks.end), ("change", marks.change)] {
        if let Some(t) = t {
            told.push_str(&format!("; {word} at {}", clock.short(t)));
        }
    }
    told
}

/// Steps, because each value is the mean of its step.
fn curve(values: &[f64], top: f64) -> String {
    let step = WIDTH / values.len().max(1) as f64;
    let mut path = String::new();
    for (i, value) in values.iter().enumerate() {
        let y = coordinate(HEIGHT - value / top * HEIGHT);
        let (from, to) = (coordinate(i as f64 * step), coordinate((i + 1) as f64 * step));
        path.push_str(&format!("{}{from} {y}H{to}", if i == 0 { 'M' } else { 'L' }));
    }
    path
}

/// The next of 1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8 times a power of ten.
fn nice_top(highest: f64) -> f64 {
    if highest <= 0.0 || !highest.is_finite() {
        return 1.0;
    }
    let mut power = 1.0;
    while power * 10.0 <= highest {
        power *= 10.0;
    }
    while power > highest {
        power /= 10.0;
    }
    let steps = [1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.into_iter().map(|s| s * power).find(|t| *t >= highest).unwrap_or(power * 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tops_are_round_and_not_below_the_highest() {
        for (highest, top) in [(0.0, 1.0), (13_100.0, 15_000.0), (0.36, 0.4), (1.0, 1.0), (9.9, 10.0)] {
            assert!((nice_top(highest) - top).abs() < 1e-9, "{highest}: {}", nice_top(highest));
        }
    }

    #[test]
    fn a_curve_stays_within_the_drawing() {
        assert_eq!(curve(&[0.0, 10.0], 10.0), "M0 100H500L500 0H1000");
        assert_eq!(curve(&[], 1.0), "");
    }
}
