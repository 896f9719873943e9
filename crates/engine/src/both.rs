//! A crowd and a fault of the service at once. Who comes and how the service answers are two things, but each
//! explains some of what the other does, so that as rivals neither is likely.
//!
//! Computes: how likely each of the two classes is, beside the last name of an episode. Advanced by every
//! diagnosis. Cold start: before one of the two was the name it says nothing. Evaded by nobody: neither is an
//! attack. Innocent look-alike: a crowd that slows a service down, which nobody has called a fault.

use seawall_model::cause::Class;
use seawall_model::diagnosis::{Diagnosis, Hypothesis, Verdict};
use serde::{Deserialize, Serialize};

/// Nothing but the two is likely from this sum on, if each is at least so likely.
const TOGETHER: f64 = 0.8;
const EACH: f64 = 0.2;
/// The name goes over to the other of the two only if that is so many times as likely: which is the likelier
/// changes with every second.
const PREVAILS: f64 = 3.0;
/// Nothing is surer than this.
const SUREST: f64 = 0.97;

/// What an episode has been named for, if that was one of the two.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Both {
    name: Option<Verdict>,
    /// The other has come beside it.
    at_once: bool,
}

impl Both {
    /// What was found, as one of the two beside the other where the name was one of them, and has become unclear
    /// or the other since.
    pub(crate) fn weighed(&mut self, mut found: Diagnosis) -> Diagnosis {
        let likely = |class| of_class(&found, class).map(|h| h.confidence).sum::<f64>();
        let (demand, fault) = (likely(Class::Demand), likely(Class::Fault));
        let are_likely = demand + fault >= TOGETHER && demand.min(fault) >= EACH;
        let is_news = match found.verdict.class {
            Class::Undecided => true,
            class => is_one(class) && self.name.as_ref().is_some_and(|name| name.class != class),
        };
        self.at_once = self.name.is_some() && are_likely && (self.at_once || is_news);
        if let Some(name) = self.name.as_ref().filter(|_| self.at_once) {
            let is_fault = if name.class == Class::Fault {
                demand < PREVAILS * fault
            } else {
                fault >= PREVAILS * demand
            };
            let [(own, own_share), (other, other_share)] = if is_fault {
                [(Class::Fault, fault), (Class::Demand, demand)]
            } else {
                [(Class::Demand, demand), (Class::Fault, fault)]
            };
            // Judged beside the other, neither is its rival.
            let as_verdict = |class, rival_share: f64| {
                let best: Option<&Hypothesis> = of_class(&found, class).next();
                best.map(|h| Verdict {
                    class,
                    cause: h.cause,
                    vectors: h.vectors.clone(),
                    confidence: (h.confidence / (1.0 - rival_share)).min(SUREST),
                    end: found.verdict.end,
                    ..name.clone()
                })
            };
            let (own, beside) = (as_verdict(own, other_share), as_verdict(other, own_share));
            found.verdict = own.unwrap_or(found.verdict);
            found.also.extend(beside);
        }
        if is_one(found.verdict.class) {
            self.name = Some(found.verdict.clone());
        }
        found
    }
}

fn is_one(class: Class) -> bool {
    matches!(class, Class::Demand | Class::Fault)
}

