//! The summary as text for people and as JSON.

use crate::score::{Figures, Quantiles, Summary};
use std::fmt::{self, Write as _};

impl Summary {
    /// The schema's name and version.
    pub const SCHEMA: &'static str = "seawall.simulation/1";

    /// All figures as JSON, with the schema's name.
    ///
    /// # Errors
    /// None in practice: the figures are plain numbers and names.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let mut value = serde_json::to_value(self)?;
        if let Some(object) = value.as_object_mut() {
            object.insert("schema".into(), Self::SCHEMA.into());
        }
        serde_json::to_string_pretty(&value)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        heading(f, "all episodes", &self.all)?;
        heading(f, "families open to tuning", &self.tuned)?;
        heading(f, "families for evaluation only", &self.evaluation_only)?;
        writeln!(f, "evaluation only: {}", self.evaluation_families.join(", "))?;
        causes(f, &self.all)?;
        confusions(f, &self.all)?;
        families(f, &self.all)
    }
}

fn heading(f: &mut fmt::Formatter<'_>, title: &str, x: &Figures) -> fmt::Result {
    writeln!(f, "{title}: {} episodes, {} observations", x.episodes, x.observations)?;
    if x.episodes == 0 {
        return writeln!(f);
    }
    let mut line = |name: &str, value: String| writeln!(f, "  {name:<34} {value}");
    line("macro-F1", format!("{:.4}", x.macro_f1))?;
    line("accuracy", percent(x.accuracy))?;
    line("class accuracy", percent(x.class_accuracy))?;
    line("innocent called attack", format!("{} of {}", percent(x.innocent_called_attack), x.innocent))?;
    line("false alarms at any time", percent(x.false_alarms))?;
    line("hostile missed", percent(x.hostile_missed))?;
    line("undecided", percent(x.undecided))?;
    line("expected calibration error", format!("{:.4}", x.calibration_error))?;
    line("seconds from onset to name", seconds(x.seconds_to_name))?;
    line("vectors named", x.vectors_found.map_or("-".into(), percent))?;
    line("signature coverage (median, worst)", coverage(x.signature_coverage))?;
    line("normal traffic hit", shares(x.normal_hit))?;
    line("predicted against measured harm", shares(x.harm_error))?;
    line("  within half a point", x.harm_within_half_point.map_or("-".into(), percent))?;
    writeln!(f)
}

fn causes(f: &mut fmt::Formatter<'_>, x: &Figures) -> fmt::Result {
    writeln!(
        f,
        "\n{:<24} {:>8} {:>9} {:>7} {:>7} {:>8}",
        "cause", "episodes", "precision", "recall", "f1", "median s"
    )?;
    for c in &x.causes {
        let median = c.median_seconds_to_name.map_or("-".into(), |s| format!("{s:.1}"));
        writeln!(
            f,
            "{:<24} {:>8} {:>9.3} {:>7.3} {:>7.3} {:>8}",
            c.cause, c.episodes, c.precision, c.recall, c.f1, median
        )?;
    }
    Ok(())
}

fn confusions(f: &mut fmt::Formatter<'_>, x: &Figures) -> fmt::Result {
    writeln!(f, "\nmistaken names, commonest first")?;
    let mut wrong: Vec<_> = x.confusion.iter().filter(|c| c.truth != c.named).collect();
    wrong.sort_by_key(|c| (std::cmp::Reverse(c.episodes), c.truth, c.named));
    for c in wrong {
        writeln!(f, "{:>6}  {} called {}", c.episodes, c.truth, c.named)?;
    }
    Ok(())
}

fn families(f: &mut fmt::Formatter<'_>, x: &Figures) -> fmt::Result {
    writeln!(
        f,
        "\n{:<32} {:>8} {:>9}  mostly mistaken for (* evaluation only)",
        "family", "episodes", "accuracy"
    )?;
    for family in &x.families {
        let mut name = family.family.to_owned();
        if family.evaluation_only {
            name.push_str(" *");
        }
        let mut mistake = String::new();
        if let Some((cause, n)) = family.mostly_mistaken_for {
            write!(mistake, "{cause} ({n})")?;
        }
        writeln!(f, "{name:<32} {:>8} {:>9}  {mistake}", family.episodes, percent(family.accuracy))?;
    }
    Ok(())
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn seconds(q: Quantiles) -> String {
    let one = |v: Option<f64>| v.map_or("never".to_owned(), |s| format!("{s:.1}"));
    format!("median {}, p90 {} (of {})", one(q.median), one(q.p90), q.episodes)
}

fn shares(q: Quantiles) -> String {
    let one = |v: Option<f64>| v.map_or("-".to_owned(), |s| format!("{:.3} %", s * 100.0));
    format!("median {}, p90 {}, p99 {} (of {})", one(q.median), one(q.p90), one(q.p99), q.episodes)
}

fn coverage(q: Quantiles) -> String {
    let one = |v: Option<f64>| v.map_or("-".to_owned(), percent);
    format!("median {} (of {})", one(q.median), q.episodes)
}
