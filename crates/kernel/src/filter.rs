//! The kernel filter as the program uses it: plans in, hits and samples out, whichever back end
//! carries them.

use crate::canary;
use crate::clock::Moment;
use crate::compile::{Refusal, compile};
use crate::cookies::{Held, Judgement};
use crate::dns::DnsAnswers;
use crate::error::KernelError;
use crate::interface;
use crate::layout::{Counts, Totals};
use crate::names::NameSample;
use crate::nft::NftFilter;
use crate::rule::{Kind, Rule};
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
    /// Places for DNS answers that the kernel gives by itself; 0: none.
    pub dns_answers: u32,
    /// What nobody outside can know.
    pub secret: [u64; 2],
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
    interface: String,
    session: Vec<Prefix>,
    mode: Mode,
    /// While openings are answered with cookies.
    held: Option<Held>,
    /// Why only the host itself answers with cookies.
    unfit: Option<String>,
    notes: Vec<String>,
    no_dns: Option<String>,
    /// Rules about questions for names: they come from the fronts of name servers, not from a plan.
    names: Vec<Rule>,
}

impl KernelFilter {
    /// Attaches the filter, with nothing in force: by XDP, or else by nftables.
    ///
    /// # Errors
    /// If neither is possible.
    pub fn start(settings: &Settings) -> Result<Self, KernelError> {
        let session: Vec<Prefix> = settings.session.iter().map(|a| Prefix::host(*a)).collect();
        let mut no_dns = None;
        let (back_end, carrier) = match start_xdp(settings, &session, &mut no_dns) {
            Ok((filter, attachment, sees_answers)) => {
                (BackEnd::Xdp(Box::new(filter)), Carrier::Xdp { attachment, sees_answers })
            }
            Err(error @ KernelError::Attach { .. }) if interface::number(&settings.interface).is_none() => {
                return Err(error);
            }
            Err(error) => (BackEnd::Nftables(NftFilter::start()?), Carrier::Nftables(error.to_string())),
        };
        Ok(Self {
            back_end,
            carrier,
            interface: settings.interface.clone(),
            session,
            mode: Mode::Observe,
            held: None,
            unfit: None,
            notes: Vec::new(),
            no_dns,
            names: Vec::new(),
        })
    }

    /// The tables of DNS answers, once, if there were to be any and the kernel takes them.
    ///
    /// # Errors
    /// Why the kernel gives none.
    pub fn take_dns(&mut self) -> Result<Option<DnsAnswers>, String> {
        match (&mut self.back_end, &self.no_dns) {
            (_, Some(reason)) => Err(reason.clone()),
            (BackEnd::Xdp(filter), None) => Ok(filter.take_dns()),
            (BackEnd::Nftables(_), None) => Ok(None),
        }
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
        let (mut wanted, mut refused) = compile(plan, &guarded);
        self.mode = policy.mode;
        let by_host = self.arm(&mut wanted, &mut refused, now);
        match &mut self.back_end {
            BackEnd::Xdp(filter) => {
                let all = [&wanted[..], &self.names].concat();
                let untried = put_in_force(filter, &all, &guarded.protected_clients, now)?;
                let measures = wanted.into_iter().map(|r| r.measure).chain(by_host).collect();
                Ok(Applied { measures, refused, untried })
            }
            BackEnd::Nftables(filter) if policy.mode == Mode::Enforce => {
                let allowed: Vec<&str> = wanted.iter().map(|r| r.measure.as_str()).collect();
                let mut taken = filter.apply(plan, &guarded.protected_clients, &allowed, now)?;
                for rule in wanted.iter().filter(|r| !taken.contains(&r.measure)) {
                    let reason = "nftables cannot express it".to_owned();
                    refused.push(Refusal { measure: rule.measure.clone(), reason });
                }
                taken.extend(by_host);
                Ok(Applied { measures: taken, refused, untried: Vec::new() })
            }
            BackEnd::Nftables(_) => Ok(Applied { refused, ..Applied::default() }),
        }
    }

    /// Names that rules about questions may know of together; 0: none can be put in force.
    #[must_use]
    pub fn names_room(&self) -> usize {
        match &self.back_end {
            BackEnd::Xdp(filter) => filter.names_room(),
            BackEnd::Nftables(_) => 0,
        }
    }

    /// Puts rules about questions for names in force in place of the former ones, beside the plan.
    ///
    /// # Errors
    /// If the back end cannot answer questions, a rule does not do what it says, or the kernel
    /// refuses. The former rules stay.
    pub fn hold_names(&mut self, names: Vec<Rule>, policy: &Policy, now: Moment) -> Result<(), KernelError> {
        if self.names.is_empty() && names.is_empty() {
            return Ok(());
        }
        let BackEnd::Xdp(filter) = &mut self.back_end else {
            return Err(KernelError::Load("nftables cannot answer questions for names".to_owned()));
        };
        let of_plan = filter.rules().iter().filter(|r| !matches!(r.kind, Kind::Names(_)));
        let all: Vec<Rule> = of_plan.chain(&names).cloned().collect();
        filter.protect_also(&policy.protected_clients)?;
        filter.prepare(&all, now)?;
        canary::try_all(filter, &all)?;
        filter.engage(&all)?;
        self.names = names;
        Ok(())
    }