/// Those of a class, the likeliest first.
fn of_class(found: &Diagnosis, class: Class) -> impl Iterator<Item = &Hypothesis> {
    found.hypotheses.iter().filter(move |h| h.cause.class() == class)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::Cause;

    fn found(cause: Cause, likely: &[(Cause, f64)]) -> Diagnosis {
        let hypothesis = |&(cause, confidence): &(Cause, f64)| Hypothesis {
            cause,
            vectors: Vec::new(),
            score: 0.0,
            confidence,
            evidence: Vec::new(),
        };
        let verdict = Verdict {
            class: cause.class(),
            cause,
            vectors: Vec::new(),
            confidence: 0.5,
            target: None,
            onset: None,
            end: None,
        };
        let hypotheses = likely.iter().map(hypothesis).collect();
        Diagnosis { verdict, also: Vec::new(), hypotheses, missing: Vec::new() }
    }

    fn names(diagnosis: &Diagnosis) -> Vec<Cause> {
        std::iter::once(&diagnosis.verdict).chain(&diagnosis.also).map(|v| v.cause).collect()
    }

    const UNCLEAR: [(Cause, f64); 3] =
        [(Cause::FlashCrowd, 0.40), (Cause::ReleaseFault, 0.32), (Cause::LoadBalancerFault, 0.22)];

    /// Broke: a deploy that went wrong while a crowd came was unclear from half a minute on, and then a crowd
    /// alone.
    #[test]
    fn a_fault_that_a_crowd_makes_unclear_stays_named_beside_it() {
        let mut both = Both::default();
        let first = both.weighed(found(Cause::LoadBalancerFault, &[(Cause::LoadBalancerFault, 0.8)]));
        assert_eq!(names(&first), [Cause::LoadBalancerFault]);
        let unclear = both.weighed(found(Cause::Undecided, &UNCLEAR));
        assert_eq!(names(&unclear), [Cause::ReleaseFault, Cause::FlashCrowd]);
        assert!(unclear.verdict.confidence > 0.5, "{}", unclear.verdict.confidence);
        let crowd = [(Cause::FlashCrowd, 0.65), (Cause::ReleaseFault, 0.30)];
        for _ in 0..3 {
            let later = both.weighed(found(Cause::FlashCrowd, &crowd));
            assert_eq!(names(&later), [Cause::ReleaseFault, Cause::FlashCrowd]);
            assert!(later.verdict.confidence > 0.8, "{}", later.verdict.confidence);
        }
        let alone = [(Cause::FlashCrowd, 0.9), (Cause::ReleaseFault, 0.05)];
        assert_eq!(names(&both.weighed(found(Cause::FlashCrowd, &alone))), [Cause::FlashCrowd]);
        assert_eq!(
            names(&both.weighed(found(Cause::FlashCrowd, &crowd))),
            [Cause::FlashCrowd],
            "its own doing"
        );
    }

    /// Broke: visitors of a slow database, some more than before, turned it into a crowd that was put in line,
    /// eleven seconds after it had been named.
    #[test]
    fn a_fault_is_no_crowd_with_a_fault_because_that_is_a_little_likelier() {
        let mut both = Both::default();
        both.weighed(found(Cause::SlowBackend, &[(Cause::SlowBackend, 0.9)]));
        for (crowd, fault) in [(0.45, 0.5), (0.6, 0.35), (0.7, 0.27)] {
            let likely = [(Cause::FlashCrowd, crowd), (Cause::SlowBackend, fault)];
            let later = both.weighed(found(Cause::FlashCrowd, &likely));
            assert_eq!(names(&later), [Cause::SlowBackend, Cause::FlashCrowd], "{crowd} {fault}");
        }
        let likely = [(Cause::FlashCrowd, 0.76), (Cause::SlowBackend, 0.21)];
        let later = both.weighed(found(Cause::FlashCrowd, &likely));
        assert_eq!(names(&later), [Cause::FlashCrowd, Cause::SlowBackend]);
    }

    #[test]
    fn what_has_never_had_a_name_stays_unclear() {
        assert_eq!(names(&Both::default().weighed(found(Cause::Undecided, &UNCLEAR))), [Cause::Undecided]);
        let mut both = Both::default();
        both.weighed(found(Cause::LoadBalancerFault, &[(Cause::LoadBalancerFault, 0.8)]));
        let attack = [(Cause::HttpFlood, 0.45), (Cause::FlashCrowd, 0.3), (Cause::ReleaseFault, 0.25)];
        assert_eq!(names(&both.weighed(found(Cause::Undecided, &attack))), [Cause::Undecided]);
    }
    /// Broke: a crowd that was unclear at first had a fault beside it that nobody had called one.
    #[test]
    fn a_crowd_that_was_unclear_at_first_has_no_fault_beside_it() {
        let mut both = Both::default();
        both.weighed(found(Cause::Undecided, &[(Cause::FlashCrowd, 0.5), (Cause::ReleaseFault, 0.35)]));
        let crowd = [(Cause::FlashCrowd, 0.7), (Cause::ReleaseFault, 0.25)];
        for _ in 0..3 {
            assert_eq!(names(&both.weighed(found(Cause::FlashCrowd, &crowd))), [Cause::FlashCrowd]);
        }
    }
}
