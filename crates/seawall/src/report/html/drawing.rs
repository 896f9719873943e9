//! What the drawings of all pages share: a drawing's own coordinates, which are stretched to the page.

use super::builder::Html;

pub(super) const WIDTH: f64 = 1_000.0;
pub(super) const HEIGHT: f64 = 100.0;

pub(super) fn line(html: &mut Html, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let (x1, y1, x2, y2) = (coordinate(x1), coordinate(y1), coordinate(x2), coordinate(y2));
    html.element("line", &[("class", class), ("x1", &x1), ("y1", &y1), ("x2", &x2), ("y2", &y2)], "");
}

/// Two decimals are finer than any screen.
pub(super) fn coordinate(x: f64) -> String {
    let text = format!("{x:.2}");
    text.trim_end_matches('0').trim_end_matches('.').into()
}
