//! Tasks that take on something new when what they did is over.
//!
//! What serves a connection is several KiB large. To make it anew for each of the connections of clients
//! that come with one request each costs about a twentieth of what these cost in all.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Tasks that rest, at most; beyond, one that has nothing to do ends.
const MOST_RESTING: usize = 128;

/// The tasks of one thread that do `work` with whatever they are given.
pub struct Crew<G, W> {
    resting: RefCell<Vec<Rc<Hand<G>>>>,
    work: W,
}

/// One of them.
struct Hand<G> {
    given: Cell<Option<G>>,
    waker: Cell<Option<Waker>>,
}

impl<G: 'static, W: AsyncFn(G) + 'static> Crew<G, W> {
    pub fn new(work: W) -> Rc<Self> {
        Rc::new(Self { resting: RefCell::default(), work })
    }

    /// Has something done, by a task that rests if there is one.
    pub fn give(self: &Rc<Self>, given: G) {
        let Some(hand) = self.resting.borrow_mut().pop() else {
            tokio::task::spawn_local(Rc::clone(self).do_all(given));
            return;
        };
        hand.given.set(Some(given));
        if let Some(waker) = hand.waker.take() {
            waker.wake();
        }
    }

    async fn do_all(self: Rc<Self>, first: G) {
        let hand = Rc::new(Hand { given: Cell::new(Some(first)), waker: Cell::default() });
        while let Some(given) = hand.given.take() {
            (self.work)(given).await;
            if self.resting.borrow().len() >= MOST_RESTING {
                return;
            }
            self.resting.borrow_mut().push(Rc::clone(&hand));
            hand.is_given().await;
        }
    }
}

impl<G> Hand<G> {
    /// Rests until there is something to do.
    async fn is_given(&self) {
        poll_fn(|context| {
            let given = self.given.take();
            if given.is_some() {
                self.given.set(given);
                return Poll::Ready(());
            }
            self.waker.set(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::{LocalSet, yield_now};

    #[test]
    fn all_that_is_given_is_done_and_few_tasks_do_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        let done = Rc::new(RefCell::new(Vec::new()));
        let noted = Rc::clone(&done);
        let crew = Crew::new(async move |number: u32| {
            yield_now().await;
            noted.borrow_mut().push(number);
        });
        LocalSet::new().block_on(&runtime, async {
            for number in 0..1_000 {
                crew.give(number);
                if number % 3 == 0 {
                    yield_now().await;
                    yield_now().await;
                }
            }
            while done.borrow().len() < 1_000 {
                yield_now().await;
            }
            (0..500).for_each(|number| crew.give(number));
            while done.borrow().len() < 1_500 {
                yield_now().await;
            }
        });
        let mut all = done.borrow().clone();
        all.sort_unstable();
        assert_eq!(all.len(), 1_500);
        assert_eq!(crew.resting.borrow().len(), MOST_RESTING);
    }
}
