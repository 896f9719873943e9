//! What a person sees while drills go on. On a terminal: a few lines at the bottom that renew
//! themselves, one block for each world that is being played, and a line that stays for each that is
//! over. Elsewhere, or with `--watch`: the story line by line.

use crate::console::Console;
use crate::report::text;
use seawall_drill::live::{Card, Outage, Progress, Share, Stage, TrapCard, What, outage};
use std::io::Write;
use std::time::{Duration, Instant};

/// The last so many things that a guard told are shown.
const TOLD: usize = 4;
/// The last so many shares of people answered are drawn.
const SHARES: usize = 16;
const NAME_COLUMNS: usize = 17;
/// Lines longer than this tell nothing more at a glance.
const MOST_COLUMNS: usize = 100;
const LEAST_COLUMNS: usize = 40;
const EIGHTHS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What is shown, and on what.
pub struct View<'a> {
    err: &'a mut dyn Write,
    console: Console,
    /// Line by line, and nothing renewed.
    plain: bool,
    begun: Instant,
    /// About how long all will take.
    expected: Duration,
    acts: Vec<Act>,
    /// Lines that are to be drawn over.
    drawn: usize,
}

/// One world that is being played.
struct Act {
    name: &'static str,
    stage: Stage,
    since: Instant,
    shares: Vec<Share>,
    told: Vec<String>,
}

/// Colours, where they are wanted.
#[derive(Clone, Copy)]
struct Paint(bool);

impl<'a> View<'a> {
    /// `watch`: line by line, also on a terminal.
    pub fn new(err: &'a mut dyn Write, console: &Console, watch: bool, expected_s: f64) -> Self {
        Self {
            err,
            console: *console,
            plain: watch || !console.progress,
            begun: now(),
            expected: Duration::from_secs_f64(expected_s),
            acts: Vec::new(),
            drawn: 0,
        }
    }

    /// The first words: what is going to happen, and for how long.
    pub fn greet(&mut self, outages: &[&Outage]) {
        let hours: f64 = outages.iter().map(|o| o.hours).sum();
        let (what, whom) = match outages {
            [one] => (format!("the outage \"{}\"", one.world), "a real team"),
            all => (format!("{} outages", all.len()), "real teams"),
        };
        let text = format!(
            "{what} that cost {whom} {hours} hours, in {} min\nNothing leaves this machine. Ctrl-C ends it and cleans up.",
            minutes(self.expected)
        );
        let paint = self.paint();
        for (number, line) in text.lines().enumerate() {
            let line = if number == 0 {
                format!("{} {line}", paint.strong("seawall drill:"))
            } else {
                line.to_owned()
            };
            self.write(&format!("{line}\n"));
        }
        self.write("\n");
    }

    /// Something goes on.
    pub fn show(&mut self, progress: &Progress) {
        if self.plain {
            if let Some(line) = as_line(progress) {
                self.write(&format!("{}\n", text::visible(&line)));
            }
            return;
        }
        let act = self.act(progress.name);
        match &progress.what {
            What::Stage(stage) => {
                act.stage = stage.clone();
                act.since = now();
                act.shares.clear();
            }
            What::Told(text) => {
                let at = progress.at_s.map_or_else(|| " ".repeat(7), |s| format!("{s:5.1} s"));
                act.told.push(format!("{at}  {text}"));
                let extra = act.told.len().saturating_sub(TOLD);
                act.told.drain(..extra);
            }
            What::People(share) => {
                act.shares.push(*share);
                let extra = act.shares.len().saturating_sub(SHARES);
                act.shares.drain(..extra);
            }
        }
        self.draw();
    }

    /// A world is over.
    pub fn done(&mut self, card: &Card) {
        let seconds = |s: Option<f64>| s.map_or_else(|| "never".into(), |s| format!("in {s:.1} s"));
        let percent =
            |s: Option<f64>| s.map_or_else(|| "–".into(), |v| format!("{} %", (1_000.0 * v).floor() / 10.0));
        let told = format!(
            "named {}; people answered {}, without {}",
            seconds(card.named_s),
            percent(card.answered_after.value()),
            percent(card.answered_without.and_then(Share::value)),
        );
        self.over(&card.world, card.holds(), &told);
    }

    /// A wrong theory alone is over.
    pub fn done_alone(&mut self, card: &TrapCard) {
        let called = card.names.last().map_or("nothing", String::as_str);
        let told = format!("no attack: called {called}, {} turned away", card.interfered);
        self.over(&card.trap, card.holds(), &told);
    }

    /// Takes away what would be drawn over.
    pub fn end(&mut self) {
        self.acts.clear();
        self.wipe();
    }

