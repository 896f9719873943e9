//! Packets for the control loop: the kernel filter's samples become observations, plans become its
//! rules.

use super::openings::{HostCounters, Openings};
use seawall_detection::Window;
use seawall_kernel::{
    Carrier, DnsAnswers, Hits, KernelError, KernelFilter, Moment, NameSample, Rule, Settings,
};
use seawall_model::observation::{ConnectionEvent, FlowState, Observation, Packet, protocol, tcp_flags};
use seawall_model::plan::{Measure, Outcome, Plan, Scope};
use seawall_model::policy::Policy;
use seawall_model::{Timestamp, hash};
use seawall_sensor::flow::{Flow, Limits, Sink, Table};
use seawall_wire::packet::frame;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Samples that each processor may take a second: a small site's packets are all seen.
const SAMPLES_PER_S: u64 = 20_000;
/// Samples that are read at once; the ring holds fewer.
const MOST_SAMPLES: usize = 30_000;
/// What a measure that begins on a share of flows is raised by, once a second.
const RAISE: f64 = 4.0;
/// Dropped packets that must be seen before their kind tells anything.
const LEAST_DROPPED: u64 = 20;
/// Dropped packets that were seen since the last raise, from which the next one does not wait for
/// the second to end.
const ENOUGH_DROPPED: u64 = 100;
/// Link type of Ethernet.
const ETHERNET: u16 = 1;

/// The filter on one interface, and the flows that its samples are of.
pub struct Packets {
    interface: String,
    filter: KernelFilter,
    table: Table,
    openings: Openings,
    sees_requests: bool,
    /// Whether fronts of name servers decide what is asked of them.
    has_fronts: bool,
    /// What is in force, and under which policy.
    plan: Option<(Plan, Policy)>,
    harm: Harm,
    samples: u64,
    /// By the rules that are in force now, and by all that were.
    /// What each measure had dropped when that was counted last.
    counted: BTreeMap<String, u64>,
    /// What each has dropped since that was taken.
    outcomes: BTreeMap<String, u64>,
    dropped_in_all: u64,
    /// The same when it was last asked whether anything is dropped.
    dropped_before: u64,
    is_dropping: bool,
}

impl Packets {
    /// Attaches the filter to an interface. The session of whoever starts this is protected.
    /// `sees_requests`: nobody else tells of the requests that the packets carry. `dns_answers`: places
    /// for DNS answers from the kernel, where there are fronts of name servers at all; `secret`: what
    /// nobody outside can know.
    ///
    /// # Errors
    /// If neither XDP nor nftables is to be had.
    pub fn start(
        interface: &str,
        sees_requests: bool,
        dns_answers: Option<u32>,
        secret: [u64; 2],
    ) -> Result<Self, KernelError> {
        let filter = KernelFilter::start(&Settings {
            interface: interface.to_owned(),
            session: session(std::env::var("SSH_CONNECTION").ok().as_deref()).into_iter().collect(),
            samples_per_s: SAMPLES_PER_S,
            dns_answers: dns_answers.unwrap_or(0),
            secret,
        })?;
        let table = Table::new(&Limits::default(), 1);
        Ok(Self {
            interface: interface.to_owned(),
            filter,
            table,
            openings: Openings::default(),
            sees_requests,
            has_fronts: dns_answers.is_some(),
            plan: None,
            harm: Harm::default(),
            samples: 0,
            counted: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            dropped_in_all: 0,
            dropped_before: 0,
            is_dropping: false,
        })
    }

    /// The tables of DNS answers, once, if there are any.
    ///
    /// # Errors
    /// Why there are none, although there were to be.
    pub fn take_dns(&mut self) -> Result<Option<DnsAnswers>, String> {
        self.filter.take_dns()
    }

    /// Puts rules about questions for names in force in place of the former ones, beside the plan.
    ///
    /// # Errors
    /// Why they are not.
    pub fn hold_names(&mut self, names: Vec<Rule>, policy: &Policy) -> Result<(), String> {
        self.filter.hold_names(names, policy, Moment::now()).map_err(|e| e.to_string())
    }

    /// Names that such rules may know of together; 0: there can be none.
    #[must_use]
    pub fn names_room(&self) -> usize {
        self.filter.names_room()
    }

