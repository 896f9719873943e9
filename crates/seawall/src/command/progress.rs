//! Progress of a long run, drawn on standard error where that is a terminal.

use crate::pipeline::Progress;
use crate::report::figure;
use crate::report::text;
use std::io::Write;
use std::time::{Duration, Instant};

/// Redrawing more often flickers and costs; the first drawing waits, so that short runs stay silent.
const REDRAW: Duration = Duration::from_millis(200);
const FIRST_DRAW: Duration = Duration::from_millis(500);
const LONGEST_NAME: usize = 30;

/// Draws one line over itself; it is wiped when this is dropped.
pub struct Meter<'a> {
    stream: Option<&'a mut dyn Write>,
    next: Instant,
    drawn: bool,
}

impl<'a> Meter<'a> {
    /// A meter that draws only if `enabled`.
    pub fn new(stream: &'a mut dyn Write, enabled: bool) -> Self {
        Self { stream: enabled.then_some(stream), next: now() + FIRST_DRAW, drawn: false }
    }

    /// Draws `progress` if it is time to.
    pub fn show(&mut self, progress: &Progress) {
        let Some(stream) = self.stream.as_mut() else { return };
        let now = now();
        if now < self.next {
            return;
        }
        self.next = now + REDRAW;
        self.drawn = true;
        // Progress that cannot be drawn is no reason to stop.
        let _ = write!(stream, "\r\x1b[K{}", line(progress));
        let _ = stream.flush();
    }
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        if let (true, Some(stream)) = (self.drawn, self.stream.as_mut()) {
            let _ = write!(stream, "\r\x1b[K");
            let _ = stream.flush();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the binary reads the clock to pace its own drawing")]
fn now() -> Instant {
    Instant::now()
}

fn line(progress: &Progress) -> String {
    let name = text::clip(&text::visible(&progress.path), LONGEST_NAME);
    let records = figure::quantity(progress.records as f64);
    let part = match progress.bytes_total {
        Some(total) if total > 0 => {
            format!("{} of ", figure::share((progress.bytes as f64 / total as f64).min(1.0)))
        }
        _ => String::new(),
    };
    let total = figure::bytes(progress.bytes_total.unwrap_or(progress.bytes) as f64);
    text::plain_spaces(&format!("reading {name}: {part}{total}, {records} records"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_file_and_how_far_it_is() {
        let progress =
            Progress { path: "access.log".into(), bytes: 41, bytes_total: Some(100), records: 1_200_000 };
        assert_eq!(line(&progress), "reading access.log: 41 % of 100 B, 1.2M records");
    }

    #[test]
    fn a_disabled_meter_writes_nothing() {
        let mut stream = Vec::new();
        let mut meter = Meter::new(&mut stream, false);
        meter.show(&Progress::default());
        drop(meter);
        assert!(stream.is_empty());
    }
}