    /// The next sampled question that was held back, if there is one.
    pub fn next_name_sample(&mut self) -> Option<NameSample> {
        match &mut self.back_end {
            BackEnd::Xdp(filter) => filter.next_name_sample(),
            BackEnd::Nftables(_) => None,
        }
    }

    /// Withdraws the plan. Rules about names go with [`Self::hold_names`].
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn undo(&mut self, now: Moment) -> Result<(), KernelError> {
        self.unfit = None;
        let undone = match &mut self.back_end {
            BackEnd::Xdp(filter) => filter.apply(&self.names, now),
            BackEnd::Nftables(filter) => filter.remove(),
        };
        self.held = None;
        undone
    }

    /// Has the host take cookies where a rule asks for them, and gives up those that the filter
    /// cannot make: the host makes them itself then. Returns the measures of those.
    fn arm(&mut self, wanted: &mut Vec<Rule>, refused: &mut Vec<Refusal>, now: Moment) -> Vec<String> {
        let is_asked = |r: &Rule| matches!(r.kind, Kind::Cookies(_));
        if !wanted.iter().any(is_asked) {
            self.held = None;
            return Vec::new();
        }
        if self.mode == Mode::Enforce && self.held.is_none() {
            let totals = self.totals().ok().flatten().unwrap_or_default();
            match Held::hold(&self.interface, &totals, now) {
                Ok(held) => self.held = Some(held),
                Err(error) => {
                    let refuse = |r: Rule| Refusal { measure: r.measure, reason: error.to_string() };
                    refused.extend(wanted.extract_if(.., |r| is_asked(r)).map(refuse));
                    return Vec::new();
                }
            }
        }
        let loaded = match &mut self.back_end {
            // The verifier's words fill pages.
            BackEnd::Xdp(filter) => filter.load_cookies().map_err(|_| {
                "the kernel does not take the program that makes them (Linux 6.0 or later)".to_owned()
            }),
            BackEnd::Nftables(_) => Err("nftables carries the rules".to_owned()),
        };
        match (loaded, &self.unfit) {
            (Ok(()), None) => {
                for rule in wanted {
                    let Kind::Cookies(cookies) = &mut rule.kind else { continue };
                    *cookies = cookies.as_host(&self.interface);
                    if let Some(held) = &mut self.held {
                        rule.share = held.allowed_share(rule.share);
                    }
                }
                return Vec::new();
            }
            (Err(reason), None) => self.leave_to_host(reason),
            (_, Some(_)) => {}
        }
        wanted.extract_if(.., |r| is_asked(r)).map(|r| r.measure).collect()
    }

    fn leave_to_host(&mut self, reason: String) {
        self.notes.push(format!("openings are answered by the host itself, with cookies: {reason}"));
        self.unfit = Some(reason);
    }

    /// Where openings are answered with cookies, looks whether the answers arrive: half of them are
    /// answered until some have, all from then on; none any more once it shows that they do not.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn look_at_cookies(&mut self, now: Moment) -> Result<(), KernelError> {
        let (BackEnd::Xdp(filter), Some(held), None) = (&mut self.back_end, &mut self.held, &self.unfit)
        else {
            return Ok(());
        };
        let totals = filter.totals(false)?;
        let mut rules = filter.rules().to_vec();
        match held.weigh(&totals, now) {
            Judgement::Undecided => Ok(()),
            Judgement::Arriving => {
                let Some(share) = held.prove(&totals, now) else { return Ok(()) };
                for rule in rules.iter_mut().filter(|r| matches!(r.kind, Kind::Cookies(_))) {
                    rule.share = share;
                }
                filter.apply(&rules, now)
            }
            Judgement::Unfit(reason) => {
                rules.retain(|r| !matches!(r.kind, Kind::Cookies(_)));
                filter.apply(&rules, now)?;
                self.leave_to_host(reason.to_owned());
                Ok(())
            }
        }
    }

    /// What is to be told once.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Compares what is in force with what should be, puts it right, and says what was wrong.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn audit(&mut self, now: Moment) -> Result<Vec<String>, KernelError> {
        self.look_at_cookies(now)?;
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

/// `no_dns`: why no DNS answers are given, although there were to be some.
fn start_xdp(
    settings: &Settings,
    session: &[Prefix],
    no_dns: &mut Option<String>,
) -> Result<(XdpFilter, Attachment, bool), KernelError> {
    let mut filter = match settings.dns_answers {
        0 => XdpFilter::load()?,
        places => match XdpFilter::load_with_dns(places, settings.secret) {
            Ok(filter) => filter,
            Err(error) => {
                *no_dns = Some(error.to_string());
                XdpFilter::load()?
            }
        },
    };
    filter.protect(session)?;
    filter.sample(settings.samples_per_s)?;
    let attachment = filter.attach(&settings.interface)?;
    // It takes the verifier a tenth of a second, which nobody has once there is a flood. Where the
    // kernel refuses, that is told when it is needed.
    let _ = filter.load_cookies();
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
