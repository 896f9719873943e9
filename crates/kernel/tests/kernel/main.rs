//! Tests in the running kernel. They need root and a kernel that takes the program; elsewhere each
//! says in one line that it is skipped.

mod agreement;
mod captures;
mod cookies;
mod generations;
mod killed;
mod names;
mod network;
mod nftables;
mod peer;
mod plans;
mod questions;
mod random;

use seawall_kernel::XdpFilter;

/// The filter, loaded; `None` where this machine does not allow it.
fn loaded() -> Option<XdpFilter> {
    match XdpFilter::load() {
        Ok(filter) => Some(filter),
        Err(error) if std::env::var_os("SEAWALL_KERNEL_TESTS").is_some() => {
            panic!("asked for, and not possible: {error}")
        }
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

/// A number that a variable names: how much a test does.
fn from_env(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Broke: the kernel refused the program that answers DNS, whose stack had become too deep, and all
/// went on with the plain one.
#[test]
fn the_program_that_answers_dns_is_taken_wherever_the_plain_one_is() {
    let Some(plain) = loaded() else { return };
    drop(plain);
    let mut filter = XdpFilter::load_with_dns(64, [7; 2]).expect("the kernel takes it");
    assert!(filter.take_dns().is_some());
}
