//! Interfaces of this network namespace, by name and by number.

use rustix::net::{AddressFamily, SocketType, netdevice, socket};

/// The number of an interface; `None`: there is none of that name.
#[must_use]
pub fn number(name: &str) -> Option<u32> {
    let any = socket(AddressFamily::INET, SocketType::DGRAM, None).ok()?;
    netdevice::name_to_index(&any, name).ok()
}

/// The name of an interface; `None`: there is none of that number here.
pub(crate) fn name(number: u32) -> Option<String> {
    let any = socket(AddressFamily::INET, SocketType::DGRAM, None).ok()?;
    netdevice::index_to_name(&any, number).ok()
}
