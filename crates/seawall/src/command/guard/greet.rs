//! What a guard says when it begins: where it listens, what it does, and by what.

use super::dns;
use crate::guard::dns::DnsControl;
use crate::guard::live::Live;
use crate::guard::packets::Packets;
use crate::guard::servers::Servers;
use crate::guard::{clock, events};
use crate::report::text;
use seawall_http_edge::Edge;
use seawall_kernel::{Attachment, Carrier};
use seawall_model::policy::Mode;
use std::path::Path;

pub(super) fn greet(
    live: &mut Live<'_>,
    edge: &Edge,
    fronts: &[DnsControl],
    socket: &Path,
    mode: Mode,
    cut_off: &[String],
    carriers: &[String],
) -> anyhow::Result<()> {
    if live.json {
        let line = events::listening(edge, fronts, socket, mode, carriers, clock::now());
        writeln!(live.out, "{}", events::text(&line))?;
        live.out.flush()?;
        return Ok(());
    }
    dns::greet(fronts, live.out)?;
    for line in carriers {
        writeln!(live.out, "{line}")?;
    }
    for (address, site) in edge.addresses().iter().zip(&edge.settings().sites) {
        let names: Vec<&str> = site.upstreams.iter().map(|u| u.name.as_str()).collect();
        let scheme = if site.tls.is_some() { "https" } else { "http" };
        writeln!(live.out, "guarding {scheme}://{address} in front of {}", names.join(", "))?;
    }
    let does = match mode {
        Mode::Observe => "observing: measures are proposed, none is taken",
        Mode::Enforce if edge.settings().sites.is_empty() && fronts.is_empty() && carriers.is_empty() => {
            "what a log shows is named; nothing is done about it"
        }
        Mode::Enforce => "measures are taken when an attack is named; `seawall undo` withdraws them",
    };
    writeln!(live.out, "{does}\nadmin socket {}", socket.display())?;
    for name in cut_off {
        writeln!(live.out, "incident {name} was cut off by the end of the program; it is written up now")?;
    }
    live.out.flush()?;
    Ok(())
}

/// Who carries measures out beside the edges, in a line each.
pub(super) fn carriers(packets: Option<&Packets>, servers: Option<&Servers>, mode: Mode) -> Vec<String> {
    let names = servers.map(Servers::names).unwrap_or_default();
    let told = names.iter().map(|name| format!("measures on requests go to {}", text::visible(name)));
    packets.map(|p| carried(p.carrier(), mode)).into_iter().chain(told).collect()
}

/// How packets are seen and dropped, in a sentence.
fn carried(carrier: &Carrier, mode: Mode) -> String {
    let does = match mode {
        Mode::Observe => "seen",
        Mode::Enforce => "seen and dropped",
    };
    let way = match carrier {
        Carrier::Nftables(why) => {
            let drops = match mode {
                Mode::Observe => "",
                Mode::Enforce => ", and dropped by nftables",
            };
            return format!("packets are not seen{drops}: {}", text::visible(why));
        }
        Carrier::Xdp { attachment: Attachment::Native, .. } => "XDP in the driver",
        Carrier::Xdp { .. } => "XDP in the kernel's generic path, because the driver cannot",
    };
    let answers = match carrier {
        Carrier::Xdp { sees_answers: false, .. } => ", incoming only: this kernel is older than Linux 6.6",
        _ => "",
    };
    format!("packets are {does} by {way}{answers}")
}
