//! DNS answers from the kernel: what many ask the fronts of name servers for is given to the kernel
//! filter, renewed every second from the fronts' caches, and taken back when nobody asks any more.
//!
//! What the kernel answered is counted as if the fronts had: exactly by number and bytes, by sample
//! for names and clients. While somebody has us send answers to others, the kernel answers nothing:
//! the fronts decide. The first answers are a trial: a driver that loses them is found out by its
//! interface's counter of drops, and then the fronts go on alone.

use super::dns_names::HeldNames;
use super::local;
use seawall_dns_edge::Edge;
use seawall_dns_edge::hot::HotQuestion;
use seawall_dns_edge::message::flag::RECURSION_DESIRED;
use seawall_dns_edge::sense::{Seen, SeenAnswer};
use seawall_kernel::{DNS_NAME_BYTES, DNS_RECORDS_BYTES};
use seawall_kernel::{DnsAnswer, DnsAnswers, DnsListener, DnsQuestion, DnsTotals, KernelError, Moment};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Samples that each processor may take a second.
const SAMPLES_PER_S: u64 = 2_000;
/// Samples that are read at once.
const MOST_SAMPLES: usize = 20_000;
/// Answers that are given to the kernel at once; more wait for the next tick.
const MOST_NEW: usize = 4_000;
/// Before the driver has shown that it sends answers, so few questions are answered: at first, and twice as
/// many after each tick that brought fewer answers than these. Many names that are each asked for a few
/// times a second are a trial as well, and what is lost in it is bounded all the same.
const TRIAL_PLACES: usize = 16;
const TRIAL_LEAST: u64 = 40;
/// Answers after which it has: more than fit into the queue of a virtual interface whose other end
/// takes nothing.
const TRIAL_ANSWERS: u64 = 400;
/// An answer is renewed after so long, and holds for so long without.
const RENEW_NS: u64 = 900_000_000;
const HOLD_NS: u64 = 2_000_000_000;
/// Asked for less often than this from one renewal to the next, twice in a row, it goes.
const LEAST_HITS: u64 = 2;
const IDLE_ROUNDS: u8 = 2;
/// How often local addresses are looked up.
const LOOK_NS: u64 = 1_000_000_000;

/// What the kernel answers, for all fronts.
pub struct KernelAnswers {
    tables: DnsAnswers,
    interface: String,
    placed: BTreeMap<u32, Placed>,
    totals: DnsTotals,
    /// The interface's counter of frames that were not sent.
    drops: Option<u64>,
    looked_ns: u64,
    is_proven: bool,
    /// Questions that are answered until then.
    trial: usize,
    /// The driver loses what the kernel answers, or a table failed.
    is_over: bool,
    limit: usize,
    /// Questions for names that do not exist, which the kernel holds back.
    pub names: HeldNames,
}

struct Placed {
    front: usize,
    question: HotQuestion,
    flags: u16,
    records: u16,
    renewed_ns: u64,
    hits: u64,
    idle: u8,
}

impl KernelAnswers {
    /// Begins with nothing. `limit`: answers at most.
    ///
    /// # Errors
    /// If the kernel does not take the settings.
    pub fn start(
        mut tables: DnsAnswers,
        interface: &str,
        limit: usize,
        fronts: &[&Edge],
    ) -> Result<Self, KernelError> {
        let repeats = fronts.iter().map(|edge| edge.hot_repeats()).min().unwrap_or(0);
        tables.limit(SAMPLES_PER_S, u32::try_from(repeats).unwrap_or(u32::MAX))?;
        fronts.iter().for_each(|edge| edge.want_hot(true));
        Ok(Self {
            tables,
            interface: interface.to_owned(),
            placed: BTreeMap::new(),
            totals: DnsTotals::default(),
            drops: local::send_drops(interface),
            looked_ns: 0,
            is_proven: false,
            trial: TRIAL_PLACES,
            is_over: false,
            limit,
            names: HeldNames::default(),
        })
    }

    /// Called every tick, with the fronts always in the same order. Returns what the operator
    /// should know.
    pub fn tick(&mut self, fronts: &[&Edge], now: Moment) -> Option<String> {
        if self.is_over {
            return None;
        }
        match self.work(fronts, now) {
            Ok(told) => told,
            Err(error) => Some(self.end(fronts, &error.to_string())),
        }
    }

