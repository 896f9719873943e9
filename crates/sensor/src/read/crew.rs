//! Tasks that a thread does together with helpers, who go on with them while it does something else.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Scope;

/// Helpers, and the tasks that wait for somebody to do them. The helpers end when this is dropped.
pub(super) struct Crew<T>(Arc<Board<T>>);

struct Board<T> {
    tasks: Mutex<Tasks<T>>,
    changed: Condvar,
}

struct Tasks<T> {
    waiting: VecDeque<T>,
    /// No more will come.
    over: bool,
}

impl<T: Send> Crew<T> {
    /// `work` does a task. Who does which is left to chance, so the results must not depend on it.
    pub(super) fn new<'scope>(
        helpers: usize,
        scope: &'scope Scope<'scope, '_>,
        work: impl Fn(T) + Send + Copy + 'scope,
    ) -> Self
    where
        T: 'scope,
    {
        let tasks = Mutex::new(Tasks { waiting: VecDeque::new(), over: false });
        let board = Arc::new(Board { tasks, changed: Condvar::new() });
        for _ in 0..helpers {
            let board = Arc::clone(&board);
            scope.spawn(move || {
                while let Some(task) = board.wait() {
                    work(task);
                }
            });
        }
        Self(board)
    }

    pub(super) fn give(&self, tasks: impl Iterator<Item = T>) {
        self.0.tasks().waiting.extend(tasks);
        self.0.changed.notify_all();
    }

    /// The next task that nobody has begun.
    pub(super) fn take(&self) -> Option<T> {
        self.0.tasks().waiting.pop_front()
    }
}

impl<T> Drop for Crew<T> {
    fn drop(&mut self) {
        self.0.tasks().over = true;
        self.0.changed.notify_all();
    }
}

impl<T> Board<T> {
    fn tasks(&self) -> MutexGuard<'_, Tasks<T>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next task, as soon as there is one.
    fn wait(&self) -> Option<T> {
        let idle = |tasks: &mut Tasks<T>| tasks.waiting.is_empty() && !tasks.over;
        let tasks = self.changed.wait_while(self.tasks(), idle);
        tasks.unwrap_or_else(PoisonError::into_inner).waiting.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;

    #[test]
    fn every_task_is_done_once() {
        for helpers in [0, 1, 3] {
            let (done, seen) = sync_channel(100);
            std::thread::scope(|scope| {
                let done = &done;
                let work = move |n: usize| done.send(n).unwrap();
                let crew = Crew::new(helpers, scope, work);
                for tens in 0..10 {
                    crew.give(tens * 10..tens * 10 + 10);
                    while let Some(task) = crew.take() {
                        work(task);
                    }
                }
            });
            drop(done);
            let mut seen: Vec<usize> = seen.iter().collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..100).collect::<Vec<_>>(), "{helpers} helpers");
        }
    }
}
