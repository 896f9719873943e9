//! Why necessary conditions ruled the truth out: what each of them found.

use crate::sample::Sample;
use seawall_diagnosis::rules::{ALL, CauseRules};

/// Prints each last word and labelled case whose truth no condition let through.
pub fn tell(samples: &[Sample]) {
    for sample in samples.iter().filter(|s| s.weight >= 1.0) {
        let right: Vec<&CauseRules> = ALL.iter().filter(|c| sample.right.contains(&c.cause)).collect();
        if right.iter().any(|c| c.gate(&sample.findings) > 0.0) {
            continue;
        }
        for rules in right {
            println!("{} is {}: {}", sample.name, rules.cause, unmet(rules, sample));
        }
    }
}

fn unmet(rules: &CauseRules, sample: &Sample) -> String {
    let findings = &sample.findings;
    let length = format!("{:.0} s after {:.0} s", findings.duration_s, findings.reference_s);
    let found = rules.necessary.iter().flat_map(|alternatives| {
        let met = |(metric, shape): &(_, seawall_diagnosis::Shape)| {
            findings.get(*metric).and_then(|f| shape.strength(f)).is_some_and(|s| s > 0.0)
        };
        let unmet = !alternatives.iter().any(met);
        alternatives.iter().filter(move |_| unmet).filter_map(|(metric, _)| {
            let f = findings.get(*metric)?;
            Some(match f.expected {
                Some(expected) => format!("; {metric:?} {:.4} for {expected:.4}", f.observed),
                None => format!("; {metric:?} {:.4}", f.observed),
            })
        })
    });
    length + &found.collect::<String>()
}
