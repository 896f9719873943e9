//! Trying a rule about names: with a name that it is about, and with others that it must leave alone.

use crate::dns::DnsListener;
use crate::error::KernelError;
use crate::forge::Forged;
use crate::model::names::{Judged, read};
use crate::names::{Said, labels};
use crate::rule::{Kind, Rule};
use crate::xdp::{XdpFilter, names_in_order};
use seawall_model::observation::protocol;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Made-up names that are tried until one is not known.
const MADE_UP: u8 = 64;

/// Tries one of the rules about names.
///
/// # Errors
/// If it takes a question that it should not take, or the other way round.
pub(super) fn try_rule(
    filter: &mut XdpFilter,
    rules: &[Rule],
    rule: &Rule,
    untried: &mut Vec<(String, String)>,
) -> Result<(), KernelError> {
    let Kind::Names(names) = &rule.kind else { return Ok(()) };
    if names.said == Said::Nothing {
        return Ok(());
    }
    let at = names.asked_at;
    let listener = DnsListener { address: at.ip(), port: at.port(), front: names.front };
    let order: Vec<Rule> = names_in_order(rules).into_iter().map(|(rule, _)| rule.clone()).collect();
    let (mut is_met, mut missed) = (false, None);
    let below = |label: &[u8]| [&[label.len() as u8], label, &names.suffix].concat();
    let made_up = (0..MADE_UP).map(|n| below(&[b'x', b'q', b'a' + n % 26, b'a' + n / 26]));
    for name in made_up.chain([names.suffix.to_vec(), b"\x07example\0".to_vec(), b"\0".to_vec()]) {
        if is_met && name.len() > names.suffix.len() {
            continue;
        }
        let frame = question(at.ip(), at.port(), &name);
        let should = match read(&frame).map(|question| question.judged_by(&order, &[listener])) {
            Some(Judged::Taken { rule, .. }) => Some(rule),
            _ => None,
        };
        let taken = filter.names_canary(&frame)?;
        if taken.is_none() && should.is_some() {
            // What meets a full bucket, or shares what is kept of its hash with a name that is known, passes.
            missed = missed.or(Some(name));
            continue;
        }
        is_met |= taken.is_some_and(|index| order[index] == *rule);
        if taken != should {
            return Err(failed(rule, "it takes a question that it is not about", &name));
        }
    }
    match missed.filter(|_| !is_met) {
        Some(name) if !filter.name_table(rules)?.has_full_bucket() => {
            return Err(failed(rule, "it misses its question", &name));
        }
        _ if is_met => {}
        _ => untried.push((rule.measure.clone(), "no name was found that it is about".to_owned())),
    }
    Ok(())
}

fn failed(rule: &Rule, says: &str, name: &[u8]) -> KernelError {
    let name: Vec<_> = labels(name).into_iter().map(String::from_utf8_lossy).collect();
    // Its measure is of no plan that anybody knows.
    let rule = format!("the rule \"{}\"", rule.words);
    KernelError::Canary { rule, reason: format!("{says}: {}", name.join(".")) }
}

/// A question for a name in wire form, whose type is A.
pub(crate) fn question(server: IpAddr, port: u16, name: &[u8]) -> Vec<u8> {
    let client: IpAddr = match server {
        IpAddr::V4(_) => Ipv4Addr::new(192, 0, 2, 1).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
    };
    let mut forged = Forged::udp(client, server);
    forged.protocol = protocol::UDP;
    forged.ports = (40_000, port);
    forged.payload = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    forged.payload.extend(name);
    forged.payload.extend([0, 1, 0, 1]);
    forged.frame()
}