    /// The next sampled question that such a rule took, if there is one.
    pub fn next_name_sample(&mut self) -> Option<NameSample> {
        self.filter.next_name_sample()
    }

    /// Questions that such rules have answered since the start.
    #[must_use]
    pub fn names_answered(&self) -> u64 {
        self.filter.totals().ok().flatten().map_or(0, |totals| totals.names_answered)
    }

    #[must_use]
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// Whether it takes measures about what name servers are asked: fronts know better which names exist.
    #[must_use]
    pub fn takes_questions(&self) -> bool {
        !self.has_fronts && matches!(self.carrier(), Carrier::Xdp { .. })
    }

    /// What carries the rules.
    #[must_use]
    pub fn carrier(&self) -> &Carrier {
        self.filter.carrier()
    }

    /// What the samples since the last call show.
    pub fn take_window(&mut self, now: Timestamp) -> Window {
        let mut counting = Counting {
            window: Window::default(),
            priority: 0,
            sampling: 1,
            is_dropped: false,
            sees_requests: self.sees_requests,
            harm: self.harm,
            openings: &mut self.openings,
        };
        let moment = Moment::now();
        let answered = self.filter.totals().ok().flatten().map_or(0, |t| t.cookies_sent);
        let host = HostCounters::read().map(|host| host.with_answered(answered));
        for _ in 0..MOST_SAMPLES {
            let Some(sample) = self.filter.next_sample() else { break };
            self.samples += 1;
            counting.priority = hash::mix(self.samples);
            counting.sampling = sample.one_in;
            counting.is_dropped = sample.is_dropped;
            let age_ns = moment.monotonic_ns.saturating_sub(sample.monotonic_ns);
            let time = moment.wall.plus_ns(-i64::try_from(age_ns).unwrap_or(0));
            let Ok(frame) = frame::decode(ETHERNET, &sample.head, sample.wire_bytes, time) else { continue };
            let flow = Flow::of(&frame.packet);
            if !sample.is_outgoing && !sample.is_dropped {
                counting.openings.see(&frame.packet, sample.one_in);
            }
            if sample.one_in > 1 {
                // Most of its flow is not seen; but what this host itself answers is no part of a
                // flood against it.
                let answers = sample.is_outgoing && is_answer(&frame.packet);
                self.table.sampled(&frame, &flow, answers, &mut counting);
            } else {
                self.table.packet(&frame, &flow, &mut counting);
            }
        }
        counting.sampling = 1;
        counting.is_dropped = false;
        self.table.advance(now, &mut counting);
        let Counting { mut window, priority, harm, openings, .. } = counting;
        openings.settle(now, host, |observation| window.observe(observation, priority));
        self.harm = harm;
        window
    }

    /// Puts the measures of a plan in force.
    ///
    /// # Errors
    /// Why some or all of them are not.
    pub fn enforce(&mut self, plan: &Plan, policy: &Policy) -> Result<(), String> {
        let mut plan = plan.clone();
        let before = self.plan.as_ref().map_or(&[][..], |(before, _)| &before.measures);
        for measure in &mut plan.measures {
            if let Some(raised) = before.iter().find(|m| is_same(m, measure)) {
                measure.initial_share = measure.initial_share.max(raised.initial_share);
            }
        }
        let applied = self.filter.apply(&plan, policy, Moment::now()).map_err(|e| e.to_string())?;
        self.plan = Some((plan, policy.clone()));
        self.harm = Harm::default();
        match &applied.refused[..] {
            [] => Ok(()),
            [first, ..] => Err(format!("the kernel filter leaves out {}: {}", first.measure, first.reason)),
        }
    }

    /// Takes all measures away.
    ///
    /// # Errors
    /// Why they stay until they expire.
    pub fn lift(&mut self) -> Result<(), String> {
        self.plan = None;
        self.filter.undo(Moment::now()).map_err(|e| e.to_string())
    }

    /// Once a second, after [`Packets::take_outcomes`]: raises shares, and puts right what somebody else has
    /// changed; says what was wrong.
    pub fn look_after(&mut self) -> Vec<String> {
        let mut told: Vec<String> = self.raise().into_iter().collect();
        told.extend(self.filter.take_notes());
        self.is_dropping = self.dropped_in_all > self.dropped_before;
        self.dropped_before = self.dropped_in_all;
        match self.filter.audit(Moment::now()) {
            Ok(found) => told.extend(
                found.iter().map(|what| format!("the kernel filter was changed and is put right: {what}")),
            ),
            Err(error) => told.push(error.to_string()),
        }
        told
    }