    fn work(&mut self, fronts: &[&Edge], now: Moment) -> Result<Option<String>, KernelError> {
        if now.monotonic_ns >= self.looked_ns + LOOK_NS {
            self.looked_ns = now.monotonic_ns;
            self.tables.listen(&listeners(fronts))?;
        }
        let answers = self.account(fronts, now)?;
        if self.loses(answers) {
            let why = format!("{} does not send what XDP answers", self.interface);
            return Ok(Some(self.end(fronts, &why)));
        }
        self.trial = trial_after(self.trial, self.placed.len(), answers);
        self.renew(fronts, now)?;
        for (number, edge) in fronts.iter().enumerate() {
            for question in edge.take_hot(MOST_NEW) {
                self.place(number, edge, question, now)?;
            }
        }
        self.tables.turn(!fronts.iter().any(|edge| edge.is_strict()))?;
        Ok(None)
    }

    /// Nothing is answered by the kernel any more. Returns what to tell.
    fn end(&mut self, fronts: &[&Edge], why: &str) -> String {
        self.is_over = true;
        fronts.iter().for_each(|edge| edge.want_hot(false));
        // If this fails as well, what is there holds for two seconds.
        let _ = self.tables.turn(false);
        format!("DNS answers come from the front alone: {why}")
    }

    /// Counts what the kernel answered since the last call; returns how many.
    fn account(&mut self, fronts: &[&Edge], now: Moment) -> Result<u64, KernelError> {
        let mut parts = vec![0; fronts.len()];
        for _ in 0..MOST_SAMPLES {
            let Some(sample) = self.tables.next_sample() else { break };
            let Some(placed) = self.placed.get(&sample.place) else { continue };
            parts[placed.front] += u64::from(sample.one_in);
            let age_ns = now.monotonic_ns.saturating_sub(sample.monotonic_ns);
            fronts[placed.front].saw(&Seen {
                time: now.wall.plus_ns(-i64::try_from(age_ns).unwrap_or(0)),
                client: SocketAddr::new(sample.client, sample.client_port),
                times: sample.one_in,
                query_bytes: sample.query_bytes,
                name: &placed.question.name,
                kind: placed.question.asked.qtype,
                recursion_desired: placed.question.asked.bits & RECURSION_DESIRED != 0,
                answer: Some(SeenAnswer {
                    bytes: sample.answer_bytes,
                    flags: placed.flags,
                    records: placed.records,
                }),
            });
        }
        let (before, after) = (self.totals, self.tables.totals()?);
        self.totals = after;
        let all = parts.iter().sum::<u64>().max(1);
        let mut left = (
            after.answers - before.answers,
            after.query_bytes - before.query_bytes,
            after.answer_bytes - before.answer_bytes,
        );
        let whole = left;
        // Each front its part by the samples; what is left over by rounding is the first one's.
        for (edge, part) in fronts.iter().zip(&parts).skip(1) {
            let of = |n: u64| (u128::from(n) * u128::from(*part) / u128::from(all)) as u64;
            let own = (of(whole.0), of(whole.1), of(whole.2));
            left = (left.0 - own.0, left.1 - own.1, left.2 - own.2);
            edge.answered_elsewhere(own.0, own.1, own.2);
        }
        if let Some(edge) = fronts.first().filter(|_| whole.0 > 0) {
            edge.answered_elsewhere(left.0, left.1, left.2);
        }
        Ok(whole.0)
    }

    /// Whether the interface dropped about as much as the kernel answered.
    fn loses(&mut self, answers: u64) -> bool {
        let drops = local::send_drops(&self.interface);
        let (before, after) = (self.drops, drops);
        self.drops = drops;
        let lost = before.zip(after).map_or(0, |(before, after)| after.saturating_sub(before));
        self.is_proven |= self.totals.answers >= TRIAL_ANSWERS;
        answers >= 4 && lost * 2 >= answers
    }

