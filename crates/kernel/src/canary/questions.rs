//! Messages that a rule about questions is tried with: one that it is about, and others beside it.

use crate::rule::Asks;

const HEADER_BYTES: usize = 12;
const TYPE_A: u16 = 1;
/// In capital letters, which are the same as small ones.
const LABEL: &[u8] = b"\x03XQA";

/// A question that is asked so.
pub(super) fn fitting(asks: &Asks) -> Vec<u8> {
    let recursion_desired = asks.recursion_desired.unwrap_or(true);
    let suffix = if asks.suffix.is_empty() { &[0] } else { &asks.suffix[..] };
    message(&[LABEL, suffix].concat(), asks.dns_type.unwrap_or(TYPE_A), recursion_desired)
}

/// What differs from it at one place each: the answer to it, two questions at once, the other flag, another
/// type, an end that is cut off; and the name itself, one below the root, and one that only ends with the same
/// bytes. What the rule should say of each, the model tells.
pub(super) fn beside(asks: &Asks, fitting: &[u8]) -> Vec<Vec<u8>> {
    let turned = |at: usize, bits: u8| {
        let mut message = fitting.to_vec();
        message[at] ^= bits;
        message
    };
    let mut all = vec![turned(2, 0x80), turned(2, 0x01), turned(5, 3), turned(fitting.len() - 3, 1)];
    all.push(fitting[..fitting.len() - 1].to_vec());
    let dns_type = asks.dns_type.unwrap_or(TYPE_A);
    let recursion_desired = asks.recursion_desired.unwrap_or(true);
    let mut names = vec![[LABEL, &[0]].concat()];
    if let Some((first, rest)) = asks.suffix.split_first() {
        let longer = first.saturating_add(1);
        names.push(asks.suffix.clone());
        names.push([&[longer, b'x'], rest].concat());
        names.push([&asks.suffix[..asks.suffix.len() - 1], b"\x01x\0"].concat());
    }
    all.extend(names.iter().map(|name| message(name, dns_type, recursion_desired)));
    all
}

fn message(name: &[u8], dns_type: u16, recursion_desired: bool) -> Vec<u8> {
    let mut message = vec![0; HEADER_BYTES];
    message[2] = u8::from(recursion_desired);
    message[5] = 1;
    message.extend(name);
    message.extend(dns_type.to_be_bytes());
    message.extend([0, 1]);
    message
}