    /// Counts what was dropped since the last call.
    fn count(&mut self) {
        // Rules about names are no measures of the plan.
        let plan = self.plan.as_ref().map_or(&[][..], |(plan, _)| &plan.measures);
        let is_planned = |hits: &Hits| plan.iter().any(|m| m.id == hits.measure);
        for Hits { measure, counts } in self.filter.hits().unwrap_or_default().into_iter().filter(is_planned)
        {
            let now = counts.dropped_packets;
            let before = self.counted.insert(measure.clone(), now).unwrap_or(0);
            // New rules count from nothing.
            let more = now.checked_sub(before).unwrap_or(now);
            *self.outcomes.entry(measure).or_default() += more;
            self.dropped_in_all += more;
        }
    }

    /// What the measures in force dropped since the last call.
    pub fn take_outcomes(&mut self) -> Vec<Outcome> {
        self.count();
        let taken = std::mem::take(&mut self.outcomes).into_iter();
        taken.map(|(measure, packets)| Outcome { measure, requests: 0, packets }).collect()
    }

    /// Raises shares within a second where much was dropped since the last time, and none of it was
    /// of conversations; and does not wait for a second to end where cookies do not arrive.
    pub fn raise_early(&mut self) {
        // As below.
        let _ = self.filter.look_at_cookies(Moment::now());
        if self.harm.dropped >= ENOUGH_DROPPED && self.harm.of_conversations == 0 {
            // What stands in the way is told at the end of the second.
            let _ = self.raise();
        }
    }

    /// Measures begin on a share of flows. Each second without harm raises it; packets of flows in
    /// which both sides have spoken are harm. Returns why a share stays.
    fn raise(&mut self) -> Option<String> {
        let (plan, policy) = self.plan.as_mut()?;
        if plan.measures.iter().all(|m| m.initial_share >= 1.0) {
            return None;
        }
        let harm = self.harm;
        if harm.share() > policy.max_baseline_share {
            return Some(format!(
                "the kernel's measures stay on a share of flows: {} of {} dropped packets were of conversations",
                harm.of_conversations, harm.dropped
            ));
        }
        for measure in &mut plan.measures {
            measure.initial_share = (measure.initial_share * RAISE).min(1.0);
        }
        let (plan, policy) = (plan.clone(), policy.clone());
        self.enforce(&plan, &policy).err()
    }

    /// Packets that its rules have dropped since the start.
    #[must_use]
    pub fn dropped_in_all(&self) -> u64 {
        self.dropped_in_all
    }

    #[must_use]
    pub fn is_dropping(&self) -> bool {
        self.is_dropping
    }
}

/// Whether a packet is an answer by its form alone.
fn is_answer(packet: &Packet<'_>) -> bool {
    use tcp_flags::{ACK, RST, SYN};
    match packet.protocol {
        protocol::TCP => packet.tcp_flags & RST != 0 || packet.tcp_flags & (SYN | ACK) == SYN | ACK,
        protocol::ICMP => matches!(packet.icmp_type, 0 | 3 | 11),
        protocol::ICMPV6 => matches!(packet.icmp_type, 1..=4 | 129),
        _ => false,
    }
}

/// Whether its host answers whoever sends it, forged or not, so that the answer makes no conversation.
fn is_answered_by_itself(packet: &Packet<'_>) -> bool {
    matches!(packet.protocol, protocol::ICMP | protocol::ICMPV6)
}

/// Whether two measures do the same to the same packets, whatever the estimates. Lists of sources
/// grow.
fn is_same(a: &Measure, b: &Measure) -> bool {
    let is_scope = match (&a.scope, &b.scope) {
        (Scope::Signature(a), Scope::Signature(b)) => a.tests == b.tests,
        (Scope::Sources(_), Scope::Sources(_)) | (Scope::All, Scope::All) => true,
        _ => false,
    };
    is_scope && a.action.name() == b.action.name()
}

/// The other end of the shell session that SSH tells of: address, port, own address, own port.
fn session(ssh_connection: Option<&str>) -> Option<IpAddr> {
    ssh_connection?.split(' ').next()?.parse().ok()
}

