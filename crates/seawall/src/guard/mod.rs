//! `seawall guard`: the edge, the engine, and what is between them.
//!
//! ```text
//! edge threads ── windows ──→ control ── plan ──→ edge threads
//!                               │  ↑
//!                     incidents │  │ orders
//!                               ↓  │
//!                            store  admin socket
//! ```

pub mod access_log;
pub mod admin;
pub mod checks;
pub mod clock;
pub mod control;
pub mod descriptors;
pub mod dns;
mod dns_addresses;
pub mod dns_kernel;
pub mod dns_names;
pub mod events;
pub mod expiry;
pub mod handover;
pub mod hands;
pub mod incident;
pub mod knowledge;
pub mod live;
mod local;
pub mod logs;
mod nonsense;
mod openings;
pub mod packets;
mod plans;
mod postgres;
mod prometheus;
mod senders;
pub mod servers;
pub mod store;
mod telling;

use admin::{Admin, Order, Reply, Shown};
use anyhow::Result;
use control::Control;
use dns::DnsControl;
use seawall_http_edge::Edge;
use seawall_model::Timestamp;
use serde_json::{Value, json};
use std::sync::PoisonError;

/// Carries out an order that came by the admin socket. `program` is told what concerns it as a whole,
/// and says what came of it.
pub fn obey(
    admin: &Admin,
    (order, done): (Order, Reply),
    control: &mut Control,
    edge: &Edge,
    dns: &mut [DnsControl],
    now: Timestamp,
    program: impl FnOnce(&Order, &mut Control, &mut [DnsControl]) -> Result<Value>,
) {
    let answer = match &order {
        Order::Reload | Order::Upgrade => program(&order, control, dns),
        _ => carry_out(&order, control, dns, now),
    };
    // Whoever asked sees what came of it, also by a second question.
    show(admin, control, edge, dns);
    // Whoever asked may have gone.
    let _ = done.try_send(answer.map(|value| value.to_string()).map_err(|error| format!("{error:#}")));
}

fn carry_out(order: &Order, control: &mut Control, dns: &mut [DnsControl], now: Timestamp) -> Result<Value> {
    Ok(match order {
        Order::Undo => {
            // All of them, whether one was on or not.
            let was_on = dns.iter_mut().fold(control.undo(now), |was_on, d| d.undo() | was_on);
            let stays_off = control.is_suspended() || dns.iter().any(DnsControl::is_suspended);
            json!({ "withdrawn": was_on, "suspended": stays_off })
        }
        Order::EndUndo => {
            let ended = dns.iter_mut().fold(control.end_undo(now), |ended, d| d.end_undo() | ended);
            json!({ "ended": ended })
        }
        Order::Protect(prefix) => {
            control.protect(*prefix, now);
            json!({ "protected": prefix.to_string() })
        }
        Order::Unprotect(prefix) => {
            control.unprotect(*prefix, now)?;
            json!({ "unprotected": prefix.to_string() })
        }
        Order::Change { text, .. } => {
            if let Some(change) = order.as_change(now) {
                dns.iter_mut().for_each(|d| d.change(change.clone()));
                control.change(change);
            }
            json!({ "noted": text })
        }
        // Those of the program; see `obey`.
        Order::Reload | Order::Upgrade => Value::Null,
    })
}

/// Renews what the admin socket shows.
pub fn show(admin: &Admin, control: &Control, edge: &Edge, dns: &[DnsControl]) {
    *admin.shown.lock().unwrap_or_else(PoisonError::into_inner) = shown(control, edge, dns);
}

/// What the admin socket shows.
pub fn shown(control: &Control, edge: &Edge, dns: &[DnsControl]) -> Shown {
    let report = control.report();
    let troubles = edge.troubles();
    let upstreams: Vec<_> = edge
        .upstreams()
        .into_iter()
        .map(|(site, name, up)| {
            let why = troubles.iter().find(|(at, of, _)| *at == site && *of == name).map(|(.., why)| why);
            json!({ "site": site, "name": name, "up": up, "why": why })
        })
        .collect();
    let mut incidents: Vec<_> = control
        .incidents()
        .into_iter()
        .map(|(name, ended)| json!({ "name": name, "ended": ended }))
        .collect();
    for (number, front) in dns.iter().enumerate() {
        let of_front = |(name, ended)| json!({ "name": name, "ended": ended, "front": number });
        incidents.extend(front.incidents().into_iter().map(of_front));
    }
    let protected: Vec<String> = control.policy().protected_clients.iter().map(ToString::to_string).collect();
    let packets =
        control.packets().map(|(carrier, dropped)| json!({ "carrier": carrier, "dropped": dropped }));
    Shown {
        state: json!({
            "schema": "seawall.guard/1",
            "process": std::process::id(),
            "mode": control.policy().mode,
            "verdict": report.map(|r| &r.verdict),
            "measures": control.plan().map_or(0, |p| p.measures.len()),
            "suspended": control.is_suspended(),
            "requests_per_s": control.requests_per_s(),
            "open_connections": edge.open_connections(),
            "active_requests": edge.active(),
            "packets": packets,
            "upstreams": upstreams,
            "checks": control.checks(),
            "dns": dns.iter().map(DnsControl::shown).collect::<Vec<_>>(),
        })
        .to_string(),
        plan: json!({
            "plan": control.plan(),
            "outcomes": control.outcomes(),
            "report": report.map(|r| &r.plan_report),
        })
        .to_string(),
        incidents: json!({ "incidents": incidents }).to_string(),
        protected: json!({ "protected": protected }).to_string(),
    }
}
