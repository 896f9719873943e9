//! Runs numbered tasks on a few threads, and returns when all are done.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Calls `task` once for each number below `count`, on up to `threads` threads. Which thread takes
/// which number is left to chance, so the results must not depend on it.
pub(crate) fn run(threads: usize, count: usize, task: &(dyn Fn(usize) + Sync)) {
    let helpers = threads.min(count).saturating_sub(1);
    if helpers == 0 {
        (0..count).for_each(task);
        return;
    }
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                break;
            }
            task(number);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..helpers {
            scope.spawn(work);
        }
        work();
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn every_number_is_taken_once() {
        for threads in [0, 1, 2, 7] {
            let seen = Mutex::new(Vec::new());
            run(threads, 100, &|n| seen.lock().unwrap().push(n));
            let mut seen = seen.into_inner().unwrap();
            seen.sort_unstable();
            assert_eq!(seen, (0..100).collect::<Vec<_>>());
        }
    }
}
