//! Metrics in the text format of Prometheus.

use std::fmt::{Display, Write};

/// What a metric is: its name without `seawall_`, whether it is a counter or a gauge, and what it tells.
pub type Metric<'a> = (&'a str, &'a str, &'a str);

/// Adds a metric with its values, each with its labels in braces; one that has no others has none.
pub fn add<V: Display>(
    out: &mut String,
    (name, kind, help): Metric<'_>,
    values: impl IntoIterator<Item = (String, V)>,
) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "# HELP seawall_{name} {help}\n# TYPE seawall_{name} {kind}");
    for (labels, value) in values {
        let _ = writeln!(out, "seawall_{name}{labels} {value}");
    }
}

/// A label's value, quoted.
pub fn label(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
