//! HTTP traffic as access logs show it: people with browsers, applications, crawlers, monitors
//! and their hostile counterparts against a site of finite capacity.
//!
//! Every actor plays its own part against one server model with queues, so that slow answers and
//! errors follow from load, for crowds as for floods.

mod actor;
mod agents;
mod behaviour;
mod bot;
mod fault;
mod people;
mod program;
mod scene;
mod server;
mod site;
mod view;

pub use agents::{Agent, AgentPool, Who, family, outdated};
pub use behaviour::{
    Aim, App, Behaviour, Bot, Entry, Loop, People, Periodic, QueryStyle, ReferrerStyle, Resetter, Rhythm,
    Slow, Walk, Walker,
};
pub use fault::{Fault, Scope, Trouble};
pub use scene::{Group, HttpScene, Joining, ServerLine};
pub use server::ServerModel;
pub use site::{Page, Site, SiteKind, Work};
pub use view::{View, ViewKind};
