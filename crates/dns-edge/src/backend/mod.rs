//! What is behind the edge: pools of servers, the questions that wait for them, and how many for
//! unknown names may.

pub mod flight;
pub mod health;
pub mod pool;
pub mod room;

pub use flight::{Flight, Flights, Leg, Waiter};
pub use health::Health;
pub use pool::Pool;