    fn renew(&mut self, fronts: &[&Edge], now: Moment) -> Result<(), KernelError> {
        let is_due = |placed: &Placed| now.monotonic_ns >= placed.renewed_ns + RENEW_NS;
        let due: Vec<u32> = self.placed.iter().filter(|(_, p)| is_due(p)).map(|(at, _)| *at).collect();
        for at in due {
            let hits = self.tables.hits(at)?;
            let Some(placed) = self.placed.get_mut(&at) else { continue };
            let is_idle = hits - placed.hits < LEAST_HITS;
            placed.hits = hits;
            placed.idle = if is_idle { placed.idle + 1 } else { 0 };
            let (front, question, idle) = (placed.front, placed.question.clone(), placed.idle);
            if idle >= IDLE_ROUNDS || !self.write(front, fronts[front], question, now)? {
                self.tables.remove(at, now)?;
                self.placed.remove(&at);
            }
        }
        Ok(())
    }

    fn place(
        &mut self,
        front: usize,
        edge: &Edge,
        question: HotQuestion,
        now: Moment,
    ) -> Result<(), KernelError> {
        let room = if self.is_proven { self.limit } else { self.trial };
        if self.placed.len() < room.min(self.limit) {
            self.write(front, edge, question, now)?;
        }
        Ok(())
    }

    /// Gives the kernel the present answer; whether it has it.
    fn write(
        &mut self,
        front: usize,
        edge: &Edge,
        question: HotQuestion,
        now: Moment,
    ) -> Result<bool, KernelError> {
        let Some(answer) = edge.hot_answer(&question) else { return Ok(false) };
        if question.name.len() > DNS_NAME_BYTES || answer.records.len() > DNS_RECORDS_BYTES {
            return Ok(false);
        }
        let asked = DnsQuestion {
            front: front as u8,
            name: &question.name,
            kind: question.asked.qtype,
            bits: question.asked.bits,
        };
        let expires_ns = now.monotonic_ns + HOLD_NS.min(answer.good_for_us.saturating_mul(1_000));
        let records = answer.counts.iter().sum();
        let flags = answer.flags;
        let given = DnsAnswer { flags, counts: answer.counts, records: answer.records };
        let Some(at) = self.tables.put(&asked, &given, expires_ns, now)? else { return Ok(false) };
        let renewed_ns = now.monotonic_ns;
        match self.placed.get_mut(&at) {
            Some(placed) => (placed.flags, placed.records, placed.renewed_ns) = (flags, records, renewed_ns),
            None => {
                let hits = self.tables.hits(at)?;
                self.placed.insert(at, Placed { front, question, flags, records, renewed_ns, hits, idle: 0 });
            }
        }
        Ok(true)
    }
}

/// How many questions are answered in a trial, after a tick with so many answers to those that were.
fn trial_after(trial: usize, placed: usize, answers: u64) -> usize {
    if placed >= trial && answers < TRIAL_LEAST { trial.saturating_mul(2) } else { trial }
}

/// Where the fronts listen over UDP; instead of any address, each that this machine has.
fn listeners(fronts: &[&Edge]) -> Vec<DnsListener> {
    let mut all = Vec::new();
    for (front, edge) in (0..).zip(fronts) {
        let plain = edge.settings().listeners.len();
        for address in edge.addresses().iter().take(plain) {
            let mut add = |ip| all.push(DnsListener { address: ip, port: address.port(), front });
            match address.ip() {
                ip if !ip.is_unspecified() => add(ip.to_canonical()),
                ip => local::addresses().into_iter().filter(|l| ip.is_ipv6() || l.is_ipv4()).for_each(add),
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Broke: where many names were each asked for a few times a second, the trial took four seconds.
    #[test]
    fn a_trial_of_many_names_is_over_soon_and_loses_little_where_answers_are_lost() {
        for asked_per_tick in [0.1, 0.6, 5.0, 50.0] {
            let (mut trial, mut answered, mut ticks, mut most) = (TRIAL_PLACES, 0, 0, 0);
            while answered < TRIAL_ANSWERS {
                let answers = (trial as f64 * asked_per_tick) as u64;
                (answered, ticks, most) = (answered + answers, ticks + 1, most.max(answers));
                trial = trial_after(trial, trial, answers);
            }
            let at_first = (TRIAL_PLACES as f64 * asked_per_tick) as u64;
            assert!(
                ticks <= 15 && most <= at_first.max(2 * TRIAL_LEAST),
                "{asked_per_tick}: {ticks}, {most}"
            );
        }
        assert_eq!(trial_after(16, 3, 1), 16, "nobody asks");
    }
}
