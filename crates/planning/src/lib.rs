//! Planning: from a diagnosis to measures, their reasons, an independent check, and rules for
//! the programs that people run.
//!
//! ```text
//! Diagnosis + Findings + Signatures + Policy → plan → Plan + PlanReport
//!                                                      ↓
//!                                       check (shares no code with the planner)
//!                                                      ↓
//!                                       Approved
//!                                                      ↓
//!                                       render: nftables, HAProxy, nginx, dnsdist, FlowSpec
//! ```
//!
//! The safety rules are the planner's first concern: forged sources are never blocked by address,
//! nothing is blocked on ambiguity, a crowd is queued and served, a fault is repaired.

mod approval;
mod capacity;
pub mod check;
mod flow_spec;
mod forecast;
mod ladder;
mod planner;
mod rate;
pub mod render;
mod scope;

pub use approval::{Approved, approve};
pub use check::{CheckContext, Violation, check};
pub use planner::{PlanInput, plan};
pub use rate::NormalTraffic;
