//! What can go wrong with the kernel, and what the user can do.

use std::fmt;

/// Why the kernel filter could not do something. Traffic passes in every case.
#[derive(Debug)]
#[non_exhaustive]
pub enum KernelError {
    /// The program cannot be loaded: too old a kernel, or no right to.
    Load(String),
    /// The interface does not exist, has a program already, or must not be filtered.
    Attach { interface: String, reason: String },
    /// A table of the program cannot be read or written.
    Table { table: &'static str, reason: String },
    /// A rule does not do what it says.
    Canary { rule: String, reason: String },
    /// More than there is room for.
    Full { what: &'static str, limit: usize },
    /// The program `nft` is missing, or refuses.
    Nft(String),
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(reason) => {
                write!(f, "the kernel does not take the filter (Linux 5.12 or later, as root): {reason}")
            }
            Self::Attach { interface, reason } => {
                write!(f, "cannot attach the filter to {interface}: {reason}")
            }
            Self::Table { table, reason } => write!(f, "the filter's table {table}: {reason}"),
            Self::Canary { rule, reason } => {
                write!(f, "{rule} stays off: the kernel does not do what it says: {reason}")
            }
            Self::Full { what, limit } => write!(f, "the filter has room for {limit} {what} at most"),
            Self::Nft(reason) => write!(f, "nftables: {reason}"),
        }
    }
}

impl std::error::Error for KernelError {}