    fn over(&mut self, name: &str, holds: bool, told: &str) {
        let paint = self.paint();
        let mark = match (holds, self.console.unicode) {
            (true, true) => paint.good("✓"),
            (true, false) => paint.good("+"),
            (false, _) => paint.alarm("!"),
        };
        self.wipe();
        self.acts.retain(|a| a.name != name);
        let told = text::clip(told, self.columns().saturating_sub(NAME_COLUMNS + 4));
        self.write(&format!(" {mark} {} {told}\n", paint.strong(&format!("{name:NAME_COLUMNS$}"))));
        self.draw();
    }

    fn act(&mut self, name: &'static str) -> &mut Act {
        let at = self.acts.iter().position(|a| a.name == name).unwrap_or_else(|| {
            let (stage, since) = (Stage::Building, now());
            self.acts.push(Act { name, stage, since, shares: Vec::new(), told: Vec::new() });
            self.acts.len() - 1
        });
        &mut self.acts[at]
    }

    fn draw(&mut self) {
        if self.plain {
            return;
        }
        let columns = self.columns();
        let mut lines = Vec::new();
        for act in &self.acts {
            act.lines(columns, self.paint(), self.console.unicode, &mut lines);
        }
        if !self.acts.is_empty() {
            lines.push(String::new());
            lines.push(self.clock(columns));
        }
        let mut out = self.back();
        for line in &lines {
            out.push_str(line);
            out.push('\n');
        }
        self.drawn = lines.len();
        self.write(&out);
    }

    /// How far all of it is.
    fn clock(&self, columns: usize) -> String {
        let elapsed = self.begun.elapsed();
        let times = format!("  {} of {} min", minutes(elapsed), minutes(self.expected.max(elapsed)));
        let room = columns.saturating_sub(text::columns(&times) + 3).max(8);
        let part = elapsed.as_secs_f64() / self.expected.as_secs_f64().max(1.0);
        let full = ((part * room as f64) as usize).min(room);
        let (done, left) = if self.console.unicode { ("━", "─") } else { ("#", "-") };
        let paint = self.paint();
        format!(
            " {}{}{}",
            paint.name(&done.repeat(full)),
            paint.faint(&left.repeat(room - full)),
            paint.faint(&times)
        )
    }

    fn wipe(&mut self) {
        let back = self.back();
        self.drawn = 0;
        self.write(&back);
    }

    /// Up to the first line that was drawn, and everything below it away.
    fn back(&self) -> String {
        if self.drawn == 0 { String::new() } else { format!("\x1b[{}A\r\x1b[J", self.drawn) }
    }

    fn paint(&self) -> Paint {
        Paint(self.console.color && self.console.progress)
    }

    fn columns(&self) -> usize {
        let now = self.console.progress.then(|| terminal_size::terminal_size_of(std::io::stderr())).flatten();
        let columns = now.map_or(self.console.width, |(width, _)| usize::from(width.0));
        // The last column stays free: some terminals break the line there.
        columns.saturating_sub(1).clamp(LEAST_COLUMNS, MOST_COLUMNS)
    }

    /// What cannot be drawn is no reason to stop.
    fn write(&mut self, text: &str) {
        let _ = self.err.write_all(text.as_bytes());
        let _ = self.err.flush();
    }
}

impl Act {
    fn lines(&self, columns: usize, paint: Paint, unicode: bool, out: &mut Vec<String>) {
        let stage = stage_words(&self.stage);
        let timed = match self.stage {
            Stage::Building => stage,
            _ => format!("{stage}, {} s", self.since.elapsed().as_secs()),
        };
        let people = match self.shares.last().and_then(|s| s.value()) {
            Some(v) => format!(" {:3.0} % of people answered", (100.0 * v).floor()),
            None => String::new(),
        };
        let name = format!(" · {:NAME_COLUMNS$} ", self.name);
        let name = if unicode { name } else { name.replace('·', "-") };
        let told = text::clip(&timed, columns.saturating_sub(NAME_COLUMNS + 4));
        out.push(format!("{}{told}", paint.strong(&name)));
        let indent = NAME_COLUMNS + 4;
        if !self.shares.is_empty() {
            let curve: String = self.shares.iter().map(|s| paint.share(*s, unicode)).collect();
            let room = columns.saturating_sub(indent + self.shares.len());
            let people = text::clip(&people, room);
            out.push(format!("{}{curve}{people}", " ".repeat(indent)));
        }
        if self.told.is_empty() {
            out.extend(outage(self.name).map(|team| day(team, columns, indent, paint)));
        }
        for told in &self.told {
            let line = text::clip(&text::visible(told), columns.saturating_sub(indent));
            out.push(format!("{}{}", " ".repeat(indent), paint.faint(&line)));
        }
    }
}

