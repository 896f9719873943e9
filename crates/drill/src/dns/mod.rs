//! DNS messages as a name server's query log or its packets show them.

mod scene;
mod zone;

pub use scene::{Ask, Asker, DnsScene, NameStyle, Stream};
pub use zone::Zone;
