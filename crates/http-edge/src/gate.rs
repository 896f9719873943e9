//! How many connections each source has, over all threads, without a lock and in fixed memory.
//!
//! Two rows of counters, each indexed by its own hash of the source; a source's count is the
//! smaller of its two. Collisions can only overstate it, and with fewer connections than slots
//! hardly do. An attacker with many sources spreads over all slots: at the most connections that
//! are allowed by default, each slot holds a quarter of one on average.

use seawall_model::hash;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};

const SLOTS: usize = 1 << 16;
/// Silent connections that are a crowd: so many, where nothing has been said yet on so large a part
/// of all (parts of four). Browsers open a spare connection or two beside those that they use.
const SILENT_CROWD: u32 = 100;
const UNHEARD_QUARTERS: u32 = 3;
/// Slow ones that are a crowd: so many, and a quarter of all.
const SLOW_CROWD: u32 = 50;

/// Counts open connections.
#[derive(Debug)]
pub struct Gate {
    rows: [Box<[AtomicU32]>; 2],
    total: AtomicU32,
    /// Connections on which nothing has been said yet, and those that have been so for a while.
    unheard: AtomicU32,
    silent: AtomicU32,
    /// Connections whose clients are slow to send or to take.
    slow: AtomicU32,
    per_source: AtomicU32,
    most: AtomicU32,
    /// From the process's seed, so that nobody can choose addresses that collide.
    seed: u64,
}

/// Why a connection is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    Source,
    Total,
}