impl Paint {
    fn with(self, codes: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{codes}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn strong(self, text: &str) -> String {
        self.with("1", text)
    }

    fn faint(self, text: &str) -> String {
        self.with("2", text)
    }

    fn good(self, text: &str) -> String {
        self.with("1;32", text)
    }

    fn alarm(self, text: &str) -> String {
        self.with("1;31", text)
    }

    fn name(self, text: &str) -> String {
        self.with("36", text)
    }

    /// One share as a bar of its height; outside of Unicode as tenths.
    fn share(self, share: Share, unicode: bool) -> String {
        let Some(value) = share.value() else { return " ".to_owned() };
        let glyph = if unicode {
            EIGHTHS[((value * 8.0) as usize).min(7)].to_string()
        } else {
            ((value * 10.0) as usize).min(9).to_string()
        };
        let codes = match value {
            v if v >= 0.99 => "32",
            v if v >= 0.8 => "33",
            _ => "31",
        };
        self.with(codes, &glyph)
    }
}

/// What the team lived through, in a line.
fn day(team: &Outage, columns: usize, indent: usize, paint: Paint) -> String {
    let wrong: Vec<&str> = team.theories.iter().map(|t| t.name).collect();
    let text = format!(
        "the team: {} h, {:.0} % of users hit, took it for {}",
        team.hours,
        100.0 * team.users_hit,
        wrong.join(", ")
    );
    format!("{}{}", " ".repeat(indent), paint.faint(&text::clip(&text, columns.saturating_sub(indent))))
}

fn stage_words(stage: &Stage) -> String {
    match stage {
        Stage::Building => "the service is set up".to_owned(),
        Stage::Without { per_s } => format!("without Seawall: {per_s:.0} requests a second"),
        Stage::Peer { name } => format!("with {name} instead"),
        Stage::Calm => "calm: people come, and the guard learns".to_owned(),
        Stage::Attack { per_s } => format!("the attack: {per_s:.0} requests a second"),
        Stage::Trap => "no attack, but this is wrong now".to_owned(),
        Stage::After => "the attack has ended; measures go".to_owned(),
    }
}

/// A line of the story; shares of people are for the terminal only.
fn as_line(progress: &Progress) -> Option<String> {
    let name = progress.name;
    match &progress.what {
        What::Stage(stage) => Some(format!("{name}: {}", stage_words(stage))),
        What::Told(text) => Some(match progress.at_s {
            Some(at_s) => format!("{name}: {at_s:6.1} s  {text}"),
            None => format!("{name}:           {text}"),
        }),
        What::People(_) => None,
    }
}

/// `2:05`.
fn minutes(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

#[expect(clippy::disallowed_methods, reason = "the binary reads the clock to pace its own drawing")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Progress {
        Progress { name: "library", at_s: Some(1.23), what: What::Told(text.into()) }
    }

    fn shown(console: Console, watch: bool) -> String {
        let mut err = Vec::new();
        let mut view = View::new(&mut err, &console, watch, 40.0);
        let team = outage("library").expect("an outage");
        view.greet(&[team]);
        let stage = Stage::Attack { per_s: 480.0 };
        view.show(&Progress { name: "library", at_s: Some(0.0), what: What::Stage(stage) });
        view.show(&told("named: flood of costly requests, \x1b[31m83 % sure"));
        let share = Share { part: 99, of: 100 };
        view.show(&Progress { name: "library", at_s: Some(2.0), what: What::People(share) });
        view.done(&Card { world: "library".into(), named_s: Some(1.2), ..Card::default() });
        view.end();
        String::from_utf8(err).expect("text")
    }

    #[test]
    fn without_a_terminal_the_story_is_told_line_by_line() {
        let shown = shown(Console::PIPE, false);
        assert!(!shown.contains('\x1b'), "{shown}");
        assert!(shown.contains("library:    1.2 s  named: flood of costly requests, \\x1b[31m83 % sure\n"));
        assert!(shown.contains("library: the attack: 480 requests a second\n"));
    }

    #[test]
    fn on_a_terminal_what_was_drawn_is_wiped_before_it_is_drawn_again() {
        let console = Console { progress: true, ..Console::PIPE };
        let text = shown(console, false);
        let (mut on_screen, mut most) = (0_usize, 0);
        for part in text.split_inclusive('\n') {
            if let Some(up) =
                part.split("\x1b[").nth(1).and_then(|p| p.split('A').next()?.parse::<usize>().ok())
            {
                on_screen = on_screen.checked_sub(up).expect("never above the first line");
            }
            on_screen += part.matches('\n').count();
            most = most.max(on_screen);
        }
        assert!(most < 15, "{text}");
        assert!(!text.contains("\x1b[31m83"), "{text}");
        assert!(text.contains("99 % of people answered"), "{text}");
        assert!(shown(console, true).contains("library:    1.2 s"));
    }
}
