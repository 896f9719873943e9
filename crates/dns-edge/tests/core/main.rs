//! One thread's core in virtual time: queries go in, what is sent comes out, no socket is touched.

mod backends;
mod bench;
mod benign;
mod change;
mod hostile;
mod ladder;
mod protocol;
