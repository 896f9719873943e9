//! What both edges are made with: a table of limits that a configuration may set, and a table of
//! counters that the metrics tell. Each table is written once, and gives the type, the names, the
//! ranges and the help texts.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes `Limits` from lines of `/// help`, `name: default, least, greatest;`.
#[macro_export]
macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident: $default:expr, $least:expr, $most:expr;)*) => {
        /// Limits, all on by default. Their names are those of the configuration, with `-` for
        /// `_`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Limits { $($(#[$doc])* pub $name: u64,)* }

        impl Default for Limits {
            fn default() -> Self { Self { $($name: $default,)* } }
        }

        impl Limits {
            /// Every limit by name: its least and its greatest value.
            pub const RANGES: &'static [(&'static str, u64, u64)] =
                &[$((stringify!($name), $least, $most),)*];

            /// The limit of a name.
            pub fn by_name(&mut self, name: &str) -> Option<&mut u64> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)*
                    _ => None,
                }
            }
        }
    };
}

/// Makes `Counter` from lines of `/// help`, `name`, and `Counters`, one thread's values of them.
#[macro_export]
macro_rules! counters {
    ($($(#[doc = $doc:literal])* $name:ident)*) => {
        /// What can be counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(non_camel_case_types, reason = "named as in the metrics")]
        #[repr(usize)]
        pub enum Counter { $($(#[doc = $doc])* $name,)* }

        impl Counter {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The metric's name without the program's prefix and `_total`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What it counts, as help text of the metric.
            #[must_use]
            pub fn help(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),*),)* }
            }
        }

        impl From<Counter> for usize {
            fn from(counter: Counter) -> usize { counter as usize }
        }

        /// Counters of one thread.
        pub type Counters = $crate::edge::Counters<Counter, { Counter::ALL.len() }>;
    };
}

/// `N` counters of one thread, read by others. Only the owner adds, so that no cache line is
/// fought over; a reader sums all threads.
#[derive(Debug)]
pub struct Counters<C, const N: usize> {
    values: [AtomicU64; N],
    kind: PhantomData<C>,
}

impl<C, const N: usize> Default for Counters<C, N> {
    fn default() -> Self {
        Self { values: [const { AtomicU64::new(0) }; N], kind: PhantomData }
    }
}

impl<C: Into<usize>, const N: usize> Counters<C, N> {
    /// Adds; by the owning thread only.
    #[inline]
    pub fn add(&self, counter: C, n: u64) {
        let cell = &self.values[counter.into()];
        cell.store(cell.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    #[must_use]
    pub fn get(&self, counter: C) -> u64 {
        self.values[counter.into()].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    counters! {
        /// things that came
        came
        /// things that
        /// went
        went
    }

    limits! {
        /// How many at once.
        at_once: 8, 1, 100;
    }

    #[test]
    fn every_counter_is_told_with_its_help() {
        let counters = Counters::default();
        counters.add(Counter::went, 2);
        let told: Vec<_> = Counter::ALL.iter().map(|c| (c.name(), c.help(), counters.get(*c))).collect();
        assert_eq!(told, [("came", " things that came", 0), ("went", " things that went", 2)]);
    }

    #[test]
    fn a_limit_is_set_by_its_name() {
        let mut limits = Limits::default();
        *limits.by_name("at_once").expect("there") += 1;
        assert_eq!(limits, Limits { at_once: 9 });
        assert!(limits.by_name("never").is_none());
        assert_eq!(Limits::RANGES, [("at_once", 1, 100)]);
    }
}
