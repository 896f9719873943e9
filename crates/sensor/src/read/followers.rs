//! Who follows the flows of a capture: the reading thread itself, or threads of their own that it hands
//! its packets to.
//!
//! Each follower has the flows of some shards and sees its packets in order, and tallies merge exactly,
//! so that the result is the same whoever follows.

use super::Tally;
use super::packets::Chunk;
use super::ticks::{Part, Tick, TickSet};
use crate::flow::{Flow, Limits, Sink, Table};
use seawall_model::observation::{Connection, Observation, Packet};
use seawall_model::{Timestamp, hash};
use seawall_wire::packet::frame::Frame;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

/// Parts that the flows of a capture are divided into, whatever the number of threads.
pub(super) const SHARDS: usize = 16;
/// Threads that follow, at most: one thread finds and decodes no more packets than so many can follow.
const FOLLOWERS_MOST: usize = 4;
/// Chunks that may wait for a follower. What waits should still be in the processor's cache when its turn
/// comes.
const CHUNKS_AHEAD: usize = 4;
/// Chunks that were followed and whose memory waits to be used again.
const CHUNKS_KEPT: usize = 4 * CHUNKS_AHEAD;
/// Batches that may be begun before the one before them is done.
const BATCHES_AHEAD: usize = 1;
/// Packets whose places in the tables are fetched together, before the first is followed.
const WARM_ITEMS: usize = 32;

/// Decoded packets by shard, and what holds their payloads.
#[derive(Default)]
pub(super) struct Load {
    pub chunk: Arc<Chunk>,
    pub shards: [Vec<Item>; SHARDS],
}

/// One packet; its payload lies in the chunk.
pub(super) struct Item {
    pub frame: Frame<'static>,
    pub payload: Range<usize>,
    pub flow: Flow,
    pub priority: u64,
}

/// What closes a batch.
#[derive(Clone, Copy, Default)]
pub(super) struct End {
    /// Time of its latest packet, if it has any.
    pub latest: Option<Timestamp>,
    /// The next batch goes on with the tick in which this one ends.
    pub open_tick: Option<Tick>,
    /// Nothing comes after it.
    pub last: bool,
}

/// What followers made of a batch.
pub(super) struct Done<T> {
    pub parts: Vec<Part<T>>,
    /// Of the last batch: what was odd in all of the capture.
    pub oddities: Vec<(&'static str, u64)>,
}

/// Those who follow one capture.
pub(super) enum Followers<T> {
    Here(Box<Follower<T>>),
    Threads(Vec<Hand<T>>),
}

/// This thread's ends of the channels to a follower.
pub(super) struct Hand<T> {
    tasks: SyncSender<Task>,
    done: Receiver<Done<T>>,
    followed: Receiver<Arc<Load>>,
}

enum Task {
    Follow(Arc<Load>),
    End(End),
}

impl<T: Tally> Followers<T> {
    pub(super) fn here(limits: &Limits, tick_ns: i64) -> Self {
        Self::Here(Box::new(Follower::new(0..SHARDS, limits, tick_ns)))
    }

    /// Threads of their own, for a program that has so many in all. They end when this is dropped.
    pub(super) fn threads<'scope, 'env>(
        threads: usize,
        limits: &Limits,
        tick_ns: i64,
        scope: &'scope Scope<'scope, 'env>,
        new: &'env (impl Fn() -> T + Sync),
    ) -> Self
    where
        T: 'env,
    {
        // Finding and decoding is a third of the work: with as many beside it as there are cores, none is idle.
        let count = (1 << threads.ilog2()).min(FOLLOWERS_MOST);
        let shards = SHARDS / count;
        let hand = |number: usize| {
            let first = number * shards;
            let mut follower = Follower::new(first..first + shards, limits, tick_ns);
            let (tasks, work) = sync_channel(CHUNKS_AHEAD);
            let (report, done) = sync_channel(BATCHES_AHEAD + 1);
            let (back, followed) = sync_channel(CHUNKS_KEPT);
            scope.spawn(move || follower.work(&work, &report, &back, new));
            Hand { tasks, done, followed }
        };
        Self::Threads((0..count).map(hand).collect())
    }

    /// Batches that may be begun before the one before them is done.
    pub(super) fn batches_ahead(&self) -> usize {
        match self {
            Self::Here(_) => 0,
            Self::Threads(_) => BATCHES_AHEAD,
        }
    }

    /// Has packets followed, and gives back what is done with: its memory can be used again.
    pub(super) fn follow(&mut self, load: Load, new: &impl Fn() -> T) -> Vec<Load> {
        match self {
            Self::Here(follower) => {
                follower.follow(&load, new);
                vec![load]
            }
            Self::Threads(hands) => {
                let load = Arc::new(load);
                hands.iter().for_each(|hand| hand.give(Task::Follow(Arc::clone(&load))));
                hands.iter().flat_map(|hand| hand.followed.try_iter()).filter_map(Arc::into_inner).collect()
            }
        }
    }