/// What was dropped lately, as far as samples tell.
#[derive(Clone, Copy, Debug, Default)]
struct Harm {
    dropped: u64,
    /// Of flows in which both sides have spoken.
    of_conversations: u64,
}

impl Harm {
    /// Of what was dropped; none while too little was.
    fn share(self) -> f64 {
        if self.dropped < LEAST_DROPPED { 0.0 } else { self.of_conversations as f64 / self.dropped as f64 }
    }
}

struct Counting<'o> {
    window: Window,
    priority: u64,
    sampling: u32,
    is_dropped: bool,
    sees_requests: bool,
    harm: Harm,
    openings: &'o mut Openings,
}

impl Sink for Counting<'_> {
    fn observe(&mut self, observation: &Observation<'_>) {
        match observation {
            Observation::Packet(packet) => {
                let is_conversation = matches!(packet.flow, FlowState::Answering | FlowState::Asking)
                    && !is_answered_by_itself(packet);
                self.harm.dropped += u64::from(self.is_dropped);
                self.harm.of_conversations += u64::from(self.is_dropped && is_conversation);
                let packet = Packet { sampling: self.sampling, ..*packet };
                self.window.observe(&Observation::Packet(packet), self.priority);
            }
            Observation::Request(_) if !self.sees_requests => {}
            Observation::Connection(connection) => {
                let took_ns = i64::try_from(connection.duration_us.saturating_mul(1_000)).unwrap_or(i64::MAX);
                match connection.event {
                    ConnectionEvent::Established => self.openings.completed(connection.duration_us),
                    ConnectionEvent::HalfOpenExpired
                        if self.openings.has_told(connection.time.plus_ns(-took_ns)) =>
                    {
                        return;
                    }
                    _ => {}
                }
                self.window.observe(observation, self.priority);
            }
            other => self.window.observe(other, self.priority),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_kernel::forge::Forged;

    #[test]
    fn what_a_host_answers_under_a_flood_is_told_by_its_form() {
        let is_answer = |protocol, tcp_flags, icmp_type| {
            let mut forged = Forged::udp([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
            (forged.protocol, forged.tcp_flags, forged.icmp_type) = (protocol, tcp_flags, icmp_type);
            let bytes = forged.frame();
            let frame = frame::decode(ETHERNET, &bytes, bytes.len() as u32, Timestamp(0));
            is_answer(&frame.expect("a packet").packet)
        };
        assert!(is_answer(6, tcp_flags::SYN | tcp_flags::ACK, 0));
        assert!(is_answer(1, 0, 3) && is_answer(58, 0, 1));
        assert!(!is_answer(6, tcp_flags::SYN, 0), "what it asks may be its own flood");
        assert!(!is_answer(1, 0, 8) && !is_answer(17, 0, 0));
    }

    /// Broke: echoes that the host had answered before the rule against their flood was in force kept
    /// the rule on a tenth of it.
    #[test]
    fn echoes_of_a_flood_that_the_host_answers_are_no_harm() {
        let harm_of = |protocol| {
            let mut openings = Openings::default();
            let mut counting = Counting {
                window: Window::default(),
                priority: 0,
                sampling: 1,
                is_dropped: true,
                sees_requests: false,
                harm: Harm::default(),
                openings: &mut openings,
            };
            let mut forged = Forged::udp([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
            (forged.protocol, forged.icmp_type) = (protocol, 8);
            let bytes = forged.frame();
            let frame = frame::decode(ETHERNET, &bytes, bytes.len() as u32, Timestamp(0)).expect("a packet");
            let packet = Packet { flow: FlowState::Asking, ..frame.packet };
            (0..LEAST_DROPPED).for_each(|_| counting.observe(&Observation::Packet(packet)));
            counting.harm.share()
        };
        assert!(harm_of(protocol::ICMP) < 0.1 && harm_of(protocol::UDP) > 0.9);
    }

    #[test]
    fn the_session_is_the_address_that_ssh_names() {
        assert_eq!(session(Some("192.0.2.7 50022 192.0.2.1 22")), "192.0.2.7".parse().ok());
        assert_eq!(session(Some("")), None);
        assert_eq!(session(None), None);
    }
}
