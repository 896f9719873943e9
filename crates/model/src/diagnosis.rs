//! Diagnosis: causes ranked, each with its evidence for and against.

use crate::Timestamp;
use crate::cause::{Cause, Class};
use crate::metric::{Group, Metric};
use serde::{Deserialize, Serialize};

/// Which way a piece of evidence points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    For,
    Against,
}

/// One weighed measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    pub group: Group,
    pub metric: Metric,
    pub observed: f64,
    pub expected: Option<f64>,
    /// Weight of evidence in decibans-like units (natural log-odds), always positive.
    pub weight: f64,
    pub direction: Direction,
    /// Why this speaks for or against the cause, as a clause: "a person's browser fetches assets".
    pub reason: String,
}

/// One cause with what speaks for and against it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hypothesis {
    pub cause: Cause,
    pub vectors: Vec<String>,
    /// Sum of the capped groups, natural log-odds.
    pub score: f64,
    /// Probability that this cause is the right name.
    pub confidence: f64,
    pub evidence: Vec<Evidence>,
}

impl Hypothesis {
    /// The heaviest piece of evidence against, which is what rules the cause out.
    #[must_use]
    pub fn heaviest(&self, direction: Direction) -> Option<&Evidence> {
        self.evidence.iter().filter(|e| e.direction == direction).max_by(|a, b| a.weight.total_cmp(&b.weight))
    }
}

/// The name of the trouble.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub class: Class,
    pub cause: Cause,
    pub vectors: Vec<String>,
    pub confidence: f64,
    pub target: Option<String>,
    pub onset: Option<Timestamp>,
    pub end: Option<Timestamp>,
}

/// Causes ranked; the top one is the verdict only above the policy's confidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    pub verdict: Verdict,
    /// Other causes that hold at the same time.
    pub also: Vec<Verdict>,
    /// All causes that anything speaks for, most likely first.
    pub hypotheses: Vec<Hypothesis>,
    /// What was not seen and would have helped, as clauses.
    pub missing: Vec<String>,
}

/// A class that is as likely as this is acted against, even where its causes share that between them.
const SURELY_AN_ATTACK: f64 = 0.9;

impl Diagnosis {
    /// How likely the verdict's class is, whichever of its causes it may be: 0 to 1.
    #[must_use]
    pub fn class_confidence(&self) -> f64 {
        let all: f64 = self
            .hypotheses
            .iter()
            .filter(|h| h.cause.class() == self.verdict.class)
            .map(|h| h.confidence)
            .sum();
        all.max(self.verdict.confidence).min(1.0)
    }

    /// How sure it is that measures against one of the verdicts are due, 0 to 1: its confidence; for an
    /// attack that surely is one, whichever of its causes it may be, that of its class.
    #[must_use]
    pub fn sureness(&self, of: &Verdict) -> f64 {
        let class = self.class_confidence();
        let is_attack = self.verdict.class == Class::Attack && of.class == Class::Attack;
        if is_attack && of.cause == self.verdict.cause && class >= SURELY_AN_ATTACK {
            class
        } else {
            of.confidence
        }
    }

    /// What measures act against: the verdict, or where it is an attack that is not sure enough, an
    /// attack beside it that is. `min_confidence`: 0 to 1.
    #[must_use]
    pub fn acted_on(&self, min_confidence: f64) -> &Verdict {
        let is_sure = |v: &&Verdict| v.class == Class::Attack && self.sureness(v) >= min_confidence;
        let sure = std::iter::once(&self.verdict).chain(&self.also).find(is_sure);
        sure.filter(|_| self.verdict.class == Class::Attack).unwrap_or(&self.verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_attacks_that_are_each_likely_make_their_class_sure() {
        let hypothesis = |cause, confidence| Hypothesis {
            cause,
            vectors: Vec::new(),
            score: 0.0,
            confidence,
            evidence: Vec::new(),
        };
        let verdict = Verdict {
            class: Class::Attack,
            cause: Cause::CacheBusting,
            vectors: Vec::new(),
            confidence: 0.6,
            target: None,
            onset: None,
            end: None,
        };
        let hypotheses = vec![
            hypothesis(Cause::CacheBusting, 0.6),
            hypothesis(Cause::ExpensiveEndpoint, 0.3),
            hypothesis(Cause::FlashCrowd, 0.1),
        ];
        let diagnosis = Diagnosis { verdict, also: Vec::new(), hypotheses, missing: Vec::new() };
        assert!((diagnosis.class_confidence() - 0.9).abs() < 1e-9);
    }
}
