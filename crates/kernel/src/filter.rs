//! The kernel filter as the program uses it: plans in, hits and samples out, whichever back end
//! carries them.

use crate::canary;
use crate::clock::Moment;
use crate::compile::{Refusal, compile};
use crate::error::KernelError;
use crate::interface;
use crate::layout::{Counts, Totals};
use crate::nft::NftFilter;
use crate::rule::Rule;
use crate::xdp::{Attachment, Sample, XdpFilter};
use seawall_model::Prefix;
use seawall_model::plan::Plan;
use seawall_model::policy::{Mode, Policy};
use std::net::IpAddr;

/// What the filter is set up with.
#[derive(Clone, Debug)]
pub struct Settings {
    pub interface: String,
    /// Addresses of whoever operates this machine from afar: never dropped.
    pub session: Vec<IpAddr>,
    /// Samples that each processor may take a second.
    pub samples_per_s: u64,
}

/// What carries the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carrier {
    Xdp {
        attachment: Attachment,
        /// Whether outgoing packets are sampled too (Linux 6.6).
        sees_answers: bool,
    },
    /// With why the XDP program is not used. Nothing is sampled.
    Nftables(String),
}

/// What became of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Measures that are in force, by id.
    pub measures: Vec<String>,
    pub refused: Vec<Refusal>,
    /// Measures in force whose rule could not be tried beforehand, with the reason.
    pub untried: Vec<(String, String)>,
}

/// One measure in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hits {
    pub measure: String,
    pub counts: Counts,
}

enum BackEnd {
    Xdp(Box<XdpFilter>),
    Nftables(NftFilter),
}

/// The filter on one interface. It goes with this value: the program detaches, the table is
/// removed; if the process is killed, the program goes with it, and the table's rules expire.
pub struct KernelFilter {
    back_end: BackEnd,
    carrier: Carrier,
    session: Vec<Prefix>,
    mode: Mode,
}

impl KernelFilter {
    /// Attaches the filter, with nothing in force: by XDP, or else by nftables.
    ///
    /// # Errors
    /// If neither is possible.
    pub fn start(settings: &Settings) -> Result<Self, KernelError> {
        let session: Vec<Prefix> = settings.session.iter().map(|a| Prefix::host(*a)).collect();
        let (back_end, carrier) = match start_xdp(settings, &session) {
            Ok((filter, attachment, sees_answers)) => {
                (BackEnd::Xdp(Box::new(filter)), Carrier::Xdp { attachment, sees_answers })
            }
            Err(error @ KernelError::Attach { .. }) if interface::number(&settings.interface).is_none() => {
                return Err(error);
            }
            Err(error) => (BackEnd::Nftables(NftFilter::start()?), Carrier::Nftables(error.to_string())),
        };
        Ok(Self { back_end, carrier, session, mode: Mode::Observe })
    }

    /// What carries the rules.
    #[must_use]
    pub fn carrier(&self) -> &Carrier {
        &self.carrier
    }

    /// Puts a plan that the checker let pass in force in place of the former one, at once. Measures that packets cannot be
    /// judged by, or that touch whom the policy protects, are refused one by one.
    ///
    /// # Errors
    /// If a rule does not do what its plan says, or the kernel refuses. The former plan stays.
    pub fn apply(&mut self, plan: &Plan, policy: &Policy, now: Moment) -> Result<Applied, KernelError> {
        let mut guarded = policy.clone();
        guarded.protected_clients.extend(&self.session);
        let (wanted, mut refused) = compile(plan, &guarded);
        self.mode = policy.mode;
        match &mut self.back_end {
            BackEnd::Xdp(filter) => {
                let untried = put_in_force(filter, &wanted, &guarded.protected_clients, now)?;
                let measures = wanted.into_iter().map(|r| r.measure).collect();
                Ok(Applied { measures, refused, untried })
            }
            BackEnd::Nftables(filter) if policy.mode == Mode::Enforce => {
                let allowed: Vec<&str> = wanted.iter().map(|r| r.measure.as_str()).collect();
                let taken = filter.apply(plan, &guarded.protected_clients, &allowed, now)?;
                for rule in wanted.iter().filter(|r| !taken.contains(&r.measure)) {
                    let reason = "nftables cannot express it".to_owned();
                    refused.push(Refusal { measure: rule.measure.clone(), reason });
                }
                Ok(Applied { measures: taken, refused, untried: Vec::new() })
            }
            BackEnd::Nftables(_) => Ok(Applied { refused, ..Applied::default() }),
        }
    }

    /// Withdraws everything.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn undo(&mut self, now: Moment) -> Result<(), KernelError> {
        match &mut self.back_end {
            BackEnd::Xdp(filter) => filter.apply(&[], now),
            BackEnd::Nftables(filter) => filter.remove(),
        }
    }

    /// Compares what is in force with what should be, puts it right, and says what was wrong.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn audit(&mut self, now: Moment) -> Result<Vec<String>, KernelError> {
        match &mut self.back_end {
            BackEnd::Xdp(filter) => filter.audit(),
            BackEnd::Nftables(filter) => filter.audit(now),
        }
    }

    /// What the measures in force have met.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn hits(&self) -> Result<Vec<Hits>, KernelError> {
        match &self.back_end {
            BackEnd::Xdp(filter) => {
                Ok(filter.counts()?.into_iter().map(|(measure, counts)| Hits { measure, counts }).collect())
            }
            BackEnd::Nftables(filter) => {
                let hits = |(measure, packets, bytes)| Hits {
                    measure,
                    counts: Counts {
                        matched_packets: packets,
                        matched_bytes: bytes,
                        dropped_packets: packets,
                        dropped_bytes: bytes,
                    },
                };
                Ok(filter.counts()?.into_iter().map(hits).collect())
            }
        }
    }

    /// What came in, and what became of it. `None`: nftables does not tell.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn totals(&self) -> Result<Option<Totals>, KernelError> {
        match &self.back_end {
            BackEnd::Xdp(filter) => filter.totals(false).map(Some),
            BackEnd::Nftables(_) => Ok(None),
        }
    }

    /// The next sampled packet, if there is one.
    pub fn next_sample(&mut self) -> Option<Sample> {
        match &mut self.back_end {
            BackEnd::Xdp(filter) => filter.next_sample(),
            BackEnd::Nftables(_) => None,
        }
    }
}

impl Drop for KernelFilter {
    fn drop(&mut self) {
        if let BackEnd::Nftables(filter) = &mut self.back_end {
            // Nobody is left to be told; the rules expire by themselves.
            let _ = filter.remove();
        }
    }
}

fn start_xdp(settings: &Settings, session: &[Prefix]) -> Result<(XdpFilter, Attachment, bool), KernelError> {
    let mut filter = XdpFilter::load()?;
    filter.protect(session)?;
    filter.sample(settings.samples_per_s)?;
    let attachment = filter.attach(&settings.interface)?;
    // Without it, answers are not seen: less is known, nothing is lost.
    let sees_answers = filter.attach_outgoing(&settings.interface).is_ok();
    Ok((filter, attachment, sees_answers))
}

/// Prepares, tries and engages. Protection is widened before and narrowed after.
pub(crate) fn put_in_force(
    filter: &mut XdpFilter,
    wanted: &[Rule],
    protected: &[Prefix],
    now: Moment,
) -> Result<Vec<(String, String)>, KernelError> {
    filter.protect_also(protected)?;
    filter.prepare(wanted, now)?;
    let untried = canary::try_all(filter, wanted)?;
    filter.engage(wanted)?;
    filter.protect(protected)?;
    Ok(untried)
}