impl Gate {
    #[must_use]
    pub fn new(per_source: u64, most: u64, seed: u64) -> Self {
        let row = || (0..SLOTS).map(|_| AtomicU32::new(0)).collect();
        let clamp = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            rows: [row(), row()],
            total: AtomicU32::new(0),
            unheard: AtomicU32::new(0),
            silent: AtomicU32::new(0),
            slow: AtomicU32::new(0),
            per_source: AtomicU32::new(clamp(per_source)),
            most: AtomicU32::new(clamp(most)),
            seed,
        }
    }

    /// Lets a connection in. `counts` is false for sources that stand for many clients, such as
    /// trusted proxies. Each success needs one [`Gate::leave`] with the same arguments.
    ///
    /// # Errors
    /// If there are too many, of this source or in all.
    pub fn enter(&self, source: IpAddr, counts: bool) -> Result<(), Full> {
        if self.total.fetch_add(1, Ordering::Relaxed) >= self.most.load(Ordering::Relaxed) {
            self.total.fetch_sub(1, Ordering::Relaxed);
            return Err(Full::Total);
        }
        if counts && let Err(full) = self.count(source) {
            self.total.fetch_sub(1, Ordering::Relaxed);
            return Err(full);
        }
        Ok(())
    }

    /// Counts a connection as one of its source's that was let in before it was known whose it is.
    ///
    /// # Errors
    /// If the source has too many; then it is not counted.
    pub fn count(&self, source: IpAddr) -> Result<(), Full> {
        let slots = self.slots(source);
        let before = slots.map(|slot| slot.fetch_add(1, Ordering::Relaxed));
        if before[0].min(before[1]) >= self.per_source.load(Ordering::Relaxed) {
            for slot in slots {
                slot.fetch_sub(1, Ordering::Relaxed);
            }
            return Err(Full::Source);
        }
        Ok(())
    }

    /// Lets a connection in whatever the limits: whose it is has been named as never to be refused.
    /// Needs one [`Gate::leave`] that counts for no source.
    pub fn enter_anyway(&self) {
        self.total.fetch_add(1, Ordering::Relaxed);
    }

    /// Sets how many connections there may be in all from now on.
    pub fn set_most(&self, most: u64) {
        self.most.store(u32::try_from(most).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// Sets how many connections one source may have from now on.
    pub fn set_per_source(&self, most: u64) {
        self.per_source.store(u32::try_from(most).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    pub fn leave(&self, source: IpAddr, counts: bool) {
        self.total.fetch_sub(1, Ordering::Relaxed);
        if counts {
            for slot in self.slots(source) {
                slot.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// A connection is open on which nothing has been said yet. Each call needs one
    /// [`Gate::heard`].
    pub fn unheard(&self) {
        self.unheard.fetch_add(1, Ordering::Relaxed);
    }

    /// Something has been said on it, or it has ended.
    pub fn heard(&self) {
        self.unheard.fetch_sub(1, Ordering::Relaxed);
    }

    /// A connection has been silent for a while since it was opened; returns whether it is one of a
    /// crowd. Those that come so fast that they have not been silent for long are part of it. Each
    /// call needs one [`Gate::silent_no_more`].
    pub fn silent(&self) -> bool {
        let silent = self.silent.fetch_add(1, Ordering::Relaxed) + 1;
        let unheard = self.unheard.load(Ordering::Relaxed);
        silent >= SILENT_CROWD && unheard / UNHEARD_QUARTERS >= self.open() / 4
    }

    /// A silent connection has spoken, or ended.
    pub fn silent_no_more(&self) {
        self.silent.fetch_sub(1, Ordering::Relaxed);
    }

    /// A client is slow to send or to take; returns whether it is one of a crowd. Each call needs one
    /// [`Gate::slow_no_more`].
    pub fn slow(&self) -> bool {
        self.slow.fetch_add(1, Ordering::Relaxed);
        self.is_slow_crowd()
    }

    /// Whether slow clients are a crowd.
    #[must_use]
    pub fn is_slow_crowd(&self) -> bool {
        let slow = self.slow.load(Ordering::Relaxed);
        slow >= SLOW_CROWD && slow >= self.open() / 4
    }

    /// Clients that are slow now, if they are a crowd. While a measure cuts and refuses them, those that
    /// are left are one as soon as they are a quarter of all.
    #[must_use]
    pub fn held(&self, is_planned: bool) -> u32 {
        let slow = self.slow.load(Ordering::Relaxed);
        let is_crowd = self.is_slow_crowd() || (is_planned && slow >= self.open() / 4);
        if is_crowd { slow } else { 0 }
    }

    /// What a slow client was waited for is over.
    pub fn slow_no_more(&self) {
        self.slow.fetch_sub(1, Ordering::Relaxed);
    }

    /// Connections open now.
    #[must_use]
    pub fn open(&self) -> u32 {
        self.total.load(Ordering::Relaxed)
    }

    /// Whether most of the room is taken, so that waiting clients get less patience.
    #[must_use]
    pub fn is_tight(&self) -> bool {
        self.open() / 3 >= self.most.load(Ordering::Relaxed) / 4
    }

    fn slots(&self, source: IpAddr) -> [&AtomicU32; 2] {
        let key = match source {
            IpAddr::V6(v6) if v6.to_ipv4_mapped().is_none() => (u128::from(v6) >> 64) as u64,
            other => hash::address(other),
        };
        let (a, b) = (hash::combine(self.seed, key), hash::combine(!self.seed, key));
        [&self.rows[0][a as usize % SLOTS], &self.rows[1][b as usize % SLOTS]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_held_to_its_limit_and_others_are_not() {
        let gate = Gate::new(3, 1000, 7);
        let (loud, calm) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        for _ in 0..3 {
            assert_eq!(gate.enter(loud, true), Ok(()));
        }
        assert_eq!(gate.enter(loud, true), Err(Full::Source));
        assert_eq!(gate.enter(calm, true), Ok(()));
        gate.leave(loud, true);
        assert_eq!(gate.enter(loud, true), Ok(()));
        assert_eq!(gate.open(), 4);
    }

    #[test]
    fn the_whole_is_limited_and_tightens_before() {
        let gate = Gate::new(1000, 8, 7);
        let source = |n| IpAddr::from([10, 0, 0, n]);
        (0..5).for_each(|n| gate.enter(source(n), true).expect("room"));
        assert!(!gate.is_tight());
        (5..8).for_each(|n| gate.enter(source(n), true).expect("room"));
        assert!(gate.is_tight());
        assert_eq!(gate.enter(source(9), true), Err(Full::Total));
        assert_eq!(gate.open(), 8);
    }

    #[test]
    fn spare_connections_of_browsers_are_no_crowd_and_silence_alone_is() {
        let gate = Gate::new(1000, 1000, 7);
        let open = |n: u8, m: u8| gate.enter(IpAddr::from([10, 0, n, m]), true).expect("room");
        (0..200).for_each(|m| open(0, m));
        (0..120).for_each(|_| gate.unheard());
        assert!((0..120).all(|_| !gate.silent()), "as many again are in use");
        (0..120).for_each(|_| gate.silent_no_more());
        (0..80).for_each(|_| gate.unheard());
        assert_eq!((0..200).filter(|_| gate.silent()).count(), 101);
    }

    #[test]
    fn a_flood_of_silent_connections_is_a_crowd_while_most_of_it_is_still_coming() {
        let gate = Gate::new(1000, 10_000, 7);
        for n in 0..1_000_u16 {
            gate.enter(IpAddr::from([10, 0, (n >> 8) as u8, n as u8]), true).expect("room");
            gate.unheard();
        }
        assert_eq!((0..100).filter(|_| gate.silent()).count(), 1);
    }

    #[test]
    fn slow_clients_are_a_crowd_where_they_are_many_and_a_quarter_of_all() {
        let gate = Gate::new(1000, 10_000, 7);
        (0..200_u8).for_each(|n| gate.enter(IpAddr::from([10, 0, 0, n]), true).expect("room"));
        assert_eq!((0..60).filter(|_| gate.slow()).count(), 11);
        assert_eq!((gate.held(false), gate.held(true)), (60, 60));
        (0..60).for_each(|_| gate.slow_no_more());
        (0..200_u8).for_each(|n| gate.enter(IpAddr::from([10, 0, 1, n]), true).expect("room"));
        assert_eq!((0..60).filter(|_| gate.slow()).count(), 0, "of so many, some are always slow");
    }

    #[test]
    fn a_protected_client_has_a_connection_when_there_is_none_to_have() {
        let gate = Gate::new(10, 1, 7);
        let client = IpAddr::from([192, 0, 2, 1]);
        assert_eq!((gate.enter(client, true), gate.enter(client, true)), (Ok(()), Err(Full::Total)));
        gate.enter_anyway();
        assert_eq!(gate.open(), 2);
        gate.leave(client, false);
        gate.leave(client, true);
        assert_eq!((gate.open(), gate.enter(client, true)), (0, Ok(())));
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_source() {
        let gate = Gate::new(1, 10, 7);
        assert_eq!(gate.enter("2001:db8::1".parse().expect("address"), true), Ok(()));
        assert_eq!(gate.enter("2001:db8::2".parse().expect("address"), true), Err(Full::Source));
        assert_eq!(gate.enter("2001:db8:0:1::2".parse().expect("address"), true), Ok(()));
    }

    #[test]
    fn sources_that_stand_for_many_count_only_in_total() {
        let gate = Gate::new(1, 10, 7);
        let balancer = IpAddr::from([10, 0, 0, 1]);
        assert_eq!((gate.enter(balancer, false), gate.enter(balancer, false)), (Ok(()), Ok(())));
        gate.leave(balancer, false);
        assert_eq!(gate.open(), 1);
    }
}
