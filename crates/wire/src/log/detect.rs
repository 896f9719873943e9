//! Which format a sample of lines is in, by content only.

use super::date::Dates;
use super::layout::Layout;
use super::{Format, common, trimmed};

/// Lines of a sample that are looked at.
const LINES: usize = 4_000;

/// Names the format of a file from its beginning: whole lines, a cut last one is passed over.
/// `None` if too few lines look like any known log.
#[must_use]
pub fn detect(sample: &[u8]) -> Option<Format> {
    let lines: Vec<&[u8]> = lines(sample).take(LINES).collect();
    let mut dates = Dates::default();
    let plain = Layout::default();
    let matched: Vec<&[u8]> =
        lines.iter().copied().filter(|line| common::read(&mut dates, &plain, line).is_ok()).collect();
    (!matched.is_empty() && matched.len() * 3 >= lines.len())
        .then(|| Format::Combined(Layout::infer(matched.into_iter())))
}

/// The lines that are not blank. The last one is left out if it has no end and is not alone.
fn lines(sample: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = match memchr::memrchr(b'\n', sample) {
        Some(end) => &sample[..end],
        None => sample,
    };
    whole.split(|&b| b == b'\n').map(trimmed).filter(|line| !line.is_empty())
}
