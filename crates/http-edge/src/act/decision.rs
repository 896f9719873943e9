//! What is decided about a request, and by which measure.

use std::fmt;

/// A rule of the table that decided, for counters: see [`super::RuleTable::measure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleIndex(pub u16);

/// What happens to the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    #[default]
    Pass,
    /// Answer with this status; `retry_after_s` is 0 where trying again is of no use.
    Refuse { status: u16, retry_after_s: u32 },
    /// End the connection (HTTP/2: the stream) without an answer.
    CloseSilently,
    /// Pass after this long.
    Delay { ms: u32 },
    /// Answer with the challenge page.
    Challenge,
    /// Ask the waiting room.
    Wait,
}

/// A verdict with what goes with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Decision {
    pub verdict: Verdict,
    /// The rule behind the verdict. In observe mode: the rule that would have decided.
    pub rule: Option<RuleIndex>,
    /// Seconds for which an answer that may be cached is kept and may be served stale; 0: not.
    pub stale_s: u32,
    /// The rule that caps how many of these requests the upstream works on at once.
    pub cap: Option<RuleIndex>,
}

/// Why a plan does not become a table. Nothing of it is in force then.
#[derive(Clone, Debug, PartialEq)]
pub struct CompileErrors(pub Vec<CompileError>);

/// One measure that cannot be enforced here.
#[derive(Clone, Debug, PartialEq)]
pub struct CompileError {
    /// Empty: the plan as a whole.
    pub measure: String,
    pub fault: CompileFault,
}

/// What is wrong with a measure.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CompileFault {
    TooManyMeasures {
        count: usize,
        allowed: usize,
    },
    TooManyAddresses {
        count: usize,
        allowed: usize,
    },
    PrefixTooWide {
        prefix: String,
        shortest_bits: u8,
    },
    Expired,
    BadNumber(&'static str),
    BadStatus(u16),
    BadInitialShare(f64),
    EmptyScope,
    /// The test cannot be held against a request that is not answered yet.
    UntestableHere(String),
    /// A block or challenge, and the cause is no attack and no abuse.
    DenialWithoutAttack,
    /// A block of everything.
    DenialOfEverything,
}

impl std::error::Error for CompileErrors {}

impl fmt::Display for CompileErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            let separator = if i > 0 { "; " } else { "" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.measure.is_empty() {
            write!(f, "the plan {}", self.fault)
        } else {
            write!(f, "measure {} {}", self.measure, self.fault)
        }
    }
}

impl fmt::Display for CompileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyMeasures { count, allowed } => {
                write!(f, "has {count} measures for HTTP, and one table holds {allowed}")
            }
            Self::TooManyAddresses { count, allowed } => {
                write!(f, "names {count} addresses and prefixes, and the policy allows {allowed}")
            }
            Self::PrefixTooWide { prefix, shortest_bits } => {
                write!(f, "names {prefix}, and the policy allows no prefix shorter than /{shortest_bits}")
            }
            Self::Expired => f.write_str("has expired"),
            Self::BadNumber(what) => write!(f, "has no usable number for {what}"),
            Self::BadStatus(status) => write!(f, "refuses with status {status}; use 0 or 400 to 599"),
            Self::BadInitialShare(share) => {
                write!(f, "applies to a share of {share}; use more than 0 and at most 1")
            }
            Self::EmptyScope => f.write_str("applies to nothing"),
            Self::UntestableHere(test) => {
                write!(f, "tests what is not known of a request when it arrives ({test})")
            }
            Self::DenialWithoutAttack => f.write_str("denies requests, and the cause is no attack"),
            Self::DenialOfEverything => f.write_str("blocks everything"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_which_measure_and_what_would_do() {
        let errors = CompileErrors(vec![
            CompileError { measure: "m2".into(), fault: CompileFault::BadStatus(200) },
            CompileError {
                measure: String::new(),
                fault: CompileFault::TooManyMeasures { count: 900, allowed: 256 },
            },
        ]);
        assert_eq!(
            errors.to_string(),
            "measure m2 refuses with status 200; use 0 or 400 to 599; the plan has 900 measures for HTTP, and one table holds 256"
        );
    }
}