    /// Closes the batch that was begun last.
    pub(super) fn end(&mut self, end: End) {
        if let Self::Threads(hands) = self {
            hands.iter().for_each(|hand| hand.give(Task::End(end)));
        }
    }

    /// Waits for the oldest batch, which `end` closes.
    pub(super) fn done(&mut self, end: End, new: &impl Fn() -> T) -> Vec<Done<T>> {
        match self {
            Self::Here(follower) => vec![follower.end(end, new)],
            // A thread that is gone has panicked, which is told when the threads are joined.
            Self::Threads(hands) => hands.iter().filter_map(|hand| hand.done.recv().ok()).collect(),
        }
    }
}

impl<T> Hand<T> {
    fn give(&self, task: Task) {
        // It is gone only if it has panicked, which is told when the threads are joined.
        drop(self.tasks.send(task));
    }
}

/// The flows of some shards, and what they have counted.
pub(super) struct Follower<T> {
    shards: Range<usize>,
    tables: Vec<Table>,
    ticks: TickSet<T>,
}

impl<T: Tally> Follower<T> {
    fn new(shards: Range<usize>, limits: &Limits, tick_ns: i64) -> Self {
        let tables = shards.clone().map(|_| Table::new(limits, SHARDS)).collect();
        Self { shards, tables, ticks: TickSet::new(tick_ns) }
    }

    /// Does what comes until nothing comes any more.
    fn work(
        &mut self,
        work: &Receiver<Task>,
        report: &SyncSender<Done<T>>,
        back: &SyncSender<Arc<Load>>,
        new: &impl Fn() -> T,
    ) {
        for task in work {
            match task {
                Task::Follow(load) => {
                    self.follow(&load, new);
                    // Where there is no room for it, its memory is given up.
                    drop(back.try_send(load));
                }
                Task::End(end) => drop(report.send(self.end(end, new))),
            }
        }
    }

    /// Follows the packets of its shards, one shard after the other, so that each finds much of its
    /// table in the processor's cache.
    fn follow(&mut self, load: &Load, new: &impl Fn() -> T) {
        let Self { shards, tables, ticks } = self;
        let bytes = &load.chunk.bytes;
        for (table, items) in tables.iter_mut().zip(&load.shards[shards.clone()]) {
            for soon in items.chunks(WARM_ITEMS) {
                table.warm(soon.iter().map(|item| (&item.frame, &item.flow)));
                for item in soon {
                    let frame = item.frame.with_payload(&bytes[item.payload.clone()]);
                    let mut counting = Counting { ticks, new, priority: item.priority };
                    table.packet(&frame, &item.flow, &mut counting);
                }
            }
        }
    }

    fn end(&mut self, end: End, new: &impl Fn() -> T) -> Done<T> {
        let Self { tables, ticks, .. } = self;
        let mut oddities = Vec::new();
        for table in tables {
            let mut counting = Counting { ticks, new, priority: 0 };
            if let Some(latest) = end.latest {
                table.advance(latest, &mut counting);
            }
            if end.last {
                table.finish(&mut counting);
                table.oddities(&mut |name, count| oddities.push((name, count)));
            }
        }
        let parts = match end.open_tick.filter(|_| !end.last) {
            Some(open) => ticks.drain_but(open).collect(),
            None => ticks.drain().collect(),
        };
        Done { parts, oddities }
    }
}

/// Counts what a flow table tells into ticks.
struct Counting<'t, T, N> {
    ticks: &'t mut TickSet<T>,
    new: &'t N,
    /// Of the packet at hand.
    priority: u64,
}

impl<T: Tally, N: Fn() -> T> Sink for Counting<'_, T, N> {
    fn observe_part(&mut self, observation: &Observation<'_>, part: u64) {
        let whole = self.priority;
        self.priority = hash::combine(whole, part);
        self.observe(observation);
        self.priority = whole;
    }

    #[inline]
    fn packet(&mut self, packet: &Packet<'_>) {
        let part = self.ticks.at(packet.time, self.new);
        part.records += 1;
        part.tally.packet(packet, self.priority);
    }

    #[inline]
    fn observe(&mut self, observation: &Observation<'_>) {
        let part = self.ticks.at(observation.time(), self.new);
        let priority = match observation {
            Observation::Packet(_) => {
                part.records += 1;
                self.priority
            }
            Observation::Connection(c) => hash::combine(event_place(c), c.event as u64),
            _ => hash::combine(self.priority, 1),
        };
        part.tally.observe(observation, priority);
    }
}

/// A number for the place of a connection event that no packet at hand stands for.
fn event_place(c: &Connection) -> u64 {
    let ports = u64::from(c.client_port) << 16 | u64::from(c.server_port);
    hash::combine(hash::address(c.client) ^ ports, c.time.0 as u64)
}
